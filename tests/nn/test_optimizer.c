// Four updates of two parameters, one of them without decay, against torch.optim in double.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

#include "nn/optimizer.h"
#include "nn/params_layout.h"

enum { TEST_W, TEST_B, TEST_FROZEN, TEST_BUFFER, TEST_UPDATES = 4 };

static fm_params *test_params(void) {
  static const struct {
    const char *name;
    int count;
    fm_param_kind kind;
    bool no_decay;
  } rows[] = {{"w", 3, FM_PARAM_TRAINED, false},
              {"b", 2, FM_PARAM_TRAINED, true},
              {"frozen", 2, FM_PARAM_FROZEN, false},
              {"buffer", 1, FM_PARAM_BUFFER, false}};
  static const float values[][3] = {{0.5f, 0.75f, 1.0f}, {-1, 2}, {3, 4}, {10}};
  fm_params *params;
  assert_int_equal(fm_params_new(&params), FM_OK);
  for (int i = 0; i < 4; i++) {
    fm_param_spec spec = {
        .rank = 1, .dims = {rows[i].count}, .kind = rows[i].kind, .no_decay = rows[i].no_decay};
    snprintf(spec.name, sizeof spec.name, "%s", rows[i].name);
    int id;
    assert_int_equal(fm_params_add(params, &spec, &id), FM_OK);
    assert_int_equal(id, i);
    fm_params_set(params, id, values[i]);
  }
  assert_int_equal(fm_params_need_gradients(params), FM_OK);
  return params;
}

static void test_set_gradients(fm_params *params, int t) {
  float *w = fm_params_gradient(params, TEST_W), *b = fm_params_gradient(params, TEST_B);
  for (int i = 0; i < 3; i++)
    w[i] = (float)(1 + t) * 0.5f - 0.75f * (float)i;
  b[0] = 0.25f * (float)t - 0.3f;
  b[1] = 1.0f - (float)t;
}

static void test_near(const float *values, const double *expected, int count) {
  for (int i = 0; i < count; i++)
    if (!(fabs((double)values[i] - expected[i]) < 1e-6))
      fail_msg("%d: %.9g is not %.9g", i, (double)values[i], expected[i]);
}

// From the gradients of the last update, which the update leaves as they are.
static double test_norm(const fm_params *params) {
  float w[3], b[2];
  fm_params_get_gradient(params, TEST_W, w);
  fm_params_get_gradient(params, TEST_B, b);
  double sum = 0;
  for (int i = 0; i < 3; i++)
    sum += (double)w[i] * (double)w[i];
  return sqrt(sum + (double)b[0] * (double)b[0] + (double)b[1] * (double)b[1]);
}

static void test_updates(const fm_optimizer_options *options, const double *expected,
                         const double *average) {
  fm_params *params = test_params();
  fm_optimizer_state state = {0};
  float values[3];
  for (int t = 0; t < TEST_UPDATES; t++) {
    test_set_gradients(params, t);
    assert_int_equal(fm_optimizer_step(options, params, &state), FM_OK);
  }
  assert_int_equal(state.step, TEST_UPDATES);
  assert_true(fabs(state.gradient_norm - test_norm(params)) < 1e-9);
  fm_params_get(params, TEST_W, values);
  test_near(values, expected, 3);
  fm_params_get(params, TEST_B, values);
  test_near(values, expected + 3, 2);
  fm_params_get(params, TEST_FROZEN, values);
  assert_true(values[0] == 3 && values[1] == 4);
  if (average) {
    fm_params_get_moment(params, FM_MOMENT_AVERAGE, TEST_W, values);
    test_near(values, average, 3);
    fm_params_get_moment(params, FM_MOMENT_AVERAGE, TEST_B, values);
    test_near(values, average + 3, 2);
    fm_params_get_moment(params, FM_MOMENT_AVERAGE, TEST_FROZEN, values);
    assert_true(values[0] == 3 && values[1] == 4);
  }
  fm_params_free(params);
}

static void test_sgd_equals_torch(void **unused) {
  (void)unused;
  const double momentum[] = {-0.445502162, 0.466774119, 1.3790504, -0.96628, 2.0461};
  const double plain[] = {-0.00743149344, 0.535363372, 1.07815824, -1.03, 2.2};
  fm_optimizer_options options = {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.05};
  test_updates(&options, momentum, NULL);
  options.momentum = 0;
  test_updates(&options, plain, NULL);
}

static void test_adam_equals_torch(void **unused) {
  (void)unused;
  const double adam[] = {0.461090084, 0.743753954, 1.02831512, -0.984346021, 1.98931039};
  const double adamw[] = {0.460194247, 0.74447314, 1.02751293, -0.984346021, 1.98931039};
  fm_optimizer_options options = {.kind = FM_OPTIMIZER_ADAM, .lr = 0.01, .weight_decay = 0.05};
  test_updates(&options, adam, NULL);
  options.kind = FM_OPTIMIZER_ADAMW;
  test_updates(&options, adamw, NULL);
}

static void test_clipping_and_average_equal_torch(void **unused) {
  (void)unused;
  const double expected[] = {0.11103882, 0.66900089, 1.22696296, -0.968641739, 1.95669017};
  const double average[] = {0.430277781, 0.740961441, 1.0516451, -0.990359759, 1.97762135};
  const fm_optimizer_options options = {.lr = 0.1, .momentum = 0.9, .clip_norm = 0.7, .ema = 0.9};
  test_updates(&options, expected, average);
}

static void test_average_follows_buffers(void **unused) {
  (void)unused;
  const fm_optimizer_options options = {.lr = 0.1, .ema = 0.75};
  fm_params *params = test_params();
  fm_optimizer_state state = {0};
  const float moved = 20;
  float average;
  test_set_gradients(params, 0);
  assert_int_equal(fm_optimizer_step(&options, params, &state), FM_OK);
  fm_params_set(params, TEST_BUFFER, &moved);
  assert_int_equal(fm_optimizer_step(&options, params, &state), FM_OK);
  fm_params_get_moment(params, FM_MOMENT_AVERAGE, TEST_BUFFER, &average);
  assert_true(fabs((double)average - 12.5) < 1e-6);
  fm_params_free(params);
}

static void test_infinite_gradient_changes_nothing(void **unused) {
  (void)unused;
  const fm_optimizer_options options = {.lr = 0.1, .momentum = 0.9};
  fm_params *params = test_params();
  fm_optimizer_state state = {0};
  float values[3];
  test_set_gradients(params, 0);
  fm_params_gradient(params, TEST_W)[1] = INFINITY;
  assert_int_equal(fm_optimizer_step(&options, params, &state), FM_ERR_NUMERIC);
  fm_params_get(params, TEST_W, values);
  assert_true(values[0] == 0.5f && values[1] == 0.75f && state.step == 0);
  fm_params_free(params);
}

// Moments and step taken out and put into fresh parameters, as a checkpoint does.
static void test_state_moved_to_other_parameters_goes_on_alike(void **unused) {
  (void)unused;
  const fm_optimizer_options options = {
      .kind = FM_OPTIMIZER_ADAM, .lr = 0.01, .weight_decay = 0.05, .ema = 0.5};
  fm_params *params = test_params(), *other = test_params();
  fm_optimizer_state state = {0}, resumed = {.step = 2};
  float a[3], b[3];
  assert_int_equal(fm_optimizer_slots(&options), 7);
  for (int t = 0; t < TEST_UPDATES; t++) {
    test_set_gradients(params, t);
    assert_int_equal(fm_optimizer_step(&options, params, &state), FM_OK);
    for (int id = 0; t == 1 && id < 4; id++) {
      fm_params_get(params, id, a);
      fm_params_set(other, id, a);
      for (int slot = 0; slot < FM_MOMENT_SLOTS; slot++) {
        fm_params_get_moment(params, slot, id, a);
        assert_int_equal(fm_params_set_moment(other, slot, id, a), FM_OK);
      }
    }
  }
  for (int t = 2; t < TEST_UPDATES; t++) {
    test_set_gradients(other, t);
    assert_int_equal(fm_optimizer_step(&options, other, &resumed), FM_OK);
  }
  for (int id = 0; id < 2; id++) {
    size_t bytes = fm_params_elements(params, id) * sizeof(float);
    fm_params_get(params, id, a);
    fm_params_get(other, id, b);
    assert_memory_equal(a, b, bytes);
    fm_params_get_moment(params, FM_MOMENT_AVERAGE, id, a);
    fm_params_get_moment(other, FM_MOMENT_AVERAGE, id, b);
    assert_memory_equal(a, b, bytes);
  }
  fm_params_free(params);
  fm_params_free(other);
}

// More than one piece a parameter, on one thread and on three.
static void test_threads_do_not_change_a_bit(void **unused) {
  (void)unused;
  enum { COUNT = 50001 };
  const fm_optimizer_options options = {.lr = 0.1, .momentum = 0.9, .clip_norm = 1, .ema = 0.9};
  float *results[2];
  int threads = omp_get_max_threads();
  for (int run = 0; run < 2; run++) {
    fm_params *params;
    fm_optimizer_state state = {0};
    fm_param_spec spec = {.name = "w", .rank = 1, .dims = {COUNT}, .kind = FM_PARAM_TRAINED};
    int id;
    spec.init = FM_INIT_ONE;
    results[run] = malloc(COUNT * sizeof(float));
    assert_non_null(results[run]);
    assert_int_equal(fm_params_new(&params), FM_OK);
    assert_int_equal(fm_params_add(params, &spec, &id), FM_OK);
    assert_int_equal(fm_params_initialise(params, 1), FM_OK);
    assert_int_equal(fm_params_need_gradients(params), FM_OK);
    for (int i = 0; i < COUNT; i++)
      fm_params_gradient(params, id)[i] = (float)sin(i);
    omp_set_num_threads(run == 0 ? 1 : 3);
    for (int t = 0; t < 2; t++)
      assert_int_equal(fm_optimizer_step(&options, params, &state), FM_OK);
    fm_params_get(params, id, results[run]);
    fm_params_free(params);
  }
  omp_set_num_threads(threads);
  assert_true(results[0][COUNT - 1] != 1);
  assert_memory_equal(results[0], results[1], COUNT * sizeof(float));
  free(results[0]);
  free(results[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_sgd_equals_torch),
      cmocka_unit_test(test_adam_equals_torch),
      cmocka_unit_test(test_clipping_and_average_equal_torch),
      cmocka_unit_test(test_average_follows_buffers),
      cmocka_unit_test(test_infinite_gradient_changes_nothing),
      cmocka_unit_test(test_state_moved_to_other_parameters_goes_on_alike),
      cmocka_unit_test(test_threads_do_not_change_a_bit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
