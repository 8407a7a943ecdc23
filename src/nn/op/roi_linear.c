// y = act(roi_align(levels, rois) weight^T + bias), the order of the two sums exchanged. With
// A[r][cell] the share of RoI r in a cell, which is a bin of a pixel, F[pixel] the levels'
// channels and W[bin] the weights of a bin: maps G[pixel][bin] = F[pixel] W[bin]^T by oneDNN, then
// y = act(A G + bias). Backward with dz = dy act'(y): H = A^T dz, dF = H W, dW = H^T F. A is sparse
// and never made: a RoI's shares are products of those of two axes. Outputs come in groups, so that
// G and H stay in the caches; forward gives each thread a group of one picture at a time, with its
// own G. y (r, OUT, 1, 1).
#include <omp.h>
#include <stdlib.h>

#include "nn/chunk.h"
#include "nn/library.h"
#include "nn/op/linear.h"
#include "nn/op/roi_linear.h"
#include "nn/op/roi_linear_products.h"

enum { ROI_LINEAR_GROUP = 64 };

static fm_status roi_linear_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  const roi_linear_options *o = roi_linear_options_of(node);
  FM_TRY(fm_roi_infer(&o->pooling, x, y));
  *y = (fm_shape){y->n, o->out_features, 1, 1};
  return FM_OK;
}

// In whole numbers where all levels come so, of one type, as they share their weights.
static bool roi_linear_knows_int8(const fm_tensor *levels, int level_count) {
  bool known = fm_nn_has_vnni();
  for (int i = 0; i < level_count; i++)
    known = known && fm_dtype_is_int8(levels[i].dtype) && levels[i].dtype == levels[0].dtype;
  return known;
}

bool fm_roi_linear_pays(const fm_tensor *levels, int level_count, int rois) {
  double pixels = 0;
  for (int i = 0; i < level_count; i++)
    pixels += (double)levels[i].shape.n * levels[i].shape.h * levels[i].shape.w;
  if (fm_dtype_is_int8(levels[0].dtype) && !roi_linear_knows_int8(levels, level_count))
    return false;
  return 4 * pixels < 3 * rois; // the sparse sums cost something, too
}

// --- preparing

static void roi_linear_prepare_level(fm_op_context *context, int number) {
  roi_linear_state *state = context->state;
  roi_linear_level *level = &state->levels[number];
  const fm_tensor *x = &context->x[number];
  level->map = *x;
  level->map.block = x->shape.c;
  level->map.dtype = state->int8 ? x->dtype : context->precision;
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
  const dnnl_data_type_t type = fm_dnnl_type(state->levels[0].map.dtype);
  const dnnl_format_tag_t tag = context->purpose == FM_TRAIN ? dnnl_ba : dnnl_format_tag_any;
  FM_TRY(roi_linear_matrix(&d->b, state->channels, columns, state->int8 ? dnnl_s8 : type, tag));
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
    room->products =
        roi_linear_take(room, threads * state->area * state->bins * state->group * sizeof(float));
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
  state->int8 =
      context->purpose != FM_TRAIN && roi_linear_knows_int8(context->x, o->pooling.levels);
  if (!state->int8)
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
    .quantises = true,
    .infer = roi_linear_infer,
    .prepare = roi_linear_prepare,
    .forward = fm_roi_linear_forward,
    .backward = fm_roi_linear_backward,
    .release = roi_linear_release,
    .describe = roi_linear_describe,
    .cases = fm_roi_linear_cases,
};
