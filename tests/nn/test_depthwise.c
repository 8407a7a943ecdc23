// The depthwise convolution's backward loops against naive ones in double: blocks of 8 and 16 and
// interleaved channels, both number types, every element; the same bytes on any number of threads;
// and a slope that passes from one op to its reader.
#include <math.h>

#include "nn/chunk.h"
#include "nn/op/depthwise.h"
#include "nn/plan_private.h"
#include "support.h"

enum { TEST_THREADS_MAX = 3, TEST_PARTS = 2, TEST_CHANNELS = 19, TEST_PICTURES = 3 };

typedef struct test_setup {
  int kernel, stride, dilation, padding, padding_end, h, w;
  fm_activation act, x_act;
  int parts;
} test_setup;

static const test_setup test_setups[] = {
    {3, 1, 1, 1, 1, 9, 21, FM_ACT_RELU6, FM_ACT_RELU6, 1},
    {3, 2, 1, 0, 1, 10, 12, FM_ACT_RELU6, FM_ACT_RELU, 1},
    {3, 2, 1, 1, 1, 9, 19, FM_ACT_NONE, FM_ACT_NONE, 1},
    {5, 1, 1, 2, 2, 7, 17, FM_ACT_HARD_SWISH, FM_ACT_NONE, 2},
    {5, 2, 1, 1, 2, 10, 12, FM_ACT_RELU, FM_ACT_RELU6, 2},
    {3, 1, 2, 2, 2, 8, 9, FM_ACT_NONE, FM_ACT_RELU6, 2},
    {3, 2, 3, 3, 0, 13, 11, FM_ACT_RELU, FM_ACT_RELU, 1},
    {7, 3, 1, 3, 1, 9, 10, FM_ACT_RELU, FM_ACT_NONE, 1},
    {1, 2, 1, 0, 0, 6, 7, FM_ACT_NONE, FM_ACT_RELU6, 1}, // pixels that no tap reads
    {3, 2, 1, 0, 0, 8, 10, FM_ACT_NONE, FM_ACT_RELU, 1}, // the last ones left out
    {3, 1, 1, 1, 1, 1, 1, FM_ACT_RELU6, FM_ACT_RELU6, 1},
    // More columns than a strip has; the third with more padding than that.
    {3, 1, 1, 1, 1, 4, 150, FM_ACT_RELU6, FM_ACT_RELU6, 1},
    {3, 2, 1, 0, 1, 4, 140, FM_ACT_RELU, FM_ACT_RELU6, 1},
    {3, 1, 20, 20, 20, 22, 70, FM_ACT_NONE, FM_ACT_RELU, 1},
    {5, 2, 1, 1, 2, 6, 131, FM_ACT_RELU, FM_ACT_NONE, 2},
    {1, 2, 1, 0, 0, 3, 260, FM_ACT_RELU, FM_ACT_RELU6, 1},
};
enum { TEST_SETUPS = sizeof test_setups / sizeof test_setups[0] };

typedef struct test_arrays { // plain order
  fm_shape x_shape, y_shape;
  float *x, *dy[TEST_PARTS], *known, *weight;
  double *dx, *dweight, *dbias; // expected
} test_arrays;

// Quarters in [-4, 8): exact in bf16, on both sides of every kink and on them.
static float *test_random(size_t count, unsigned seed) {
  float *values = test_memory(count * sizeof *values);
  for (size_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float)(seed >> 24) * 12 / 256 - 4;
    values[i] = floorf(values[i] * 4) / 4;
  }
  return values;
}

static double test_slope(fm_activation act, double known) {
  switch (act) {
  case FM_ACT_RELU:
    return known > 0;
  case FM_ACT_RELU6:
    return known > 0 && known < 6;
  case FM_ACT_HARD_SWISH:
    return known < -3 ? 0 : known > 3 ? 1 : known / 3 + 0.5;
  default:
    return 1;
  }
}

static void test_expect_pixel(const test_setup *s, test_arrays *a, const int at[4], double dz) {
  const size_t taps = (size_t)(s->kernel * s->kernel);
  for (int kh = 0; kh < s->kernel; ++kh)
    for (int kw = 0; kw < s->kernel; ++kw) {
      const int ih = at[2] * s->stride - s->padding + kh * s->dilation;
      const int iw = at[3] * s->stride - s->padding + kw * s->dilation;
      if (ih < 0 || ih >= s->h || iw < 0 || iw >= s->w)
        continue;
      const size_t i = (size_t)(((at[0] * TEST_CHANNELS + at[1]) * s->h + ih) * s->w + iw);
      const size_t tap = (size_t)at[1] * taps + (size_t)(kh * s->kernel + kw);
      a->dweight[tap] += dz * (double)a->x[i];
      a->dx[i] += dz * (double)a->weight[tap];
    }
  a->dbias[at[1]] += dz;
}

static void test_expect(const test_setup *s, test_arrays *a) {
  const int reach = s->dilation * (s->kernel - 1) + 1, ends = s->padding + s->padding_end;
  a->x_shape = (fm_shape){TEST_PICTURES, TEST_CHANNELS, s->h, s->w};
  a->y_shape = (fm_shape){TEST_PICTURES, TEST_CHANNELS, (s->h + ends - reach) / s->stride + 1,
                          (s->w + ends - reach) / s->stride + 1};
  const size_t taps = (size_t)(TEST_CHANNELS * s->kernel * s->kernel);
  a->x = test_random(test_count(a->x_shape), 1);
  a->known = test_random(test_count(a->y_shape), 2);
  a->weight = test_random(taps, 3);
  for (int i = 0; i < TEST_PARTS; ++i)
    a->dy[i] = test_random(test_count(a->y_shape), 4 + (unsigned)i);
  a->dx = test_memory(test_count(a->x_shape) * sizeof(double));
  a->dweight = test_memory(taps * sizeof(double));
  a->dbias = test_memory(TEST_CHANNELS * sizeof(double));
  const int oh = a->y_shape.h, ow = a->y_shape.w;
  for (int i = 0; i < (int)test_count(a->y_shape); ++i) {
    const int at[4] = {i / (oh * ow) / TEST_CHANNELS, i / (oh * ow) % TEST_CHANNELS,
                       i % (oh * ow) / ow, i % ow};
    double dz = 0;
    for (int part = 0; part < s->parts; ++part)
      dz += (double)a->dy[part][i];
    test_expect_pixel(s, a, at, dz * test_slope(s->act, (double)a->known[i]));
  }
  for (size_t i = 0; i < test_count(a->x_shape); ++i)
    a->dx[i] *= test_slope(s->x_act, (double)a->x[i]);
}

static void test_arrays_free(test_arrays *a) {
  free(a->x);
  free(a->known);
  free(a->weight);
  free(a->dx);
  free(a->dweight);
  free(a->dbias);
  for (int i = 0; i < TEST_PARTS; ++i)
    free(a->dy[i]);
}

static fm_tensor test_tensor(fm_dtype dtype, fm_shape shape, int block, float *plain) {
  fm_tensor tensor = {.dtype = dtype, .shape = shape, .block = block};
  tensor.data = test_memory(fm_tensor_bytes(&tensor));
  if (plain)
    fm_tensor_copy(&tensor,
                   &(fm_tensor){.dtype = FM_F32, .shape = shape, .block = 1, .data = plain});
  else
    memset(tensor.data, 0xff, fm_tensor_bytes(&tensor)); // what is not written shows
  return tensor;
}

static void test_near(const char *what, const float *given, const double *expected, size_t count,
                      double tolerance) {
  for (size_t i = 0; i < count; ++i)
    if (!(fabs((double)given[i] - expected[i]) <= tolerance * fmax(1, fabs(expected[i]))))
      fail_msg("%s[%zu] is %g, not %g", what, i, (double)given[i], expected[i]);
}

typedef struct test_layout {
  fm_dtype dtype;
  int block, x_block;
} test_layout;

// What one run leaves: dx in plain order with its padding summed up behind, dweight, dbias.
static size_t test_run(const test_setup *s, const test_arrays *a, const test_layout *layout,
                       int threads, float **out) {
  const size_t pixels = test_count(a->x_shape), taps = (size_t)(s->kernel * s->kernel);
  const size_t weights = TEST_CHANNELS * taps, all = pixels + weights + TEST_CHANNELS + 1;
  float *result = test_memory(all * sizeof *result);
  fm_depthwise_backward job = {
      .geometry = {s->kernel, s->stride, s->dilation, s->padding, threads},
      .x = test_tensor(layout->dtype, a->x_shape, layout->x_block, a->x),
      .dx = test_tensor(layout->dtype, a->x_shape, layout->x_block, NULL),
      .x_act = s->x_act,
      .dy_count = s->parts,
      .act = s->act,
      .known = test_tensor(layout->dtype, a->y_shape, layout->block, a->known),
      .weight = a->weight,
      .dweight = result + pixels,
      .dbias = result + pixels + weights,
  };
  for (int i = 0; i < s->parts; ++i)
    job.dy[i] = test_tensor(layout->dtype, a->y_shape, layout->block, a->dy[i]);
  assert_true(fm_depthwise_knows(&job.geometry, &job.x, &job.dy[0]));
  const size_t bytes = fm_depthwise_backward_scratch(&job.geometry, &job.x, &job.dy[0]);
  job.scratch = test_memory(bytes);
  memset(job.scratch, 0xff, bytes);
  fm_depthwise_run_backward(&job);
  fm_tensor_copy(&(fm_tensor){.dtype = FM_F32, .shape = a->x_shape, .block = 1, .data = result},
                 &job.dx);
  const fm_tensor wide = {.dtype = FM_F32, .shape = a->x_shape, .block = layout->x_block};
  float *values = test_memory(fm_tensor_bytes(&wide));
  fm_tensor_copy(
      &(fm_tensor){.dtype = FM_F32, .shape = a->x_shape, .block = layout->x_block, .data = values},
      &job.dx);
  double padding = 0; // copied as it is between tensors of one layout
  for (size_t i = 0; i < fm_tensor_elements(&wide); ++i)
    padding += fabs((double)values[i]);
  for (size_t i = 0; i < pixels; ++i)
    padding -= fabs((double)result[i]);
  result[all - 1] = (float)padding;
  free(values);
  free(job.scratch);
  free(job.x.data);
  free(job.dx.data);
  free(job.known.data);
  for (int i = 0; i < s->parts; ++i)
    free(job.dy[i].data);
  *out = result;
  return all;
}

static void test_setup_in(const test_setup *s, const test_layout *layout) {
  test_arrays a;
  test_expect(s, &a);
  const size_t pixels = test_count(a.x_shape);
  const size_t weights = (size_t)(TEST_CHANNELS * s->kernel * s->kernel);
  float *first;
  const size_t count = test_run(s, &a, layout, 1, &first);
  test_near("dx", first, a.dx, pixels, layout->dtype == FM_F32 ? 1e-5 : 4e-3);
  test_near("dweight", first + pixels, a.dweight, weights, 1e-5);
  test_near("dbias", first + pixels + weights, a.dbias, TEST_CHANNELS, 1e-5);
  assert_true(fabsf(first[count - 1]) < 1e-6f);
  for (int threads = 2; threads <= TEST_THREADS_MAX; ++threads) {
    float *again;
    (void)test_run(s, &a, layout, threads, &again);
    assert_memory_equal(first, again, count * sizeof *first);
    free(again);
  }
  free(first);
  test_arrays_free(&a);
}

static void test_every_setup_in(fm_dtype dtype) {
  const test_layout layouts[] = {
      {dtype, 8, 8},
      {dtype, 16, 16},
      {dtype, 16, 1},
      {dtype, 8, 16},
      {dtype, TEST_CHANNELS, TEST_CHANNELS}, // interleaved
      {dtype, TEST_CHANNELS, 1},
      {dtype, TEST_CHANNELS, 16},
      {dtype, 16, TEST_CHANNELS},
  };
  for (int i = 0; i < TEST_SETUPS; ++i)
    for (size_t k = 0; k < sizeof layouts / sizeof layouts[0]; ++k)
      test_setup_in(&test_setups[i], &layouts[k]);
}

static void test_depthwise_backward_equals_the_naive_loop(void **unused) {
  (void)unused;
  test_every_setup_in(FM_F32);
}

static void test_depthwise_backward_is_near_the_naive_loop_in_bf16(void **unused) {
  (void)unused;
  test_every_setup_in(FM_BF16);
}

typedef struct test_network {
  fm_params *params;
  fm_graph *graph;
  fm_workspace *workspace;
  fm_plan *plan;
  float x[2 * 8 * 6 * 7], dx[2 * 8 * 6 * 7];
  float dweights[TEST_PARTS][24 * 9];
} test_network;

// A pointwise convolution with `act` and a depthwise one; `watched`: the value between them is an
// output, too, so that it has another reader.
static void test_network_run(test_network *net, fm_activation act, fm_norm norm, bool watched) {
  test_check(fm_params_new(&net->params));
  test_check(fm_graph_new(&net->graph, net->params));
  test_check(fm_workspace_new(&net->workspace));
  fm_value value = fm_graph_input(net->graph, "x", 8, true);
  fm_conv2d_options options = {.name = "pointwise",
                               .norm_name = "norm",
                               .norm = norm,
                               .out_channels = 24,
                               .kernel = 1,
                               .act = act,
                               .init = FM_INIT_KAIMING_UNIFORM,
                               .init_scale = 4};
  value = fm_conv2d(net->graph, value, &options);
  if (watched)
    fm_graph_output(net->graph, "between", value);
  options = (fm_conv2d_options){.name = "depthwise",
                                .out_channels = 24,
                                .kernel = 3,
                                .padding = 1,
                                .groups = 24,
                                .act = FM_ACT_RELU,
                                .init = FM_INIT_KAIMING_UNIFORM};
  fm_graph_output(net->graph, "y", fm_conv2d(net->graph, value, &options));
  test_check(fm_params_initialise(net->params, 5));
  const fm_tensor x = {.dtype = FM_F32, .shape = {2, 8, 6, 7}, .block = 1, .data = net->x};
  float *values = test_random(test_count(x.shape), 8);
  memcpy(net->x, values, sizeof net->x);
  free(values);
  const fm_plan_options plan = {.purpose = FM_TRAIN,
                                .precision = FM_F32,
                                .inputs = &x,
                                .input_count = 1,
                                .workspace = net->workspace};
  test_check(fm_plan_new(&net->plan, net->graph, &plan));
  fm_plan_bind(net->plan, 0, net->x, net->dx);
  fm_params_zero_gradients(net->params);
  test_check(fm_plan_forward(net->plan));
  for (int i = 0; i < 1 + watched; ++i) {
    const fm_tensor seed = fm_plan_output_gradient(net->plan, i);
    values = test_random(test_count(seed.shape), 9);
    fm_tensor_copy(&seed,
                   &(fm_tensor){.dtype = FM_F32, .shape = seed.shape, .block = 1, .data = values});
    if (watched && i == 0)
      fm_tensor_clear(&seed);
    free(values);
  }
  test_check(fm_plan_backward(net->plan));
  fm_params_get_gradient(net->params, fm_params_find(net->params, "pointwise.weight"),
                         net->dweights[0]);
  fm_params_get_gradient(net->params, fm_params_find(net->params, "depthwise.weight"),
                         net->dweights[1]);
}

static void test_network_release(test_network *net) {
  fm_plan_free(net->plan);
  fm_workspace_free(net->workspace);
  fm_graph_free(net->graph);
  fm_params_free(net->params);
}

static void test_the_reader_of_an_activation_applies_its_slope(void **unused) {
  (void)unused;
  static const fm_activation acts[] = {FM_ACT_RELU, FM_ACT_RELU6, FM_ACT_HARD_SWISH};
  static const fm_norm norms[] = {FM_NORM_NONE, FM_NORM_FROZEN, FM_NORM_BATCH};
  for (size_t i = 0; i < 9; ++i) {
    test_network own = {0}, passed = {0};
    test_network_run(&own, acts[i / 3], norms[i % 3], true);
    test_network_run(&passed, acts[i / 3], norms[i % 3], false);
    assert_false(own.plan->nodes[0].context.dy_has_slope);
    // Only where the output tells the slope and the loops know the layout.
    const int block = passed.plan->nodes[1].context.y.block;
    assert_int_equal(passed.plan->nodes[0].context.dy_has_slope,
                     acts[i / 3] != FM_ACT_HARD_SWISH && (block == 8 || block == 16));
    assert_memory_equal(own.dx, passed.dx, sizeof own.dx);
    assert_memory_equal(own.dweights, passed.dweights, sizeof own.dweights);
    test_network_release(&own);
    test_network_release(&passed);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_depthwise_backward_equals_the_naive_loop),
      cmocka_unit_test(test_depthwise_backward_is_near_the_naive_loop_in_bf16),
      cmocka_unit_test(test_the_reader_of_an_activation_applies_its_slope),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
