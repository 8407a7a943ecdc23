// PNG and JPEG decoding of damaged pictures.
#include <stdlib.h>
#include <string.h>

#include "../image/samples.h"
#include "fuzz.h"
#include "image/image.h"

enum { SEED_COUNT = sizeof samples / sizeof *samples };

static uint32_t sum_of(const uint8_t *data, size_t size) {
  uint32_t sum = 0xffffffffu;
  for (size_t i = 0; i < size; i++) {
    sum ^= data[i];
    for (int bit = 0; bit < 8; bit++)
      sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
  }
  return ~sum;
}

// Sets the sums of a PNG's chunks right.
static void repair(uint8_t *data, size_t size) {
  if (size < 8 || data[0] != 0x89)
    return;
  for (size_t at = 8; at + 12 <= size;) {
    size_t length = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 |
                    (size_t)data[at + 2] << 8 | data[at + 3];
    if (length > size - at - 12)
      return;
    uint32_t sum = sum_of(data + at + 4, length + 4);
    for (size_t i = 0; i < 4; i++)
      data[at + 8 + length + i] = (uint8_t)(sum >> (24 - 8 * i));
    at += length + 12;
  }
}

static void run(const uint8_t *data, size_t size) {
  fm_image image;
  int width = 0, height = 0;
  fm_status header = fm_image_decode_size(&width, &height, data, size, "fuzz");
  fuzz_require(header < 0 || (width > 0 && height > 0 && width <= FM_IMAGE_SIDE_MAX &&
                              height <= FM_IMAGE_SIDE_MAX),
               "a size within the limits");
  if (header == FM_OK && (long)width * height > 4 * 1000 * 1000)
    return; // allowed, but only slow here
  fm_status status = fm_image_decode(&image, data, size, "fuzz");
  fuzz_require(status == FM_OK ? image.pixels != NULL : image.pixels == NULL,
               "pixels only from a decoded picture");
  fuzz_require(status < 0 || (header == FM_OK && image.width == width && image.height == height),
               "the header's size is the picture's");
  fm_image_release(&image);
}

int main(int argc, char **argv) {
  static const fuzz_target target = {"image", 20000, repair, run};
  fuzz_input seeds[SEED_COUNT];
  for (size_t i = 0; i < SEED_COUNT; i++)
    seeds[i] = fuzz_copy(samples[i].file, samples[i].size);
  return fuzz_main(&target, seeds, SEED_COUNT, argc, argv);
}
