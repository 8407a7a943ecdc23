// Noise on pictures.
#ifndef FM_IMAGE_NOISE_H
#define FM_IMAGE_NOISE_H

#include "image/image.h"

// Adds to every channel of every pixel its own number, distributed nearly normally with mean 0: a
// function of `seed` and the pixel's place. Deviation in gray levels.
void fm_image_add_noise(fm_image *image, double deviation, uint64_t seed);

#endif
