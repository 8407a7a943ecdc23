// The sparse halves of roi_linear.c: sums over the shares that a RoI's bins have in the pixels of
// its map, and, for gradients, over the RoIs that have shares in a pixel.
#ifndef FM_NN_OP_ROI_LINEAR_PRODUCTS_H
#define FM_NN_OP_ROI_LINEAR_PRODUCTS_H

#include <stddef.h>
#include <stdint.h>

#include "nn/op/roi_places.h"

// A RoI on its map, of which there are (height, width, bins, group) numbers.
typedef struct roi_taps {
  roi_axis y, x;
  int output_size, width;
  size_t bins, group;
} roi_taps;
// out[group] = the sum over bins of what the RoI has of each bin's map. maps: of the RoI's picture.
void fm_roi_gather(const roi_taps *taps, const float *maps, float *out);
// values = values scale unit + bias, and at least 0 when `relu`; scale NULL: 1.
typedef struct roi_finish {
  const float *scale, *bias;
  float unit;
  bool relu;
} roi_finish;
void fm_roi_finish(const roi_finish *finish, float *values, size_t count);

// The shares in each bin of each pixel, all levels' pixels in a row: those of cell k are entries
// starts[k] .. starts[k + 1] - 1, by rising RoIs.
typedef struct roi_entry {
  uint32_t roi;
  float weight;
} roi_entry;
typedef struct roi_lists {
  uint32_t *starts; // [cells + 1]
  roi_entry *entries;
} roi_lists;
// levels: shapes matter, and that their pixels follow each other. Needs starts for one cell more.
void fm_roi_lists_fill(roi_lists *lists, const roi_places *places, const fm_tensor *levels,
                       const roi_options *options);
// out[group] = the sum of the entries' rows, weighted; rows (rois, group).
void fm_roi_scatter(const roi_entry *entries, size_t count, const float *rows, size_t group,
                    float *out);
// to[c][bin] = from[bin][c], where from's bins are `stride` apart; or += that.
void fm_roi_turn_bins(float *to, const float *from, size_t bins, size_t channels, size_t stride,
                      bool adds);

#endif
