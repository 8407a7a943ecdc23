// Resizing pictures for people to look at and for augmentation (the network's own resize is in
// detect/).
#ifndef FM_IMAGE_RESIZE_H
#define FM_IMAGE_RESIZE_H

#include "base/box.h"
#include "image/image.h"

// Bilinear with half-pixel centres; when shrinking, the triangle filter widens with the factor so
// that nothing is skipped (PIL's resize with BILINEAR). `out` is a new picture.
FM_MUST_USE fm_status fm_image_resize(fm_image *out, const fm_image *image, int width, int height);
// The same of a part of the picture, whose edges may lie between pixels (PIL's resize with box=);
// pixels beside the part still count for its rim. FM_ERR_SHAPE when it is empty or outside.
FM_MUST_USE fm_status fm_image_resize_part(fm_image *out, const fm_image *image, const fm_box *part,
                                           int width, int height);

#endif
