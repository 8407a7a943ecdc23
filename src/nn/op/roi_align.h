// The parts of RoIAlign: roi_align.c (the op), roi_align_int8.c (whole numbers), roi_align_vnni.c
// (these, with VNNI).
#ifndef FM_NN_OP_ROI_ALIGN_H
#define FM_NN_OP_ROI_ALIGN_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/op/roi_places.h"

// What kernels work on: one plane of one channel block and one RoI's bins in the same block. Shares
// by rising places; forward has those of y by rising bins.
typedef struct roi_work {
  roi_axis y, x;
  int output_size, width;
  size_t block;
  size_t stride; // elements from bin to bin of what is pooled
  float scale;   // of the plane's numbers
} roi_work;

// From interleaved whole numbers into such, for few samples a bin: what detection needs, without a
// detour over fp32.
bool fm_roi_align_int8_knows(const roi_options *options, const fm_tensor *level,
                             const fm_tensor *row);
// work: all shares by rising bins. level: of one image. row: (1, c, output_size, output_size).
void fm_roi_align_int8(const roi_work *work, const fm_tensor *level, const fm_tensor *row);
// The same, where fm_nn_has_wide_vnni.
void fm_roi_align_vnni(const roi_work *work, const fm_tensor *level, const fm_tensor *row);

enum {
  ROI_RATIO_MAX = 4,                                  // that fm_roi_align_int8_knows
  ROI_PLACES_MAX = 4 * ROI_RATIO_MAX * ROI_RATIO_MAX, // of a bin: a sample has four corners
};
// Calls `pool` for each bin, by rows, with its shares; `out` moves on by the channels of a bin.
typedef void (*roi_bin_pool)(const void *user, roi_axis y, roi_axis x, uint8_t *out);
void fm_roi_each_bin(const roi_work *work, const fm_tensor *row, roi_bin_pool pool,
                     const void *user);

#endif
