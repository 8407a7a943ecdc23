// The greatest values against qsort with the same order of ties.
#include "detect/order.h"

#include "support.h"

static const float *sorted_values;

// Falling, NaN first, ties by index.
static int compare(const void *a, const void *b) {
  const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
  const float x = sorted_values[i], y = sorted_values[j];
  if (isnan(x) != isnan(y))
    return isnan(x) ? -1 : 1;
  if (!isnan(x) && x != y)
    return x > y ? -1 : 1;
  return (i > j) - (i < j);
}

static void check(const float *values, size_t n, size_t k) {
  uint32_t *out = test_alloc(k, sizeof *out), *expected = test_alloc(n, sizeof *expected);
  void *scratch = test_alloc(fm_order_bytes(n, k), 1);
  for (size_t i = 0; i < n; i++)
    expected[i] = (uint32_t)i;
  sorted_values = values;
  qsort(expected, n, sizeof *expected, compare);
  fm_order_top(values, n, k, out, scratch);
  for (size_t i = 0; i < k; i++) {
    if (out[i] != expected[i])
      fail_msg("%zu of %zu, place %zu: %u instead of %u", k, n, i, out[i], expected[i]);
  }
  free(out);
  free(expected);
  free(scratch);
}

static void the_greatest_come_as_qsort_puts_them(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 2, 7, 100, 3000, 20000};
  fm_random random = fm_random_make(1, 0, 0);
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
    const size_t n = sizes[s];
    float *values = test_alloc(n, sizeof *values);
    for (size_t i = 0; i < n; i++)
      values[i] = (float)(fm_random_normal(&random) * pow(10, fm_random_range(&random, -20, 20)));
    const size_t ks[] = {0, 1, n / 2, n - 1, n};
    for (size_t i = 0; i < 5; i++)
      check(values, n, ks[i]);
    free(values);
  }
}

static void equal_values_keep_their_order_also_at_the_cut(void **state) {
  (void)state;
  enum { N = 1000 };
  fm_random random = fm_random_make(2, 0, 0);
  float values[N];
  for (int i = 0; i < N; i++)
    values[i] = (float)fm_random_below(&random, 5) - 2;
  for (size_t k = 0; k <= N; k += 37)
    check(values, N, k);
  memset(values, 0, sizeof values);
  check(values, N, 10);
}

static void zeros_of_both_signs_are_equal(void **state) {
  (void)state;
  const float values[6] = {-0.0f, 0.0f, -0.0f, 1e-40f, -1e-40f, 0.0f};
  for (size_t k = 0; k <= 6; k++)
    check(values, 6, k);
}

static void no_number_is_greater_than_infinity(void **state) {
  (void)state;
  enum { N = 300 };
  fm_random random = fm_random_make(3, 0, 0);
  float values[N];
  for (int i = 0; i < N; i++) {
    static const float special[5] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f};
    const uint64_t kind = fm_random_below(&random, 10);
    values[i] = kind < 5 ? special[kind] : (float)fm_random_normal(&random);
    if (kind == 0 && i % 2 == 0)
      values[i] = -values[i]; // the sign of NaN means nothing
  }
  for (size_t k = 0; k <= N; k += 13)
    check(values, N, k);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_greatest_come_as_qsort_puts_them),
      cmocka_unit_test(equal_values_keep_their_order_also_at_the_cut),
      cmocka_unit_test(zeros_of_both_signs_are_equal),
      cmocka_unit_test(no_number_is_greater_than_infinity),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
