// y = act(roi_align(levels, rois) weight^T + bias), the order of the two sums exchanged. With
// A[r][cell] the share of RoI r in a cell, which is a bin of a pixel, F[pixel] the levels'
// channels and W[bin] the weights of a bin: maps G[pixel][bin] = F[pixel] W[bin]^T by oneDNN, then
// y = act(A G + bias). Backward with dz = dy act'(y): H = A^T dz, dF = H W, dW = H^T F. A is sparse
// and never made: a RoI's shares are products of those of two axes. Outputs come in groups, so that
// G and H stay in the caches; forward gives each thread a group of one picture at a time, with its
// own G. y (r, OUT, 1, 1).
#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/chunk.h"
#include "nn/op.h"
#include "nn/op/linear.h"
#include "nn/op/roi_linear_products.h"
#include "nn/params_layout.h"
#include "nn/primitive.h"
#include "nn/profile.h"
#include "nn/working.h"

enum { ROI_LINEAR_GROUP = 64 };

typedef struct roi_linear_options {
  roi_options pooling;
  int out_features;
  fm_activation act;
} roi_linear_options;

// A pass's scratch memory: offsets into it. First what is index, not number: places, and in
// backward the lists.
typedef struct roi_linear_room {
  size_t starts, entries, index_bytes;
  size_t maps, products, pad; // both passes; products: G of each thread, or H
  size_t pad_bytes;           // of each thread
  size_t dz, dmaps, dweights; // backward
  size_t bytes;
  void *kept; // the index while a profile is taken, which repeats the sums when scratch is lost
} roi_linear_room;

typedef struct roi_linear_level {
  fm_tensor map; // as the products read it: a matrix (pixels, channels)
  bool converts;
  size_t pixels, first;   // pixel, of all levels'
  size_t area, area_first; // the same of one picture
  fm_primitive *forward;  // [threads], each a product of one picture
  fm_primitive backward_data, backward_weights;
} roi_linear_level;

typedef struct roi_linear_state {
  roi_linear_level levels[FM_ROI_LEVELS_MAX];
  size_t pixels, bins, group, channels;
  size_t area; // pixels of one picture
  int rois, groups, pictures, threads;
  fm_working *weight, *bias;
  roi_linear_room forward, backward;
  // Of the pass that runs.
  int now; // group, in backward
  uint8_t *weight_values;
  const float *bias_values;
  double shares;
  atomic_bool failed;
} roi_linear_state;

static const roi_linear_options *roi_linear_options_of(const fm_node *node) {
  return (const roi_linear_options *)(const void *)node->options;
}

static fm_status roi_linear_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  const roi_linear_options *o = roi_linear_options_of(node);
  FM_TRY(fm_roi_infer(&o->pooling, x, y));
  *y = (fm_shape){y->n, o->out_features, 1, 1};
  return FM_OK;
}

bool fm_roi_linear_pays(const fm_tensor *levels, int level_count, int rois) {
  double pixels = 0;
  for (int i = 0; i < level_count; i++)
    pixels += (double)levels[i].shape.n * levels[i].shape.h * levels[i].shape.w;
  return 4 * pixels < 3 * rois; // the sparse sums cost something, too
}

// --- preparing

static void roi_linear_prepare_level(fm_op_context *context, int number) {
  roi_linear_state *state = context->state;
  roi_linear_level *level = &state->levels[number];
  const fm_tensor *x = &context->x[number];
  level->map = *x;
  level->map.block = x->shape.c;
  level->map.dtype = context->precision;
  level->converts = level->map.block != x->block || level->map.dtype != x->dtype;
  level->area = (size_t)x->shape.h * (size_t)x->shape.w;
  level->pixels = (size_t)x->shape.n * level->area;
  level->area_first = state->area;
  level->first = state->pixels;
  state->area += level->area;
  state->pixels += level->pixels;
}

static fm_status roi_linear_matrix(dnnl_memory_desc_t *out, size_t rows, size_t columns,
                                   dnnl_data_type_t type, dnnl_format_tag_t tag) {
  const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
  FM_DNNL(dnnl_memory_desc_init_by_tag(out, 2, dims, type, tag));
  return FM_OK;
}

typedef struct roi_linear_descs {
  dnnl_memory_desc_t a, b, c;
} roi_linear_descs;

// c = a b, or c += a b; b's layout becomes the one chosen.
static fm_status roi_linear_product(fm_primitive *out, roi_linear_descs *d, bool adds,
                                    size_t *pad) {
  dnnl_matmul_desc_t desc;
  FM_DNNL(dnnl_matmul_desc_init(&desc, &d->a, &d->b, NULL, &d->c));
  dnnl_primitive_attr_t attributes;
  FM_TRY(fm_dnnl_attributes(&attributes));
  dnnl_post_ops_t ops;
  dnnl_status_t status = dnnl_post_ops_create(&ops);
  if (status == dnnl_success && adds)
    status = dnnl_post_ops_append_sum(ops, 1);
  if (status == dnnl_success)
    status = dnnl_primitive_attr_set_post_ops(attributes, ops);
  dnnl_post_ops_destroy(ops);
  dnnl_primitive_desc_t pd = NULL;
  if (status == dnnl_success)
    status = dnnl_primitive_desc_create(&pd, &desc, attributes, fm_dnnl_engine(), NULL);
  dnnl_primitive_attr_destroy(attributes);
  FM_TRY(fm_dnnl_check(status, "a matrix product over maps"));
  d->b = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
  FM_TRY(fm_primitive_init(out, pd));
  FM_TRY(fm_primitive_add(out, DNNL_ARG_SRC, &d->a));
  FM_TRY(fm_primitive_add(out, DNNL_ARG_WEIGHTS, &d->b));
  FM_TRY(fm_primitive_add(out, DNNL_ARG_DST, &d->c));
  *pad = out->scratchpad_bytes > *pad ? out->scratchpad_bytes : *pad;
  return FM_OK;
}

static fm_status roi_linear_working(fm_op_context *context, const dnnl_memory_desc_t *wanted) {
  roi_linear_state *state = context->state;
  const int *params = context->node->params;
  fm_working_spec spec = {.weight = params[LINEAR_WEIGHT],
                          .bias = -1,
                          .fold = {-1, -1, -1, -1, 0},
                          .channels = context->y.shape.c,
                          .turned = (int)state->channels,
                          .group = (int)state->group,
                          .wanted = *wanted};
  FM_TRY(roi_linear_matrix(&spec.master, state->channels, state->bins * state->group, dnnl_f32,
                           dnnl_ba));
  FM_TRY(fm_working_get(&state->weight, context->params, &spec));
  spec.weight = -1;
  spec.bias = params[LINEAR_BIAS];
  spec.turned = spec.group = 0;
  return fm_working_get(&state->bias, context->params, &spec);
}

// The maps of a group. Detection takes weights in oneDNN's favourite layout, training as they are
// turned, which all three products read.
static fm_status roi_linear_make_maps(fm_op_context *context, roi_linear_descs *d, size_t *pad) {
  roi_linear_state *state = context->state;
  const int levels = roi_linear_options_of(context->node)->pooling.levels;
  const size_t columns = state->bins * state->group;
  const dnnl_data_type_t type = fm_dnnl_type(context->precision);
  const dnnl_format_tag_t tag =
      context->purpose == FM_TRAIN ? dnnl_ba : dnnl_format_tag_any;
  FM_TRY(roi_linear_matrix(&d->b, state->channels, columns, type, tag));
  for (int i = 0; i < levels; i++) {
    roi_linear_level *level = &state->levels[i];
    level->forward = calloc((size_t)state->threads, sizeof *level->forward);
    FM_CHECK_ALLOC(level->forward);
    FM_TRY(roi_linear_matrix(&d->a, level->area, state->channels, type, dnnl_ab));
    FM_TRY(roi_linear_matrix(&d->c, level->area, columns, dnnl_f32, dnnl_ab));
    for (int t = 0; t < state->threads; t++)
      FM_TRY(roi_linear_product(&level->forward[t], d, false, pad));
  }
  return FM_OK;
}

static fm_status roi_linear_prepare_forward(fm_op_context *context, size_t *pad) {
  roi_linear_descs d;
  // Each of these products is one thread's, which oneDNN asks for when they are described.
  const int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  const fm_status status = roi_linear_make_maps(context, &d, pad);
  omp_set_num_threads(threads);
  FM_TRY(status);
  return roi_linear_working(context, &d.b);
}

static fm_status roi_linear_prepare_backward(fm_op_context *context, size_t *pad) {
  roi_linear_state *state = context->state;
  const int levels = roi_linear_options_of(context->node)->pooling.levels;
  const size_t columns = state->bins * state->group;
  const dnnl_data_type_t type = fm_dnnl_type(context->precision);
  for (int i = 0; i < levels; i++) {
    roi_linear_level *level = &state->levels[i];
    roi_linear_descs d;
    FM_TRY(roi_linear_matrix(&d.a, level->pixels, columns, type, dnnl_ab));
    FM_TRY(roi_linear_matrix(&d.b, columns, state->channels, type, dnnl_ab));
    FM_TRY(roi_linear_matrix(&d.c, level->pixels, state->channels, dnnl_f32, dnnl_ab));
    if (context->wants_dx[i])
      FM_TRY(roi_linear_product(&level->backward_data, &d, true, pad));
    FM_TRY(roi_linear_matrix(&d.a, columns, level->pixels, type, dnnl_ba));
    FM_TRY(roi_linear_matrix(&d.b, level->pixels, state->channels, type, dnnl_ab));
    FM_TRY(roi_linear_matrix(&d.c, columns, state->channels, dnnl_f32, dnnl_ab));
    if (context->trains)
      FM_TRY(roi_linear_product(&level->backward_weights, &d, i > 0, pad));
    context->reads_x_in_backward[i] = true;
  }
  context->reads_x_in_backward[levels] = context->reads_y_in_backward = true;
  return FM_OK;
}

static size_t roi_linear_take(roi_linear_room *room, size_t bytes) {
  const size_t offset = room->bytes;
  room->bytes += (bytes + 63) / 64 * 64;
  return offset;
}

static void roi_linear_make_room(const fm_op_context *context, roi_linear_room *room, size_t pad,
                                 bool backward) {
  const roi_linear_state *state = context->state;
  const roi_options *pooling = &roi_linear_options_of(context->node)->pooling;
  const size_t rois = (size_t)state->rois, cells = state->pixels * state->bins;
  const size_t shares = 2 * (size_t)pooling->output_size * (size_t)pooling->sampling_ratio;
  roi_linear_take(room, fm_roi_places_bytes(state->rois, pooling));
  if (backward) {
    room->starts = roi_linear_take(room, (cells + 2) * sizeof(uint32_t));
    room->entries = roi_linear_take(room, rois * shares * shares * sizeof(roi_entry));
  }
  room->index_bytes = room->bytes;
  // All levels' one after the other.
  room->maps = roi_linear_take(room, state->pixels * state->channels * sizeof(float));
  room->pad_bytes = (pad + 63) / 64 * 64;
  if (!backward) {
    const size_t threads = (size_t)state->threads;
    room->products = roi_linear_take(room, threads * state->area * state->bins * state->group *
                                               sizeof(float));
    room->pad = roi_linear_take(room, threads * room->pad_bytes);
    return;
  }
  room->products = roi_linear_take(room, cells * state->group * sizeof(float));
  room->pad = roi_linear_take(room, room->pad_bytes);
  room->dz = roi_linear_take(room, rois * state->group * sizeof(float));
  room->dmaps = roi_linear_take(room, state->pixels * state->channels * sizeof(float));
  room->dweights =
      roi_linear_take(room, state->bins * state->group * state->channels * sizeof(float));
}

static fm_status roi_linear_prepare(fm_op_context *context) {
  roi_linear_state *state = context->state;
  const roi_linear_options *o = roi_linear_options_of(context->node);
  const fm_tensor *rois = &context->x[o->pooling.levels];
  if (rois->dtype != FM_F32 || (rois->block != 1 && rois->block != FM_ROI_COLUMNS))
    return fm_fail(FM_ERR_UNSUPPORTED, "roi_linear: rois must be plain fp32");
  if (context->wants_dx[o->pooling.levels])
    return fm_fail(FM_ERR_UNSUPPORTED, "roi_linear: rois have no gradient");
  state->rois = rois->shape.n;
  state->pictures = context->x[0].shape.n;
  state->threads = omp_get_max_threads();
  state->bins = (size_t)o->pooling.output_size * (size_t)o->pooling.output_size;
  state->channels = (size_t)context->x[0].shape.c;
  const bool groups = o->out_features % ROI_LINEAR_GROUP == 0;
  state->group = groups ? ROI_LINEAR_GROUP : (size_t)o->out_features;
  state->groups = o->out_features / (int)state->group;
  context->y.block = o->out_features;
  context->y.dtype = context->precision;
  for (int i = 0; i < o->pooling.levels; i++)
    roi_linear_prepare_level(context, i);
  size_t pad = 0;
  FM_TRY(roi_linear_prepare_forward(context, &pad));
  roi_linear_make_room(context, &state->forward, pad, false);
  context->forward_scratch_bytes = state->forward.bytes;
  if (context->purpose != FM_TRAIN)
    return FM_OK;
  pad = 0;
  FM_TRY(roi_linear_prepare_backward(context, &pad));
  roi_linear_make_room(context, &state->backward, pad, true);
  context->backward_scratch_bytes = state->backward.bytes;
  return FM_OK;
}

// --- what both passes begin with

static void *roi_linear_at(const fm_op_context *context, size_t offset) {
  return (uint8_t *)context->scratch + offset;
}

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

static void *roi_linear_index(const fm_op_context *context, const roi_linear_room *room) {
  return room->kept ? room->kept : context->scratch;
}

static roi_places roi_linear_places(const fm_op_context *context, const roi_linear_room *room) {
  const roi_linear_state *state = context->state;
  return fm_roi_places_in(roi_linear_index(context, room), state->rois,
                          &roi_linear_options_of(context->node)->pooling);
}

static fm_status roi_linear_begin(fm_op_context *context, roi_linear_room *room,
                                  roi_places *places) {
  const roi_options *pooling = &roi_linear_options_of(context->node)->pooling;
  roi_linear_state *state = context->state;
  if (fm_profile_is_on() && !room->kept) {
    room->kept = malloc(room->index_bytes);
    FM_CHECK_ALLOC(room->kept);
  }
  *places = roi_linear_places(context, room);
  FM_TRY(fm_roi_places_fill(places, context->x, pooling, &(roi_order){false, NULL}));
  roi_linear_maps(context, room);
  state->shares = 0;
  for (int r = 0; r < state->rois; r++)
    if (places->tables[r].level >= 0)
      state->shares += (double)places->tables[r].y_count * places->tables[r].x_count;
  return FM_OK;
}

static void roi_linear_describe_layer(const fm_op_context *context, char *name, int used) {
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
  if (table->level >= 0) {
    const roi_linear_level *level = &state->levels[table->level];
    const roi_taps taps = {.y = fm_roi_places_axis(places, r, false),
                           .x = fm_roi_places_axis(places, r, true),
                           .output_size = o->pooling.output_size,
                           .width = level->map.shape.w,
                           .bins = state->bins,
                           .group = state->group};
    const float *maps = roi_linear_own_maps(context, omp_get_thread_num());
    fm_roi_gather(&taps, maps + level->area_first * state->bins * state->group, out);
  } else {
    memset(out, 0, state->group * sizeof *out);
  }
  fm_roi_finish(out, state->bias_values + first, state->group, o->act == FM_ACT_RELU);
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
                     state->weight_values +
                         (size_t)group * fm_working_group_bytes(state->weight));
    fm_primitive_set(product, DNNL_ARG_DST,
                     maps + level->area_first * state->bins * state->group);
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
  const roi_places places = roi_linear_places(context, &state->forward);
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
    roi_linear_describe_layer(context, name, used);
  work->flops = 2 * (cells * (double)state->channels + state->shares) * outputs;
  work->bytes = ((double)(state->bins * state->channels) * outputs +
                 (double)(state->pixels * state->channels) + state->rois * outputs) *
                (double)fm_dtype_size(context->precision);
}

static fm_status roi_linear_forward(fm_op_context *context) {
  roi_linear_state *state = context->state;
  roi_places places;
  void *weight, *bias;
  FM_TRY(fm_working_data(state->weight, &weight));
  FM_TRY(fm_working_data(state->bias, &bias));
  state->weight_values = weight;
  state->bias_values = bias;
  FM_TRY(roi_linear_begin(context, &state->forward, &places));
  atomic_store(&state->failed, false);
  fm_profile_run(roi_linear_run_forward, context, roi_linear_describe_forward);
  return atomic_load(&state->failed)
             ? fm_fail(FM_ERR_UNSUPPORTED, "roi_linear: a matrix product failed")
             : FM_OK;
}

// --- backward

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
  uint8_t *index = roi_linear_index(context, &state->backward);
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
    roi_linear_describe_layer(context, name, used);
  work->flops = 2 * state->shares * (double)state->group;
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

static fm_status roi_linear_backward(fm_op_context *context) {
  roi_linear_state *state = context->state;
  const int weight_id = context->node->params[LINEAR_WEIGHT];
  const bool trains = fm_params_spec(context->params, weight_id)->kind == FM_PARAM_TRAINED;
  // The first of a step's gradients is written, the others are added.
  const bool adds = trains && fm_params_gradient_written(context->params, weight_id);
  roi_places places;
  void *weight;
  FM_TRY(fm_working_data(state->weight, &weight));
  FM_TRY(roi_linear_begin(context, &state->backward, &places));
  roi_lists lists = roi_linear_lists(context);
  fm_roi_lists_fill(&lists, &places, context->x,
                    &roi_linear_options_of(context->node)->pooling);
  fm_tensor dmaps = {.dtype = FM_F32,
                     .shape = {1, 1, (int)state->pixels, (int)state->channels},
                     .block = 1,
                     .data = roi_linear_at(context, state->backward.dmaps)};
  fm_tensor_clear(&dmaps);
  for (state->now = 0; state->now < state->groups; state->now++) {
    roi_linear_mask(context);
    fm_profile_run(roi_linear_scatter, context, roi_linear_describe_scatter);
    FM_TRY(roi_linear_backward_data(
        context, (uint8_t *)weight + (size_t)state->now * fm_working_group_bytes(state->weight)));
    if (trains)
      FM_TRY(roi_linear_backward_weights(context, adds));
  }
  state->now = 0;
  roi_linear_give_dx(context);
  return FM_OK;
}

static void roi_linear_release(fm_op_context *context) {
  roi_linear_state *state = context->state;
  for (int i = 0; i < FM_ROI_LEVELS_MAX; i++) {
    for (int t = 0; state->levels[i].forward && t < state->threads; t++)
      fm_primitive_release(&state->levels[i].forward[t]);
    free(state->levels[i].forward);
    fm_primitive_release(&state->levels[i].backward_data);
    fm_primitive_release(&state->levels[i].backward_weights);
  }
  free(state->forward.kept);
  free(state->backward.kept);
}

extern const fm_op fm_op_roi_linear;

fm_value fm_roi_linear(fm_graph *graph, const fm_value *levels, fm_value rois,
                       const fm_roi_align_options *pooling, const fm_linear_options *options) {
  roi_linear_options own = {.out_features = options->out_features, .act = options->act};
  if (!fm_roi_options_init(&own.pooling, graph, pooling))
    return (fm_value){0};
  fm_value inputs[FM_ROI_LEVELS_MAX + 1] = {0};
  for (int i = 0; i < own.pooling.levels; i++)
    inputs[i] = levels[i];
  inputs[own.pooling.levels] = rois;
  const int c = fm_graph_channels(graph, levels[0]);
  // A row of a group is a chunk; groups of all outputs are for few.
  if (c <= 0 || own.out_features <= 0 ||
      (own.out_features % ROI_LINEAR_GROUP != 0 && own.out_features > FM_CHUNK) ||
      (own.act != FM_ACT_NONE && own.act != FM_ACT_RELU)) {
    fm_graph_fail(graph, "roi_linear %s: %d channels to %d", options->name, c, own.out_features);
    return (fm_value){0};
  }
  int params[LINEAR_PARAMS];
  fm_linear_add_params(graph, options, c * own.pooling.output_size * own.pooling.output_size,
                       params);
  return fm_graph_add_node(graph, &fm_op_roi_linear, inputs, own.pooling.levels + 1, &own,
                           sizeof own, params, LINEAR_PARAMS, own.out_features);
}

extern const fm_op_case fm_roi_linear_cases[];

static void roi_linear_describe(const fm_node *node, fm_node_settings *out) {
  const roi_linear_options *o = roi_linear_options_of(node);
  out->output_size = o->pooling.output_size;
  out->sampling_ratio = o->pooling.sampling_ratio;
  out->act = o->act;
  out->weight = node->params[LINEAR_WEIGHT];
  out->bias = node->params[LINEAR_BIAS];
}

const fm_op fm_op_roi_linear = {
    .name = "roi_linear",
    .state_bytes = sizeof(roi_linear_state),
    .exact = true,
    .infer = roi_linear_infer,
    .prepare = roi_linear_prepare,
    .forward = roi_linear_forward,
    .backward = roi_linear_backward,
    .release = roi_linear_release,
    .describe = roi_linear_describe,
    .cases = fm_roi_linear_cases,
};
