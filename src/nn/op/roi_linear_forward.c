// What both passes of roi_linear begin with, and forward: each thread takes a group of outputs of
// one picture at a time, multiplies its maps and sums them up for the RoIs.
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/chunk.h"
#include "nn/op/roi_linear.h"
#include "nn/op/roi_linear_products.h"
#include "nn/profile.h"

// --- what both passes begin with

static void roi_linear_maps(fm_op_context *context, const roi_linear_room *room) {
  roi_linear_state *state = context->state;
  const int levels = roi_linear_options_of(context->node)->pooling.levels;
  for (int i = 0; i < levels; i++) {
    roi_linear_level *level = &state->levels[i];
    level->map.data = context->x[i].data;
    if (!level->converts)
      continue;
    const size_t size = fm_dtype_size(level->map.dtype);
    level->map.data = roi_linear_at(context, room->maps + level->first * state->channels * size);
    fm_tensor_copy(&level->map, &context->x[i]);
  }
}

void *fm_roi_linear_index(const fm_op_context *context, const roi_linear_room *room) {
  return room->kept ? room->kept : context->scratch;
}

roi_places fm_roi_linear_places(const fm_op_context *context, const roi_linear_room *room) {
  const roi_linear_state *state = context->state;
  return fm_roi_places_in(fm_roi_linear_index(context, room), state->rois,
                          &roi_linear_options_of(context->node)->pooling);
}

fm_status fm_roi_linear_begin(fm_op_context *context, roi_linear_room *room, roi_places *places) {
  const roi_options *pooling = &roi_linear_options_of(context->node)->pooling;
  if (fm_profile_is_on() && !room->kept) {
    room->kept = malloc(room->index_bytes);
    FM_CHECK_ALLOC(room->kept);
  }
  *places = fm_roi_linear_places(context, room);
  FM_TRY(fm_roi_places_fill(places, context->x, pooling, &(roi_order){false, NULL}));
  roi_linear_maps(context, room);
  return FM_OK;
}

double fm_roi_linear_shares(const fm_op_context *context, const roi_linear_room *room) {
  const roi_places places = fm_roi_linear_places(context, room);
  double shares = 0;
  for (int r = 0; r < places.rois; r++)
    if (places.tables[r].level >= 0)
      shares += (double)places.tables[r].y_count * places.tables[r].x_count;
  return shares;
}

void fm_roi_linear_describe_layer(const fm_op_context *context, char *name, int used) {
  const roi_linear_state *state = context->state;
  snprintf(name + used, (size_t)(FM_PROFILE_NAME_BYTES - used), ", %d over %zu x %zu to %d",
           state->rois, state->pixels, state->bins * state->channels, context->y.shape.c);
}

// --- forward

// What a thread has for itself: maps of one picture, then memory for oneDNN.
static float *roi_linear_own_maps(const fm_op_context *context, int thread) {
  const roi_linear_state *state = context->state;
  float *maps = roi_linear_at(context, state->forward.products);
  return maps + (size_t)thread * state->area * state->bins * state->group;
}

static void *roi_linear_own_pad(const fm_op_context *context, int thread) {
  const roi_linear_state *state = context->state;
  return roi_linear_at(context, state->forward.pad + (size_t)thread * state->forward.pad_bytes);
}

static void roi_linear_row(const fm_op_context *context, const roi_places *places, int r,
                           int group) {
  const roi_linear_state *state = context->state;
  const roi_linear_options *o = roi_linear_options_of(context->node);
  const roi_table *table = &places->tables[r];
  const size_t first = (size_t)group * state->group;
  const size_t start = (size_t)r * (size_t)o->out_features + first;
  float buffer[FM_CHUNK];
  float *out = fm_chunk_target(&context->y, &context->y, start, buffer);
  roi_finish finish = {.bias = state->bias_values + first, .relu = o->act == FM_ACT_RELU};
  if (table->level >= 0) {
    const roi_linear_level *level = &state->levels[table->level];
    const roi_taps taps = {.y = fm_roi_places_axis(places, r, false),
                           .x = fm_roi_places_axis(places, r, true),
                           .output_size = o->pooling.output_size,
                           .width = level->map.shape.w,
                           .bins = state->bins,
                           .group = state->group};
    const float *maps = roi_linear_own_maps(context, omp_get_thread_num());
    if (state->weight_scales) {
      finish.scale = state->weight_scales + first;
      finish.unit = level->map.scale;
    }
    fm_roi_gather(&taps, maps + level->area_first * state->bins * state->group, out);
  } else {
    memset(out, 0, state->group * sizeof *out);
  }
  fm_roi_finish(&finish, out, state->group);
  fm_chunk_write(&context->y, &context->y, start, state->group, out);
}

static fm_status roi_linear_picture_maps(const fm_op_context *context, int group, int picture) {
  const roi_linear_state *state = context->state;
  const int levels = roi_linear_options_of(context->node)->pooling.levels;
  const int thread = omp_get_thread_num();
  float *maps = roi_linear_own_maps(context, thread);
  for (int i = 0; i < levels; i++) {
    const roi_linear_level *level = &state->levels[i];
    const size_t row = state->channels * fm_dtype_size(level->map.dtype);
    fm_primitive *product = &level->forward[thread];
    fm_primitive_set(product, DNNL_ARG_SRC,
                     (uint8_t *)level->map.data + (size_t)picture * level->area * row);
    fm_primitive_set(product, DNNL_ARG_WEIGHTS,
                     roi_linear_weights(state, state->weight_values, group));
    fm_primitive_set(product, DNNL_ARG_DST, maps + level->area_first * state->bins * state->group);
    fm_primitive_set(product, DNNL_ARG_SCRATCHPAD, roi_linear_own_pad(context, thread));
    FM_TRY(fm_primitive_run_within(product));
  }
  return FM_OK;
}

// A group of the outputs of one picture's RoIs; masked ones are the first picture's.
static void roi_linear_picture(const fm_op_context *context, const roi_places *places, int group,
                               int picture) {
  roi_linear_state *state = context->state;
  if (roi_linear_picture_maps(context, group, picture) < 0) {
    atomic_store(&state->failed, true);
    return;
  }
  for (int r = 0; r < state->rois; r++)
    if (places->tables[r].image == picture)
      roi_linear_row(context, places, r, group);
}

static fm_status roi_linear_run_forward(void *user) {
  const fm_op_context *context = user;
  const roi_linear_state *state = context->state;
  const roi_places places = fm_roi_linear_places(context, &state->forward);
#pragma omp parallel for schedule(dynamic, 1) num_threads(state->threads)
  for (int task = 0; task < state->groups * state->pictures; task++)
    roi_linear_picture(context, &places, task / state->pictures, task % state->pictures);
  return FM_OK;
}

static void roi_linear_describe_forward(const void *user, fm_work *work, char *name) {
  const fm_op_context *context = user;
  const roi_linear_state *state = context->state;
  const double outputs = context->y.shape.c;
  const double cells = (double)(state->pixels * state->bins);
  const int used = snprintf(name, FM_PROFILE_NAME_BYTES, "linear forward, own sums over maps");
  if (fm_profile_is_by_layer())
    fm_roi_linear_describe_layer(context, name, used);
  const double shares = fm_roi_linear_shares(context, &state->forward);
  work->flops = 2 * (cells * (double)state->channels + shares) * outputs;
  work->bytes = ((double)(state->bins * state->channels) * outputs +
                 (double)(state->pixels * state->channels) + state->rois * outputs) *
                (double)fm_dtype_size(state->levels[0].map.dtype);
}

fm_status fm_roi_linear_forward(fm_op_context *context) {
  roi_linear_state *state = context->state;
  roi_places places;
  void *bias;
  FM_TRY(fm_working_data(state->weight, &state->weight_values));
  FM_TRY(fm_working_data(state->bias, &bias));
  state->bias_values = bias;
  if (state->int8)
    FM_TRY(fm_working_scales(state->weight, &state->weight_scales));
  FM_TRY(fm_roi_linear_begin(context, &state->forward, &places));
  atomic_store(&state->failed, false);
  fm_profile_run(roi_linear_run_forward, context, roi_linear_describe_forward);
  return atomic_load(&state->failed)
             ? fm_fail(FM_ERR_UNSUPPORTED, "roi_linear: a matrix product failed")
             : FM_OK;
}
