// A linear layer's product in whole numbers dealt out to threads by rows: without VNNI oneDNN 2.6
// has one (gemm_s8s8s32) for a single thread, however many there are.
#ifndef FM_NN_OP_LINEAR_SLICES_H
#define FM_NN_OP_LINEAR_SLICES_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/primitive.h"

enum { FM_LINEAR_SLICES_MAX = 16 };

typedef struct fm_linear_slices {
  int count, rows, inputs, outputs;             // rows: of a slice
  size_t source_bytes, result_bytes, pad_bytes; // of a slice each
  fm_primitive products[FM_LINEAR_SLICES_MAX];
  void *source, *weight, *bias, *result, *pad;
  bool failed; // the last run
} fm_linear_slices;

// A linear layer's forward product of these arrays; takes over pd.
FM_MUST_USE fm_status fm_linear_product_init(fm_primitive *product, dnnl_primitive_desc_t pd,
                                             const dnnl_memory_desc_t *x,
                                             const dnnl_memory_desc_t *y,
                                             const dnnl_memory_desc_t *bias);
// How many slices of as many rows each; 1 where the product is too small to be dealt out.
int fm_linear_slices_count(int rows, size_t inputs, int outputs);
// One primitive a slice, of a thread each; out->count and what it multiplies are set, memory comes
// later. `pd` describes a slice's product and was made for a single thread.
FM_MUST_USE fm_status fm_linear_slices_make(fm_linear_slices *out, dnnl_primitive_desc_t pd,
                                            const dnnl_memory_desc_t *x,
                                            const dnnl_memory_desc_t *y,
                                            const dnnl_memory_desc_t *bias);
// Needs source, weight, bias, result and pad (count * pad_bytes).
FM_MUST_USE fm_status fm_linear_slices_run(fm_linear_slices *slices);
void fm_linear_slices_release(fm_linear_slices *slices);

#endif
