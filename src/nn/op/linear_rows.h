// The linear layer in whole numbers by our own loops (nn/rows.h). Private to linear.c.
#ifndef FM_NN_OP_LINEAR_ROWS_H
#define FM_NN_OP_LINEAR_ROWS_H

#include "nn/op.h"
#include "nn/op/rows_output.h"

typedef struct fm_linear_rows {
  bool runs;
  fm_rows_product product;
  fm_rows run;
  float *numbers; // scale and shift
} fm_linear_rows;

// Whether they know a product of whole numbers x, a matrix, to y.
bool fm_linear_rows_fit(const fm_tensor *x, int inputs, const fm_tensor *y);
// x: rows of sums->in numbers that lie beside each other.
FM_MUST_USE fm_status fm_linear_rows_prepare(fm_linear_rows *self, const fm_tensor *x,
                                             const fm_rows_sums *sums);
size_t fm_linear_rows_scratch(const fm_linear_rows *self);
void fm_linear_rows_forward(fm_linear_rows *self, const void *x, void *y, void *scratch);
void fm_linear_rows_release(fm_linear_rows *self);

#endif
