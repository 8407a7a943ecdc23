// The convolution in whole numbers by our own loops over rows (nn/rows.h). Of a chain of them the
// last one does the work; those before leave theirs to it.
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "nn/library.h"
#include "nn/op/conv2d.h"
#include "nn/op/int8.h"
#include "nn/op/rows_output.h"
#include "nn/plan_view.h"
#include "nn/profile.h"

extern const fm_op fm_op_conv2d;

typedef enum rows_kind { ROWS_NONE, ROWS_PRODUCT, ROWS_FILTER, ROWS_IMAGE } rows_kind;

static const conv2d_options *rows_options(const fm_node *node) {
  return (const conv2d_options *)(const void *)node->options;
}

static bool rows_wishes_int8(const fm_plan *plan, int value) {
  fm_tensor wished = {.dtype = FM_F32};
  fm_plan_wish(plan, value, &wished);
  return fm_dtype_is_int8(wished.dtype);
}

// Which of the loops a node is for, by its options and the number types that are wished. Floats are
// what a product alone makes.
static rows_kind rows_kind_of(const fm_op_context *context, const fm_node *node) {
  if (node->op != &fm_op_conv2d)
    return ROWS_NONE;
  const conv2d_options *o = rows_options(node);
  const bool exact = !rows_wishes_int8(context->plan, node->output);
  const bool knows_act =
      o->act == FM_ACT_NONE || o->act == FM_ACT_RELU || (o->act == FM_ACT_RELU6 && !exact);
  const int in = (int)fm_params_spec(context->params, node->params[CONV_WEIGHT])->dims[1];
  const int padding = o->padding > o->padding_end ? o->padding : o->padding_end;
  if (!knows_act || o->dilation != 1 ||
      (o->residual && (exact || !rows_wishes_int8(context->plan, node->inputs[1]))))
    return ROWS_NONE;
  if (o->groups == 1 && o->kernel == 1)
    return o->stride == 1 && padding == 0 && fm_rows_knows_product(in, o->out_channels)
               ? ROWS_PRODUCT
               : ROWS_NONE;
  if (exact || o->residual)
    return ROWS_NONE;
  if (o->groups == 1)
    return padding < o->kernel && fm_rows_knows_image(in, o->kernel) ? ROWS_IMAGE : ROWS_NONE;
  return o->groups == o->out_channels && in == 1 &&
                 fm_rows_knows_filter(o->out_channels, o->kernel, o->stride)
             ? ROWS_FILTER
             : ROWS_NONE;
}

// Whether the only reader is of that kind, and reads y as what it convolves; *reader may be NULL.
static bool rows_reader_is(const fm_op_context *context, const fm_node *node, rows_kind kind,
                           const fm_node **reader) {
  const fm_node *next = fm_plan_only_reader(context->plan, node);
  if (reader)
    *reader = next;
  return next && next->inputs[0] == node->output && rows_kind_of(context, next) == kind;
}

// Whether a node leaves its work to its reader: what comes before a filter to that, a filter to the
// product behind it.
static bool rows_defers(const fm_op_context *context, rows_kind kind) {
  const fm_node *node = context->node, *filter;
  if (kind == ROWS_FILTER)
    return rows_reader_is(context, node, ROWS_PRODUCT, NULL);
  return kind == ROWS_PRODUCT && rows_wishes_int8(context->plan, node->output) &&
         !context->deferred[0] && !rows_options(node)->residual &&
         rows_reader_is(context, node, ROWS_FILTER, &filter) &&
         rows_reader_is(context, filter, ROWS_PRODUCT, NULL);
}

static bool rows_source_fits(const fm_op_context *context, rows_kind kind) {
  const fm_tensor *x = &context->x[0];
  if (kind == ROWS_IMAGE)
    return x->dtype == FM_F32 && x->block == 1;
  return context->deferred[0] || (fm_dtype_is_int8(x->dtype) && x->block == x->shape.c);
}

static void rows_prepare_image(fm_op_context *context) {
  conv2d_state *state = context->state;
  const conv2d_options *o = rows_options(context->node);
  state->rows.image = (fm_rows_image){.stride = o->stride,
                                      .padding = o->padding,
                                      .scale = state->source.scale,
                                      .zero = (uint8_t)fm_rows_zero(&state->source)};
}

static fm_status rows_prepare_kind(fm_op_context *context, rows_kind kind,
                                   const fm_tensor *residual) {
  conv2d_state *state = context->state;
  const conv2d_options *o = rows_options(context->node);
  const int channels = context->x[0].shape.c, out = o->out_channels;
  const int in = kind == ROWS_IMAGE ? channels * o->kernel * o->kernel : channels;
  dnnl_memory_desc_t plain;
  FM_TRY(fm_conv2d_weight_desc(&plain, context, FM_S8, true));
  FM_TRY(fm_conv2d_prepare_working(context, &plain,
                                   kind == ROWS_FILTER ? FM_PACKING_FILTER : FM_PACKING_PRODUCT));
  const fm_rows_sums sums = {.weight = state->weight,
                             .bias = state->bias,
                             .in = in,
                             .out = out,
                             .kernel = kind == ROWS_FILTER ? o->kernel : 0,
                             .source_scale = state->source.scale,
                             .source_zero = fm_rows_zero(&state->source),
                             .y = &context->y,
                             .residual = residual,
                             .act = o->act,
                             .within = context->defers};
  fm_rows_output output;
  void *weight;
  FM_TRY(fm_working_data(state->weight, &weight));
  FM_TRY(fm_rows_output_make(&output, &state->rows.numbers, &sums));
  if (kind == ROWS_FILTER) {
    state->rows.filter = (fm_rows_filter){.channels = out,
                                          .kernel = o->kernel,
                                          .stride = o->stride,
                                          .padding = o->padding,
                                          .zero = (uint8_t)fm_rows_zero(&state->source),
                                          .weight = weight,
                                          .output = output};
    return FM_OK;
  }
  state->rows.product =
      (fm_rows_product){.in = kind == ROWS_IMAGE ? fm_rows_image_inputs(channels) : in,
                        .out = out,
                        .weight = weight,
                        .output = output};
  if (residual) {
    state->rows.product.residual_flip = (uint8_t)fm_rows_zero(residual);
    state->rows.product.residual_scale = residual->scale / context->y.scale;
  }
  if (kind == ROWS_IMAGE)
    rows_prepare_image(context);
  return FM_OK;
}

// The chain that ends here.
static void rows_prepare_chain(fm_op_context *context, rows_kind kind) {
  conv2d_state *state = context->state;
  const fm_op_context *first = context, *filter = context->deferred[0];
  fm_rows *rows = &state->rows.run;
  rows->project = &state->rows.product;
  rows->image = kind == ROWS_IMAGE ? &state->rows.image : NULL;
  if (filter) {
    first = filter;
    rows->filter = &((const conv2d_state *)filter->state)->rows.filter;
    if (filter->deferred[0]) {
      first = filter->deferred[0];
      rows->expand = &((const conv2d_state *)first->state)->rows.product;
    }
  }
  state->rows.first = first;
  rows->x = first->x[0];
  rows->y = context->y;
  rows->flip = (uint8_t)fm_rows_zero(&rows->x);
  rows->threads = omp_get_max_threads();
}

// The residual in whole numbers beside each other: as it is, or to be made of it.
static fm_status rows_prepare_residual(fm_op_context *context, fm_tensor *residual) {
  conv2d_state *state = context->state;
  *residual = context->x[1];
  residual->block = residual->shape.c;
  if (!fm_dtype_is_int8(residual->dtype))
    fm_range_quantise(&context->x_range[1], residual);
  state->reorders_residual =
      residual->dtype != context->x[1].dtype || residual->block != context->x[1].block;
  return state->reorders_residual
             ? fm_int8_reorder(&state->residual_reorder, &context->x[1], residual)
             : FM_OK;
}

fm_status fm_conv2d_rows_prepare(fm_op_context *context, bool *taken) {
  conv2d_state *state = context->state;
  const rows_kind kind = fm_nn_has_wide_vnni() ? rows_kind_of(context, context->node) : ROWS_NONE;
  *taken = false;
  if (kind == ROWS_NONE || !rows_source_fits(context, kind))
    return FM_OK;
  context->defers = rows_defers(context, kind);
  if (kind == ROWS_FILTER && !context->defers)
    return FM_OK;
  *taken = state->rows.runs = true;
  fm_tensor residual;
  const bool adds = rows_options(context->node)->residual;
  if (adds)
    FM_TRY(rows_prepare_residual(context, &residual));
  FM_TRY(rows_prepare_kind(context, kind, adds ? &residual : NULL));
  if (!context->defers)
    rows_prepare_chain(context, kind);
  return FM_OK;
}

size_t fm_conv2d_rows_scratch(const fm_op_context *context) {
  const conv2d_state *state = context->state;
  return context->defers ? 0 : fm_rows_scratch(&state->rows.run);
}

static double rows_flops(const fm_rows *self) {
  const double x = (double)self->x.shape.n * self->x.shape.h * self->x.shape.w;
  const double y = (double)self->y.shape.n * self->y.shape.h * self->y.shape.w;
  double flops = 2 * y * self->project->in * self->project->out;
  if (self->filter)
    flops += 2 * y * self->filter->channels * self->filter->kernel * self->filter->kernel;
  return self->expand ? flops + 2 * x * self->expand->in * self->expand->out : flops;
}

static void rows_describe(const void *user, fm_work *work, char *name) {
  const fm_rows *self = user;
  const fm_shape in = self->x.shape, out = self->y.shape;
  int used = snprintf(name, FM_PROFILE_NAME_BYTES, "conv ");
  if (self->filter)
    used += snprintf(name + used, (size_t)(FM_PROFILE_NAME_BYTES - used), "%sdepthwise %dx%d, ",
                     self->expand ? "1x1, " : "", self->filter->kernel, self->filter->kernel);
  used += snprintf(name + used, (size_t)(FM_PROFILE_NAME_BYTES - used), "%s forward, own rows",
                   self->image ? "3x3 of a picture" : "1x1");
  if (fm_profile_is_by_layer())
    snprintf(name + used, (size_t)(FM_PROFILE_NAME_BYTES - used),
             ", %d x %d x %d x %d to %d x %d x %d", in.n, in.c, in.h, in.w, out.c, out.h, out.w);
  work->flops = rows_flops(self);
  work->bytes = (double)fm_tensor_bytes(&self->x) + (double)fm_tensor_bytes(&self->y);
}

static fm_status rows_run(void *user) {
  fm_rows_run(user);
  return FM_OK;
}

void fm_conv2d_rows_forward(fm_op_context *context, const void *residual) {
  conv2d_state *state = context->state;
  fm_rows *rows = &state->rows.run;
  rows->x.data = state->rows.first->x[0].data;
  rows->y.data = context->y.data;
  state->rows.product.residual = residual;
  rows->scratch = (uint8_t *)context->scratch + state->scratch_pad_forward;
  fm_profile_run(rows_run, rows, rows_describe);
}
