// Loops over shares, on vectors that stay in registers.
#include "nn/op/roi_linear_products.h"

#include <string.h>

#include "base/clones.h"

enum { PRODUCTS_LANES = 16, PRODUCTS_WIDE = 4, PRODUCTS_TILE = PRODUCTS_LANES * PRODUCTS_WIDE };

typedef float products_floats
    __attribute__((vector_size(PRODUCTS_LANES * sizeof(float)), aligned(4)));

// `vectors` of them, a constant.
static inline __attribute__((always_inline)) void
products_gather_tile(const roi_taps *taps, const float *maps, float *out, size_t vectors) {
  products_floats sum[PRODUCTS_WIDE] = {{0}};
  const size_t pixel = taps->bins * taps->group;
  for (const roi_share *y = taps->y.begin; y < taps->y.end; y++) {
    const float *row = maps + (size_t)y->place * (size_t)taps->width * pixel +
                       (size_t)y->bin * (size_t)taps->output_size * taps->group;
    for (const roi_share *x = taps->x.begin; x < taps->x.end; x++) {
      const float *from = row + (size_t)x->place * pixel + (size_t)x->bin * taps->group;
      const float weight = y->weight * x->weight;
      for (size_t k = 0; k < vectors; k++)
        sum[k] += weight * *(const products_floats *)(const void *)(from + k * PRODUCTS_LANES);
    }
  }
  for (size_t k = 0; k < vectors; k++)
    *(products_floats *)(void *)(out + k * PRODUCTS_LANES) = sum[k];
}

FM_KERNEL void fm_roi_gather(const roi_taps *taps, const float *maps, float *out) {
  size_t at = 0;
  for (; at + PRODUCTS_TILE <= taps->group; at += PRODUCTS_TILE)
    products_gather_tile(taps, maps + at, out + at, PRODUCTS_WIDE);
  for (; at + PRODUCTS_LANES <= taps->group; at += PRODUCTS_LANES)
    products_gather_tile(taps, maps + at, out + at, 1);
  for (; at < taps->group; at++) {
    float sum = 0;
    for (const roi_share *y = taps->y.begin; y < taps->y.end; y++)
      for (const roi_share *x = taps->x.begin; x < taps->x.end; x++) {
        const size_t pixel = (size_t)y->place * (size_t)taps->width + (size_t)x->place;
        const size_t bin = (size_t)(y->bin * taps->output_size + x->bin);
        sum += y->weight * x->weight * maps[(pixel * taps->bins + bin) * taps->group + at];
      }
    out[at] = sum;
  }
}

FM_KERNEL void fm_roi_finish(const roi_finish *finish, float *restrict values, size_t count) {
  const float *restrict bias = finish->bias, *restrict scale = finish->scale;
  if (scale)
    for (size_t i = 0; i < count; i++)
      values[i] *= scale[i] * finish->unit;
  for (size_t i = 0; i < count; i++)
    values[i] += bias[i];
  if (finish->relu)
    for (size_t i = 0; i < count; i++)
      values[i] = values[i] > 0 ? values[i] : 0;
}

static inline __attribute__((always_inline)) void
products_scatter_tile(const roi_entry *entries, size_t count, const float *rows, size_t group,
                      float *out, size_t vectors) {
  products_floats sum[PRODUCTS_WIDE] = {{0}};
  for (size_t i = 0; i < count; i++) {
    const float *from = rows + entries[i].roi * group;
    for (size_t k = 0; k < vectors; k++)
      sum[k] +=
          entries[i].weight * *(const products_floats *)(const void *)(from + k * PRODUCTS_LANES);
  }
  for (size_t k = 0; k < vectors; k++)
    *(products_floats *)(void *)(out + k * PRODUCTS_LANES) = sum[k];
}

FM_KERNEL void fm_roi_scatter(const roi_entry *entries, size_t count, const float *rows,
                              size_t group, float *out) {
  size_t at = 0;
  for (; at + PRODUCTS_TILE <= group; at += PRODUCTS_TILE)
    products_scatter_tile(entries, count, rows + at, group, out + at, PRODUCTS_WIDE);
  for (; at + PRODUCTS_LANES <= group; at += PRODUCTS_LANES)
    products_scatter_tile(entries, count, rows + at, group, out + at, 1);
  for (; at < group; at++) {
    float sum = 0;
    for (size_t i = 0; i < count; i++)
      sum += entries[i].weight * rows[entries[i].roi * group + at];
    out[at] = sum;
  }
}

// Where the cells of one picture on one level begin.
static size_t products_first_cell(const fm_tensor *levels, int level, int image, size_t bins) {
  size_t pixels = 0;
  for (int i = 0; i < level; i++)
    pixels += (size_t)levels[i].shape.n * (size_t)levels[i].shape.h * (size_t)levels[i].shape.w;
  pixels += (size_t)image * (size_t)levels[level].shape.h * (size_t)levels[level].shape.w;
  return pixels * bins;
}

typedef struct products_map {
  int level, image, width;
} products_map;

// One picture on one level: counts its RoIs' shares in next[cell], or enters them there.
static void products_walk(const roi_places *places, const products_map *map, int size,
                          uint32_t *next, roi_entry *entries) {
  const size_t bins = (size_t)size * (size_t)size;
  for (int r = 0; r < places->rois; r++) {
    if (places->tables[r].level != map->level || places->tables[r].image != map->image)
      continue;
    const roi_axis down = fm_roi_places_axis(places, r, false);
    const roi_axis across = fm_roi_places_axis(places, r, true);
    for (const roi_share *y = down.begin; y < down.end; y++) {
      uint32_t *row = next + (size_t)(y->place * map->width) * bins + (size_t)(y->bin * size);
      for (const roi_share *x = across.begin; x < across.end; x++) {
        const uint32_t at = row[(size_t)x->place * bins + (size_t)x->bin]++;
        if (entries)
          entries[at] = (roi_entry){(uint32_t)r, y->weight * x->weight};
      }
    }
  }
}

static void products_walk_all(const roi_places *places, const fm_tensor *levels,
                              const roi_options *options, uint32_t *next, roi_entry *entries) {
  const int size = options->output_size, images = levels[0].shape.n;
#pragma omp parallel for schedule(dynamic, 1)
  for (int i = 0; i < options->levels * images; i++) {
    const int level = i / images;
    const products_map map = {level, i % images, levels[level].shape.w};
    const size_t first = products_first_cell(levels, level, map.image, (size_t)size * (size_t)size);
    products_walk(places, &map, size, next + first, entries);
  }
}

void fm_roi_lists_fill(roi_lists *lists, const roi_places *places, const fm_tensor *levels,
                       const roi_options *options) {
  const size_t bins = (size_t)options->output_size * (size_t)options->output_size;
  const size_t cells = products_first_cell(levels, options->levels, 0, bins);
  // While they are entered, the end of each list moves from its start to the next one's: so counts
  // go two places behind, and ends one.
  memset(lists->starts, 0, (cells + 2) * sizeof *lists->starts);
  products_walk_all(places, levels, options, lists->starts + 2, NULL);
  for (size_t k = 2; k <= cells; k++)
    lists->starts[k] += lists->starts[k - 1];
  products_walk_all(places, levels, options, lists->starts + 1, lists->entries);
}

FM_KERNEL static void products_turn_bins(float *restrict to, const float *restrict from,
                                         size_t bins, size_t channels, size_t stride, bool adds) {
  for (size_t bin = 0; bin < bins; bin++)
    for (size_t c = 0; c < channels; c++)
      to[c * bins + bin] = from[bin * stride + c] + (adds ? to[c * bins + bin] : 0);
}

void fm_roi_turn_bins(float *to, const float *from, size_t bins, size_t channels, size_t stride,
                      bool adds) {
  // Some channels at a time, so that what is written stays in the first cache.
  for (size_t c = 0; c < channels; c += PRODUCTS_LANES)
    products_turn_bins(to + c * bins, from + c, bins,
                       channels - c < PRODUCTS_LANES ? channels - c : PRODUCTS_LANES, stride, adds);
}
