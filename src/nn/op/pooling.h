// What the pooling ops share: one oneDNN primitive each way over the layout that arrives.
#ifndef FM_NN_OP_POOLING_H
#define FM_NN_OP_POOLING_H

#include "nn/op.h"
#include "nn/primitive.h"

typedef struct pooling_options {
  int kernel, stride, padding;
} pooling_options;

typedef struct pooling_state {
  fm_primitive forward, backward;
  size_t workspace_bytes; // of max pooling: where each maximum was
} pooling_state;

FM_MUST_USE fm_status fm_pooling_infer(const char *name, const pooling_options *options,
                                       const fm_shape *x, fm_shape *y);
// window: kernel height and width; the global average takes the whole picture.
FM_MUST_USE fm_status fm_pooling_prepare(fm_op_context *context, dnnl_alg_kind_t kind,
                                         const int window[2], int stride, int padding);
FM_MUST_USE fm_status fm_pooling_forward(fm_op_context *context);
FM_MUST_USE fm_status fm_pooling_backward(fm_op_context *context);
void fm_pooling_release(fm_op_context *context);
void fm_pooling_describe(const fm_node *node, fm_node_settings *out);

#endif
