// The kernel of motion blur, apart from its drawing, so that it can be compared.
#ifndef FM_DATA_AUGMENT_MOTION_BLUR_H
#define FM_DATA_AUGMENT_MOTION_BLUR_H

typedef struct fm_motion_line {
  int x1, y1, x2, y2;
} fm_motion_line;

// kernel [size * size]: the pixels of the line, alike, with the sum 1. Ends lie within the kernel.
void fm_motion_kernel(float *kernel, int size, const fm_motion_line *line);

#endif
