// Separable triangle-filter resize: rows first, then columns.
#include "image/resize.h"

#include <math.h>
#include <stdlib.h>

// For each of `count` target places the first source place and the weights of the `taps` that
// follow it.
typedef struct resize_filter {
  int taps;
  int *first;     // (count)
  float *weights; // (count, taps), each row sums to 1
} resize_filter;

static void resize_filter_release(resize_filter *filter) {
  free(filter->first);
  free(filter->weights);
}

static fm_status resize_filter_make(resize_filter *filter, int source, int count) {
  double scale = (double)source / count, reach = scale > 1 ? scale : 1;
  filter->taps = (int)ceil(2 * reach) + 1;
  filter->taps = filter->taps < source ? filter->taps : source;
  filter->first = calloc((size_t)count, sizeof *filter->first);
  filter->weights = calloc((size_t)count * (size_t)filter->taps, sizeof *filter->weights);
  FM_CHECK_ALLOC(filter->first && filter->weights);
  for (int i = 0; i < count; i++) {
    double centre = (i + 0.5) * scale - 0.5, sum = 0;
    int first = (int)ceil(centre - reach);
    first = first > source - filter->taps ? source - filter->taps : first;
    first = first < 0 ? 0 : first;
    float *weights = filter->weights + (size_t)i * (size_t)filter->taps;
    filter->first[i] = first;
    for (int tap = 0; tap < filter->taps; tap++) {
      double weight = 1 - fabs(first + tap - centre) / reach;
      weights[tap] = weight > 0 ? (float)weight : 0;
      sum += (double)weights[tap];
    }
    for (int tap = 0; tap < filter->taps; tap++)
      weights[tap] = (float)((double)weights[tap] / sum);
  }
  return FM_OK;
}

// rows (source height, width, 3) of float from the picture.
static void resize_rows(float *rows, const fm_image *image, const resize_filter *filter,
                        int width) {
#pragma omp parallel for schedule(static)
  for (int y = 0; y < image->height; y++) {
    const uint8_t *source = image->pixels + (size_t)y * (size_t)image->width * 3;
    float *target = rows + (size_t)y * (size_t)width * 3;
    for (int x = 0; x < width; x++) {
      const float *weights = filter->weights + (size_t)x * (size_t)filter->taps;
      const uint8_t *from = source + (size_t)filter->first[x] * 3;
      float sums[3] = {0};
      for (int tap = 0; tap < filter->taps; tap++)
        for (int c = 0; c < 3; c++)
          sums[c] += weights[tap] * (float)from[3 * tap + c];
      for (int c = 0; c < 3; c++)
        target[3 * x + c] = sums[c];
    }
  }
}

static void resize_columns(fm_image *out, const float *rows, const resize_filter *filter) {
  size_t row_size = (size_t)out->width * 3;
#pragma omp parallel for schedule(static)
  for (int y = 0; y < out->height; y++) {
    const float *weights = filter->weights + (size_t)y * (size_t)filter->taps;
    const float *from = rows + (size_t)filter->first[y] * row_size;
    uint8_t *target = out->pixels + (size_t)y * row_size;
    for (size_t i = 0; i < row_size; i++) {
      float sum = 0.5f;
      for (size_t tap = 0; tap < (size_t)filter->taps; tap++)
        sum += weights[tap] * from[tap * row_size + i];
      target[i] = (uint8_t)(sum < 255 ? sum : 255);
    }
  }
}

fm_status fm_image_resize(fm_image *out, const fm_image *image, int width, int height) {
  resize_filter across = {0}, down = {0};
  float *rows = NULL;
  fm_status status = fm_image_new(out, width, height);
  if (status < 0)
    return status;
  FM_TRY_OUT(resize_filter_make(&across, image->width, width));
  FM_TRY_OUT(resize_filter_make(&down, image->height, height));
  rows = malloc((size_t)image->height * (size_t)width * 3 * sizeof *rows);
  if (!rows) {
    status = fm_fail(FM_ERR_MEMORY, "out of memory resizing a picture to %d x %d", width, height);
    goto out;
  }
  resize_rows(rows, image, &across, width);
  resize_columns(out, rows, &down);
out:
  free(rows);
  resize_filter_release(&across);
  resize_filter_release(&down);
  if (status < 0)
    fm_image_release(out);
  return status;
}
