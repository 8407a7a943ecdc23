// The convolution by our own Winograd products, where oneDNN has none for the processor.
#include <omp.h>

#include "nn/op/conv2d.h"

static const conv2d_options *winograd_options(const fm_node *node) {
  return (const conv2d_options *)(const void *)node->options;
}

static bool winograd_pays(const fm_op_context *context) {
  return fm_conv2d_algorithm(context) == dnnl_convolution_winograd;
}

bool fm_conv2d_winograd_forward_fits(fm_op_context *context) {
  conv2d_state *state = context->state;
  const conv2d_options *o = winograd_options(context->node);
  const bool aside = state->batch_norm || state->keeps_preactivation;
  state->winograd_forward = (fm_winograd){.x = state->source,
                                          .y = context->y,
                                          .padding = o->padding,
                                          .act = aside ? FM_ACT_NONE : o->act,
                                          .threads = omp_get_max_threads()};
  state->own_forward = winograd_pays(context) && fm_winograd_knows(&state->winograd_forward);
  return state->own_forward;
}

bool fm_conv2d_winograd_data_fits(fm_op_context *context) {
  conv2d_state *state = context->state;
  const conv2d_options *o = winograd_options(context->node);
  state->winograd_data = (fm_winograd){.x = context->y,
                                       .y = context->x[0],
                                       .padding = o->kernel - 1 - o->padding,
                                       .turned = true,
                                       .threads = omp_get_max_threads()};
  state->own_data = winograd_pays(context) && fm_winograd_knows(&state->winograd_data);
  return state->own_data;
}

bool fm_conv2d_winograd_weights_fits(fm_op_context *context, bool slow) {
  conv2d_state *state = context->state;
  state->winograd_weights =
      (fm_winograd_gradient){.x = state->source,
                             .dy = context->y,
                             .padding = winograd_options(context->node)->padding,
                             .threads = omp_get_max_threads()};
  state->own_weights = (slow ? fm_conv2d_fits_winograd(context) : winograd_pays(context)) &&
                       fm_winograd_gradient_knows(&state->winograd_weights);
  return state->own_weights;
}

void fm_conv2d_winograd_forward(fm_op_context *context, const fm_conv2d_arrays *arrays) {
  conv2d_state *state = context->state;
  fm_winograd *winograd = &state->winograd_forward;
  winograd->x.data = arrays->source;
  winograd->y.data = arrays->destination;
  winograd->weight = arrays->weight;
  winograd->bias = arrays->bias;
  winograd->residual = arrays->residual;
  winograd->scratch = (uint8_t *)context->scratch + state->scratch_pad_forward;
  fm_winograd_run(winograd);
}

void fm_conv2d_winograd_data(fm_op_context *context, void *dz, const void *weight) {
  conv2d_state *state = context->state;
  fm_winograd *winograd = &state->winograd_data;
  winograd->x.data = dz;
  winograd->y.data = context->dx[0].data;
  winograd->weight = weight;
  winograd->scratch = (uint8_t *)context->scratch + state->scratch_pad_data;
  fm_winograd_run(winograd);
}

void fm_conv2d_winograd_weights(fm_op_context *context, void *source, void *dz) {
  conv2d_state *state = context->state;
  uint8_t *scratch = context->scratch;
  fm_winograd_gradient *winograd = &state->winograd_weights;
  winograd->x.data = source;
  winograd->dy.data = dz;
  winograd->dweight = (float *)(void *)(scratch + state->scratch_diff);
  winograd->dbias =
      state->trains_bias ? (float *)(void *)(scratch + state->scratch_diff_bias) : NULL;
  winograd->scratch = scratch + state->scratch_pad_weights;
  fm_winograd_gradient_run(winograd);
}
