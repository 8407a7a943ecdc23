// Cutting faces out of a network's input.
#ifndef FM_DETECT_FACE_CROP_H
#define FM_DETECT_FACE_CROP_H

#include <stdbool.h>

#include "base/box.h"
#include "detect/detector.h"

// What a cut-out shows, in pixels of the input; it may reach beyond it.
typedef struct fm_face_crop {
  const fm_input *input;
  fm_box region;
  bool mirrored;
} fm_face_crop;

// Pixels a side of the largest cut-out.
enum { FM_CROP_SIZE_MAX = 512 };

// The square around the middle of a face whose sides are `factor` of the face's longer one.
fm_box fm_face_crop_region(fm_box face, float factor);
// `size` x `size` pixels, at most FM_CROP_SIZE_MAX, into out (3, size, size): each the mean of what
// it covers, by bilinear samples at most a pixel apart (8 x 8 of them at most); zeros, which is the
// mean colour, beyond the input.
void fm_face_crop_cut(const fm_face_crop *crop, int size, float *out);

#endif
