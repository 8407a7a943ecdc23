// What the products in whole numbers share. With x = sx qx and a weight of output channel c =
// sw[c] qw, a product of x and the weights plus bias is sx sw[c] (product of qx and qw + bias / (sx
// sw[c])): oneDNN adds in 32 bits, multiplies each channel by its output scale, adds the residual
// and applies the activation in fp32, and rounds to y's number type.
#ifndef FM_NN_OP_INT8_H
#define FM_NN_OP_INT8_H

#include "nn/op.h"
#include "nn/primitive.h"

typedef struct fm_int8_product {
  int channels; // of y
  fm_activation act;
  float source_scale;         // sx
  const float *weight_scales; // sw (channels); NULL: not known yet, as all 1
  fm_tensor y;
  const fm_tensor *residual; // NULL: none; in y's layout, of any number type
} fm_int8_product;

// x[0] in whole numbers, interleaved: as it is or to be made of it. False when its range is not
// known, and the op has to work in fp32.
bool fm_int8_source(fm_tensor *out, const fm_op_context *context);
// A change of x into `source`, whose layout and scale differ.
FM_MUST_USE fm_status fm_int8_reorder(fm_primitive *out, const fm_tensor *x,
                                      const fm_tensor *source);
FM_MUST_USE fm_status fm_int8_attributes(dnnl_primitive_attr_t *out,
                                         const fm_int8_product *product);
// bias / (sx sw[c]); heap, rounded up to what oneDNN reads at once.
FM_MUST_USE fm_status fm_int8_bias(float **out, const fm_int8_product *product, const float *bias);

#endif
