// Moving pixels.
#include "image/crop.h"

#include <string.h>

fm_status fm_image_crop(fm_image *out, const fm_image *image, int x, int y, int width, int height) {
  *out = (fm_image){0};
  if (x < 0 || y < 0 || width < 1 || height < 1 || width > image->width - x ||
      height > image->height - y)
    return fm_fail(FM_ERR_SHAPE, "no part of a picture of %d x %d: %d x %d from (%d, %d)",
                   image->width, image->height, width, height, x, y);
  FM_TRY(fm_image_new(out, width, height));
  size_t row_size = (size_t)width * 3;
  for (int row = 0; row < height; row++) {
    size_t from = ((size_t)(y + row) * (size_t)image->width + (size_t)x) * 3;
    memcpy(out->pixels + (size_t)row * row_size, image->pixels + from, row_size);
  }
  return FM_OK;
}

// The range [*first, *end) of a row or column of `size` that `length` places from `start` cover.
static void crop_clip(int start, int length, int size, int *first, int *end) {
  long last = (long)start + length;
  *first = start > 0 ? start : 0;
  *end = last < size ? (int)(last > 0 ? last : 0) : size;
}

void fm_image_put(fm_image *image, const fm_image *piece, int x, int y) {
  int left, right, top, bottom;
  crop_clip(x, piece->width, image->width, &left, &right);
  crop_clip(y, piece->height, image->height, &top, &bottom);
  for (int row = top; row < bottom && left < right; row++) {
    size_t from = ((size_t)(row - y) * (size_t)piece->width + (size_t)(left - x)) * 3;
    size_t to = ((size_t)row * (size_t)image->width + (size_t)left) * 3;
    memcpy(image->pixels + to, piece->pixels + from, (size_t)(right - left) * 3);
  }
}

void fm_image_fill(fm_image *image, int x, int y, int width, int height, uint32_t rgb) {
  int left, right, top, bottom;
  crop_clip(x, width, image->width, &left, &right);
  crop_clip(y, height, image->height, &top, &bottom);
  if (left >= right)
    return;
  for (int row = top; row < bottom; row++) {
    uint8_t *pixel = image->pixels + ((size_t)row * (size_t)image->width + (size_t)left) * 3;
    for (int column = left; column < right; column++, pixel += 3) {
      pixel[0] = (uint8_t)(rgb >> 16);
      pixel[1] = (uint8_t)(rgb >> 8);
      pixel[2] = (uint8_t)rgb;
    }
  }
}

fm_status fm_image_new_filled(fm_image *out, int width, int height, uint32_t rgb) {
  FM_TRY(fm_image_new(out, width, height));
  fm_image_fill(out, 0, 0, width, height, rgb);
  return FM_OK;
}

void fm_image_mirror(fm_image *image) {
  size_t width = (size_t)image->width;
  for (size_t y = 0; y < (size_t)image->height; y++) {
    uint8_t *left = image->pixels + y * width * 3, *right = left + (width - 1) * 3;
    for (; left < right; left += 3, right -= 3) {
      for (int c = 0; c < 3; c++) {
        uint8_t value = left[c];
        left[c] = right[c];
        right[c] = value;
      }
    }
  }
}
