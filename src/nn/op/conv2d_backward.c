// Gradients of the convolution: mask the incoming gradient, then weights, bias and input by oneDNN.
//   dpre = (sum of dy) * act'     d(residual) = dpre     dz = norm'(dpre)
//   dweight += scale * (x correlated with dz)     dbias += sum of dz     dx = dz convolved with
//   weight^T
#include <omp.h>
#include <string.h>

#include "base/clones.h"
#include "nn/chunk.h"
#include "nn/op/activation.h"
#include "nn/op/conv2d.h"
#include "nn/params_layout.h"

static const conv2d_options *backward_options(const fm_node *node) {
  return (const conv2d_options *)(const void *)node->options;
}

static bool backward_is_trained(const fm_op_context *context, int param) {
  const int id = context->node->params[param];
  return id >= 0 && fm_params_spec(context->params, id)->kind == FM_PARAM_TRAINED;
}

typedef struct backward_geometry {
  dnnl_alg_kind_t algorithm;
  dnnl_memory_desc_t source, destination, bias;
  conv2d_geometry conv;
  dnnl_primitive_attr_t attributes;
  dnnl_primitive_desc_t hint;
} backward_geometry;

static fm_status backward_geometry_init(backward_geometry *g, const fm_op_context *context) {
  const conv2d_state *state = context->state;
  const conv2d_options *o = backward_options(context->node);
  g->source = state->source_desc;
  g->destination = state->destination_desc;
  const dnnl_dims_t channels = {o->out_channels};
  FM_DNNL(dnnl_memory_desc_init_by_tag(&g->bias, 1, channels, dnnl_f32, dnnl_a));
  fm_conv2d_geometry_of(&g->conv, o);
  dnnl_memory_desc_t weight;
  FM_TRY(fm_conv2d_weight_desc(&weight, context, context->precision, false));
  dnnl_convolution_desc_t desc;
  FM_DNNL(dnnl_dilated_convolution_forward_desc_init(
      &desc, dnnl_forward_training, g->algorithm, &g->source, &weight, NULL, &g->destination,
      g->conv.strides, g->conv.dilates, g->conv.padding, g->conv.padding_end));
  FM_DNNL(dnnl_primitive_desc_create(&g->hint, &desc, NULL, fm_dnnl_engine(), NULL));
  return fm_dnnl_attributes(&g->attributes);
}

static void backward_geometry_release(backward_geometry *g) {
  if (g->hint)
    dnnl_primitive_desc_destroy(g->hint);
  if (g->attributes)
    dnnl_primitive_attr_destroy(g->attributes);
}

// The weights dx is made with: folded as forward has them, in the layout wanted.
static fm_status backward_working(fm_op_context *context, const dnnl_memory_desc_t *wanted) {
  conv2d_state *state = context->state;
  fm_working_spec spec;
  FM_TRY(fm_conv2d_working_spec(&spec, context, wanted));
  return fm_working_get(&state->weight_backward, context->params, &spec);
}

// The product that gives the gradient of an x that lies as `source`; the caller owns *pd.
static fm_status backward_data_describe(dnnl_primitive_desc_t *pd, const fm_op_context *context,
                                        const backward_geometry *g,
                                        const dnnl_memory_desc_t *source) {
  dnnl_memory_desc_t weight;
  FM_TRY(fm_conv2d_weight_desc(&weight, context, context->precision, false));
  dnnl_convolution_desc_t desc;
  FM_DNNL(dnnl_dilated_convolution_backward_data_desc_init(
      &desc, g->algorithm, source, &weight, &g->destination, g->conv.strides, g->conv.dilates,
      g->conv.padding, g->conv.padding_end));
  FM_DNNL(dnnl_primitive_desc_create(pd, &desc, g->attributes, fm_dnnl_engine(), g->hint));
  return FM_OK;
}

// dx as x arrived; where oneDNN has but its reference loops from one layout to another (bf16 with
// AMX tiles), as forward reads x, and turned then.
static fm_status backward_prepare_data(fm_op_context *context, const backward_geometry *g) {
  conv2d_state *state = context->state;
  if (fm_conv2d_winograd_data_fits(context)) {
    dnnl_memory_desc_t plain;
    FM_TRY(fm_conv2d_weight_desc(&plain, context, FM_F32, true));
    return backward_working(context, &plain);
  }
  dnnl_memory_desc_t source = g->source;
  if (state->reorders_source)
    FM_TRY(fm_dnnl_desc(&source, &context->x[0]));
  dnnl_primitive_desc_t pd;
  FM_TRY(backward_data_describe(&pd, context, g, &source));
  state->reorders_dx = state->reorders_source && fm_dnnl_is_reference(pd);
  if (state->reorders_dx) {
    dnnl_primitive_desc_destroy(pd);
    FM_TRY(backward_data_describe(&pd, context, g, &g->source));
    FM_TRY(fm_primitive_reorder(&state->dx_reorder, &g->source, &source));
    source = g->source;
  }
  const dnnl_memory_desc_t wanted = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
  FM_TRY(fm_primitive_init(&state->backward_data, pd));
  FM_TRY(fm_primitive_add(&state->backward_data, DNNL_ARG_DIFF_SRC, &source));
  FM_TRY(fm_primitive_add(&state->backward_data, DNNL_ARG_WEIGHTS, &wanted));
  FM_TRY(fm_primitive_add(&state->backward_data, DNNL_ARG_DIFF_DST, &g->destination));
  return backward_working(context, &wanted);
}

// The whole backward pass of a depthwise convolution is our own work where the layout allows.
static bool backward_chooses_depthwise(fm_op_context *context) {
  conv2d_state *state = context->state;
  const conv2d_options *o = backward_options(context->node);
  const fm_depthwise geometry = {.kernel = o->kernel,
                                 .stride = o->stride,
                                 .dilation = o->dilation,
                                 .padding = o->padding,
                                 .threads = omp_get_max_threads()};
  state->depthwise.geometry = geometry;
  state->own_depthwise = o->groups == context->x[0].shape.c && o->groups == o->out_channels &&
                         fm_depthwise_knows(&geometry, &context->x[0], &context->y);
  state->own_activation =
      state->own_depthwise && !state->batch_norm && !(o->residual && context->wants_dx[1]);
  return state->own_depthwise;
}

static fm_status backward_prepare_depthwise(fm_op_context *context) {
  if (!context->wants_dx[0])
    return FM_OK;
  context->slopes_dx[0] = fm_activation_tells_slope(context->x_act[0]);
  dnnl_memory_desc_t plain;
  FM_TRY(fm_conv2d_weight_desc(&plain, context, FM_F32, true));
  return backward_working(context, &plain);
}

static fm_status backward_prepare_weights(fm_op_context *context, const backward_geometry *g,
                                          size_t *diff_bytes) {
  conv2d_state *state = context->state;
  if (fm_conv2d_winograd_weights_fits(context, false))
    return FM_OK;
  dnnl_memory_desc_t any, plain;
  FM_TRY(fm_conv2d_weight_desc(&any, context, FM_F32, false));
  FM_TRY(fm_conv2d_weight_desc(&plain, context, FM_F32, true));
  dnnl_convolution_desc_t desc;
  FM_DNNL(dnnl_dilated_convolution_backward_weights_desc_init(
      &desc, g->algorithm, &g->source, &any, state->trains_bias ? &g->bias : NULL, &g->destination,
      g->conv.strides, g->conv.dilates, g->conv.padding, g->conv.padding_end));
  dnnl_primitive_desc_t pd;
  FM_DNNL(dnnl_primitive_desc_create(&pd, &desc, g->attributes, fm_dnnl_engine(), g->hint));
  if (fm_dnnl_is_reference(pd) && fm_conv2d_winograd_weights_fits(context, true)) {
    dnnl_primitive_desc_destroy(pd);
    return FM_OK;
  }
  const dnnl_memory_desc_t diff = *dnnl_primitive_desc_query_md(pd, dnnl_query_diff_weights_md, 0);
  FM_TRY(fm_primitive_init(&state->backward_weights, pd));
  FM_TRY(fm_primitive_add(&state->backward_weights, DNNL_ARG_SRC, &g->source));
  FM_TRY(fm_primitive_add(&state->backward_weights, DNNL_ARG_DIFF_DST, &g->destination));
  FM_TRY(fm_primitive_add(&state->backward_weights, DNNL_ARG_DIFF_WEIGHTS, &diff));
  if (state->trains_bias)
    FM_TRY(fm_primitive_add(&state->backward_weights, DNNL_ARG_DIFF_BIAS, &g->bias));
  *diff_bytes = dnnl_memory_desc_get_size(&diff);
  state->reorders_weight_gradient = !dnnl_memory_desc_equal(&diff, &plain);
  if (state->reorders_weight_gradient)
    FM_TRY(fm_primitive_reorder(&state->weight_gradient_reorder, &diff, &plain));
  return FM_OK;
}

static fm_status backward_prepare_primitives(fm_op_context *context, dnnl_alg_kind_t algorithm,
                                             size_t *diff_bytes) {
  conv2d_state *state = context->state;
  fm_primitive_release(&state->backward_data); // of an algorithm that failed halfway
  fm_primitive_release(&state->dx_reorder);
  fm_primitive_release(&state->backward_weights);
  fm_primitive_release(&state->weight_gradient_reorder);
  backward_geometry g = {.algorithm = algorithm};
  fm_status status = backward_geometry_init(&g, context);
  if (status == FM_OK && context->wants_dx[0])
    status = backward_prepare_data(context, &g);
  if (status == FM_OK && state->wants_weight_gradient)
    status = backward_prepare_weights(context, &g, diff_bytes);
  backward_geometry_release(&g);
  return status;
}

static size_t backward_take(size_t *used, size_t bytes) {
  const size_t offset = *used;
  *used += (bytes + 63) / 64 * 64;
  return offset;
}

static size_t backward_weights_scratch(const fm_op_context *context) {
  const conv2d_state *state = context->state;
  if (state->own_depthwise)
    return fm_depthwise_backward_scratch(&state->depthwise.geometry, &context->x[0], &context->y);
  return state->own_weights ? fm_winograd_gradient_scratch(&state->winograd_weights)
                            : state->backward_weights.scratchpad_bytes;
}

fm_status fm_conv2d_prepare_backward(fm_op_context *context) {
  conv2d_state *state = context->state;
  const conv2d_options *o = backward_options(context->node);
  state->trains_weight = backward_is_trained(context, CONV_WEIGHT);
  state->trains_bias = backward_is_trained(context, CONV_BIAS);
  state->wants_weight_gradient = state->trains_weight || state->trains_bias;
  state->weight_elements = fm_params_elements(context->params, context->node->params[CONV_WEIGHT]);
  size_t diff_bytes = state->weight_elements * sizeof(float);
  fm_status status;
  if (backward_chooses_depthwise(context)) {
    status = backward_prepare_depthwise(context);
  } else {
    status = backward_prepare_primitives(context, fm_conv2d_algorithm(context), &diff_bytes);
    if (status < 0 && fm_conv2d_algorithm(context) != dnnl_convolution_direct)
      status = backward_prepare_primitives(context, dnnl_convolution_direct, &diff_bytes);
  }
  FM_TRY(status);
  context->reads_x_in_backward[0] = state->wants_weight_gradient || context->slopes_dx[0];
  context->reads_y_in_backward = o->act != FM_ACT_NONE && !state->keeps_preactivation;
  context->y_act = fm_activation_tells_slope(o->act) ? o->act : FM_ACT_NONE;
  context->reads_x_in_backward[1] = state->batch_norm && o->act == FM_ACT_HARD_SWISH;
  const size_t channels = (size_t)(o->out_channels + 16) * sizeof(float);
  size_t used = 0;
  const bool reorders = state->reorders_source && !state->own_depthwise &&
                        (state->wants_weight_gradient || state->reorders_dx);
  state->scratch_source = backward_take(&used, reorders ? fm_tensor_bytes(&state->source) : 0);
  state->scratch_dy =
      backward_take(&used, state->own_activation ? 0 : fm_tensor_bytes(&context->y));
  state->scratch_diff = backward_take(&used, diff_bytes);
  state->scratch_plain = backward_take(
      &used, state->reorders_weight_gradient ? state->weight_elements * sizeof(float) : 0);
  state->scratch_diff_bias = backward_take(&used, channels);
  state->scratch_scale = backward_take(&used, channels);
  const size_t padded = (size_t)fm_tensor_blocks(&context->y) * (size_t)context->y.block;
  state->scratch_sums = backward_take(
      &used, state->batch_norm ? ((size_t)context->y.shape.n + 2) * padded * sizeof(double) : 0);
  state->scratch_pad_data =
      backward_take(&used, state->own_data ? fm_winograd_scratch(&state->winograd_data)
                                           : state->backward_data.scratchpad_bytes);
  state->scratch_pad_weights = backward_take(&used, backward_weights_scratch(context));
  context->backward_scratch_bytes = used;
  return FM_OK;
}

// Adds scale[c] * diff to the weight's gradient, row by row of output channels.
FM_KERNEL static void backward_add_row(float *restrict gradient, const float *restrict diff,
                                       float scale, size_t n) {
  for (size_t i = 0; i < n; ++i)
    gradient[i] += scale * diff[i];
}

static fm_status backward_add_weights(fm_op_context *context) {
  conv2d_state *state = context->state;
  const conv2d_options *o = backward_options(context->node);
  const int *params = context->node->params;
  uint8_t *scratch = context->scratch;
  float *diff = (float *)(void *)(scratch + state->scratch_diff);
  const bool folded = o->norm != FM_NORM_NONE && !state->batch_norm;
  const fm_fold fold = {folded ? params[CONV_GAMMA] : -1, params[CONV_BETA], params[CONV_MEAN],
                        params[CONV_VARIANCE], o->eps};
  float *scale = (float *)(void *)(scratch + state->scratch_scale);
  fm_fold_scale(context->params, &fold, o->out_channels, scale);
  if (state->trains_bias) {
    float *bias = fm_params_gradient(context->params, params[CONV_BIAS]);
    const float *sums = (const float *)(void *)(scratch + state->scratch_diff_bias);
    for (int c = 0; c < o->out_channels; ++c)
      bias[c] += scale[c] * sums[c];
  }
  if (!state->trains_weight)
    return FM_OK;
  if (state->reorders_weight_gradient) {
    fm_primitive_set(&state->weight_gradient_reorder, DNNL_ARG_FROM, diff);
    diff = (float *)(void *)(scratch + state->scratch_plain);
    fm_primitive_set(&state->weight_gradient_reorder, DNNL_ARG_TO, diff);
    FM_TRY(fm_primitive_run(&state->weight_gradient_reorder));
  }
  float *gradient = fm_params_gradient(context->params, params[CONV_WEIGHT]);
  const size_t row = state->weight_elements / (size_t)o->out_channels;
#pragma omp parallel for schedule(static) if (state->weight_elements > 4096)
  for (int c = 0; c < o->out_channels; ++c)
    backward_add_row(gradient + (size_t)c * row, diff + (size_t)c * row, scale[c], row);
  return FM_OK;
}

static fm_status backward_weights(fm_op_context *context, void *dz) {
  conv2d_state *state = context->state;
  uint8_t *scratch = context->scratch;
  void *source = context->x[0].data;
  if (state->reorders_source) {
    fm_primitive_set(&state->source_reorder, DNNL_ARG_FROM, source);
    source = scratch + state->scratch_source;
    fm_primitive_set(&state->source_reorder, DNNL_ARG_TO, source);
    FM_TRY(fm_primitive_run(&state->source_reorder));
  }
  if (state->own_weights) {
    fm_conv2d_winograd_weights(context, source, dz);
    return backward_add_weights(context);
  }
  fm_primitive *primitive = &state->backward_weights;
  fm_primitive_set(primitive, DNNL_ARG_SRC, source);
  fm_primitive_set(primitive, DNNL_ARG_DIFF_DST, dz);
  fm_primitive_set(primitive, DNNL_ARG_DIFF_WEIGHTS, scratch + state->scratch_diff);
  if (state->trains_bias)
    fm_primitive_set(primitive, DNNL_ARG_DIFF_BIAS, scratch + state->scratch_diff_bias);
  fm_primitive_set(primitive, DNNL_ARG_SCRATCHPAD, scratch + state->scratch_pad_weights);
  FM_TRY(fm_primitive_run(primitive));
  return backward_add_weights(context);
}

static fm_status backward_data(fm_op_context *context, void *dz) {
  conv2d_state *state = context->state;
  void *weight;
  FM_TRY(fm_working_data(state->weight_backward, &weight));
  if (state->own_data) {
    fm_conv2d_winograd_data(context, dz, weight);
    return FM_OK;
  }
  fm_primitive *primitive = &state->backward_data;
  // The weights' gradient has been made, so that x as forward read it is done with.
  void *dx = state->reorders_dx ? (uint8_t *)context->scratch + state->scratch_source
                                : context->dx[0].data;
  fm_primitive_set(primitive, DNNL_ARG_DIFF_SRC, dx);
  fm_primitive_set(primitive, DNNL_ARG_WEIGHTS, weight);
  fm_primitive_set(primitive, DNNL_ARG_DIFF_DST, dz);
  fm_primitive_set(primitive, DNNL_ARG_SCRATCHPAD,
                   (uint8_t *)context->scratch + state->scratch_pad_data);
  FM_TRY(fm_primitive_run(primitive));
  if (!state->reorders_dx)
    return FM_OK;
  fm_primitive_set(&state->dx_reorder, DNNL_ARG_FROM, dx);
  fm_primitive_set(&state->dx_reorder, DNNL_ARG_TO, context->dx[0].data);
  return fm_primitive_run(&state->dx_reorder);
}

// dz: the gradient of the convolution's output, NULL where it is the loops' work to make it.
static fm_status backward_depthwise(fm_op_context *context, const fm_tensor *dz) {
  conv2d_state *state = context->state;
  const conv2d_options *o = backward_options(context->node);
  uint8_t *scratch = context->scratch;
  float *diff = (float *)(void *)(scratch + state->scratch_diff);
  float *diff_bias = (float *)(void *)(scratch + state->scratch_diff_bias);
  void *weight = NULL;
  if (context->wants_dx[0])
    FM_TRY(fm_working_data(state->weight_backward, &weight));
  fm_depthwise_backward *job = &state->depthwise;
  *job = (fm_depthwise_backward){.geometry = job->geometry,
                                 .x = context->x[0],
                                 .dx = context->dx[0],
                                 .x_act = context->slopes_dx[0] ? context->x_act[0] : FM_ACT_NONE,
                                 .dy_count = dz ? 1 : context->dy_part_count,
                                 .act = dz || context->dy_has_slope ? FM_ACT_NONE : o->act,
                                 .known = context->y,
                                 .weight = weight,
                                 .dweight = state->wants_weight_gradient ? diff : NULL,
                                 .dbias = state->trains_bias ? diff_bias : NULL,
                                 .scratch = scratch + state->scratch_pad_weights};
  memcpy(job->dy, dz ? dz : context->dy_parts, (size_t)job->dy_count * sizeof *job->dy);
  if (state->keeps_preactivation)
    job->known.data = context->saved;
  fm_depthwise_run_backward(job);
  return state->wants_weight_gradient ? backward_add_weights(context) : FM_OK;
}

fm_status fm_conv2d_backward(fm_op_context *context) {
  conv2d_state *state = context->state;
  const conv2d_options *o = backward_options(context->node);
  if (state->own_activation)
    return backward_depthwise(context, NULL);
  uint8_t *scratch = context->scratch;
  fm_tensor dz = context->y;
  dz.data = scratch + state->scratch_dy;
  fm_tensor z = context->y;
  z.data = context->saved;
  float *statistics = (float *)(void *)((uint8_t *)context->saved + state->saved_statistics);
  const bool hard_swish = o->act == FM_ACT_HARD_SWISH;
  const bool residual = o->residual && context->wants_dx[1];
  // Without a slope to apply and norm the only contribution already is dz.
  const bool sloped = o->act == FM_ACT_NONE || context->dy_has_slope;
  if (sloped && context->dy_part_count == 1 && !state->batch_norm)
    dz.data = context->dy_parts[0].data;
  else
    fm_conv2d_mask(context, hard_swish ? &z : NULL,
                   hard_swish && state->batch_norm ? statistics : NULL, &dz);
  if (residual)
    fm_tensor_copy(&context->dx[1], &dz);
  if (state->batch_norm)
    fm_conv2d_norm_backward(context, &z, statistics,
                            (double *)(void *)(scratch + state->scratch_sums), &dz);
  if (state->own_depthwise)
    return backward_depthwise(context, &dz);
  if (state->wants_weight_gradient)
    FM_TRY(backward_weights(context, dz.data));
  return context->wants_dx[0] ? backward_data(context, dz.data) : FM_OK;
}
