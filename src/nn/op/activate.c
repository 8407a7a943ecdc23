// Element-wise activations, torch's definitions:
//   relu          max(x, 0)                 relu6         min(max(x, 0), 6)
//   hard_sigmoid  relu6(x + 3) / 6          hard_swish    x relu6(x + 3) / 6
// y has x's layout. hard_sigmoid(0) is 0.5, so its padding channels are zeroed again.
#include <math.h>
#include <string.h>

#include "nn/chunk.h"
#include "nn/op.h"
#include "nn/op/activation.h"

typedef struct activate_options {
  fm_activation act;
} activate_options;

static fm_activation activate_kind(const fm_op_context *context) {
  return ((const activate_options *)context->node->options)->act;
}

static fm_status activate_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  (void)node;
  *y = x[0];
  return FM_OK;
}

static fm_status activate_prepare(fm_op_context *context) {
  context->y.block = context->x[0].block;
  bool reads_y = fm_activation_tells_slope(activate_kind(context));
  context->reads_y_in_backward = context->wants_dx[0] && reads_y;
  context->reads_x_in_backward[0] = context->wants_dx[0] && !reads_y;
  return FM_OK;
}

static fm_status activate_forward(fm_op_context *context) {
  const fm_tensor *x = &context->x[0], *y = &context->y;
  fm_activation act = activate_kind(context);
  size_t total = fm_tensor_elements(y);
#pragma omp parallel for schedule(static) if (total > FM_CHUNK)
  for (size_t start = 0; start < total; start += FM_CHUNK) {
    float in[FM_CHUNK], out[FM_CHUNK];
    size_t count = total - start < FM_CHUNK ? total - start : FM_CHUNK;
    float *target = fm_chunk_target(y, y, start, out);
    memcpy(target, fm_chunk_read(x, y, start, count, in), count * sizeof *target);
    fm_activation_apply(act, target, count);
    fm_chunk_write(y, y, start, count, target);
  }
  if (act == FM_ACT_HARD_SIGMOID)
    fm_tensor_zero_padding(y);
  return FM_OK;
}

static fm_status activate_backward(fm_op_context *context) {
  const fm_tensor *dy = &context->dy, *dx = &context->dx[0];
  fm_activation act = activate_kind(context);
  const fm_tensor *known = fm_activation_tells_slope(act) ? &context->y : &context->x[0];
  if (!dx->data)
    return FM_OK;
  size_t total = fm_tensor_elements(dx);
#pragma omp parallel for schedule(static) if (total > FM_CHUNK)
  for (size_t start = 0; start < total; start += FM_CHUNK) {
    float in[FM_CHUNK], out[FM_CHUNK], v[FM_CHUNK];
    size_t count = total - start < FM_CHUNK ? total - start : FM_CHUNK;
    float *target = fm_chunk_target(dx, dx, start, out);
    memcpy(target, fm_chunk_read(dy, dx, start, count, in), count * sizeof *target);
    fm_activation_slope(act, target, fm_chunk_read(known, dx, start, count, v), count);
    fm_chunk_write(dx, dx, start, count, target);
  }
  return FM_OK;
}

extern const fm_op fm_op_activate;

fm_value fm_activate(fm_graph *graph, fm_value x, fm_activation act) {
  activate_options options = {.act = act};
  return fm_graph_add_node(graph, &fm_op_activate, &x, 1, &options, sizeof options, NULL, 0,
                           fm_graph_channels(graph, x));
}

// Test cases. Values that fall on a kink would spoil the central differences: `activate_fill` keeps
// away from -3, 0, 3 and 6.
static void activate_fill(int input, fm_shape shape, float *values) {
  (void)input;
  size_t total = (size_t)shape.n * (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
  for (size_t i = 0; i < total; i++) // quarter, half and three-quarter steps in [-5, 9), mixed
    values[i] = (float)(i * 29 % 56) * 0.25f - 4.875f;
}

static void activate_expect(fm_activation act, const fm_shape *shape, const double *x, double *y) {
  size_t total = (size_t)shape->n * (size_t)shape->c * (size_t)shape->h * (size_t)shape->w;
  for (size_t i = 0; i < total; i++) {
    double six = fmin(fmax(x[i] + 3, 0), 6) / 6;
    y[i] = act == FM_ACT_RELU         ? fmax(x[i], 0)
           : act == FM_ACT_RELU6      ? fmin(fmax(x[i], 0), 6)
           : act == FM_ACT_HARD_SWISH ? x[i] * six
                                      : six;
  }
}

#define ACTIVATE_CASE(word, act)                                                    \
  static fm_value activate_build_##word(fm_graph *graph, const fm_value *inputs) {  \
    return fm_activate(graph, inputs[0], act);                                      \
  }                                                                                 \
  static void activate_expect_##word(const fm_shape *shape, const double *const *x, \
                                     const double *const *params, double *y) {      \
    (void)params;                                                                   \
    activate_expect(act, shape, x[0], y);                                           \
  }
ACTIVATE_CASE(relu, FM_ACT_RELU)
ACTIVATE_CASE(relu6, FM_ACT_RELU6)
ACTIVATE_CASE(hard_swish, FM_ACT_HARD_SWISH)
ACTIVATE_CASE(hard_sigmoid, FM_ACT_HARD_SIGMOID)
#undef ACTIVATE_CASE

#define ACTIVATE_ROW(text, word, ...)                                                        \
  {                                                                                          \
    .name = text, .input_count = 1, .inputs = {__VA_ARGS__}, .build = activate_build_##word, \
    .reference = activate_expect_##word, .fill = activate_fill                               \
  }
static const fm_op_case activate_cases[] = {
    ACTIVATE_ROW("relu is max(x, 0)", relu, {2, 19, 5, 7}),
    ACTIVATE_ROW("relu6 stops at 0 and 6", relu6, {2, 19, 5, 7}),
    ACTIVATE_ROW("hard swish is x relu6(x + 3) / 6", hard_swish, {1, 33, 3, 5}),
    ACTIVATE_ROW("hard sigmoid is relu6(x + 3) / 6", hard_sigmoid, {3, 10, 4, 3}),
    ACTIVATE_ROW("hard sigmoid takes a single pixel", hard_sigmoid, {2, 17, 1, 1}),
    {.name = NULL},
};

static void activate_describe(const fm_node *node, fm_node_settings *out) {
  out->act = ((const activate_options *)(const void *)node->options)->act;
}

const fm_op fm_op_activate = {
    .name = "activate",
    .infer = activate_infer,
    .prepare = activate_prepare,
    .forward = activate_forward,
    .backward = activate_backward,
    .describe = activate_describe,
    .cases = activate_cases,
};
