// Separable triangle-filter resize: for each row of the result the rows of the source it needs,
// then across.
#include "image/resize.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clones.h"

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

// The part of the source from `start` to `end`, in `count` places.
static fm_status resize_filter_make(resize_filter *filter, int source, double start, double end,
                                    int count) {
  double scale = (end - start) / count, reach = scale > 1 ? scale : 1;
  filter->taps = (int)ceil(2 * reach) + 1;
  filter->taps = filter->taps < source ? filter->taps : source;
  filter->first = calloc((size_t)count, sizeof *filter->first);
  filter->weights = calloc((size_t)count * (size_t)filter->taps, sizeof *filter->weights);
  FM_CHECK_ALLOC(filter->first && filter->weights);
  for (int i = 0; i < count; i++) {
    double centre = start + (i + 0.5) * scale - 0.5, sum = 0;
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

// One row of the source in float: the weighted sum of `taps` rows of `row_size` bytes.
FM_KERNEL static void resize_gather_row(float *row, const uint8_t *from, size_t row_size,
                                        const float *weights, int taps) {
  for (size_t i = 0; i < row_size; i++)
    row[i] = weights[0] * (float)from[i];
  for (int tap = 1; tap < taps; tap++) {
    const uint8_t *source = from + (size_t)tap * row_size;
    float weight = weights[tap];
    if (weight == 0)
      continue;
    for (size_t i = 0; i < row_size; i++)
      row[i] += weight * (float)source[i];
  }
}

typedef float resize_pixel __attribute__((vector_size(16))); // R, G, B, and one to spare
typedef int32_t resize_bytes __attribute__((vector_size(16)));

// `width` pixels from a row in float, which has one readable float behind its end.
FM_KERNEL static void resize_across_row(uint8_t *target, const float *row,
                                        const resize_filter *filter, int width) {
  for (int x = 0; x < width; x++) {
    const float *weights = filter->weights + (size_t)x * (size_t)filter->taps;
    const float *from = row + (size_t)filter->first[x] * 3;
    resize_pixel sum = {0.5f, 0.5f, 0.5f, 0.5f};
    for (size_t tap = 0; tap < (size_t)filter->taps; tap++) {
      resize_pixel pixel;
      memcpy(&pixel, from + 3 * tap, sizeof pixel);
      sum += weights[tap] * pixel;
    }
    // At most 255.5 and a rounding: the weights are positive and sum to 1.
    const resize_bytes bytes = __builtin_convertvector(sum, resize_bytes);
    for (int c = 0; c < 3; c++)
      target[3 * x + c] = (uint8_t)bytes[c];
  }
}

typedef struct resize_job {
  fm_image *out;
  const fm_image *image;
  resize_filter across, down;
} resize_job;

static fm_status resize_run(const resize_job *job) {
  size_t row_size = (size_t)job->image->width * 3, out_size = (size_t)job->out->width * 3;
  bool failed = false;
#pragma omp parallel
  {
    float *row = malloc((row_size + 1) * sizeof *row);
    if (row)
      row[row_size] = 0;
#pragma omp for schedule(static)
    for (int y = 0; y < job->out->height; y++) {
      if (!row)
        continue;
      resize_gather_row(row, job->image->pixels + (size_t)job->down.first[y] * row_size, row_size,
                        job->down.weights + (size_t)y * (size_t)job->down.taps, job->down.taps);
      resize_across_row(job->out->pixels + (size_t)y * out_size, row, &job->across,
                        job->out->width);
    }
    if (!row) {
#pragma omp atomic write
      failed = true;
    }
    free(row);
  }
  return failed ? fm_fail(FM_ERR_MEMORY, "out of memory resizing a picture") : FM_OK;
}

fm_status fm_image_resize_part(fm_image *out, const fm_image *image, const fm_box *part, int width,
                               int height) {
  *out = (fm_image){0};
  if (!(part->x1 >= 0 && part->y1 >= 0 && part->x2 <= (float)image->width &&
        part->y2 <= (float)image->height && part->x1 < part->x2 && part->y1 < part->y2))
    return fm_fail(FM_ERR_SHAPE, "no part of a picture of %d x %d: (%g, %g, %g, %g)", image->width,
                   image->height, (double)part->x1, (double)part->y1, (double)part->x2,
                   (double)part->y2);
  resize_job job = {.out = out, .image = image};
  fm_status status;
  FM_TRY_OUT(fm_image_new(out, width, height));
  FM_TRY_OUT(
      resize_filter_make(&job.across, image->width, (double)part->x1, (double)part->x2, width));
  FM_TRY_OUT(
      resize_filter_make(&job.down, image->height, (double)part->y1, (double)part->y2, height));
  status = resize_run(&job);
out:
  resize_filter_release(&job.across);
  resize_filter_release(&job.down);
  if (status < 0)
    fm_image_release(out);
  return status;
}

fm_status fm_image_resize(fm_image *out, const fm_image *image, int width, int height) {
  const fm_box whole = {0, 0, (float)image->width, (float)image->height};
  return fm_image_resize_part(out, image, &whole, width, height);
}
