// Noise from a hash of the place, which vectors compute without a chain from number to number.
#include "image/noise.h"

#include "base/clones.h"

// A bijection of 32 bits that mixes well (Wellons, hash prospector: lowbias32).
static inline uint32_t noise_mix(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}

FM_KERNEL static void noise_add(uint8_t *pixels, uint32_t count, float factor, uint32_t first,
                                uint32_t second) {
  for (uint32_t i = 0; i < count; i++) {
    uint32_t bits = noise_mix(noise_mix(i + first) ^ second);
    // The sum of four bytes is close to a normal distribution (Irwin, Hall).
    int sum = (int)((bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24)) - 510;
    float value = (float)pixels[i] + factor * (float)sum + 0.5f;
    value = value < 0 ? 0 : value;
    pixels[i] = (uint8_t)(int)(value > 255 ? 255 : value);
  }
}

void fm_image_add_noise(fm_image *image, double deviation, uint64_t seed) {
  // The limits of pictures keep the count within 32 bits.
  uint32_t count = (uint32_t)image->width * (uint32_t)image->height * 3;
  const double sum_deviation = 147.8; // sqrt(4 (256^2 - 1) / 12)
  noise_add(image->pixels, count, (float)(deviation / sum_deviation), (uint32_t)seed,
            (uint32_t)(seed >> 32));
}
