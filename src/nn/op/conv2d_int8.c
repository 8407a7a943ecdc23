// The convolution in whole numbers, for int8 plans; only forward. Its arrays are interleaved
// (NHWC), as oneDNN wants them, and our own products take them.
#include "nn/op/conv2d.h"
#include "nn/op/int8.h"

static const conv2d_options *int8_options(const fm_op_context *context) {
  return (const conv2d_options *)(const void *)context->node->options;
}

static fm_status int8_pd(dnnl_primitive_desc_t *pd, const fm_op_context *context,
                         const fm_int8_product *product) {
  const conv2d_options *o = int8_options(context);
  const conv2d_state *state = context->state;
  dnnl_memory_desc_t source, weight, bias, destination;
  FM_TRY(fm_dnnl_interleaved(&source, &state->source));
  FM_TRY(fm_dnnl_interleaved(&destination, &context->y));
  FM_TRY(fm_conv2d_weight_desc(&weight, context, FM_S8, false));
  const dnnl_dims_t channels = {o->out_channels};
  FM_DNNL(dnnl_memory_desc_init_by_tag(&bias, 1, channels, dnnl_f32, dnnl_a));
  conv2d_geometry g;
  fm_conv2d_geometry_of(&g, o);
  dnnl_convolution_desc_t desc;
  FM_DNNL(dnnl_dilated_convolution_forward_desc_init(
      &desc, dnnl_forward_inference, dnnl_convolution_direct, &source, &weight, &bias, &destination,
      g.strides, g.dilates, g.padding, g.padding_end));
  dnnl_primitive_attr_t attributes;
  FM_TRY(fm_int8_attributes(&attributes, product));
  const dnnl_status_t made = fm_dnnl_convolution(pd, &desc, attributes);
  dnnl_primitive_attr_destroy(attributes);
  return fm_dnnl_check(made, "dnnl_primitive_desc_create");
}

// The weights' layout is asked for first: their scales, which the primitive is made with, come with
// the working copy.
static fm_status int8_working(fm_op_context *context, fm_int8_product *product) {
  conv2d_state *state = context->state;
  dnnl_primitive_desc_t pd;
  FM_TRY(int8_pd(&pd, context, product));
  const dnnl_memory_desc_t weight = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
  dnnl_primitive_desc_destroy(pd);
  FM_TRY(fm_conv2d_prepare_working(context, &weight, FM_PACKING_NONE));
  return fm_working_scales(state->weight, &product->weight_scales);
}

static fm_status int8_primitive(fm_op_context *context, const fm_int8_product *product) {
  conv2d_state *state = context->state;
  void *bias;
  FM_TRY(fm_working_data(state->bias, &bias));
  FM_TRY(fm_int8_bias(&state->int8_bias, product, bias));
  dnnl_memory_desc_t residual;
  if (product->residual)
    FM_TRY(fm_dnnl_interleaved(&residual, product->residual));
  dnnl_primitive_desc_t pd;
  FM_TRY(int8_pd(&pd, context, product));
  return fm_conv2d_take_forward(state, pd, product->residual ? &residual : NULL);
}

// By Winograd's products in fp32 from whole numbers to whole numbers, where these are our own.
static fm_status int8_prepare_winograd(fm_op_context *context) {
  dnnl_memory_desc_t plain;
  FM_TRY(fm_conv2d_weight_desc(&plain, context, FM_F32, true));
  return fm_conv2d_prepare_working(context, &plain, FM_PACKING_NONE);
}

static fm_status int8_prepare_product(fm_op_context *context, const fm_tensor *residual) {
  const conv2d_options *o = int8_options(context);
  const conv2d_state *state = context->state;
  if (!o->residual && fm_conv2d_winograd_forward_fits(context))
    return int8_prepare_winograd(context);
  fm_int8_product product = {.channels = o->out_channels,
                             .act = o->act,
                             .source_scale = state->source.scale,
                             .y = context->y,
                             .residual = o->residual ? residual : NULL};
  FM_TRY(int8_working(context, &product));
  return int8_primitive(context, &product);
}

fm_status fm_conv2d_int8_prepare(fm_op_context *context) {
  conv2d_state *state = context->state;
  const conv2d_options *o = int8_options(context);
  context->y.block = o->out_channels;
  bool by_rows;
  FM_TRY(fm_conv2d_rows_prepare(context, &by_rows));
  if (by_rows)
    return FM_OK;
  fm_tensor residual = context->x[1];
  residual.block = o->out_channels;
  FM_TRY(int8_prepare_product(context, &residual));
  const fm_tensor *x = context->x;
  state->reorders_source = x[0].dtype != state->source.dtype || x[0].block != state->source.block;
  if (state->reorders_source)
    FM_TRY(fm_int8_reorder(&state->source_reorder, &x[0], &state->source));
  state->reorders_residual = o->residual && x[1].block != residual.block;
  if (state->reorders_residual)
    FM_TRY(fm_int8_reorder(&state->residual_reorder, &x[1], &residual));
  return FM_OK;
}
