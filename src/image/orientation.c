// EXIF's orientation, as TIFF directories hold it, and the eight ways to turn and mirror a picture.
#include "image/orientation.h"

#include <string.h>

enum { EXIF_ORIENTATION = 0x0112, EXIF_SHORT = 3, EXIF_ENTRY_BYTES = 12 };

// Bytes from outside, in the order that their TIFF header gives.
typedef struct exif_bytes {
  const uint8_t *data;
  size_t size;
  bool big_endian;
} exif_bytes;

// `width` bytes as one number; 0 where they are not there.
static uint32_t exif_number(const exif_bytes *bytes, size_t at, size_t width) {
  if (at > bytes->size || width > bytes->size - at)
    return 0;
  uint32_t number = 0;
  for (size_t i = 0; i < width; i++)
    number = number << 8 | bytes->data[at + (bytes->big_endian ? i : width - 1 - i)];
  return number;
}

int fm_orientation_of_exif(const uint8_t *data, size_t size) {
  const bool big_endian = size >= 4 && memcmp(data, "MM\0*", 4) == 0;
  if (!big_endian && (size < 4 || memcmp(data, "II*\0", 4) != 0))
    return FM_UPRIGHT;
  const exif_bytes bytes = {data, size, big_endian};
  const size_t directory = exif_number(&bytes, 4, 4);
  const size_t count = exif_number(&bytes, directory, 2);
  for (size_t i = 0; i < count; i++) {
    const size_t entry = directory + 2 + i * EXIF_ENTRY_BYTES;
    if (exif_number(&bytes, entry, 2) != EXIF_ORIENTATION)
      continue;
    const uint32_t value = exif_number(&bytes, entry + 8, 2);
    const bool known = exif_number(&bytes, entry + 2, 2) == EXIF_SHORT && value >= 1 && value <= 8;
    return known ? (int)value : FM_UPRIGHT;
  }
  return FM_UPRIGHT;
}

bool fm_orientation_swaps(int orientation) {
  return orientation >= 5;
}

fm_status fm_image_turn_upright(fm_image *image, int orientation) {
  FM_ASSERT(orientation >= 1 && orientation <= 8);
  if (orientation == FM_UPRIGHT)
    return FM_OK;
  // Where the upright picture's columns and rows run in the stored one.
  static const struct {
    bool right_to_left, bottom_to_top;
  } starts[9] = {[2] = {true, false}, [3] = {true, true}, [4] = {false, true},
                 [6] = {false, true}, [7] = {true, true}, [8] = {true, false}};
  const bool swaps = fm_orientation_swaps(orientation);
  const ptrdiff_t width = image->width, height = image->height;
  const ptrdiff_t x_step = starts[orientation].right_to_left ? -3 : 3;
  const ptrdiff_t y_step = (starts[orientation].bottom_to_top ? -3 : 3) * width;
  const ptrdiff_t start =
      (x_step < 0 ? 3 * (width - 1) : 0) + (y_step < 0 ? 3 * width * (height - 1) : 0);
  fm_image turned;
  FM_TRY(fm_image_new(&turned, swaps ? image->height : image->width,
                      swaps ? image->width : image->height));
  uint8_t *to = turned.pixels;
  for (int y = 0; y < turned.height; y++) {
    ptrdiff_t from = start + y * (swaps ? x_step : y_step);
    for (int x = 0; x < turned.width; x++, to += 3, from += swaps ? y_step : x_step)
      memcpy(to, image->pixels + from, 3);
  }
  fm_image_release(image);
  *image = turned;
  return FM_OK;
}
