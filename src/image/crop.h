// Moving pixels without computing any: cutting out, putting in, filling, mirroring.
#ifndef FM_IMAGE_CROP_H
#define FM_IMAGE_CROP_H

#include "image/image.h"

// The width x height pixels from (x, y) as a new picture. FM_ERR_SHAPE when they are not all
// inside.
FM_MUST_USE fm_status fm_image_crop(fm_image *out, const fm_image *image, int x, int y, int width,
                                    int height);
// Copies `piece` onto the picture with its upper left corner at (x, y); what is outside is cut off.
void fm_image_put(fm_image *image, const fm_image *piece, int x, int y);
// A new picture in one colour, 0xRRGGBB.
FM_MUST_USE fm_status fm_image_new_filled(fm_image *out, int width, int height, uint32_t rgb);
// Fills the part of a rectangle that is inside.
void fm_image_fill(fm_image *image, int x, int y, int width, int height, uint32_t rgb);
void fm_image_mirror(fm_image *image); // left to right

#endif
