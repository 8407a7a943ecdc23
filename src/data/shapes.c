// Measures the boxes of a data set.
#include "data/shapes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static fm_status shapes_allocate(fm_shapes *out, const fm_dataset *dataset) {
  const size_t images = fm_dataset_count(dataset);
  size_t faces = 0;
  for (size_t i = 0; i < images; i++)
    faces += fm_dataset_sample(dataset, i)->object_count;
  out->sizes = calloc(faces + 1, sizeof *out->sizes);
  out->shares = calloc(faces + 1, sizeof *out->shares);
  out->aspects = calloc(faces + 1, sizeof *out->aspects);
  out->pictures = calloc(images + 1, sizeof *out->pictures);
  FM_CHECK_ALLOC(out->sizes && out->shares && out->aspects && out->pictures);
  return FM_OK;
}

// The share of field `field` that lies between from and to (in fields).
static double shapes_cover(int field, double from, double to) {
  const double low = fmax(from, field), high = fmin(to, field + 1);
  return high > low ? high - low : 0;
}

static void shapes_add_place(fm_shapes *out, const fm_sample *sample, const fm_box *box) {
  const double across = (double)FM_SHAPES_FIELDS / sample->width;
  const double down = (double)FM_SHAPES_FIELDS / sample->height;
  const int first_row = (int)fmax(0, floor(box->y1 * down));
  const int first_column = (int)fmax(0, floor(box->x1 * across));
  for (int row = first_row; row < FM_SHAPES_FIELDS && row < box->y2 * down; row++) {
    const double part = shapes_cover(row, box->y1 * down, box->y2 * down);
    for (int column = first_column; column < FM_SHAPES_FIELDS && column < box->x2 * across;
         column++)
      out->places[row * FM_SHAPES_FIELDS + column] +=
          part * shapes_cover(column, box->x1 * across, box->x2 * across);
  }
}

static void shapes_add_sample(fm_shapes *out, const fm_sample *sample) {
  if (sample->width <= 0 || sample->height <= 0)
    return;
  out->pictures[out->picture_count++] = (fm_picture_size){sample->width, sample->height, 1};
  for (size_t i = 0; i < sample->object_count; i++) {
    const fm_box *box = &sample->objects[i].box;
    const double width = (double)box->x2 - box->x1, height = (double)box->y2 - box->y1;
    const double size = sqrt(width * height);
    out->sizes[out->faces] = size;
    out->shares[out->faces] = size / sqrt((double)sample->width * sample->height);
    out->aspects[out->faces] = height / width;
    out->faces++;
    shapes_add_place(out, sample, box);
  }
}

static int shapes_compare_sides(const void *a, const void *b) {
  const fm_picture_size *left = a, *right = b;
  if (left->width != right->width)
    return left->width < right->width ? -1 : 1;
  return (left->height > right->height) - (left->height < right->height);
}

static int shapes_compare_frequency(const void *a, const void *b) {
  const fm_picture_size *left = a, *right = b;
  if (left->images != right->images)
    return left->images < right->images ? 1 : -1;
  return shapes_compare_sides(a, b);
}

static void shapes_merge_pictures(fm_shapes *out) {
  fm_picture_size *items = out->pictures;
  size_t kept = 0;
  qsort(items, out->picture_count, sizeof *items, shapes_compare_sides);
  for (size_t i = 0; i < out->picture_count; i++)
    if (kept > 0 && shapes_compare_sides(&items[kept - 1], &items[i]) == 0)
      items[kept - 1].images++;
    else
      items[kept++] = items[i];
  qsort(items, kept, sizeof *items, shapes_compare_frequency);
  out->picture_count = kept;
}

fm_status fm_shapes_make(fm_shapes *out, const fm_dataset *dataset) {
  memset(out, 0, sizeof *out);
  const fm_status status = shapes_allocate(out, dataset);
  if (status < 0) {
    fm_shapes_release(out);
    return status;
  }
  for (size_t i = 0; i < fm_dataset_count(dataset); i++)
    shapes_add_sample(out, fm_dataset_sample(dataset, i));
  shapes_merge_pictures(out);
  return FM_OK;
}

void fm_shapes_release(fm_shapes *shapes) {
  free(shapes->sizes);
  free(shapes->shares);
  free(shapes->aspects);
  free(shapes->pictures);
  memset(shapes, 0, sizeof *shapes);
}

static int shapes_compare_values(const void *a, const void *b) {
  const double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

fm_status fm_shapes_quantile(double *out, const double *values, size_t count, double share) {
  *out = 0;
  if (count == 0)
    return FM_OK;
  double *sorted = malloc(count * sizeof *sorted);
  FM_CHECK_ALLOC(sorted);
  memcpy(sorted, values, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, shapes_compare_values);
  const double place = share * (double)(count - 1);
  const size_t below = (size_t)place, above = below + 1 < count ? below + 1 : below;
  *out = sorted[below] + (sorted[above] - sorted[below]) * (place - (double)below);
  free(sorted);
  return FM_OK;
}
