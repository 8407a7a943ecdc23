// How a camera was held, from a picture's EXIF data, and turning the picture upright.
#ifndef FM_IMAGE_ORIENTATION_H
#define FM_IMAGE_ORIENTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/image.h"

// As EXIF counts: 1 is upright; 2 mirrored; 3 upside down; 4 to 8 the other turns and mirrors.
enum { FM_UPRIGHT = 1 };

// From EXIF data as a JPEG's APP1 segment holds it behind "Exif\0\0" and a PNG's eXIf chunk as a
// whole: a TIFF header and its first directory. FM_UPRIGHT where it says nothing or is damaged.
int fm_orientation_of_exif(const uint8_t *data, size_t size);
// Whether width and height change places when the picture is turned upright.
bool fm_orientation_swaps(int orientation);
// Turns a picture that is stored by this orientation. FM_ERR_MEMORY leaves it as it is.
FM_MUST_USE fm_status fm_image_turn_upright(fm_image *image, int orientation);

#endif
