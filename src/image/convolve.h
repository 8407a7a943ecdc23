// Filters over the neighbourhood of each pixel; beyond the edges the picture is mirrored without
// repeating its edge (OpenCV's BORDER_REFLECT_101).
#ifndef FM_IMAGE_CONVOLVE_H
#define FM_IMAGE_CONVOLVE_H

#include "image/image.h"

enum { FM_CONVOLVE_SIZE_MAX = 31 };

// Every channel becomes the sum of its size x size neighbours times `kernel` (rows from top to
// bottom, not mirrored: a correlation), rounded and clipped: OpenCV's filter2D. `size` is odd, at
// most FM_CONVOLVE_SIZE_MAX. On failure the picture is as it was.
FM_MUST_USE fm_status fm_image_convolve(fm_image *image, const float *kernel, int size);
// Gaussian blur by a kernel of `size` places; with sigma 0 it follows from the size, as in OpenCV's
// GaussianBlur.
FM_MUST_USE fm_status fm_image_gaussian_blur(fm_image *image, int size, double sigma);

#endif
