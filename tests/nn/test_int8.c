// Linear layers and the ops without weights in whole numbers, against their naive loops; and the
// ranges that int8 plans are made with.
#include "int8.h"

// --- linear: the flattening of interleaved maps, and of fp32 in plain order

// `outputs` below 0: so many that stay floats.
static void int8_run_linear(fm_dtype source, fm_shape shape, int outputs, bool relu) {
  const bool exact = outputs < 0;
  outputs = abs(outputs);
  const size_t features = (size_t)outputs;
  int8_run run;
  int8_init(&run, &shape, 1);
  const fm_value y = fm_linear(run.graph, run.inputs[0],
                               &(fm_linear_options){.name = "fc",
                                                    .out_features = outputs,
                                                    .in_height = shape.h,
                                                    .in_width = shape.w,
                                                    .act = relu ? FM_ACT_RELU : FM_ACT_NONE,
                                                    .init = FM_INIT_UNIFORM});
  int8_finish(&run, y, relu ? 0 : -2, 2);
  if (exact) { // as if nobody had seen them
    fm_ranges_free(run.ranges);
    test_check(fm_ranges_new(&run.ranges, run.graph));
  }
  if (source == FM_F32)
    int8_set_range(&run, "a", -1, 1);
  test_check(fm_params_initialise(run.params, 5));
  const size_t row = (size_t)(shape.c * shape.h * shape.w);
  float *weight = test_memory(features * row * sizeof *weight);
  float *bias = test_memory(features * sizeof *bias);
  double *rounded = test_memory(features * row * sizeof *rounded);
  fm_params_get(run.params, fm_params_find(run.params, "fc.weight"), weight);
  fm_params_get(run.params, fm_params_find(run.params, "fc.bias"), bias);
  for (size_t i = 0; i < features * row; ++i)
    rounded[i] = (double)weight[i];
  float *x = test_memory((size_t)shape.n * row * sizeof *x);
  for (size_t i = 0; i < (size_t)shape.n * row; ++i)
    x[i] = (float)(source == FM_U8 ? fabs(int8_random()) : int8_random());
  int8_fill(&run, 0, int8_like(shape, source, source == FM_U8 ? 1 / 255.0f : 1 / 127.0f), x);
  if (source == FM_F32)
    for (size_t i = 0; i < (size_t)shape.n * row; ++i)
      x[i] = (float)(rint((double)x[i] * 127) / 127);
  float *out = int8_forward(&run);
  assert_true(fm_dtype_is_int8(fm_plan_output(run.plan, 0).dtype) != exact);
  const double step = exact ? 0 : (double)fm_plan_output(run.plan, 0).scale;
  for (size_t o = 0; o < features; ++o) {
    int8_round_row(rounded + o * row, row, (size_t)shape.c);
    for (size_t n = 0; n < (size_t)shape.n; ++n) {
      double sum = (double)bias[o];
      for (size_t i = 0; i < row; ++i)
        sum += (double)x[n * row + i] * rounded[o * row + i];
      sum = relu && sum < 0 ? 0 : sum;
      assert_true(fabs(sum) < 2);
      assert_true(fabs((double)out[n * features + o] - sum) < 0.5 * step + 1e-5);
    }
  }
  free(weight);
  free(bias);
  free(rounded);
  free(x);
  free(out);
  int8_release(&run);
}

static void test_linear_flattens_whole_numbers_in_the_order_of_its_weights(void **unused) {
  (void)unused;
  int8_run_linear(FM_U8, (fm_shape){4, 32, 1, 1}, 21, true);
  int8_run_linear(FM_S8, (fm_shape){3, 18, 3, 2}, 21, false);
  int8_run_linear(FM_U8, (fm_shape){3, 16, 7, 7}, 21, true);
  int8_run_linear(FM_U8, (fm_shape){3, 8, 3, 3}, 128, true); // weights turned in two parts
  int8_run_linear(FM_S8, (fm_shape){3, 8, 3, 3}, 128, false);
  int8_run_linear(FM_F32, (fm_shape){3, 8, 3, 3}, 21, true);
  int8_run_linear(FM_S8, (fm_shape){5, 96, 7, 7}, -4, false);
  int8_run_linear(FM_U8, (fm_shape){100, 248, 1, 1}, -20, true);
  // Large enough to be dealt out by rows, where oneDNN has a product for one thread alone; the last
  // cannot be.
  int8_run_linear(FM_S8, (fm_shape){36, 96, 7, 7}, 64, true);
  int8_run_linear(FM_U8, (fm_shape){320, 248, 1, 1}, 128, false);
  int8_run_linear(FM_S8, (fm_shape){37, 96, 7, 7}, 64, true);
}

// --- the other ops, by their own cases

static bool int8_has_case(const fm_op *op) {
  return !op->quantises && !op->exact;
}

// Inputs that whole numbers hold: steps of 1/16 in [-4, 4), or of [0, 4).
static void int8_fill_case(int8_run *run, const fm_op_case *test, fm_dtype dtype, double **x) {
  for (int i = 0; i < test->input_count; ++i) {
    const fm_shape shape = test->inputs[i];
    const size_t count = test_count(shape);
    float *values = test_memory(count * sizeof *values);
    x[i] = test_memory(count * sizeof **x);
    if (test->fill)
      test->fill(i, shape, values);
    for (size_t k = 0; k < count && !(test->fill && test->no_gradient[i]); ++k) {
      const double value = test->fill ? (double)values[k] : 4 * int8_random();
      values[k] = (float)(dtype == FM_U8 ? fabs(value) : value);
    }
    fm_tensor like = int8_like(shape, test->no_gradient[i] ? FM_F32 : dtype, 1 / 16.0f);
    int8_fill(run, i, like, values);
    for (size_t k = 0; k < count; ++k)
      x[i][k] = (double)values[k];
    free(values);
  }
}

static void int8_run_case(const fm_op_case *test, fm_dtype dtype) {
  int8_run run;
  int8_init(&run, test->inputs, test->input_count);
  const fm_value value = test->build(run.graph, run.inputs);
  int8_finish(&run, value, dtype == FM_U8 ? 0 : -16, 16);
  double *x[FM_NODE_INPUTS_MAX] = {NULL};
  int8_fill_case(&run, test, dtype, x);
  float *found = int8_forward(&run);
  const fm_tensor out = fm_plan_output(run.plan, 0);
  const size_t count = test_count(out.shape);
  double *expected = test_memory(count * sizeof *expected);
  test->reference(test->inputs, (const double *const *)x, NULL, expected);
  const double step = fm_dtype_is_int8(out.dtype) ? (double)out.scale : 0;
  for (size_t i = 0; i < count; ++i) {
    const double least = dtype == FM_U8 && step > 0 && expected[i] < 0 ? 0 : expected[i];
    if (fabs((double)found[i] - least) > 0.5 * step + 1e-4)
      fail_msg("%s, %s: y[%zu] is %g, %g is expected within %g", test->name,
               dtype == FM_U8 ? "u8" : "s8", i, (double)found[i], least, 0.5 * step);
  }
  for (int i = 0; i < test->input_count; ++i)
    free(x[i]);
  free(expected);
  free(found);
  int8_release(&run);
}

static void test_every_other_op_equals_its_loop_to_half_a_step(void **unused) {
  (void)unused;
  for (int i = 0; i < fm_op_count; ++i)
    for (const fm_op_case *test = fm_ops[i]->cases; int8_has_case(fm_ops[i]) && test->name;
         ++test) {
      int8_run_case(test, FM_U8);
      int8_run_case(test, FM_S8);
    }
}

// --- ranges

static void test_ranges_are_named_after_layers_and_observed_in_fp32(void **unused) {
  (void)unused;
  const fm_shape shape = {1, 4, 3, 3};
  int8_run run;
  int8_init(&run, &shape, 1);
  fm_value x = run.inputs[0];
  const fm_conv2d_options options = {
      .name = "same", .out_channels = 4, .kernel = 1, .bias = true, .act = FM_ACT_RELU};
  x = fm_conv2d(run.graph, x, &options);
  x = fm_conv2d(run.graph, x, &options);
  x = fm_activate(run.graph, x, FM_ACT_HARD_SWISH);
  fm_graph_output_plain(run.graph, "y", fm_conv2d(run.graph, x, &options));
  test_check(fm_graph_status(run.graph));
  test_check(fm_ranges_new(&run.ranges, run.graph));
  const char *const names[] = {"a", "same", "same#2", "activate"}; // not what is only brought out
  assert_int_equal(fm_ranges_count(run.ranges), 4);
  for (int i = 0; i < 4; ++i)
    assert_string_equal(fm_ranges_name(run.ranges, i), names[i]);
  float values[36], ones[16] = {0}, zeros[4] = {0};
  for (int i = 0; i < 36; ++i)
    values[i] = (float)(i - 5);
  for (int i = 0; i < 4; ++i)
    ones[5 * i] = 2;
  fm_params_set(run.params, fm_params_find(run.params, "same.weight"), ones);
  fm_params_set(run.params, fm_params_find(run.params, "same.bias"), zeros);
  int8_fill(&run, 0, int8_like(shape, FM_F32, 0), values);
  assert_false(fm_ranges_complete(run.ranges));
  const fm_plan_options plan = {.purpose = FM_INFER,
                                .precision = FM_F32,
                                .inputs = run.in,
                                .input_count = 1,
                                .workspace = run.workspace,
                                .ranges = run.ranges,
                                .observes = true};
  test_check(fm_plan_new(&run.plan, run.graph, &plan));
  fm_plan_bind(run.plan, 0, run.in[0].data, NULL);
  test_check(fm_plan_forward(run.plan));
  assert_true(fm_ranges_complete(run.ranges));
  const float expected[4][2] = {{-5, 30}, {0, 60}, {0, 120}, {0, 120}};
  for (int i = 0; i < 4; ++i) {
    const fm_range range = fm_ranges_get(run.ranges, i);
    assert_float_equal(range.low, expected[i][0], 0);
    assert_float_equal(range.high, expected[i][1], 0);
  }
  int8_release(&run);
}

static void test_int8_plans_do_not_train(void **unused) {
  (void)unused;
  const fm_shape shape = {1, 4, 3, 3};
  int8_run run;
  int8_init(&run, &shape, 1);
  int8_finish(&run, fm_activate(run.graph, run.inputs[0], FM_ACT_RELU), 0, 1);
  const fm_tensor in = int8_like(shape, FM_F32, 0);
  const fm_plan_options plan = {.purpose = FM_TRAIN,
                                .precision = FM_S8,
                                .inputs = &in,
                                .input_count = 1,
                                .workspace = run.workspace,
                                .ranges = run.ranges};
  assert_int_equal(fm_plan_new(&run.plan, run.graph, &plan), FM_ERR_UNSUPPORTED);
  assert_null(run.plan);
  int8_release(&run);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_linear_flattens_whole_numbers_in_the_order_of_its_weights),
      cmocka_unit_test(test_every_other_op_equals_its_loop_to_half_a_step),
      cmocka_unit_test(test_ranges_are_named_after_layers_and_observed_in_fp32),
      cmocka_unit_test(test_int8_plans_do_not_train),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
