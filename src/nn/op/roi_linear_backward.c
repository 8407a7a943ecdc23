// Backward of roi_linear: a group of outputs at a time.
#include <stdio.h>
#include <string.h>

#include "nn/chunk.h"
#include "nn/op/linear.h"
#include "nn/op/roi_linear.h"
#include "nn/op/roi_linear_products.h"
#include "nn/params_layout.h"
#include "nn/profile.h"

// dz of a group, and its sum over all rows, which is the bias's gradient.
static void roi_linear_mask(const fm_op_context *context) {
  const roi_linear_state *state = context->state;
  const roi_linear_options *o = roi_linear_options_of(context->node);
  const int bias = context->node->params[LINEAR_BIAS];
  const size_t first = (size_t)state->now * state->group;
  float *dz = roi_linear_at(context, state->backward.dz);
#pragma omp parallel for schedule(static)
  for (int r = 0; r < state->rois; r++) {
    float in[FM_CHUNK], known[FM_CHUNK];
    const size_t start = (size_t)r * (size_t)o->out_features + first;
    const float *dy = fm_chunk_read(&context->dy, &context->y, start, state->group, in);
    const float *y = fm_chunk_read(&context->y, &context->y, start, state->group, known);
    float *row = dz + (size_t)r * state->group;
    for (size_t i = 0; i < state->group; i++)
      row[i] = o->act == FM_ACT_NONE || y[i] > 0 ? dy[i] : 0;
  }
  if (fm_params_spec(context->params, bias)->kind != FM_PARAM_TRAINED)
    return;
  float *gradient = fm_params_gradient(context->params, bias) + first;
  for (size_t r = 0; r < (size_t)state->rois; r++)
    for (size_t i = 0; i < state->group; i++)
      gradient[i] += dz[r * state->group + i];
}

static roi_lists roi_linear_lists(const fm_op_context *context) {
  const roi_linear_state *state = context->state;
  uint8_t *index = fm_roi_linear_index(context, &state->backward);
  return (roi_lists){(uint32_t *)(void *)(index + state->backward.starts),
                     (roi_entry *)(void *)(index + state->backward.entries)};
}

// H of one pixel: all its bins.
static void roi_linear_scatter_pixel(const fm_op_context *context, size_t pixel) {
  const roi_linear_state *state = context->state;
  const roi_lists lists = roi_linear_lists(context);
  const float *dz = roi_linear_at(context, state->backward.dz);
  const size_t group = state->group, columns = state->bins * group;
  uint8_t *target = roi_linear_at(context, state->backward.products);
  float buffer[FM_CHUNK];
  const size_t together = FM_CHUNK / group; // bins
  for (size_t bin = 0; bin < state->bins; bin += together) {
    const size_t count = state->bins - bin < together ? state->bins - bin : together;
    const size_t at = pixel * columns + bin * group;
    float *out = context->precision == FM_F32 ? (float *)(void *)target + at : buffer;
    for (size_t k = 0; k < count; k++) {
      const uint32_t *cell = lists.starts + pixel * state->bins + bin + k;
      fm_roi_scatter(lists.entries + cell[0], cell[1] - cell[0], dz, group, out + k * group);
    }
    if (context->precision == FM_BF16)
      fm_bf16_pack((uint16_t *)(void *)target + at, buffer, count * group);
  }
}

static fm_status roi_linear_scatter(void *user) {
  const fm_op_context *context = user;
  const size_t pixels = ((const roi_linear_state *)context->state)->pixels;
#pragma omp parallel for schedule(dynamic, 4)
  for (size_t pixel = 0; pixel < pixels; pixel++)
    roi_linear_scatter_pixel(context, pixel);
  return FM_OK;
}

static void roi_linear_describe_scatter(const void *user, fm_work *work, char *name) {
  const fm_op_context *context = user;
  const roi_linear_state *state = context->state;
  const double numbers =
      (double)(state->pixels * state->bins + (size_t)state->rois) * (double)state->group;
  const int used = snprintf(name, FM_PROFILE_NAME_BYTES, "linear backward, own sparse sums");
  if (fm_profile_is_by_layer())
    fm_roi_linear_describe_layer(context, name, used);
  work->flops = 2 * fm_roi_linear_shares(context, &state->backward) * (double)state->group;
  work->bytes = numbers * sizeof(float);
}

static fm_status roi_linear_multiply(fm_primitive *product, void *a, void *b, void *c, void *pad) {
  fm_primitive_set(product, DNNL_ARG_SRC, a);
  fm_primitive_set(product, DNNL_ARG_WEIGHTS, b);
  fm_primitive_set(product, DNNL_ARG_DST, c);
  fm_primitive_set(product, DNNL_ARG_SCRATCHPAD, pad);
  return fm_primitive_run(product);
}

static fm_status roi_linear_backward_data(fm_op_context *context, void *weight) {
  roi_linear_state *state = context->state;
  const int levels = roi_linear_options_of(context->node)->pooling.levels;
  const size_t columns = state->bins * state->group, size = fm_dtype_size(context->precision);
  uint8_t *products = roi_linear_at(context, state->backward.products);
  float *dmaps = roi_linear_at(context, state->backward.dmaps);
  for (int i = 0; i < levels; i++) {
    roi_linear_level *level = &state->levels[i];
    if (context->wants_dx[i])
      FM_TRY(roi_linear_multiply(&level->backward_data, products + level->first * columns * size,
                                 weight, dmaps + level->first * state->channels,
                                 roi_linear_at(context, state->backward.pad)));
  }
  return FM_OK;
}

static fm_status roi_linear_backward_weights(fm_op_context *context, bool adds) {
  roi_linear_state *state = context->state;
  const int levels = roi_linear_options_of(context->node)->pooling.levels;
  const int weight = context->node->params[LINEAR_WEIGHT];
  const size_t columns = state->bins * state->group, size = fm_dtype_size(context->precision);
  uint8_t *products = roi_linear_at(context, state->backward.products);
  float *dweights = roi_linear_at(context, state->backward.dweights);
  for (int i = 0; i < levels; i++) {
    roi_linear_level *level = &state->levels[i];
    FM_TRY(roi_linear_multiply(&level->backward_weights, products + level->first * columns * size,
                               level->map.data, dweights,
                               roi_linear_at(context, state->backward.pad)));
  }
  const size_t row = state->channels * state->bins;
  float *gradient = adds ? fm_params_gradient(context->params, weight)
                         : fm_params_gradient_to_write(context->params, weight);
  gradient += (size_t)state->now * state->group * row;
#pragma omp parallel for schedule(static)
  for (size_t o = 0; o < state->group; o++)
    fm_roi_turn_bins(gradient + o * row, dweights + o * state->channels, state->bins,
                     state->channels, state->group * state->channels, adds);
  return FM_OK;
}

static void roi_linear_give_dx(fm_op_context *context) {
  const roi_linear_state *state = context->state;
  const int levels = roi_linear_options_of(context->node)->pooling.levels;
  float *dmaps = roi_linear_at(context, state->backward.dmaps);
  for (int i = 0; i < levels; i++) {
    fm_tensor dmap = state->levels[i].map;
    dmap.dtype = FM_F32;
    dmap.data = dmaps + state->levels[i].first * state->channels;
    if (context->wants_dx[i])
      fm_tensor_copy(&context->dx[i], &dmap);
  }
}

fm_status fm_roi_linear_backward(fm_op_context *context) {
  roi_linear_state *state = context->state;
  const int weight_id = context->node->params[LINEAR_WEIGHT];
  const bool trains = fm_params_spec(context->params, weight_id)->kind == FM_PARAM_TRAINED;
  // The first of a step's gradients is written, the others are added.
  const bool adds = trains && fm_params_gradient_written(context->params, weight_id);
  roi_places places;
  void *weight;
  FM_TRY(fm_working_data(state->weight, &weight));
  FM_TRY(fm_roi_linear_begin(context, &state->backward, &places));
  roi_lists lists = roi_linear_lists(context);
  fm_roi_lists_fill(&lists, &places, context->x, &roi_linear_options_of(context->node)->pooling);
  memset(roi_linear_at(context, state->backward.dmaps), 0,
         state->pixels * state->channels * sizeof(float));
  for (state->now = 0; state->now < state->groups; state->now++) {
    roi_linear_mask(context);
    fm_profile_run(roi_linear_scatter, context, roi_linear_describe_scatter);
    FM_TRY(roi_linear_backward_data(context, roi_linear_weights(state, weight, state->now)));
    if (trains)
      FM_TRY(roi_linear_backward_weights(context, adds));
  }
  state->now = 0;
  roi_linear_give_dx(context);
  return FM_OK;
}
