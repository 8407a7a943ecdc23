// The parts of RoIAlign: roi_align.c (the op), roi_align_int8.c (whole numbers).
#ifndef FM_NN_OP_ROI_ALIGN_H
#define FM_NN_OP_ROI_ALIGN_H

#include <stdbool.h>

#include "nn/tensor.h"

enum { ROI_TABLE_MAX = 64 };

// One sample's place on one axis; both weights are 0 outside the picture.
typedef struct roi_sample {
  int low, high;
  float low_weight, high_weight;
} roi_sample;

typedef struct roi_table {
  roi_sample y[ROI_TABLE_MAX], x[ROI_TABLE_MAX];
  int level, image; // level -1: masked
} roi_table;

typedef struct roi_options {
  int levels, output_size, sampling_ratio;
  bool plain;
} roi_options;

// From interleaved whole numbers into such, for few samples a bin: what detection needs, without a
// detour over fp32.
bool fm_roi_align_int8_knows(const roi_options *options, const fm_tensor *level,
                             const fm_tensor *row);
// level: of the table's image alone. row: (1, c, output_size, output_size).
void fm_roi_align_int8(const roi_options *options, const roi_table *table, const fm_tensor *level,
                       const fm_tensor *row);

#endif
