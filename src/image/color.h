// Changing the colours of a picture in place.
#ifndef FM_IMAGE_COLOR_H
#define FM_IMAGE_COLOR_H

#include "image/image.h"

// Every channel of every pixel through one table.
void fm_image_lookup(fm_image *image, const uint8_t table[256]);
// All three channels become the luma 0.299 R + 0.587 G + 0.114 B (OpenCV's RGB2GRAY).
void fm_image_gray(fm_image *image);

// In the hexcone model (Smith 1978): degrees added to the hue; factors of saturation and value,
// which stay within [0, 1].
typedef struct fm_hsv_change {
  float hue, saturation, value;
} fm_hsv_change;
void fm_image_change_hsv(fm_image *image, const fm_hsv_change *change);

#endif
