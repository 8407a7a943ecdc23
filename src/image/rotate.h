// Turning a picture in its frame.
#ifndef FM_IMAGE_ROTATE_H
#define FM_IMAGE_ROTATE_H

#include "image/image.h"

// `out` is a new picture of the same size: turned counter-clockwise around (width / 2, height / 2),
// bilinear, mirrored beyond the edges without repeating them. The same numbers as OpenCV's
// warpAffine of getRotationMatrix2D with INTER_LINEAR and BORDER_REFLECT_101, which looks positions
// up in 1/32 pixel.
FM_MUST_USE fm_status fm_image_rotate(fm_image *out, const fm_image *image, double degrees);

#endif
