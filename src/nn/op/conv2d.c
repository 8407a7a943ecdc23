// Convolution: y = act(norm(conv(x, weight) + bias) + residual); x (n,IC,h,w), weight
// (OC,IC/groups,K,K), y (n,OC,h',w') with h' = (h + padding + padding_end - dilation (K-1) - 1) /
// stride + 1. Norm frozen, or any norm at inference, is folded into weight and bias.
#include <stdlib.h>
#include <string.h>

#include "nn/op/conv2d.h"
#include "nn/op/int8.h"
#include "nn/params_layout.h"

enum { CONV_WINOGRAD_PIXELS = 900, CONV_BLOCK = 16 };

static const conv2d_options *conv2d_options_of(const fm_node *node) {
  return (const conv2d_options *)(const void *)node->options;
}

static fm_status conv2d_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  const conv2d_options *o = conv2d_options_of(node);
  const int reach = o->dilation * (o->kernel - 1) + 1;
  const int padding = o->padding + o->padding_end;
  if (x[0].h + padding < reach || x[0].w + padding < reach)
    return fm_fail(FM_ERR_SHAPE, "conv2d: a %d x %d input is smaller than the kernel", x[0].w,
                   x[0].h);
  y->n = x[0].n;
  y->c = o->out_channels;
  y->h = (x[0].h + padding - reach) / o->stride + 1;
  y->w = (x[0].w + padding - reach) / o->stride + 1;
  if (o->residual && (x[1].n != y->n || x[1].c != y->c || x[1].h != y->h || x[1].w != y->w))
    return fm_fail(FM_ERR_SHAPE, "conv2d: the residual is %d x %d x %d, the output %d x %d x %d",
                   x[1].c, x[1].h, x[1].w, y->c, y->h, y->w);
  return FM_OK;
}

static dnnl_alg_kind_t conv2d_eltwise(fm_activation act, float *alpha, float *beta) {
  *alpha = *beta = 0;
  switch (act) {
  case FM_ACT_RELU6:
    *beta = 6;
    return dnnl_eltwise_clip;
  case FM_ACT_HARD_SWISH:
    return dnnl_eltwise_hardswish;
  default:
    return dnnl_eltwise_relu;
  }
}

// Post-ops: + residual, then the activation.
static fm_status conv2d_attributes(dnnl_primitive_attr_t *out, const conv2d_options *o,
                                   const dnnl_memory_desc_t *residual, bool activate) {
  FM_TRY(fm_dnnl_attributes(out));
  dnnl_post_ops_t ops;
  FM_DNNL(dnnl_post_ops_create(&ops));
  dnnl_status_t status = dnnl_success;
  if (residual)
    status = dnnl_post_ops_append_binary(ops, dnnl_binary_add, residual);
  if (status == dnnl_success && activate && o->act != FM_ACT_NONE) {
    float alpha, beta;
    const dnnl_alg_kind_t kind = conv2d_eltwise(o->act, &alpha, &beta);
    status = dnnl_post_ops_append_eltwise(ops, 1.0f, kind, alpha, beta);
  }
  if (status == dnnl_success)
    status = dnnl_primitive_attr_set_post_ops(*out, ops);
  dnnl_post_ops_destroy(ops);
  return fm_dnnl_check(status, "dnnl_post_ops");
}

fm_status fm_conv2d_weight_desc(dnnl_memory_desc_t *out, const fm_op_context *context,
                                fm_dtype dtype, bool plain) {
  const conv2d_options *o = conv2d_options_of(context->node);
  const int ic = context->x[0].shape.c;
  if (o->groups == 1) {
    const dnnl_dims_t dims = {o->out_channels, ic, o->kernel, o->kernel};
    FM_DNNL(dnnl_memory_desc_init_by_tag(out, 4, dims, fm_dnnl_type(dtype),
                                         plain ? dnnl_oihw : dnnl_format_tag_any));
  } else {
    const dnnl_dims_t dims = {o->groups, o->out_channels / o->groups, ic / o->groups, o->kernel,
                              o->kernel};
    FM_DNNL(dnnl_memory_desc_init_by_tag(out, 5, dims, fm_dnnl_type(dtype),
                                         plain ? dnnl_goihw : dnnl_format_tag_any));
  }
  return FM_OK;
}

void fm_conv2d_geometry_of(conv2d_geometry *out, const conv2d_options *o) {
  for (int i = 0; i < 2; ++i) {
    out->strides[i] = o->stride;
    out->dilates[i] = o->dilation - 1;
    out->padding[i] = o->padding;
    out->padding_end[i] = o->padding_end;
  }
}

bool fm_conv2d_fits_winograd(const fm_op_context *context) {
  const conv2d_options *o = conv2d_options_of(context->node);
  return context->precision == FM_F32 && o->groups == 1 && o->kernel == 3 && o->stride == 1 &&
         o->dilation == 1 && o->padding == o->padding_end;
}

dnnl_alg_kind_t fm_conv2d_algorithm(const fm_op_context *context) {
  const fm_shape x = context->x[0].shape, y = context->y.shape;
  // Weights are turned at each run, which few pixels do not repay.
  const bool pays = (long)y.n * y.h * y.w >= CONV_WINOGRAD_PIXELS && x.c % CONV_BLOCK == 0 &&
                    y.c % CONV_BLOCK == 0;
  return fm_conv2d_fits_winograd(context) && pays ? dnnl_convolution_winograd
                                                  : dnnl_convolution_direct;
}

// oneDNN always wants blocks for the depthwise convolution, but is as fast or faster between
// channels that lie beside each other, as the products around it want them with AMX tiles. So many
// channels as a block has lie in one either way.
static bool conv2d_keeps_interleaved(const fm_op_context *context) {
  const fm_tensor *x = &context->x[0];
  const conv2d_options *o = conv2d_options_of(context->node);
  return o->groups == x->shape.c && x->block == x->shape.c && x->block > CONV_BLOCK &&
         x->dtype == context->precision && context->precision == FM_BF16;
}

static fm_status conv2d_forward_pd(dnnl_primitive_desc_t *pd, const fm_op_context *context,
                                   const dnnl_memory_desc_t *destination,
                                   dnnl_primitive_attr_t attributes) {
  const conv2d_options *o = conv2d_options_of(context->node);
  dnnl_memory_desc_t source, weight, bias;
  FM_TRY(fm_dnnl_any(&source, context->x[0].shape, context->precision));
  if (conv2d_keeps_interleaved(context))
    FM_TRY(fm_dnnl_interleaved(&source, &context->x[0]));
  FM_TRY(fm_conv2d_weight_desc(&weight, context, context->precision, false));
  const dnnl_dims_t channels = {o->out_channels};
  FM_DNNL(dnnl_memory_desc_init_by_tag(&bias, 1, channels, dnnl_f32, dnnl_a));
  conv2d_geometry g;
  fm_conv2d_geometry_of(&g, o);
  dnnl_convolution_desc_t desc;
  // For inference oneDNN 2.6 would choose interleaved channels, and the reference loop wherever
  // their number is odd to it; for training it chooses blocks, which are as fast or faster.
  dnnl_alg_kind_t algorithm = fm_conv2d_algorithm(context);
  FM_DNNL(dnnl_dilated_convolution_forward_desc_init(
      &desc, dnnl_forward_training, algorithm, &source, &weight, &bias, destination, g.strides,
      g.dilates, g.padding, g.padding_end));
  dnnl_status_t made = fm_dnnl_convolution(pd, &desc, attributes);
  if (made != dnnl_success && algorithm != dnnl_convolution_direct) {
    desc.alg_kind = dnnl_convolution_direct; // other processors, other post-ops
    made = fm_dnnl_convolution(pd, &desc, attributes);
  }
  return fm_dnnl_check(made, "dnnl_primitive_desc_create");
}

// The layout of y is what the primitive without post-ops wants; the residual's descriptor needs it.
static fm_status conv2d_choose_layout(fm_op_context *context, dnnl_memory_desc_t *destination) {
  dnnl_memory_desc_t any;
  FM_TRY(fm_dnnl_any(&any, context->y.shape, context->precision));
  dnnl_primitive_attr_t attributes;
  FM_TRY(fm_dnnl_attributes(&attributes));
  dnnl_primitive_desc_t pd = NULL;
  fm_status status = conv2d_forward_pd(&pd, context, &any, attributes);
  dnnl_primitive_attr_destroy(attributes);
  FM_TRY(status);
  *destination = *dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
  dnnl_primitive_desc_destroy(pd);
  context->y.dtype = context->precision;
  return fm_dnnl_layout(&context->y, destination);
}

static bool conv2d_same_layout(const fm_tensor *a, const fm_tensor *b) {
  return a->dtype == b->dtype && a->block == b->block;
}

static size_t conv2d_take(size_t *used, size_t bytes) {
  const size_t offset = *used;
  *used += (bytes + 63) / 64 * 64;
  return offset;
}

fm_status fm_conv2d_working_spec(fm_working_spec *out, const fm_op_context *context,
                                 const dnnl_memory_desc_t *wanted) {
  const conv2d_state *state = context->state;
  const conv2d_options *o = conv2d_options_of(context->node);
  const int *params = context->node->params;
  *out = (fm_working_spec){.weight = params[CONV_WEIGHT],
                           .bias = -1,
                           .fold = {-1, -1, -1, -1, 0},
                           .channels = o->out_channels,
                           .wanted = *wanted};
  if (o->norm != FM_NORM_NONE && !state->batch_norm)
    out->fold = (fm_fold){params[CONV_GAMMA], params[CONV_BETA], params[CONV_MEAN],
                          params[CONV_VARIANCE], o->eps};
  return fm_conv2d_weight_desc(&out->master, context, FM_F32, true);
}

fm_status fm_conv2d_prepare_working(fm_op_context *context, const dnnl_memory_desc_t *weight,
                                    fm_packing packing) {
  conv2d_state *state = context->state;
  fm_working_spec spec;
  FM_TRY(fm_conv2d_working_spec(&spec, context, weight));
  spec.packing = packing;
  FM_TRY(fm_working_get(&state->weight, context->params, &spec));
  spec.weight = -1;
  spec.packing = FM_PACKING_NONE;
  spec.bias = context->node->params[CONV_BIAS];
  return fm_working_get(&state->bias, context->params, &spec);
}

fm_status fm_conv2d_take_forward(conv2d_state *state, dnnl_primitive_desc_t pd,
                                 const dnnl_memory_desc_t *residual) {
  const dnnl_memory_desc_t source = *dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0);
  const dnnl_memory_desc_t weight = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
  const dnnl_memory_desc_t bias = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 1);
  const dnnl_memory_desc_t destination = *dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
  FM_TRY(fm_primitive_init(&state->forward, pd));
  FM_TRY(fm_primitive_add(&state->forward, DNNL_ARG_SRC, &source));
  FM_TRY(fm_primitive_add(&state->forward, DNNL_ARG_WEIGHTS, &weight));
  FM_TRY(fm_primitive_add(&state->forward, DNNL_ARG_BIAS, &bias));
  FM_TRY(fm_primitive_add(&state->forward, DNNL_ARG_DST, &destination));
  return residual ? fm_primitive_add(&state->forward,
                                     DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, residual)
                  : FM_OK;
}

// Takes over pd, whose layouts our own products read and write, too.
static fm_status conv2d_take_primitive(fm_op_context *context, dnnl_primitive_desc_t pd,
                                       const dnnl_memory_desc_t *residual) {
  conv2d_state *state = context->state;
  const dnnl_memory_desc_t source = *dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0);
  dnnl_memory_desc_t weight = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
  state->source_desc = source;
  state->destination_desc = *dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
  state->source = context->x[0];
  state->source.dtype = context->precision;
  fm_status status = fm_dnnl_layout(&state->source, &source);
  if (status < 0 || fm_conv2d_winograd_forward_fits(context)) {
    dnnl_primitive_desc_destroy(pd);
    if (status == FM_OK)
      status = fm_conv2d_weight_desc(&weight, context, FM_F32, true);
  } else {
    status = fm_conv2d_take_forward(state, pd, residual);
  }
  FM_TRY(status);
  return fm_conv2d_prepare_working(context, &weight, FM_PACKING_NONE);
}

static fm_status conv2d_prepare_primitive(fm_op_context *context) {
  conv2d_state *state = context->state;
  const conv2d_options *o = conv2d_options_of(context->node);
  const bool residual = o->residual && !state->batch_norm;
  dnnl_memory_desc_t destination;
  FM_TRY(conv2d_choose_layout(context, &destination));
  dnnl_primitive_attr_t attributes;
  const bool activate = !state->batch_norm && !state->keeps_preactivation;
  FM_TRY(conv2d_attributes(&attributes, o, residual ? &destination : NULL, activate));
  dnnl_primitive_desc_t pd = NULL;
  const fm_status status = conv2d_forward_pd(&pd, context, &destination, attributes);
  dnnl_primitive_attr_destroy(attributes);
  FM_TRY(status);
  return conv2d_take_primitive(context, pd, residual ? &destination : NULL);
}

// x and the residual arrive in another layout when their maker is no convolution, or pads its
// channels otherwise.
static fm_status conv2d_prepare_reorders(fm_op_context *context) {
  conv2d_state *state = context->state;
  const conv2d_options *o = conv2d_options_of(context->node);
  dnnl_memory_desc_t from, to;
  state->reorders_source = !conv2d_same_layout(&context->x[0], &state->source);
  if (state->reorders_source) {
    FM_TRY(fm_dnnl_desc(&from, &context->x[0]));
    FM_TRY(fm_dnnl_desc(&to, &state->source));
    FM_TRY(fm_primitive_reorder(&state->source_reorder, &from, &to));
  }
  // With batch statistics the residual is added by our own pass, which reads any layout.
  state->reorders_residual =
      o->residual && !state->batch_norm && !conv2d_same_layout(&context->x[1], &context->y);
  if (state->reorders_residual) {
    FM_TRY(fm_int8_reorder(&state->residual_reorder, &context->x[1], &context->y));
  }
  return FM_OK;
}

static size_t conv2d_product_scratch(const fm_op_context *context) {
  const conv2d_state *state = context->state;
  if (state->rows.runs)
    return fm_conv2d_rows_scratch(context);
  return state->own_forward ? fm_winograd_scratch(&state->winograd_forward)
                            : state->forward.scratchpad_bytes;
}

static fm_status conv2d_prepare(fm_op_context *context) {
  conv2d_state *state = context->state;
  const conv2d_options *o = conv2d_options_of(context->node);
  state->batch_norm = o->norm == FM_NORM_BATCH && context->purpose == FM_TRAIN;
  const bool backward = context->purpose == FM_TRAIN && (context->trains || context->wants_dx[0] ||
                                                         (o->residual && context->wants_dx[1]));
  state->keeps_preactivation = backward && !state->batch_norm && o->act == FM_ACT_HARD_SWISH;
  state->int8 = fm_int8_source(&state->source, context);
  if (state->int8) {
    FM_TRY(fm_conv2d_int8_prepare(context));
  } else {
    FM_TRY(conv2d_prepare_primitive(context));
    FM_TRY(conv2d_prepare_reorders(context));
  }
  if (state->batch_norm)
    FM_TRY(fm_conv2d_norm_check(&context->y));
  size_t used = 0;
  state->scratch_source =
      conv2d_take(&used, state->reorders_source ? fm_tensor_bytes(&state->source) : 0);
  state->scratch_residual = conv2d_take(
      &used, state->reorders_residual ? fm_tensor_elements(&context->y) * sizeof(float) : 0);
  state->scratch_pad_forward = conv2d_take(&used, conv2d_product_scratch(context));
  const size_t padded = (size_t)fm_tensor_blocks(&context->y) * (size_t)context->y.block;
  if (state->batch_norm)
    state->scratch_partial =
        conv2d_take(&used, ((size_t)context->y.shape.n + 1) * padded * sizeof(double));
  context->forward_scratch_bytes = used;
  used = 0;
  if (state->batch_norm || state->keeps_preactivation)
    conv2d_take(&used, fm_tensor_bytes(&context->y));
  state->saved_statistics = used;
  if (state->batch_norm)
    conv2d_take(&used, CONV_STATISTICS * padded * sizeof(float));
  context->saved_bytes = used;
  return backward ? fm_conv2d_prepare_backward(context) : FM_OK;
}

static fm_status conv2d_forward_primitive(fm_op_context *context, const fm_conv2d_arrays *arrays) {
  conv2d_state *state = context->state;
  fm_primitive *primitive = &state->forward;
  if (arrays->residual)
    fm_primitive_set(primitive, DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
                     arrays->residual);
  fm_primitive_set(primitive, DNNL_ARG_SRC, arrays->source);
  fm_primitive_set(primitive, DNNL_ARG_WEIGHTS, arrays->weight);
  fm_primitive_set(primitive, DNNL_ARG_BIAS, arrays->bias);
  fm_primitive_set(primitive, DNNL_ARG_DST, arrays->destination);
  fm_primitive_set(primitive, DNNL_ARG_SCRATCHPAD,
                   (uint8_t *)context->scratch + state->scratch_pad_forward);
  return fm_primitive_run(primitive);
}

// *data in another layout, in the scratch at `offset`.
static fm_status conv2d_reorder(fm_op_context *context, fm_primitive *reorder, size_t offset,
                                void **data) {
  fm_primitive_set(reorder, DNNL_ARG_FROM, *data);
  *data = (uint8_t *)context->scratch + offset;
  fm_primitive_set(reorder, DNNL_ARG_TO, *data);
  return fm_primitive_run(reorder);
}

static fm_status conv2d_forward(fm_op_context *context) {
  conv2d_state *state = context->state;
  const conv2d_options *o = conv2d_options_of(context->node);
  const bool aside = state->batch_norm || state->keeps_preactivation;
  fm_conv2d_arrays arrays = {.source = context->x[0].data,
                             .destination = aside ? context->saved : context->y.data};
  if (state->reorders_source)
    FM_TRY(conv2d_reorder(context, &state->source_reorder, state->scratch_source, &arrays.source));
  if (o->residual && !state->batch_norm)
    arrays.residual = context->x[1].data;
  if (state->reorders_residual)
    FM_TRY(conv2d_reorder(context, &state->residual_reorder, state->scratch_residual,
                          &arrays.residual));
  if (state->rows.runs) {
    fm_conv2d_rows_forward(context, arrays.residual);
    return FM_OK;
  }
  FM_TRY(fm_working_data(state->weight, &arrays.weight));
  FM_TRY(fm_working_data(state->bias, &arrays.bias));
  if (state->int8_bias)
    arrays.bias = state->int8_bias;
  if (state->own_forward)
    fm_conv2d_winograd_forward(context, &arrays);
  else
    FM_TRY(conv2d_forward_primitive(context, &arrays));
  fm_tensor z = context->y;
  z.data = context->saved;
  if (state->batch_norm)
    fm_conv2d_norm_forward(
        context, &z, (float *)(void *)((uint8_t *)context->saved + state->saved_statistics),
        (double *)(void *)((uint8_t *)context->scratch + state->scratch_partial));
  else if (state->keeps_preactivation)
    fm_conv2d_activate(&context->y, &z, o->act);
  return FM_OK;
}

static void conv2d_release(fm_op_context *context) {
  conv2d_state *state = context->state;
  fm_primitive_release(&state->forward);
  fm_primitive_release(&state->backward_data);
  fm_primitive_release(&state->backward_weights);
  fm_primitive_release(&state->source_reorder);
  fm_primitive_release(&state->residual_reorder);
  fm_primitive_release(&state->weight_gradient_reorder);
  fm_primitive_release(&state->dx_reorder);
  free(state->int8_bias);
  free(state->rows.numbers);
}

static void conv2d_add_params(fm_graph *graph, const fm_conv2d_options *o, int ic, int groups,
                              int *params) {
  const int oc = o->out_channels;
  for (int i = 0; i < CONV_PARAMS; ++i)
    params[i] = -1;
  params[CONV_WEIGHT] =
      fm_graph_add_param(graph, o->name, ".weight",
                         (fm_param_spec){.rank = 4,
                                         .dims = {oc, ic / groups, o->kernel, o->kernel},
                                         .init = o->init,
                                         .init_scale = o->init_scale});
  const fm_param_spec zeros = {.rank = 1, .dims = {oc}, .init = FM_INIT_ZERO};
  if (o->bias)
    params[CONV_BIAS] = fm_graph_add_param(graph, o->name, ".bias", zeros);
  if (o->norm == FM_NORM_NONE)
    return;
  fm_param_spec spec = zeros;
  spec.kind = o->norm == FM_NORM_FROZEN ? FM_PARAM_BUFFER : FM_PARAM_TRAINED;
  params[CONV_BETA] = fm_graph_add_param(graph, o->norm_name, ".bias", spec);
  spec.init = FM_INIT_ONE;
  params[CONV_GAMMA] = fm_graph_add_param(graph, o->norm_name, ".weight", spec);
  spec.kind = FM_PARAM_BUFFER;
  params[CONV_VARIANCE] = fm_graph_add_param(graph, o->norm_name, ".running_var", spec);
  spec.init = FM_INIT_ZERO;
  params[CONV_MEAN] = fm_graph_add_param(graph, o->norm_name, ".running_mean", spec);
  spec.rank = 0;
  if (o->norm == FM_NORM_BATCH)
    params[CONV_TRACKED] = fm_graph_add_param(graph, o->norm_name, ".num_batches_tracked", spec);
}

static void conv2d_describe(const fm_node *node, fm_node_settings *out) {
  const conv2d_options *o = conv2d_options_of(node);
  *out = (fm_node_settings){.kernel = o->kernel,
                            .stride = o->stride,
                            .padding = o->padding,
                            .padding_end = o->padding_end,
                            .dilation = o->dilation,
                            .groups = o->groups,
                            .act = o->act,
                            .norm = o->norm,
                            .norm_eps = o->eps,
                            .weight = node->params[CONV_WEIGHT],
                            .bias = node->params[CONV_BIAS],
                            .norm_weight = node->params[CONV_GAMMA],
                            .norm_bias = node->params[CONV_BETA],
                            .norm_mean = node->params[CONV_MEAN],
                            .norm_variance = node->params[CONV_VARIANCE]};
}

extern const fm_op fm_op_conv2d;

fm_value fm_conv2d(fm_graph *graph, fm_value x, const fm_conv2d_options *options) {
  const int ic = fm_graph_channels(graph, x), groups = options->groups ? options->groups : 1;
  if (ic <= 0 || options->kernel <= 0 || options->out_channels <= 0 || ic % groups ||
      options->out_channels % groups || options->padding < 0 || options->padding_end < 0 ||
      options->stride < 0 || options->act == FM_ACT_HARD_SIGMOID) {
    fm_graph_fail(graph, "conv2d %s: %d channels in %d groups to %d channels, kernel %d",
                  options->name, ic, groups, options->out_channels, options->kernel);
    return (fm_value){0};
  }
  const conv2d_options o = {
      .out_channels = options->out_channels,
      .kernel = options->kernel,
      .stride = options->stride ? options->stride : 1,
      .padding = options->padding,
      .padding_end = options->padding_end ? options->padding_end : options->padding,
      .dilation = options->dilation ? options->dilation : 1,
      .groups = groups,
      .norm = options->norm,
      .eps = options->norm_eps != 0 ? options->norm_eps : 1e-5f,
      .momentum = options->norm_momentum != 0 ? options->norm_momentum : 0.1f,
      .act = options->act,
      .residual = options->residual.id != 0,
  };
  int params[CONV_PARAMS];
  conv2d_add_params(graph, options, ic, groups, params);
  const fm_value inputs[2] = {x, options->residual};
  return fm_graph_add_node(graph, &fm_op_conv2d, inputs, o.residual ? 2 : 1, &o, sizeof o, params,
                           CONV_PARAMS, o.out_channels);
}

const fm_op fm_op_conv2d = {
    .name = "conv2d",
    .state_bytes = sizeof(conv2d_state),
    .sums_gradients = true,
    .quantises = true,
    .infer = conv2d_infer,
    .prepare = conv2d_prepare,
    .forward = conv2d_forward,
    .backward = fm_conv2d_backward,
    .release = conv2d_release,
    .describe = conv2d_describe,
    .cases = fm_conv2d_cases,
};
