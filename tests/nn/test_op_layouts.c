// The element-wise ops and roi_align in every layout and number type, mixed ones included: forward
// against the naive loops of their own test cases, backward against central differences of those.
// Ops are called directly, so this file stands in for the graph.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/op.h"

extern const fm_op fm_op_activate, fm_op_add, fm_op_roi_align, fm_op_scale_channels,
    fm_op_upsample_add;

// The graph of one node.
struct fm_graph {
  fm_node node;
  const fm_op_case *test;
  bool failed;
};

fm_value fm_graph_add_node(fm_graph *graph, const fm_op *op, const fm_value *inputs,
                           int input_count, const void *options, size_t options_bytes,
                           const int *params, int param_count, int output_channels) {
  (void)params;
  assert_int_equal(param_count, 0);
  assert_true(output_channels > 0 && options_bytes <= FM_NODE_OPTIONS_BYTES);
  graph->node = (fm_node){.op = op, .input_count = input_count};
  for (int i = 0; i < input_count; i++)
    graph->node.inputs[i] = inputs[i].id;
  if (options_bytes > 0)
    memcpy(graph->node.options, options, options_bytes);
  return (fm_value){100};
}

void fm_graph_fail(fm_graph *graph, const char *format, ...) {
  (void)format;
  graph->failed = true;
}

int fm_graph_channels(const fm_graph *graph, fm_value value) {
  return graph->test->inputs[value.id - 1].c;
}

static size_t test_count(fm_shape s) {
  return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

static size_t test_place(const fm_tensor *t, size_t plain) {
  size_t w = (size_t)t->shape.w, h = (size_t)t->shape.h, c = (size_t)t->shape.c;
  size_t block = (size_t)t->block, pixel = plain % (h * w), channel = plain / (h * w) % c;
  size_t row = plain / (h * w) / c * (size_t)fm_tensor_blocks(t) + channel / block;
  return (row * h * w + pixel) * block + channel % block;
}

static float test_get(const fm_tensor *t, size_t at) {
  return t->dtype == FM_F32 ? ((float *)t->data)[at] : fm_bf16_to_f32(((uint16_t *)t->data)[at]);
}

static void test_set(const fm_tensor *t, size_t at, float value) {
  if (t->dtype == FM_F32)
    ((float *)t->data)[at] = value;
  else
    ((uint16_t *)t->data)[at] = fm_f32_to_bf16(value);
}

// Memory full of NaN, so that what is not written shows.
static void test_alloc(fm_tensor *t) {
  t->data = malloc(fm_tensor_bytes(t));
  assert_non_null(t->data);
  memset(t->data, 0xff, fm_tensor_bytes(t));
}

static void test_put(fm_tensor *t, const double *plain) {
  test_alloc(t);
  memset(t->data, 0, fm_tensor_bytes(t));
  for (size_t i = 0; i < test_count(t->shape); i++)
    test_set(t, test_place(t, i), (float)plain[i]);
}

static void test_compare(const char *what, const fm_tensor *t, const double *expected,
                         double tolerance) {
  double padding = 0;
  for (size_t i = 0; i < fm_tensor_elements(t); i++)
    padding += fabs((double)test_get(t, i));
  for (size_t i = 0; i < test_count(t->shape); i++) {
    double value = (double)test_get(t, test_place(t, i));
    padding -= fabs(value);
    if (!(fabs(value - expected[i]) <= tolerance * fmax(1, fabs(expected[i]))))
      fail_msg("%s[%zu] in blocks of %d is %g, expected %g", what, i, t->block, value, expected[i]);
  }
  if (!(fabs(padding) < 1e-3))
    fail_msg("%s: the padding in blocks of %d sums to %g", what, t->block, padding);
}

typedef struct test_run {
  const fm_op_case *test;
  fm_shape y_shape;
  double *x[FM_NODE_INPUTS_MAX], *y, *dy, *dx[FM_NODE_INPUTS_MAX];
} test_run;

static double test_dot(const test_run *run) {
  double sum = 0, *y = calloc(test_count(run->y_shape), sizeof(double));
  assert_non_null(y);
  run->test->reference(run->test->inputs, (const double *const *)run->x, NULL, y);
  for (size_t i = 0; i < test_count(run->y_shape); i++)
    sum += y[i] * run->dy[i];
  free(y);
  return sum;
}

static double test_random(unsigned *state) { // bf16 holds these exactly
  *state = *state * 1664525u + 1013904223u;
  return (double)(*state >> 25) / 32 - 2;
}

static void test_fill(test_run *run, int i, unsigned *seed) {
  fm_shape shape = run->test->inputs[i];
  size_t count = test_count(shape);
  float *values = calloc(count, sizeof(float));
  run->x[i] = calloc(count, sizeof(double));
  run->dx[i] = calloc(count, sizeof(double));
  assert_true(values && run->x[i] && run->dx[i]);
  if (run->test->fill)
    run->test->fill(i, shape, values);
  for (size_t k = 0; k < count; k++) {
    float value = run->test->fill ? values[k] : (float)test_random(seed);
    bool exact = run->test->no_gradient[i]; // rois are fp32 always
    run->x[i][k] = (double)(exact ? value : fm_bf16_to_f32(fm_f32_to_bf16(value)));
  }
  free(values);
}

// The expected y and gradients, once a case.
static void test_expect(test_run *run, const fm_op_case *test, const fm_node *node) {
  unsigned seed = 7;
  *run = (test_run){.test = test};
  for (int i = 0; i < test->input_count; i++)
    test_fill(run, i, &seed);
  assert_int_equal(node->op->infer(node, test->inputs, &run->y_shape), FM_OK);
  size_t count = test_count(run->y_shape);
  run->y = calloc(count, sizeof(double));
  run->dy = calloc(count, sizeof(double));
  assert_true(run->y && run->dy);
  test->reference(test->inputs, (const double *const *)run->x, NULL, run->y);
  for (size_t i = 0; i < count; i++)
    run->dy[i] = test_random(&seed);
  const double h = 1e-4;
  for (int i = 0; i < test->input_count; i++)
    for (size_t k = 0; !test->no_gradient[i] && k < test_count(test->inputs[i]); k++) {
      double kept = run->x[i][k];
      run->x[i][k] = kept + h;
      double high = test_dot(run);
      run->x[i][k] = kept - h;
      double low = test_dot(run);
      run->x[i][k] = kept;
      run->dx[i][k] = (high - low) / (2 * h);
    }
}

static void *test_bytes(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes / 64 + 1) * 64);
  assert_non_null(memory);
  return memory;
}

static void test_backward(fm_op_context *context, const test_run *run, double tolerance) {
  const fm_op *op = context->node->op;
  int inputs = run->test->input_count;
  context->dy = context->y;
  test_put(&context->dy, run->dy);
  for (int i = 0; i < inputs; i++) {
    context->dx[i] = context->x[i];
    context->dx[i].data = NULL;
    if (context->wants_dx[i])
      test_alloc(&context->dx[i]);
    if (!context->reads_x_in_backward[i]) // gone by then
      memset(context->x[i].data, 0xff, fm_tensor_bytes(&context->x[i]));
  }
  if (!context->reads_y_in_backward)
    memset(context->y.data, 0xff, fm_tensor_bytes(&context->y));
  assert_int_equal(op->backward(context), FM_OK);
  for (int i = 0; i < inputs; i++)
    if (context->wants_dx[i])
      test_compare("dx", &context->dx[i], run->dx[i], tolerance);
}

static void test_layout(const fm_node *node, const test_run *run, const int *blocks,
                        fm_dtype dtype) {
  fm_op_context context = {.node = node, .purpose = FM_TRAIN, .precision = dtype};
  int inputs = run->test->input_count;
  for (int i = 0; i < inputs; i++) {
    bool rois = run->test->no_gradient[i];
    context.x[i].shape = run->test->inputs[i];
    context.x[i].dtype = rois ? FM_F32 : dtype;
    context.x[i].block = rois ? 1 : blocks[i] ? blocks[i] : run->test->inputs[i].c;
    context.wants_dx[i] = !rois;
  }
  context.y.shape = run->y_shape;
  context.state = calloc(1, node->op->state_bytes + 1);
  assert_non_null(context.state);
  assert_int_equal(node->op->prepare(&context), FM_OK);
  size_t scratch = context.forward_scratch_bytes > context.backward_scratch_bytes
                       ? context.forward_scratch_bytes
                       : context.backward_scratch_bytes;
  context.scratch = test_bytes(scratch);
  context.saved = test_bytes(context.saved_bytes);
  for (int i = 0; i < inputs; i++)
    test_put(&context.x[i], run->x[i]);
  test_alloc(&context.y);
  double tolerance = dtype == FM_F32 ? 2e-6 : 8e-3;
  assert_int_equal(node->op->forward(&context), FM_OK);
  test_compare("y", &context.y, run->y, tolerance);
  test_backward(&context, run, tolerance * 8);
  for (int i = 0; i < inputs; i++) {
    free(context.x[i].data);
    free(context.dx[i].data);
  }
  free(context.y.data);
  free(context.dy.data);
  free(context.state);
  free(context.scratch);
  free(context.saved);
}

static void test_op(const fm_op *op) {
  static const int blocks[][FM_NODE_INPUTS_MAX] = {{16, 16, 16}, {1, 1, 1},  {8, 8, 8},
                                                   {0, 0, 0},    {16, 8, 1}, {1, 16, 0},
                                                   {0, 1, 16},   {8, 0, 16}};
  for (const fm_op_case *test = op->cases; test->name; test++) {
    fm_graph graph = {.test = test};
    fm_value inputs[FM_NODE_INPUTS_MAX];
    for (int i = 0; i < test->input_count; i++)
      inputs[i] = (fm_value){i + 1};
    test->build(&graph, inputs);
    assert_false(graph.failed);
    if (graph.node.input_count != test->input_count)
      continue; // one value read twice: the plan's business
    test_run run;
    test_expect(&run, test, &graph.node);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
      test_layout(&graph.node, &run, blocks[i], FM_F32);
      test_layout(&graph.node, &run, blocks[i], FM_BF16);
    }
    for (int i = 0; i < test->input_count; i++) {
      free(run.x[i]);
      free(run.dx[i]);
    }
    free(run.y);
    free(run.dy);
  }
}

static void test_activate_is_the_same_in_every_layout(void **unused) {
  (void)unused;
  test_op(&fm_op_activate);
}

static void test_add_is_the_same_in_every_layout(void **unused) {
  (void)unused;
  test_op(&fm_op_add);
}

static void test_scale_channels_is_the_same_in_every_layout(void **unused) {
  (void)unused;
  test_op(&fm_op_scale_channels);
}

static void test_upsample_add_is_the_same_in_every_layout(void **unused) {
  (void)unused;
  test_op(&fm_op_upsample_add);
}

static void test_roi_align_is_the_same_in_every_layout(void **unused) {
  (void)unused;
  test_op(&fm_op_roi_align);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_activate_is_the_same_in_every_layout),
      cmocka_unit_test(test_add_is_the_same_in_every_layout),
      cmocka_unit_test(test_scale_channels_is_the_same_in_every_layout),
      cmocka_unit_test(test_upsample_add_is_the_same_in_every_layout),
      cmocka_unit_test(test_roi_align_is_the_same_in_every_layout),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
