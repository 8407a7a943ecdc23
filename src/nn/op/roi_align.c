// Multi-scale RoIAlign, torchvision.ops.roi_align with aligned=False (He et al. 2017, section 3): a
// RoI's rectangle on its level is cut into output_size^2 bins; a bin is the mean of
// sampling_ratio^2 bilinear samples. y has the first level's layout or is plain. A sample is a
// product of two one-dimensional interpolations, and so is the mean: with A_y and A_x the shares
// that rows and columns have in the bins, y = A_y x A_x^T and dx = A_y^T dy A_x. A RoI needs one
// short list of shares for each axis, and each of its pixels is read or written once.
// Backward owns dx by (image, channel block) and adds RoI after RoI in row order: no atomics, the
// same sum every time.
#include <omp.h>
#include <string.h>

#include "base/clones.h"
#include "nn/chunk.h"
#include "nn/op.h"
#include "nn/op/roi_align.h"

typedef struct roi_state {
  int threads, rois;
  bool interleaves; // bins keep all channels together, unlike the levels
  size_t buffer;    // fp32 elements for each thread: the bins of a row
  size_t plane;     // and the largest plane of one channel block (backward)
} roi_state;

// Scratch of both passes: where the RoIs lie, then each thread's memory.
typedef struct roi_scratch {
  roi_places places;
  float *buffers;
} roi_scratch;

static const roi_options *roi_options_of(const fm_node *node) {
  return (const roi_options *)node->options;
}

static fm_status roi_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  return fm_roi_infer(roi_options_of(node), x, y);
}

// Detection in bf16, where channels fill the levels' blocks.
static bool roi_may_interleave(const fm_op_context *context) {
  const roi_options *options = roi_options_of(context->node);
  bool fits = context->purpose != FM_TRAIN && context->y.dtype == FM_BF16;
  for (int i = 0; i < options->levels && fits; i++)
    fits = context->y.shape.c % context->x[i].block == 0;
  return fits;
}

static fm_status roi_prepare(fm_op_context *context) {
  const roi_options *options = roi_options_of(context->node);
  const fm_tensor *rois = &context->x[options->levels];
  roi_state *state = context->state;
  if (rois->dtype != FM_F32 || (rois->block != 1 && rois->block != FM_ROI_COLUMNS))
    return fm_fail(FM_ERR_UNSUPPORTED, "roi_align: rois must be plain fp32");
  if (context->wants_dx[options->levels])
    return fm_fail(FM_ERR_UNSUPPORTED, "roi_align: rois have no gradient");
  size_t bins = (size_t)options->output_size * (size_t)options->output_size;
  // Interleaved is what products in whole numbers and in bf16 read best.
  state->interleaves = roi_may_interleave(context);
  if (fm_dtype_is_int8(context->y.dtype) || state->interleaves)
    context->y.block = context->y.shape.c;
  else
    context->y.block = options->plain ? 1 : context->x[0].block;
  state->threads = omp_get_max_threads();
  state->rois = rois->shape.n;
  for (int i = 0; i < options->levels; i++) {
    const fm_tensor *level = &context->x[i];
    size_t row = bins * (size_t)fm_tensor_blocks(level) * (size_t)level->block;
    size_t plane = (size_t)level->shape.h * (size_t)level->shape.w * (size_t)level->block;
    state->buffer = row > state->buffer ? row : state->buffer;
    state->plane = plane > state->plane ? plane : state->plane;
  }
  size_t places = fm_roi_places_bytes(state->rois, options);
  size_t threads = (size_t)state->threads * sizeof(float);
  context->forward_scratch_bytes = places + threads * state->buffer;
  context->backward_scratch_bytes = places + threads * (state->buffer + state->plane);
  context->reads_x_in_backward[options->levels] = true;
  return FM_OK;
}

static roi_scratch roi_scratch_of(const fm_op_context *context) {
  const roi_state *state = context->state;
  const roi_options *options = roi_options_of(context->node);
  uint8_t *memory = context->scratch;
  return (roi_scratch){
      fm_roi_places_in(memory, state->rois, options),
      (float *)(void *)(memory + fm_roi_places_bytes(state->rois, options)),
  };
}

// Shares by rising places, where no loop wants them by bins.
static fm_status roi_places_make(const fm_op_context *context, bool backward) {
  const roi_options *options = roi_options_of(context->node);
  const roi_scratch scratch = roi_scratch_of(context);
  bool columns[FM_ROI_LEVELS_MAX];
  for (int i = 0; i < options->levels; i++)
    columns[i] = !fm_roi_align_int8_knows(options, &context->x[i], &context->y);
  const roi_order order = {backward, columns};
  return fm_roi_places_fill(&scratch.places, context->x, options, &order);
}

// The end of the shares of the bin, or of the place, that `begin` has.
static inline const roi_share *roi_bin_end(const roi_share *begin, const roi_share *end) {
  const roi_share *at = begin;
  while (at < end && at->bin == begin->bin)
    at++;
  return at;
}

static inline const roi_share *roi_place_end(const roi_share *begin, const roi_share *end) {
  const roi_share *at = begin;
  while (at < end && at->place == begin->place)
    at++;
  return at;
}

#define LANES 1
#include "nn/op/roi_align_lanes.h"
#undef LANES
#define LANES 8
#include "nn/op/roi_align_lanes.h"
#undef LANES
#define LANES 16
#include "nn/op/roi_align_lanes.h"
#undef LANES

static inline __attribute__((always_inline)) void
roi_pool_block(const roi_work *work, float *out, const char *plane, fm_dtype dtype) {
  const size_t size = fm_dtype_size(dtype);
  size_t first = 0;
  for (; first + 16 <= work->block; first += 16)
    roi_pool_16(work, out + first, plane + first * size, dtype);
  for (; first + 8 <= work->block; first += 8)
    roi_pool_8(work, out + first, plane + first * size, dtype);
  for (; first < work->block; first++)
    roi_pool_1(work, out + first, plane + first * size, dtype);
}

FM_KERNEL static void roi_pool_f32(const roi_work *work, float *out, const void *plane) {
  roi_pool_block(work, out, plane, FM_F32);
}

FM_KERNEL static void roi_pool_bf16(const roi_work *work, float *out, const void *plane) {
  roi_pool_block(work, out, plane, FM_BF16);
}

FM_KERNEL static void roi_pool_u8(const roi_work *work, float *out, const void *plane) {
  roi_pool_block(work, out, plane, FM_U8);
}

FM_KERNEL static void roi_pool_s8(const roi_work *work, float *out, const void *plane) {
  roi_pool_block(work, out, plane, FM_S8);
}

static void roi_pool(const roi_work *work, float *out, const void *plane, fm_dtype dtype) {
  static void (*const kernels[])(const roi_work *, float *,
                                 const void *) = {[FM_F32] = roi_pool_f32,
                                                  [FM_BF16] = roi_pool_bf16,
                                                  [FM_U8] = roi_pool_u8,
                                                  [FM_S8] = roi_pool_s8};
  kernels[dtype](work, out, plane);
}

FM_KERNEL static void roi_spread(const roi_work *work, float *plane, const float *dy) {
  size_t first = 0;
  for (; first + 16 <= work->block; first += 16)
    roi_spread_16(work, plane + first, dy + first);
  for (; first + 8 <= work->block; first += 8)
    roi_spread_8(work, plane + first, dy + first);
  for (; first < work->block; first++)
    roi_spread_1(work, plane + first, dy + first);
}

static roi_work roi_work_on(const fm_op_context *context, const fm_tensor *level, int r) {
  const roi_places places = roi_scratch_of(context).places;
  return (roi_work){.y = fm_roi_places_axis(&places, r, false),
                    .x = fm_roi_places_axis(&places, r, true),
                    .output_size = roi_options_of(context->node)->output_size,
                    .width = level->shape.w,
                    .block = (size_t)level->block,
                    .stride = (size_t)level->block,
                    .scale = fm_dtype_is_int8(level->dtype) ? level->scale : 1};
}

static void *roi_plane(const fm_tensor *level, int image, int block) {
  size_t plane = (size_t)level->shape.h * (size_t)level->shape.w * (size_t)level->block;
  size_t index = (size_t)image * (size_t)fm_tensor_blocks(level) + (size_t)block;
  return (char *)level->data + index * plane * fm_dtype_size(level->dtype);
}

static void roi_forward_row(const fm_op_context *context, int r, const fm_tensor *row,
                            float *buffer) {
  const roi_table *table = &roi_scratch_of(context).places.tables[r];
  if (table->level < 0) {
    memset(row->data, 0, fm_tensor_bytes(row));
    return;
  }
  const fm_tensor *level = &context->x[table->level];
  roi_work work = roi_work_on(context, level, r);
  if (fm_roi_align_int8_knows(roi_options_of(context->node), level, row)) {
    const fm_tensor image = fm_tensor_image(level, table->image);
    fm_roi_align_int8(&work, &image, row);
    return;
  }
  fm_tensor layout = *row;
  size_t step = work.block; // from block to block
  if (((const roi_state *)context->state)->interleaves) {
    work.stride = (size_t)row->shape.c;
  } else {
    layout.block = level->block;
    step *= (size_t)row->shape.h * (size_t)row->shape.w;
  }
  if (layout.block != row->block)
    fm_tensor_zero_padding(row);
  float *target = fm_chunk_target(row, &layout, 0, buffer);
  for (int b = 0; b < fm_tensor_blocks(level); b++) {
    const void *from = roi_plane(level, table->image, b);
    roi_pool(&work, target + (size_t)b * step, from, level->dtype);
  }
  fm_chunk_write(row, &layout, 0, fm_tensor_elements(&layout), target);
}

static fm_status roi_forward(fm_op_context *context) {
  const roi_state *state = context->state;
  float *buffers = roi_scratch_of(context).buffers;
  FM_TRY(roi_places_make(context, false));
#pragma omp parallel for schedule(dynamic, 8) num_threads(state->threads)
  for (int r = 0; r < state->rois; r++) {
    fm_tensor row = fm_tensor_image(&context->y, r);
    float *buffer = buffers + (size_t)omp_get_thread_num() * state->buffer;
    roi_forward_row(context, r, &row, buffer);
  }
  return FM_OK;
}

// All of dx of one plane: every RoI of this image and level, in row order, into fp32; then to dx's
// number type.
static void roi_backward_plane(const fm_op_context *context, int level_index, int task,
                               float *buffer) {
  const roi_state *state = context->state;
  const roi_table *tables = roi_scratch_of(context).places.tables;
  const fm_tensor *dx = &context->dx[level_index];
  int blocks = fm_tensor_blocks(dx), image = task / blocks, block = task % blocks;
  size_t plane = (size_t)dx->shape.h * (size_t)dx->shape.w * (size_t)dx->block;
  size_t start = (size_t)task * plane;
  float *sum = fm_chunk_target(dx, dx, start, buffer + state->buffer);
  memset(sum, 0, plane * sizeof(float));
  for (int r = 0; r < state->rois; r++) {
    if (tables[r].level != level_index || tables[r].image != image)
      continue;
    fm_tensor row = fm_tensor_image(&context->dy, r), layout = row;
    layout.block = dx->block;
    roi_work work = roi_work_on(context, dx, r);
    size_t bins = (size_t)row.shape.h * (size_t)row.shape.w * work.block;
    roi_spread(&work, sum, fm_chunk_read(&row, &layout, (size_t)block * bins, bins, buffer));
  }
  fm_chunk_write(dx, dx, start, plane, sum);
}

static fm_status roi_backward(fm_op_context *context) {
  const roi_options *options = roi_options_of(context->node);
  const roi_state *state = context->state;
  float *buffers = roi_scratch_of(context).buffers;
  FM_TRY(roi_places_make(context, true));
  for (int i = 0; i < options->levels; i++) {
    if (!context->dx[i].data)
      continue;
    int tasks = context->dx[i].shape.n * fm_tensor_blocks(&context->dx[i]);
#pragma omp parallel for schedule(dynamic, 1) num_threads(state->threads)
    for (int task = 0; task < tasks; task++)
      roi_backward_plane(context, i, task,
                         buffers + (size_t)omp_get_thread_num() * (state->buffer + state->plane));
  }
  return FM_OK;
}

extern const fm_op fm_op_roi_align;

fm_value fm_roi_align(fm_graph *graph, const fm_value *levels, fm_value rois,
                      const fm_roi_align_options *options) {
  roi_options own;
  fm_value inputs[FM_ROI_LEVELS_MAX + 1] = {0};
  if (!fm_roi_options_init(&own, graph, options))
    return (fm_value){0};
  for (int i = 0; i < own.levels; i++)
    inputs[i] = levels[i];
  inputs[own.levels] = rois;
  return fm_graph_add_node(graph, &fm_op_roi_align, inputs, own.levels + 1, &own, sizeof own, NULL,
                           0, fm_graph_channels(graph, levels[0]));
}

extern const fm_op_case fm_roi_align_cases[];

static void roi_describe(const fm_node *node, fm_node_settings *out) {
  out->output_size = roi_options_of(node)->output_size;
  out->sampling_ratio = roi_options_of(node)->sampling_ratio;
}

const fm_op fm_op_roi_align = {
    .name = "roi_align",
    .state_bytes = sizeof(roi_state),
    .infer = roi_infer,
    .prepare = roi_prepare,
    .forward = roi_forward,
    .backward = roi_backward,
    .describe = roi_describe,
    .cases = fm_roi_align_cases,
};
