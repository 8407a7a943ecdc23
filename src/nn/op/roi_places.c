// Where RoIs sample their levels.
#include "nn/op/roi_places.h"

#include <omp.h>

// One sample's place on one axis; both weights are 0 outside the picture.
typedef struct roi_sample {
  int low, high;
  float low_weight, high_weight;
} roi_sample;

fm_status fm_roi_infer(const roi_options *options, const fm_shape *x, fm_shape *y) {
  const fm_shape *rois = &x[options->levels];
  if (rois->c != FM_ROI_COLUMNS || rois->h != 1 || rois->w != 1)
    return fm_fail(FM_ERR_SHAPE, "roi_align: rois are (%d,%d,%d,%d), not (r,%d,1,1)", rois->n,
                   rois->c, rois->h, rois->w, FM_ROI_COLUMNS);
  for (int i = 1; i < options->levels; i++)
    if (x[i].n != x[0].n || x[i].c != x[0].c)
      return fm_fail(FM_ERR_SHAPE,
                     "roi_align: level %d has %d pictures of %d channels, level 0 %d of %d", i,
                     x[i].n, x[i].c, x[0].n, x[0].c);
  *y = (fm_shape){rois->n, x[0].c, options->output_size, options->output_size};
  return FM_OK;
}

bool fm_roi_options_init(roi_options *out, fm_graph *graph, const fm_roi_align_options *options) {
  *out = (roi_options){options->level_count, options->output_size ? options->output_size : 7,
                       options->sampling_ratio ? options->sampling_ratio : 2, options->plain};
  const bool fits = out->output_size > 0 && out->output_size <= ROI_TABLE_MAX &&
                    out->sampling_ratio > 0 &&
                    out->sampling_ratio <= ROI_TABLE_MAX / out->output_size;
  if (out->levels >= 1 && out->levels <= FM_ROI_LEVELS_MAX && fits)
    return true;
  fm_graph_fail(graph, "roi_align: %d levels (1 to %d), output %d times sampling %d (1 to %d)",
                out->levels, FM_ROI_LEVELS_MAX, out->output_size, out->sampling_ratio,
                ROI_TABLE_MAX);
  return false;
}

static size_t places_room(const roi_options *options) {
  return 2 * (size_t)options->output_size * (size_t)options->sampling_ratio;
}

size_t fm_roi_places_bytes(int rois, const roi_options *options) {
  const size_t one = sizeof(roi_table) + 2 * places_room(options) * sizeof(roi_share);
  return ((size_t)rois * one + 63) / 64 * 64;
}

roi_places fm_roi_places_in(void *memory, int rois, const roi_options *options) {
  roi_places places = {.tables = memory, .room = places_room(options), .rois = rois};
  places.shares = (roi_share *)(void *)(places.tables + rois);
  return places;
}

static roi_share *places_shares(const roi_places *places, int roi, bool columns) {
  return places->shares + (2 * (size_t)roi + columns) * places->room;
}

roi_axis fm_roi_places_axis(const roi_places *places, int roi, bool columns) {
  const roi_table *table = &places->tables[roi];
  const roi_share *shares = places_shares(places, roi, columns);
  return (roi_axis){shares, shares + (columns ? table->x_count : table->y_count)};
}

// torchvision's pre_calc_for_bilinear_interpolate on one axis. The comparison is turned round so
// that NaN is outside.
static roi_sample places_sample(float at, int size) {
  roi_sample sample = {0};
  if (!(at >= -1.0f && at <= (float)size))
    return sample;
  at = at <= 0 ? 0 : at;
  sample.low = (int)at;
  if (sample.low >= size - 1) {
    sample.low = sample.high = size - 1;
    at = (float)sample.low;
  } else {
    sample.high = sample.low + 1;
  }
  sample.high_weight = at - (float)sample.low;
  sample.low_weight = 1.0f - sample.high_weight;
  return sample;
}

// Adds to the shares of a bin, which begin at `first`, and returns the new end.
static roi_share *places_add(roi_share *first, roi_share *end, roi_share share) {
  if (!(share.weight > 0))
    return end;
  for (roi_share *at = first; at < end; at++)
    if (at->place == share.place) {
      at->weight += share.weight;
      return end;
    }
  *end = share;
  return end + 1;
}

// Fills in the shares of one axis by rising bins, and says how many they are.
static int places_fill_axis(roi_share *shares, float low, float high, int size,
                            const roi_options *options) {
  float length = high - low;
  length = length > 1.0f ? length : 1.0f;
  float bin = length / (float)options->output_size;
  int ratio = options->sampling_ratio;
  roi_share *end = shares;
  for (int i = 0; i < options->output_size; i++) {
    roi_share *first = end;
    for (int k = 0; k < ratio; k++) {
      const roi_sample s =
          places_sample(low + (float)i * bin + ((float)k + 0.5f) * bin / (float)ratio, size);
      end = places_add(first, end, (roi_share){s.low, i, s.low_weight / (float)ratio});
      end = places_add(first, end, (roi_share){s.high, i, s.high_weight / (float)ratio});
    }
  }
  return (int)(end - shares);
}

// By places instead of bins; they nearly are.
static void places_sort(roi_share *shares, int count) {
  for (int i = 1; i < count; i++) {
    const roi_share moved = shares[i];
    int at = i;
    for (; at > 0 && shares[at - 1].place > moved.place; at--)
      shares[at] = shares[at - 1];
    shares[at] = moved;
  }
}

static void places_fill_roi(const roi_places *places, int r, const fm_tensor *x,
                            const roi_options *options, const roi_order *order) {
  const float *row = (const float *)x[options->levels].data + (size_t)r * FM_ROI_COLUMNS;
  roi_table *table = &places->tables[r];
  *table = (roi_table){.level = row[5] < 0 ? -1 : (int)row[5]};
  if (table->level < 0)
    return;
  table->image = (int)row[0];
  const fm_shape *level = &x[table->level].shape;
  const float scale = row[6];
  roi_share *down = places_shares(places, r, false), *across = places_shares(places, r, true);
  table->y_count = places_fill_axis(down, row[2] * scale, row[4] * scale, level->h, options);
  table->x_count = places_fill_axis(across, row[1] * scale, row[3] * scale, level->w, options);
  if (order->columns && order->columns[table->level])
    places_sort(across, table->x_count);
  if (order->rows)
    places_sort(down, table->y_count);
}

fm_status fm_roi_places_fill(const roi_places *places, const fm_tensor *x,
                             const roi_options *options, const roi_order *order) {
  const float *rows = x[options->levels].data;
  for (int r = 0; r < places->rois; r++) {
    const float *row = rows + (size_t)r * FM_ROI_COLUMNS;
    if (row[5] < 0)
      continue;
    if (!(row[5] < (float)options->levels && row[0] >= 0 && row[0] < (float)x[0].shape.n))
      return fm_fail(FM_ERR_ARGUMENT, "roi_align: row %d names picture %g, level %g", r,
                     (double)row[0], (double)row[5]);
  }
#pragma omp parallel for schedule(static)
  for (int r = 0; r < places->rois; r++)
    places_fill_roi(places, r, x, options, order);
  return FM_OK;
}
