// Our own Winograd convolutions against naive ones in double: forward, turned (what dx is) and the
// gradient of weights and bias, with sizes that patches do not fill; the same bytes on any number
// of threads.
#include <math.h>

#include "nn/library.h"
#include "nn/winograd.h"
#include "support.h"

enum { TEST_THREADS_MAX = 3, TEST_BLOCK = 8, TEST_TAPS = 9 };

typedef struct test_setup {
  int pictures, ins, outs, height, width, padding;
  bool turned, bias, residual;
  fm_activation act;
} test_setup;

static const test_setup test_setups[] = {
    {1, 16, 16, 4, 4, 1, false, false, false, FM_ACT_NONE},
    {2, 32, 48, 13, 18, 1, false, true, true, FM_ACT_RELU},
    {3, 16, 32, 7, 30, 0, false, true, false, FM_ACT_RELU6},
    {1, 48, 16, 9, 5, 2, true, false, false, FM_ACT_NONE},
    {2, 16, 160, 6, 11, 1, true, true, false, FM_ACT_HARD_SWISH}, // more outputs than go at a time
    {1, 16, 16, 3, 3, 0, false, false, false, FM_ACT_NONE},       // one pixel comes out
    {1, 16, 16, 1, 1, 2, true, false, false, FM_ACT_NONE},        // and one goes in
    {2, 256, 208, 70, 30, 1, false, true, false, FM_ACT_RELU},    // more patches than go at a time
};
enum { TEST_SETUPS = sizeof test_setups / sizeof test_setups[0] };

static float *test_random(size_t count, unsigned seed) {
  float *values = test_memory(count * sizeof *values);
  for (size_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float)(seed >> 8) / (1 << 23) - 1;
  }
  return values;
}

typedef struct test_arrays {
  const test_setup *setup;
  fm_tensor x, y; // y: random, as residual and dy
  float *weight, *bias;
} test_arrays;

static fm_tensor test_tensor(fm_shape shape, unsigned seed) {
  fm_tensor tensor = {.dtype = FM_F32, .shape = shape, .block = TEST_BLOCK};
  tensor.data = test_random(test_count(shape), seed);
  return tensor;
}

static void test_arrays_init(test_arrays *a, const test_setup *s) {
  const int grown = 2 * s->padding - 2;
  a->setup = s;
  a->x = test_tensor((fm_shape){s->pictures, s->ins, s->height, s->width}, 1);
  a->y = test_tensor((fm_shape){s->pictures, s->outs, s->height + grown, s->width + grown}, 2);
  a->weight = test_random((size_t)s->ins * (size_t)s->outs * TEST_TAPS, 3);
  a->bias = test_random((size_t)s->outs, 4);
}

static void test_arrays_release(test_arrays *a) {
  free(a->x.data);
  free(a->y.data);
  free(a->weight);
  free(a->bias);
}

static size_t test_at(const fm_tensor *t, int n, int c, int h, int w) {
  const fm_shape s = t->shape;
  return (((size_t)(n * (s.c / TEST_BLOCK) + c / TEST_BLOCK) * (size_t)s.h + (size_t)h) *
              (size_t)s.w +
          (size_t)w) *
             TEST_BLOCK +
         (size_t)(c % TEST_BLOCK);
}

static double test_value(const fm_tensor *t, int n, int c, int h, int w) {
  const bool inside = h >= 0 && w >= 0 && h < t->shape.h && w < t->shape.w;
  return inside ? ((const float *)t->data)[test_at(t, n, c, h, w)] : 0;
}

static double test_weight(const test_arrays *a, int out, int in, int tap) {
  const test_setup *s = a->setup;
  const int index = s->turned ? (in * s->outs + out) * TEST_TAPS + TEST_TAPS - 1 - tap
                              : (out * s->ins + in) * TEST_TAPS + tap;
  return a->weight[index];
}

static double test_act(fm_activation act, double x) {
  switch (act) {
  case FM_ACT_RELU:
    return x > 0 ? x : 0;
  case FM_ACT_RELU6:
    return x < 0 ? 0 : x > 6 ? 6 : x;
  case FM_ACT_HARD_SWISH:
    return x * (x < -3 ? 0 : x > 3 ? 6 : x + 3) / 6;
  default:
    return x;
  }
}

static double test_expected(const test_arrays *a, int n, int out, int h, int w) {
  const test_setup *s = a->setup;
  double sum = s->bias ? a->bias[out] : 0;
  for (int in = 0; in < s->ins; ++in)
    for (int tap = 0; tap < TEST_TAPS; ++tap)
      sum += test_weight(a, out, in, tap) *
             test_value(&a->x, n, in, h + tap / 3 - s->padding, w + tap % 3 - s->padding);
  sum += s->residual ? test_value(&a->y, n, out, h, w) : 0;
  return test_act(s->act, sum);
}

// Of sums of that many random terms; F(4 x 4, 3 x 3) rounds some ten times coarser than the sum.
static double test_bound(double terms) {
  return 4e-6 * sqrt(terms) + 2e-6;
}

static void test_compare_outputs(const test_arrays *a, const float *found) {
  const fm_shape y = a->y.shape;
  const int step = y.c * y.h * y.w > 100000 ? 7 : 1; // not all of the largest
  for (int i = 0; i < y.n * y.c * y.h * y.w; i += step) {
    const int w = i % y.w, h = i / y.w % y.h, c = i / y.w / y.h % y.c, n = i / y.w / y.h / y.c;
    const double expected = test_expected(a, n, c, h, w);
    const float own = found[test_at(&a->y, n, c, h, w)];
    if (!(fabs(own - expected) <= test_bound((double)a->setup->ins * TEST_TAPS)))
      fail_msg("setup %d, picture %d, channel %d, row %d, column %d: %g, not %g",
               (int)(a->setup - test_setups), n, c, h, w, own, expected);
  }
}

static float *test_run(const test_arrays *a, int threads) {
  const test_setup *s = a->setup;
  fm_winograd winograd = {.x = a->x,
                          .y = a->y,
                          .padding = s->padding,
                          .weight = a->weight,
                          .turned = s->turned,
                          .bias = s->bias ? a->bias : NULL,
                          .residual = s->residual ? a->y.data : NULL,
                          .act = s->act,
                          .threads = threads};
  float *result = test_memory(fm_tensor_bytes(&a->y));
  winograd.y.data = result;
  assert_true(fm_winograd_knows(&winograd));
  winograd.scratch = test_memory(fm_winograd_scratch(&winograd));
  fm_winograd_run(&winograd);
  free(winograd.scratch);
  return result;
}

static void test_convolutions(void **state) {
  (void)state;
  if (!fm_nn_has_8_lanes())
    skip();
  for (size_t i = 0; i < TEST_SETUPS; ++i) {
    test_arrays a;
    test_arrays_init(&a, &test_setups[i]);
    float *one = test_run(&a, 1);
    test_compare_outputs(&a, one);
    for (int threads = 2; threads <= TEST_THREADS_MAX; ++threads) {
      float *more = test_run(&a, threads);
      assert_memory_equal(more, one, fm_tensor_bytes(&a.y));
      free(more);
    }
    free(one);
    test_arrays_release(&a);
  }
}

typedef struct test_gradient {
  float *weight, *bias;
} test_gradient;

static test_gradient test_run_gradient(const test_arrays *a, int threads) {
  const test_setup *s = a->setup;
  const size_t kernels = (size_t)s->ins * (size_t)s->outs;
  test_gradient result = {test_memory(kernels * TEST_TAPS * sizeof(float)),
                          test_memory((size_t)s->outs * sizeof(float))};
  fm_winograd_gradient gradient = {.x = a->x,
                                   .dy = a->y,
                                   .padding = s->padding,
                                   .dweight = result.weight,
                                   .dbias = s->bias ? result.bias : NULL,
                                   .threads = threads};
  assert_true(fm_winograd_gradient_knows(&gradient));
  gradient.scratch = test_memory(fm_winograd_gradient_scratch(&gradient));
  fm_winograd_gradient_run(&gradient);
  free(gradient.scratch);
  return result;
}

static void test_compare_gradient(const test_arrays *a, const test_gradient *found) {
  const test_setup *s = a->setup;
  const fm_shape y = a->y.shape;
  const int pixels = y.n * y.h * y.w, kernels = s->ins * s->outs;
  const int step = (long)pixels * kernels > 20000000 ? 97 : 1;
  const double bound = test_bound(pixels);
  for (int i = 0; i < kernels * TEST_TAPS; i += step) {
    const int tap = i % TEST_TAPS, in = i / TEST_TAPS % s->ins, out = i / TEST_TAPS / s->ins;
    double sum = 0;
    for (int p = 0; p < pixels; ++p) {
      const int w = p % y.w, h = p / y.w % y.h, n = p / y.w / y.h;
      sum += test_value(&a->y, n, out, h, w) *
             test_value(&a->x, n, in, h + tap / 3 - s->padding, w + tap % 3 - s->padding);
    }
    if (!(fabs(found->weight[i] - sum) <= bound))
      fail_msg("setup %d, weight %d: %g, not %g", (int)(s - test_setups), i, found->weight[i], sum);
  }
  for (int out = 0; s->bias && out < s->outs; ++out) {
    double sum = 0;
    for (int p = 0; p < pixels; ++p)
      sum += test_value(&a->y, p / y.w / y.h, out, p / y.w % y.h, p % y.w);
    assert_true(fabs(found->bias[out] - sum) <= bound);
  }
}

static void test_gradients(void **state) {
  (void)state;
  if (!fm_nn_has_8_lanes())
    skip();
  for (size_t i = 0; i < TEST_SETUPS; ++i) {
    const test_setup *s = &test_setups[i];
    test_arrays a;
    test_arrays_init(&a, s);
    const test_gradient one = test_run_gradient(&a, 1);
    test_compare_gradient(&a, &one);
    for (int threads = 2; threads <= TEST_THREADS_MAX; ++threads) {
      const test_gradient more = test_run_gradient(&a, threads);
      assert_memory_equal(more.weight, one.weight,
                          (size_t)(s->ins * s->outs) * TEST_TAPS * sizeof(float));
      assert_memory_equal(more.bias, one.bias, (size_t)s->outs * sizeof(float));
      free(more.weight);
      free(more.bias);
    }
    free(one.weight);
    free(one.bias);
    test_arrays_release(&a);
  }
}

static void test_refuses(void **state) {
  (void)state;
  const fm_tensor x = {.shape = {1, 16, 8, 8}, .block = TEST_BLOCK};
  fm_winograd winograd = {.x = x, .y = x, .padding = 1};
  assert_int_equal(fm_winograd_knows(&winograd), fm_nn_has_8_lanes());
  winograd.padding = 0; // y would be smaller
  assert_false(fm_winograd_knows(&winograd));
  winograd.padding = 1;
  winograd.x.shape.c = 24;
  assert_false(fm_winograd_knows(&winograd));
  winograd.x = x;
  winograd.x.block = winograd.y.block = 16;
  assert_false(fm_winograd_knows(&winograd));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_convolutions),
      cmocka_unit_test(test_gradients),
      cmocka_unit_test(test_refuses),
  };
  return cmocka_run_group_tests_name("winograd", tests, NULL, NULL);
}
