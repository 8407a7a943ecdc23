// How the sums of our own loops (nn/rows.h) become what an op makes. For op files.
#ifndef FM_NN_OP_ROWS_OUTPUT_H
#define FM_NN_OP_ROWS_OUTPUT_H

#include "nn/op.h"
#include "nn/rows.h"
#include "nn/working.h"

enum { FM_ROWS_SIGN = 128 }; // what a number with a sign is moved by

// Of a working copy in whole numbers and its bias. `kernel`: of a filter, 0 for a product of `in`
// inputs.
typedef struct fm_rows_sums {
  fm_working *weight, *bias;
  int in, out, kernel;
  float source_scale;
  int source_zero;           // what the inputs were moved by
  const fm_tensor *y;        // bytes, or floats of a product
  const fm_tensor *residual; // bytes; NULL: none
  fm_activation act;         // FM_ACT_RELU6 only to bytes
  bool within;               // y is read by our own loops alone, and so keeps no sign
} fm_rows_sums;

int fm_rows_zero(const fm_tensor *tensor);
// *numbers holds scale and shift; heap.
FM_MUST_USE fm_status fm_rows_output_make(fm_rows_output *out, float **numbers,
                                          const fm_rows_sums *sums);

#endif
