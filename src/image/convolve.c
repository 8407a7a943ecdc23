// Convolutions row by row: the rows under the kernel are kept in float, each with its mirrored
// rims, and only places of the kernel that are not 0 are summed.
#include "image/convolve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clones.h"
#include "image/border.h"

enum {
  CONVOLVE_LANES = 16,
  CONVOLVE_VECTORS = 4,
  CONVOLVE_BLOCK = CONVOLVE_LANES * CONVOLVE_VECTORS, // numbers summed up together, in registers
  CONVOLVE_TAPS_MAX = FM_CONVOLVE_SIZE_MAX * FM_CONVOLVE_SIZE_MAX
};

// Explicit vectors: left to itself the compiler turns the loops over places and numbers around.
typedef float convolve_lanes __attribute__((vector_size(CONVOLVE_LANES * sizeof(float))));

typedef struct convolve_tap {
  const float *from; // of the row that is being made
  float weight;
  int row, column; // of the kernel
} convolve_tap;

typedef struct convolve {
  const fm_image *image;
  fm_image out;
  int size, radius;
  size_t row_size;     // numbers of a row of the picture
  size_t line_size;    // numbers of a line: the row, its rims, and a block to read past the end
  float *lines;        // (size, line_size): rows y - radius ... y + radius in a ring
  float *source;       // (line_size): with `across` alone
  const float *across; // (size): applied within every line; NULL for none
  convolve_tap *taps;
  size_t tap_count;
} convolve;

// Sums `count` numbers; reads and writes up to a block past the end.
FM_KERNEL static void convolve_sum(float *restrict out, size_t count, const convolve_tap *taps,
                                   size_t tap_count) {
  for (size_t start = 0; start < count; start += CONVOLVE_BLOCK) {
    convolve_lanes sum[CONVOLVE_VECTORS] = {0};
    for (size_t tap = 0; tap < tap_count; tap++) {
      const float *from = taps[tap].from + start;
      float weight = taps[tap].weight;
#pragma GCC unroll 4
      for (size_t i = 0; i < CONVOLVE_VECTORS; i++) {
        convolve_lanes lanes;
        memcpy(&lanes, from + i * CONVOLVE_LANES, sizeof lanes);
        sum[i] += weight * lanes;
      }
    }
    memcpy(out + start, sum, sizeof sum);
  }
}

// Rounds to the nearest, halves to even, as OpenCV does. Reads up to a block past the end.
FM_KERNEL static void convolve_round(uint8_t *restrict out, const float *restrict from,
                                     size_t count) {
  const float shift = 8388608; // 2^23: numbers from there on have no bits behind the point
  for (size_t start = 0; start < count; start += CONVOLVE_BLOCK, from += CONVOLVE_BLOCK) {
    float shifted[CONVOLVE_BLOCK];
    uint32_t bits[CONVOLVE_BLOCK];
    for (size_t i = 0; i < CONVOLVE_BLOCK; i++) {
      float value = from[i] < 0 ? 0 : from[i];
      shifted[i] = (value > 255 ? 255 : value) + shift;
    }
    memcpy(bits, shifted, sizeof bits);
    if (count - start >= CONVOLVE_BLOCK) {
      for (size_t i = 0; i < CONVOLVE_BLOCK; i++)
        out[start + i] = (uint8_t)bits[i];
    } else {
      for (size_t i = 0; i < count - start; i++)
        out[start + i] = (uint8_t)bits[i];
    }
  }
}

FM_KERNEL static void convolve_widen(float *restrict out, const uint8_t *restrict from,
                                     size_t count) {
  for (size_t i = 0; i < count; i++)
    out[i] = from[i];
}

// Row y, mirrored into the picture, in float with its rims.
static void convolve_load(const convolve *self, float *line, int y) {
  const fm_image *image = self->image;
  int row = fm_border_reflect_101(y, image->height), radius = self->radius;
  const uint8_t *from = image->pixels + (size_t)row * self->row_size;
  convolve_widen(line + 3 * (size_t)radius, from, self->row_size);
  for (int i = 1; i <= radius; i++) {
    int left = fm_border_reflect_101(-i, image->width);
    int right = fm_border_reflect_101(image->width - 1 + i, image->width);
    for (int c = 0; c < 3; c++) {
      line[3 * (radius - i) + c] = from[3 * left + c];
      line[3 * (radius + image->width - 1 + i) + c] = from[3 * right + c];
    }
  }
}

// Brings row y into its line of the ring.
static void convolve_enter(const convolve *self, int y) {
  size_t place = (size_t)((y + self->radius) % self->size);
  float *line = self->lines + place * self->line_size;
  if (!self->across) {
    convolve_load(self, line, y);
    return;
  }
  convolve_load(self, self->source, y);
  convolve_tap taps[FM_CONVOLVE_SIZE_MAX];
  for (int i = 0; i < self->size; i++)
    taps[i] = (convolve_tap){self->source + 3 * (size_t)i, self->across[i], 0, i};
  convolve_sum(line, self->row_size, taps, (size_t)self->size);
}

static void convolve_run(convolve *self, float *sums) {
  for (int y = -self->radius; y < self->radius; y++)
    convolve_enter(self, y);
  for (int y = 0; y < self->image->height; y++) {
    convolve_enter(self, y + self->radius);
    for (size_t i = 0; i < self->tap_count; i++) {
      convolve_tap *tap = &self->taps[i];
      size_t place = (size_t)((y + tap->row) % self->size);
      tap->from = self->lines + place * self->line_size + 3 * (size_t)tap->column;
    }
    convolve_sum(sums, self->row_size, self->taps, self->tap_count);
    convolve_round(self->out.pixels + (size_t)y * self->row_size, sums, self->row_size);
  }
}

// Runs and gives the picture its new pixels.
static fm_status convolve_apply(convolve *self, fm_image *image) {
  FM_ASSERT(self->size % 2 == 1 && self->size > 0 && self->size <= FM_CONVOLVE_SIZE_MAX);
  self->image = image;
  self->radius = self->size / 2;
  self->row_size = (size_t)image->width * 3;
  self->line_size = self->row_size + 6 * (size_t)self->radius + CONVOLVE_BLOCK;
  float *sums = calloc(self->line_size, sizeof *sums);
  self->lines = calloc((size_t)self->size * self->line_size, sizeof *self->lines);
  self->source = calloc(self->line_size, sizeof *self->source);
  fm_status status = sums && self->lines && self->source
                         ? fm_image_new(&self->out, image->width, image->height)
                         : fm_fail(FM_ERR_MEMORY, "out of memory filtering a picture");
  if (status >= 0) {
    convolve_run(self, sums);
    fm_image_release(image);
    *image = self->out;
  }
  free(sums);
  free(self->lines);
  free(self->source);
  return status;
}

fm_status fm_image_convolve(fm_image *image, const float *kernel, int size) {
  FM_ASSERT(size <= FM_CONVOLVE_SIZE_MAX);
  convolve_tap *taps = malloc(CONVOLVE_TAPS_MAX * sizeof *taps);
  FM_CHECK_ALLOC(taps);
  convolve self = {.size = size, .taps = taps};
  for (int i = 0; i < size * size; i++)
    if (kernel[i] != 0)
      taps[self.tap_count++] = (convolve_tap){NULL, kernel[i], i / size, i % size};
  fm_status status = convolve_apply(&self, image);
  free(taps);
  return status;
}

// Weights with 8 bits behind the point, as OpenCV rounds them for pictures of bytes: each takes
// over what the rounding of the one before left, the middle one what is missing to 1.
static void convolve_quantise(float *kernel, int size) {
  float rest = 0, sum = 0;
  for (int i = 0; i < size / 2; i++) {
    float wanted = kernel[i] * 256 + rest;
    float given = rintf(wanted);
    rest = wanted - given;
    sum += 2 * given;
    kernel[i] = kernel[size - 1 - i] = given / 256;
  }
  kernel[size / 2] = (256 - sum) / 256;
}

static void convolve_gaussian(float *kernel, int size, double sigma) {
  // OpenCV's own kernels where no sigma is given.
  static const float small[4][7] = {
      {1},
      {0.25f, 0.5f, 0.25f},
      {0.0625f, 0.25f, 0.375f, 0.25f, 0.0625f},
      {0.03125f, 0.109375f, 0.21875f, 0.28125f, 0.21875f, 0.109375f, 0.03125f}};
  if (sigma <= 0 && size <= 7) {
    memcpy(kernel, small[size / 2], (size_t)size * sizeof *kernel);
    return;
  }
  if (sigma <= 0)
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8;
  double sum = 0;
  for (int i = 0; i < size; i++)
    sum += exp(-0.5 * pow((i - size / 2) / sigma, 2));
  for (int i = 0; i < size; i++)
    kernel[i] = (float)(exp(-0.5 * pow((i - size / 2) / sigma, 2)) / sum);
  convolve_quantise(kernel, size);
}

fm_status fm_image_gaussian_blur(fm_image *image, int size, double sigma) {
  FM_ASSERT(size % 2 == 1 && size > 0 && size <= FM_CONVOLVE_SIZE_MAX);
  float kernel[FM_CONVOLVE_SIZE_MAX];
  convolve_tap taps[FM_CONVOLVE_SIZE_MAX];
  convolve_gaussian(kernel, size, sigma);
  for (int i = 0; i < size; i++)
    taps[i] = (convolve_tap){NULL, kernel[i], i, 0};
  convolve self = {.size = size, .across = kernel, .taps = taps, .tap_count = (size_t)size};
  return convolve_apply(&self, image);
}
