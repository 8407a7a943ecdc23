// The 3 x 3 pixels around each pixel of a picture's planes, as bytes beside each other: what a
// network's first convolution multiplies.
#include <string.h>

#include "nn/rows.h"
#include "nn/vnni.h"

enum {
  IMAGE_KERNEL = 3,
  IMAGE_CHANNELS_MOST = 4,
  IMAGE_TAPS = IMAGE_KERNEL * IMAGE_KERNEL,
  IMAGE_LINES_OFTEN = 9, // of three channels
  IMAGE_COPY = 4,        // bytes, of which the last one is written over or meets a weight of 0
};

bool fm_rows_knows_image(int channels, int kernel) {
  return channels > 0 && channels <= IMAGE_CHANNELS_MOST && kernel == IMAGE_KERNEL;
}

int fm_rows_image_inputs(int channels) {
  return fm_rows_product_inputs(channels * IMAGE_TAPS);
}

// Of a row, whose copies reach beyond what the last output reads.
static size_t image_line(const fm_rows_image *self, int width) {
  const size_t read = (size_t)(width - 1) * (size_t)self->stride + IMAGE_COPY;
  return (read + 63) / 64 * 64;
}

size_t fm_rows_image_line_bytes(const fm_rows_image *self, int channels, int width) {
  return image_line(self, width) * (size_t)(channels * IMAGE_KERNEL);
}

size_t fm_rows_image_patch_bytes(int channels, int width) {
  return (size_t)width * (size_t)fm_rows_image_inputs(channels) + IMAGE_COPY;
}

#if FM_VNNI_HERE

VNNI_TARGET static void image_round(const fm_rows_image *self, const float *x, size_t count,
                                    uint8_t *out) {
  const __m512 factor = _mm512_set1_ps(1 / self->scale);
  const __m512i zero = _mm512_set1_epi32(self->zero);
  for (size_t at = 0; at < count; at += VNNI_LANES) {
    const size_t left = count - at;
    const __mmask16 mask = (__mmask16)vnni_mask((int)(left < VNNI_LANES ? left : VNNI_LANES));
    const __m512 values = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + at), factor);
    const __m512i moved = _mm512_add_epi32(_mm512_cvtps_epi32(values), zero);
    _mm_mask_storeu_epi8(out + at, mask,
                         _mm512_cvtusepi32_epi8(_mm512_max_epi32(moved, _mm512_setzero_si512())));
  }
}

// A row of the picture, and zeros beside it; all zeros above and below.
static void image_line_make(const fm_rows_image *self, const fm_rows_image_row *row, int channel,
                            int h, uint8_t *line) {
  const size_t bytes = image_line(self, row->width), padding = (size_t)self->padding;
  memset(line, self->zero, bytes);
  if (h < 0 || h >= row->shape.h)
    return;
  const size_t width = (size_t)row->shape.w, room = bytes - padding;
  const size_t plane = (size_t)channel * (size_t)row->shape.h;
  image_round(self, row->x + (plane + (size_t)h) * width, width < room ? width : room,
              line + padding);
}

// Lines lie `bytes` apart.
static inline __attribute__((always_inline)) void
image_patches(const fm_rows_image_row *row, size_t stride, size_t bytes, const int lines) {
  const size_t inputs = (size_t)fm_rows_image_inputs(lines / IMAGE_KERNEL);
  uint8_t *patch = row->patches;
  const uint8_t *from = row->lines;
  for (int pixel = 0; pixel < row->width; ++pixel, patch += inputs, from += stride) {
    memset(patch + inputs - IMAGE_COPY, 0, IMAGE_COPY);
#pragma GCC unroll 9
    for (int i = 0; i < lines; ++i)
      memcpy(patch + (size_t)(i * IMAGE_KERNEL), from + (size_t)i * bytes, IMAGE_COPY);
  }
}

void fm_rows_image_gather(const fm_rows_image *self, const fm_rows_image_row *row) {
  const int lines = row->shape.c * IMAGE_KERNEL;
  const size_t bytes = image_line(self, row->width);
  for (int i = 0; i < lines; ++i)
    image_line_make(self, row, i / IMAGE_KERNEL,
                    row->row * self->stride - self->padding + i % IMAGE_KERNEL,
                    row->lines + (size_t)i * bytes);
  if (lines == IMAGE_LINES_OFTEN)
    image_patches(row, (size_t)self->stride, bytes, IMAGE_LINES_OFTEN);
  else
    image_patches(row, (size_t)self->stride, bytes, lines);
}

#endif
