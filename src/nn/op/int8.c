// Scales and post-ops of products in whole numbers; int8.h has the formula.
#include "nn/op/int8.h"

#include <stdlib.h>
#include <string.h>

enum { INT8_BIAS_STEP = 16 };

bool fm_int8_source(fm_tensor *out, const fm_op_context *context) {
  *out = context->x[0];
  out->block = out->shape.c;
  if (fm_dtype_is_int8(out->dtype))
    return true;
  if (!context->x_range[0].known || context->purpose == FM_TRAIN)
    return false;
  fm_range_quantise(&context->x_range[0], out);
  return true;
}

fm_status fm_int8_reorder(fm_primitive *out, const fm_tensor *x, const fm_tensor *source) {
  dnnl_memory_desc_t from, to;
  FM_TRY(fm_dnnl_desc(&from, x));
  FM_TRY(fm_dnnl_desc(&to, source));
  const float was = fm_dtype_is_int8(x->dtype) ? x->scale : 1;
  const float is = fm_dtype_is_int8(source->dtype) ? source->scale : 1;
  return fm_primitive_rescale(out, &from, &to, was / is);
}

static float int8_unit(const fm_tensor *tensor) {
  return fm_dtype_is_int8(tensor->dtype) ? tensor->scale : 1;
}

// What 1 stands for behind the output scales: the residual is added as it lies in memory, and
// hard-swish is of true numbers; all else is at once in y's unit.
static float int8_sum_unit(const fm_int8_product *product) {
  if (product->residual)
    return int8_unit(product->residual);
  return product->act == FM_ACT_HARD_SWISH ? 1 : int8_unit(&product->y);
}

// Rounding to FM_U8 cuts at 0, and at the largest value that y has.
static fm_activation int8_activation(const fm_int8_product *product) {
  if (product->y.dtype != FM_U8)
    return product->act;
  const bool covered = product->act == FM_ACT_RELU6 && product->y.scale * 255.0f <= 6;
  return product->act == FM_ACT_RELU || covered ? FM_ACT_NONE : product->act;
}

static dnnl_status_t int8_append(dnnl_post_ops_t ops, const fm_int8_product *product) {
  const float unit = int8_sum_unit(product), factor = unit / int8_unit(&product->y);
  dnnl_status_t status = dnnl_success;
  switch (int8_activation(product)) {
  case FM_ACT_RELU:
    return dnnl_post_ops_append_eltwise(ops, factor, dnnl_eltwise_relu, 0, 0);
  case FM_ACT_RELU6:
    return dnnl_post_ops_append_eltwise(ops, factor, dnnl_eltwise_clip, 0, 6 / unit);
  case FM_ACT_HARD_SWISH:
    if (product->residual)
      status = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_linear, unit, 0);
    return status == dnnl_success
               ? dnnl_post_ops_append_eltwise(ops, factor / unit, dnnl_eltwise_hardswish, 0, 0)
               : status;
  default:
    return product->residual ? dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_linear, factor, 0)
                             : dnnl_success;
  }
}

static dnnl_status_t int8_post_ops(dnnl_primitive_attr_t attributes, const fm_int8_product *product,
                                   const dnnl_memory_desc_t *residual) {
  dnnl_post_ops_t ops;
  dnnl_status_t status = dnnl_post_ops_create(&ops);
  if (status == dnnl_success && residual)
    status = dnnl_post_ops_append_binary(ops, dnnl_binary_add, residual);
  if (status == dnnl_success)
    status = int8_append(ops, product);
  if (status == dnnl_success)
    status = dnnl_primitive_attr_set_post_ops(attributes, ops);
  dnnl_post_ops_destroy(ops);
  return status;
}

static float int8_product_scale(const fm_int8_product *product, int channel) {
  return product->weight_scales ? product->source_scale * product->weight_scales[channel] : 1;
}

fm_status fm_int8_attributes(dnnl_primitive_attr_t *out, const fm_int8_product *product) {
  const int by_channel = 1 << 1;
  dnnl_memory_desc_t residual;
  if (product->residual)
    FM_TRY(fm_dnnl_interleaved(&residual, product->residual));
  float *scales = malloc((size_t)product->channels * sizeof *scales);
  FM_CHECK_ALLOC(scales);
  for (int c = 0; c < product->channels; ++c)
    scales[c] = int8_product_scale(product, c) / int8_sum_unit(product);
  const fm_status status = fm_dnnl_attributes(out);
  if (status == FM_OK) {
    dnnl_status_t set =
        dnnl_primitive_attr_set_output_scales(*out, product->channels, by_channel, scales);
    if (set == dnnl_success)
      set = int8_post_ops(*out, product, product->residual ? &residual : NULL);
    if (set != dnnl_success)
      dnnl_primitive_attr_destroy(*out);
    free(scales);
    return fm_dnnl_check(set, "dnnl_primitive_attr_set_output_scales");
  }
  free(scales);
  return status;
}

fm_status fm_int8_bias(float **out, const fm_int8_product *product, const float *bias) {
  const size_t count = (size_t)product->channels;
  const size_t room = (count / INT8_BIAS_STEP + 2) * INT8_BIAS_STEP;
  float *scaled = aligned_alloc(64, room * sizeof *scaled);
  FM_CHECK_ALLOC(scaled);
  memset(scaled, 0, room * sizeof *scaled);
  for (size_t c = 0; c < count; ++c)
    scaled[c] = bias[c] / int8_product_scale(product, (int)c);
  *out = scaled;
  return FM_OK;
}
