// Resizing pictures for people to look at (the network's own resize is in detect/).
#ifndef FM_IMAGE_RESIZE_H
#define FM_IMAGE_RESIZE_H

#include "image/image.h"

// Bilinear with half-pixel centres; when shrinking, the triangle filter widens with the factor so
// that nothing is skipped (PIL's resize with BILINEAR). `out` is a new picture.
FM_MUST_USE fm_status fm_image_resize(fm_image *out, const fm_image *image, int width, int height);

#endif
