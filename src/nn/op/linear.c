// y = act(x weight^T + bias); x (n,c,h,w) flattened in the order c,h,w, weight (OUT, c h w), y
// (n,OUT,1,1).
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "base/clones.h"
#include "nn/chunk.h"
#include "nn/library.h"
#include "nn/op.h"
#include "nn/op/int8.h"
#include "nn/op/linear.h"
#include "nn/op/linear_rows.h"
#include "nn/op/linear_slices.h"
#include "nn/params_layout.h"
#include "nn/primitive.h"
#include "nn/working.h"

typedef struct linear_options {
  int out_features, height, width;
  fm_activation act;
} linear_options;

typedef struct linear_state {
  fm_primitive forward, backward_data, backward_weights, weight_gradient_reorder;
  bool reorders_weight_gradient, flat; // flat: x is a matrix to oneDNN
  bool turned;                         // whose rows are (h,w,c)
  bool multiplies;                     // forward is a product of matrices to oneDNN
  bool int8, converts;                 // converts: x arrives in another number type or order
  float *int8_bias;                    // of the product in whole numbers, else NULL
  fm_linear_slices slices;             // which take the place of `forward` where there are several
  fm_linear_rows rows;                 // or these
  fm_working *weight, *bias, *weight_backward;
  fm_tensor x; // x as the product reads it
  size_t scratch_x_forward, scratch_pad_forward;
  size_t scratch_x, scratch_dy, scratch_diff, scratch_plain, scratch_bias, scratch_pad_data,
      scratch_pad_weights;
} linear_state;

static const linear_options *linear_options_of(const fm_node *node) {
  return (const linear_options *)(const void *)node->options;
}

static fm_status linear_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  const linear_options *o = linear_options_of(node);
  if (x->h != o->height || x->w != o->width)
    return fm_fail(FM_ERR_SHAPE, "linear: the input is %d x %d, not %d x %d", x->w, x->h, o->width,
                   o->height);
  *y = (fm_shape){x->n, o->out_features, 1, 1};
  return FM_OK;
}

typedef struct linear_descs {
  dnnl_memory_desc_t x, y, bias, weight_any, diff, master;
} linear_descs;

static fm_status linear_weight_desc(dnnl_memory_desc_t *out, const fm_op_context *context,
                                    dnnl_data_type_t type, bool any) {
  const linear_state *state = context->state;
  const fm_shape x = context->x[0].shape;
  if (state->multiplies) {
    const dnnl_dims_t turned = {(dnnl_dim_t)x.c * x.h * x.w, context->y.shape.c};
    FM_DNNL(
        dnnl_memory_desc_init_by_tag(out, 2, turned, type, any ? dnnl_format_tag_any : dnnl_ba));
    return FM_OK;
  }
  dnnl_dims_t dims = {context->y.shape.c, x.c, x.h, x.w};
  if (state->flat)
    dims[1] *= (dnnl_dim_t)x.h * x.w;
  const dnnl_format_tag_t plain = state->flat ? dnnl_ab : dnnl_abcd;
  FM_DNNL(dnnl_memory_desc_init_by_tag(out, state->flat ? 2 : 4, dims, type,
                                       any ? dnnl_format_tag_any : plain));
  return FM_OK;
}

// Interleaved pictures are matrices too, of which oneDNN has the faster product in bf16 and int8.
static void linear_flatten(fm_op_context *context) {
  linear_state *state = context->state;
  const fm_tensor *x = &state->x;
  const bool interleaved = x->block == x->shape.c;
  const bool pixel = x->shape.h == 1 && x->shape.w == 1;
  const bool narrow =
      context->purpose != FM_TRAIN && (state->int8 ? fm_nn_has_vnni() : x->dtype == FM_BF16);
  state->turned = interleaved && !pixel && narrow;
  state->flat = state->turned || (pixel && (x->block == 1 || interleaved));
  // Its matrix product is a tenth faster than its inner product, where only that is needed.
  state->multiplies = state->flat && narrow;
  const size_t inputs = (size_t)x->shape.c * (size_t)x->shape.h * (size_t)x->shape.w;
  const int outputs = context->y.shape.c;
  const bool single = state->int8 && !fm_nn_has_vnni(); // oneDNN's product is
  state->slices.count = single ? fm_linear_slices_count(x->shape.n, inputs, outputs) : 1;
  state->slices.rows = x->shape.n / state->slices.count;
  state->slices.inputs = (int)inputs;
  state->slices.outputs = outputs;
}

static fm_status linear_make_descs(linear_descs *d, fm_op_context *context) {
  linear_state *state = context->state;
  linear_flatten(context);
  fm_tensor slice = state->x, *x = &slice;
  x->shape.n = state->slices.rows;
  const dnnl_data_type_t type = fm_dnnl_type(x->dtype);
  if (state->flat) {
    const dnnl_dims_t dims = {x->shape.n, state->slices.inputs};
    FM_DNNL(dnnl_memory_desc_init_by_tag(&d->x, 2, dims, type, dnnl_ab));
  } else {
    FM_TRY(fm_dnnl_desc(&d->x, x));
  }
  const dnnl_dims_t out = {x->shape.n, context->y.shape.c};
  FM_DNNL(dnnl_memory_desc_init_by_tag(&d->y, 2, out, fm_dnnl_type(context->y.dtype), dnnl_ab));
  const dnnl_dims_t channels = {context->y.shape.c}, row = {1, context->y.shape.c};
  if (state->multiplies)
    FM_DNNL(dnnl_memory_desc_init_by_tag(&d->bias, 2, row, dnnl_f32, dnnl_ab));
  else
    FM_DNNL(dnnl_memory_desc_init_by_tag(&d->bias, 1, channels, dnnl_f32, dnnl_a));
  FM_TRY(linear_weight_desc(&d->weight_any, context, state->int8 ? dnnl_s8 : type, true));
  // In the weights' own order, wherever oneDNN has a fast product for that: its favourites are
  // hardly faster, and turning them back costs more than that.
  FM_TRY(linear_weight_desc(&d->diff, context, dnnl_f32, !state->flat && x->block != 1));
  return linear_weight_desc(&d->master, context, dnnl_f32, false);
}

static fm_status linear_working(fm_working **out, fm_op_context *context, const linear_descs *d,
                                const dnnl_memory_desc_t *wanted, bool bias) {
  const linear_state *state = context->state;
  const int *params = context->node->params;
  const bool packs = state->rows.runs && !bias;
  const fm_working_spec spec = {.weight = bias ? -1 : params[LINEAR_WEIGHT],
                                .bias = bias ? params[LINEAR_BIAS] : -1,
                                .fold = {-1, -1, -1, -1, 0},
                                .channels = context->y.shape.c,
                                .turned = state->turned && !bias ? state->x.shape.c : 0,
                                .master = d->master,
                                .wanted = *wanted,
                                .packing = packs ? FM_PACKING_PRODUCT : FM_PACKING_NONE};
  return fm_working_get(out, context->params, &spec);
}

static fm_status linear_attributes(dnnl_primitive_attr_t *out, const linear_options *o) {
  FM_TRY(fm_dnnl_attributes(out));
  dnnl_post_ops_t ops;
  dnnl_status_t status = dnnl_post_ops_create(&ops);
  if (status == dnnl_success && o->act == FM_ACT_RELU)
    status = dnnl_post_ops_append_eltwise(ops, 1.0f, dnnl_eltwise_relu, 0, 0);
  if (status == dnnl_success)
    status = dnnl_primitive_attr_set_post_ops(*out, ops);
  dnnl_post_ops_destroy(ops);
  if (status != dnnl_success)
    dnnl_primitive_attr_destroy(*out);
  return fm_dnnl_check(status, "dnnl_post_ops");
}

// Takes over the attributes.
static fm_status linear_forward_pd(dnnl_primitive_desc_t *pd, const fm_op_context *context,
                                   const linear_descs *d, dnnl_primitive_attr_t attributes) {
  dnnl_inner_product_desc_t inner;
  dnnl_matmul_desc_t matrices;
  const linear_state *state = context->state;
  const dnnl_prop_kind_t kind =
      context->purpose == FM_TRAIN ? dnnl_forward_training : dnnl_forward_inference;
  dnnl_status_t status =
      state->multiplies ? dnnl_matmul_desc_init(&matrices, &d->x, &d->weight_any, &d->bias, &d->y)
                        : dnnl_inner_product_forward_desc_init(&inner, kind, &d->x, &d->weight_any,
                                                               &d->bias, &d->y);
  if (status == dnnl_success)
    status = dnnl_primitive_desc_create(
        pd, state->multiplies ? (const void *)&matrices : (const void *)&inner, attributes,
        fm_dnnl_engine(), NULL);
  dnnl_primitive_attr_destroy(attributes);
  return fm_dnnl_check(status, "a linear layer's forward product");
}

// Takes over pd.
static fm_status linear_take_slices(linear_state *state, const linear_descs *d,
                                    dnnl_primitive_desc_t pd) {
  const fm_status status = fm_linear_slices_make(&state->slices, pd, &d->x, &d->y, &d->bias);
  dnnl_primitive_desc_destroy(pd);
  return status;
}

// Takes over pd.
static fm_status linear_take_forward(fm_op_context *context, const linear_descs *d,
                                     dnnl_primitive_desc_t pd) {
  linear_state *state = context->state;
  if (state->slices.count > 1)
    return linear_take_slices(state, d, pd);
  const dnnl_memory_desc_t weight = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
  FM_TRY(fm_linear_product_init(&state->forward, pd, &d->x, &d->y, &d->bias));
  if (state->int8)
    return FM_OK;
  FM_TRY(linear_working(&state->weight, context, d, &weight, false));
  return linear_working(&state->bias, context, d, &weight, true);
}

static fm_status linear_prepare_forward(fm_op_context *context, const linear_descs *d,
                                        dnnl_primitive_desc_t *hint) {
  dnnl_primitive_attr_t attributes;
  dnnl_primitive_desc_t pd = NULL;
  FM_TRY(linear_attributes(&attributes, linear_options_of(context->node)));
  FM_TRY(linear_forward_pd(&pd, context, d, attributes));
  FM_DNNL(dnnl_primitive_desc_clone(hint, pd));
  return linear_take_forward(context, d, pd);
}

// In whole numbers: a first descriptor gives the weights' layout, and so their scales, which the
// primitive is made with.
static fm_status linear_describe_int8(fm_op_context *context, const linear_descs *d) {
  linear_state *state = context->state;
  fm_int8_product product = {.channels = context->y.shape.c,
                             .act = linear_options_of(context->node)->act,
                             .source_scale = state->x.scale,
                             .y = context->y};
  dnnl_primitive_attr_t attributes;
  dnnl_primitive_desc_t pd = NULL;
  FM_TRY(fm_int8_attributes(&attributes, &product));
  FM_TRY(linear_forward_pd(&pd, context, d, attributes));
  const dnnl_memory_desc_t weight = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
  dnnl_primitive_desc_destroy(pd);
  FM_TRY(linear_working(&state->weight, context, d, &weight, false));
  FM_TRY(linear_working(&state->bias, context, d, &weight, true));
  FM_TRY(fm_working_scales(state->weight, &product.weight_scales));
  void *bias;
  FM_TRY(fm_working_data(state->bias, &bias));
  FM_TRY(fm_int8_bias(&state->int8_bias, &product, bias));
  FM_TRY(fm_int8_attributes(&attributes, &product));
  FM_TRY(linear_forward_pd(&pd, context, d, attributes));
  return linear_take_forward(context, d, pd);
}

// By our own loops: weights in plain order say all.
static fm_status linear_prepare_rows(fm_op_context *context, const linear_descs *d) {
  linear_state *state = context->state;
  dnnl_memory_desc_t plain;
  state->rows.runs = true;
  FM_TRY(linear_weight_desc(&plain, context, dnnl_s8, false));
  FM_TRY(linear_working(&state->weight, context, d, &plain, false));
  FM_TRY(linear_working(&state->bias, context, d, &plain, true));
  const fm_rows_sums sums = {.weight = state->weight,
                             .bias = state->bias,
                             .in = state->slices.inputs,
                             .out = state->slices.outputs,
                             .source_scale = state->x.scale,
                             .source_zero = fm_rows_zero(&state->x),
                             .y = &context->y,
                             .act = linear_options_of(context->node)->act};
  return fm_linear_rows_prepare(&state->rows, &state->x, &sums);
}

// A slice's product is one thread's, which oneDNN asks for when it is described.
static fm_status linear_prepare_int8(fm_op_context *context, const linear_descs *d) {
  const linear_state *state = context->state;
  if (state->flat && fm_linear_rows_fit(&state->x, state->slices.inputs, &context->y))
    return linear_prepare_rows(context, d);
  const int threads = omp_get_max_threads();
  if (state->slices.count > 1)
    omp_set_num_threads(1);
  const fm_status status = linear_describe_int8(context, d);
  omp_set_num_threads(threads);
  return status;
}

static fm_status linear_prepare_data(fm_op_context *context, const linear_descs *d,
                                     dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t hint) {
  linear_state *state = context->state;
  dnnl_memory_desc_t dx = d->x; // the same layout in x's own number type
  dx.data_type = fm_dnnl_type(context->x[0].dtype);
  dnnl_inner_product_desc_t desc;
  FM_DNNL(dnnl_inner_product_backward_data_desc_init(&desc, &dx, &d->weight_any, &d->y));
  dnnl_primitive_desc_t pd;
  FM_DNNL(dnnl_primitive_desc_create(&pd, &desc, attributes, fm_dnnl_engine(), hint));
  const dnnl_memory_desc_t weight = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
  FM_TRY(fm_primitive_init(&state->backward_data, pd));
  FM_TRY(fm_primitive_add(&state->backward_data, DNNL_ARG_DIFF_SRC, &dx));
  FM_TRY(fm_primitive_add(&state->backward_data, DNNL_ARG_WEIGHTS, &weight));
  FM_TRY(fm_primitive_add(&state->backward_data, DNNL_ARG_DIFF_DST, &d->y));
  return linear_working(&state->weight_backward, context, d, &weight, false);
}

static fm_status linear_prepare_weights(fm_op_context *context, const linear_descs *d,
                                        dnnl_primitive_attr_t attributes,
                                        dnnl_primitive_desc_t hint, size_t *diff_bytes) {
  linear_state *state = context->state;
  dnnl_inner_product_desc_t desc;
  FM_DNNL(dnnl_inner_product_backward_weights_desc_init(&desc, &d->x, &d->diff, &d->bias, &d->y));
  dnnl_primitive_desc_t pd;
  FM_DNNL(dnnl_primitive_desc_create(&pd, &desc, attributes, fm_dnnl_engine(), hint));
  const dnnl_memory_desc_t diff = *dnnl_primitive_desc_query_md(pd, dnnl_query_diff_weights_md, 0);
  FM_TRY(fm_primitive_init(&state->backward_weights, pd));
  FM_TRY(fm_primitive_add(&state->backward_weights, DNNL_ARG_SRC, &d->x));
  FM_TRY(fm_primitive_add(&state->backward_weights, DNNL_ARG_DIFF_DST, &d->y));
  FM_TRY(fm_primitive_add(&state->backward_weights, DNNL_ARG_DIFF_WEIGHTS, &diff));
  FM_TRY(fm_primitive_add(&state->backward_weights, DNNL_ARG_DIFF_BIAS, &d->bias));
  *diff_bytes = dnnl_memory_desc_get_size(&diff);
  state->reorders_weight_gradient = !dnnl_memory_desc_equal(&diff, &d->master);
  if (state->reorders_weight_gradient)
    FM_TRY(fm_primitive_reorder(&state->weight_gradient_reorder, &diff, &d->master));
  return FM_OK;
}

static size_t linear_take(size_t *used, size_t bytes) {
  const size_t offset = *used;
  *used += (bytes + 63) / 64 * 64;
  return offset;
}

static size_t linear_pad_bytes(const linear_state *state) {
  if (state->rows.runs)
    return fm_linear_rows_scratch(&state->rows);
  const size_t slices = (size_t)state->slices.count * state->slices.pad_bytes;
  return slices > 0 ? slices : state->forward.scratchpad_bytes;
}

static fm_status linear_prepare(fm_op_context *context) {
  linear_state *state = context->state;
  const linear_options *o = linear_options_of(context->node);
  context->y.block = o->out_features;
  state->int8 = fm_int8_source(&state->x, context);
  if (!state->int8) {
    context->y.dtype = context->precision;
    state->x = context->x[0];
    state->x.dtype = context->precision;
  }
  state->converts = context->x[0].dtype != state->x.dtype || context->x[0].block != state->x.block;
  linear_descs d;
  FM_TRY(linear_make_descs(&d, context));
  dnnl_primitive_desc_t hint = NULL;
  dnnl_primitive_attr_t attributes = NULL;
  size_t diff_bytes = 0;
  fm_status status =
      state->int8 ? linear_prepare_int8(context, &d) : linear_prepare_forward(context, &d, &hint);
  const bool training = context->purpose == FM_TRAIN;
  if (status == FM_OK)
    status = fm_dnnl_attributes(&attributes);
  if (status == FM_OK && training && context->wants_dx[0])
    status = linear_prepare_data(context, &d, attributes, hint);
  if (status == FM_OK && training && context->trains)
    status = linear_prepare_weights(context, &d, attributes, hint, &diff_bytes);
  dnnl_primitive_attr_destroy(attributes);
  dnnl_primitive_desc_destroy(hint);
  FM_TRY(status);
  size_t converted = state->converts ? fm_tensor_bytes(&state->x) : 0;
  size_t used_forward = 0;
  state->scratch_x_forward = linear_take(&used_forward, converted);
  state->scratch_pad_forward = linear_take(&used_forward, linear_pad_bytes(state));
  context->forward_scratch_bytes = used_forward;
  context->reads_x_in_backward[0] = context->trains;
  context->reads_y_in_backward = o->act != FM_ACT_NONE;
  size_t used = 0;
  state->scratch_x = linear_take(&used, converted);
  state->scratch_dy = linear_take(&used, o->act != FM_ACT_NONE ? fm_tensor_bytes(&context->y) : 0);
  state->scratch_diff = linear_take(&used, diff_bytes);
  state->scratch_plain = linear_take(&used, state->reorders_weight_gradient ? diff_bytes : 0);
  state->scratch_bias = linear_take(&used, (size_t)(o->out_features + 16) * sizeof(float));
  state->scratch_pad_data = linear_take(&used, state->backward_data.scratchpad_bytes);
  state->scratch_pad_weights = linear_take(&used, state->backward_weights.scratchpad_bytes);
  context->backward_scratch_bytes = used;
  return FM_OK;
}

// x as the product reads it: itself, or converted into the scratch at `offset`.
static void *linear_source(fm_op_context *context, size_t offset) {
  linear_state *state = context->state;
  if (!state->converts)
    return context->x[0].data;
  state->x.data = (uint8_t *)context->scratch + offset;
  fm_tensor_copy(&state->x, &context->x[0]);
  return state->x.data;
}

static fm_status linear_forward(fm_op_context *context) {
  linear_state *state = context->state;
  uint8_t *pad = (uint8_t *)context->scratch + state->scratch_pad_forward;
  void *source = linear_source(context, state->scratch_x_forward);
  if (state->rows.runs) {
    fm_linear_rows_forward(&state->rows, source, context->y.data, pad);
    return FM_OK;
  }
  void *weight, *bias;
  FM_TRY(fm_working_data(state->weight, &weight));
  FM_TRY(fm_working_data(state->bias, &bias));
  if (state->int8)
    bias = state->int8_bias;
  if (state->slices.count > 1) {
    state->slices.source = source;
    state->slices.weight = weight;
    state->slices.bias = bias;
    state->slices.result = context->y.data;
    state->slices.pad = pad;
    return fm_linear_slices_run(&state->slices);
  }
  fm_primitive_set(&state->forward, DNNL_ARG_SRC, source);
  fm_primitive_set(&state->forward, DNNL_ARG_WEIGHTS, weight);
  fm_primitive_set(&state->forward, DNNL_ARG_BIAS, bias);
  fm_primitive_set(&state->forward, DNNL_ARG_DST, context->y.data);
  fm_primitive_set(&state->forward, DNNL_ARG_SCRATCHPAD, pad);
  return fm_primitive_run(&state->forward);
}

FM_KERNEL static void linear_mask(float *restrict out, const float *restrict dy,
                                  const float *restrict y, size_t n) {
  for (size_t i = 0; i < n; ++i)
    out[i] = y[i] > 0 ? dy[i] : 0;
}

FM_KERNEL static void linear_add(float *restrict gradient, const float *restrict diff, size_t n) {
  for (size_t i = 0; i < n; ++i)
    gradient[i] += diff[i];
}

// d(x weight^T + bias): the gradient where y is positive.
static void *linear_masked(fm_op_context *context) {
  const linear_state *state = context->state;
  if (linear_options_of(context->node)->act == FM_ACT_NONE)
    return context->dy.data;
  fm_tensor masked = context->y;
  masked.data = (uint8_t *)context->scratch + state->scratch_dy;
  const size_t total = fm_tensor_elements(&masked);
#pragma omp parallel for schedule(static) if (total > FM_CHUNK)
  for (size_t start = 0; start < total; start += FM_CHUNK) {
    float in[FM_CHUNK], known[FM_CHUNK], out[FM_CHUNK];
    const size_t n = total - start < FM_CHUNK ? total - start : FM_CHUNK;
    float *target = fm_chunk_target(&masked, &masked, start, out);
    linear_mask(target, fm_chunk_read(&context->dy, &masked, start, n, in),
                fm_chunk_read(&context->y, &masked, start, n, known), n);
    fm_chunk_write(&masked, &masked, start, n, target);
  }
  return masked.data;
}

static bool linear_trains(const fm_op_context *context, int param) {
  return fm_params_spec(context->params, context->node->params[param])->kind == FM_PARAM_TRAINED;
}

static fm_status linear_backward_weights(fm_op_context *context, void *dy) {
  linear_state *state = context->state;
  uint8_t *scratch = context->scratch;
  const int *params = context->node->params;
  const bool trains = linear_trains(context, LINEAR_WEIGHT);
  // The first of a step's gradients is written where it belongs, the others are added.
  const bool first = trains && !state->reorders_weight_gradient &&
                     !fm_params_gradient_written(context->params, params[LINEAR_WEIGHT]);
  float *gradient = NULL;
  if (trains)
    gradient = first ? fm_params_gradient_to_write(context->params, params[LINEAR_WEIGHT])
                     : fm_params_gradient(context->params, params[LINEAR_WEIGHT]);
  float *diff = first ? gradient : (float *)(void *)(scratch + state->scratch_diff);
  float *diff_bias = (float *)(void *)(scratch + state->scratch_bias);
  fm_primitive *primitive = &state->backward_weights;
  fm_primitive_set(primitive, DNNL_ARG_SRC, linear_source(context, state->scratch_x));
  fm_primitive_set(primitive, DNNL_ARG_DIFF_DST, dy);
  fm_primitive_set(primitive, DNNL_ARG_DIFF_WEIGHTS, diff);
  fm_primitive_set(primitive, DNNL_ARG_DIFF_BIAS, diff_bias);
  fm_primitive_set(primitive, DNNL_ARG_SCRATCHPAD, scratch + state->scratch_pad_weights);
  FM_TRY(fm_primitive_run(primitive));
  if (state->reorders_weight_gradient) {
    fm_primitive_set(&state->weight_gradient_reorder, DNNL_ARG_FROM, diff);
    diff = (float *)(void *)(scratch + state->scratch_plain);
    fm_primitive_set(&state->weight_gradient_reorder, DNNL_ARG_TO, diff);
    FM_TRY(fm_primitive_run(&state->weight_gradient_reorder));
  }
  const size_t total = fm_params_elements(context->params, params[LINEAR_WEIGHT]);
  if (trains && !first) {
#pragma omp parallel for schedule(static)
    for (size_t start = 0; start < total; start += FM_CHUNK)
      linear_add(gradient + start, diff + start,
                 total - start < FM_CHUNK ? total - start : FM_CHUNK);
  }
  if (linear_trains(context, LINEAR_BIAS))
    linear_add(fm_params_gradient(context->params, params[LINEAR_BIAS]), diff_bias,
               (size_t)context->y.shape.c);
  return FM_OK;
}

static fm_status linear_backward(fm_op_context *context) {
  linear_state *state = context->state;
  void *dy = linear_masked(context);
  if (context->trains)
    FM_TRY(linear_backward_weights(context, dy));
  if (!context->wants_dx[0])
    return FM_OK;
  void *weight;
  FM_TRY(fm_working_data(state->weight_backward, &weight));
  fm_primitive *primitive = &state->backward_data;
  fm_primitive_set(primitive, DNNL_ARG_DIFF_SRC, context->dx[0].data);
  fm_primitive_set(primitive, DNNL_ARG_WEIGHTS, weight);
  fm_primitive_set(primitive, DNNL_ARG_DIFF_DST, dy);
  fm_primitive_set(primitive, DNNL_ARG_SCRATCHPAD,
                   (uint8_t *)context->scratch + state->scratch_pad_data);
  return fm_primitive_run(primitive);
}

static void linear_release(fm_op_context *context) {
  linear_state *state = context->state;
  fm_primitive_release(&state->forward);
  fm_linear_slices_release(&state->slices);
  fm_linear_rows_release(&state->rows);
  fm_primitive_release(&state->backward_data);
  fm_primitive_release(&state->backward_weights);
  fm_primitive_release(&state->weight_gradient_reorder);
  free(state->int8_bias);
}

void fm_linear_add_params(fm_graph *graph, const fm_linear_options *options, int inputs,
                          int ids[LINEAR_PARAMS]) {
  fm_param_spec weight = {.rank = 2,
                          .dims = {options->out_features, inputs},
                          .init = options->init,
                          .init_scale = options->init_scale};
  fm_param_spec bias = {.rank = 1, .dims = {options->out_features}, .init = FM_INIT_ZERO};
  if (options->init == FM_INIT_UNIFORM && options->init_scale == 0) {
    weight.init_scale = bias.init_scale = (float)(1.0 / sqrt((double)inputs));
    bias.init = FM_INIT_UNIFORM;
  }
  ids[LINEAR_WEIGHT] = fm_graph_add_param(graph, options->name, ".weight", weight);
  ids[LINEAR_BIAS] = fm_graph_add_param(graph, options->name, ".bias", bias);
}

extern const fm_op fm_op_linear;

fm_value fm_linear(fm_graph *graph, fm_value x, const fm_linear_options *options) {
  const linear_options o = {options->out_features, options->in_height > 0 ? options->in_height : 1,
                            options->in_width > 0 ? options->in_width : 1, options->act};
  const int c = fm_graph_channels(graph, x);
  if (c <= 0 || o.out_features <= 0 || (o.act != FM_ACT_NONE && o.act != FM_ACT_RELU)) {
    fm_graph_fail(graph, "linear %s: %d channels to %d", options->name, c, o.out_features);
    return (fm_value){0};
  }
  int params[LINEAR_PARAMS];
  fm_linear_add_params(graph, options, c * o.height * o.width, params);
  return fm_graph_add_node(graph, &fm_op_linear, &x, 1, &o, sizeof o, params, LINEAR_PARAMS,
                           o.out_features);
}

static void linear_describe(const fm_node *node, fm_node_settings *out) {
  out->act = linear_options_of(node)->act;
  out->weight = node->params[LINEAR_WEIGHT];
  out->bias = node->params[LINEAR_BIAS];
}

const fm_op fm_op_linear = {
    .name = "linear",
    .state_bytes = sizeof(linear_state),
    .quantises = true,
    .infer = linear_infer,
    .prepare = linear_prepare,
    .forward = linear_forward,
    .backward = linear_backward,
    .release = linear_release,
    .describe = linear_describe,
    .cases = fm_linear_cases,
};
