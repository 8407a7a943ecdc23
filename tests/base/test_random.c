// Random numbers: the published sequence, and distributions by their own laws. All seeds are fixed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/random.h"

static void the_sequence_is_xoshiro256_plus_plus(void **state) {
  (void)state;
  // The authors' program started from the state 1, 2, 3, 4.
  static const uint64_t expected[] = {
      41943041u,
      58720359u,
      3588806011781223u,
      3591011842654386u,
      9228616714210784205u,
      9973669472204895162u,
      14011001112246962877u,
      12406186145184390807u,
  };
  fm_random random = {{1, 2, 3, 4}};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; ++i)
    assert_int_equal(fm_random_bits(&random), expected[i]);
}

static void a_triple_gives_one_sequence_and_another_triple_another(void **state) {
  (void)state;
  enum { SIDE = 8, COUNT = SIDE * SIDE * SIDE };
  static uint64_t first[COUNT];
  for (uint64_t i = 0; i < COUNT; ++i) {
    fm_random random = fm_random_make(i % SIDE, i / SIDE % SIDE, i / SIDE / SIDE), again = random;
    first[i] = fm_random_bits(&random);
    assert_int_equal(first[i], fm_random_bits(&again));
    for (uint64_t j = 0; j < i; ++j)
      assert_true(first[i] != first[j]);
  }
}

// Neighbouring seeds, streams and indices must not be alike: half of all bits differ.
static void neighbouring_triples_share_nothing(void **state) {
  (void)state;
  static const uint64_t steps[][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 0}, {0, 1, 1}};
  for (size_t s = 0; s < sizeof steps / sizeof *steps; ++s) {
    int differing = 0;
    for (uint64_t i = 0; i < 1000; ++i) {
      fm_random a = fm_random_make(i, 5, 7);
      fm_random b = fm_random_make(i + steps[s][0], 5 + steps[s][1], 7 + steps[s][2]);
      differing += __builtin_popcountll(fm_random_bits(&a) ^ fm_random_bits(&b));
    }
    assert_true(abs(differing - 32000) < 5 * 126); // five deviations of 64000 coin flips
  }
}

static void uniform_numbers_fill_their_range_evenly(void **state) {
  (void)state;
  enum { N = 200000, BINS = 50 };
  fm_random random = fm_random_make(1, 2, 3);
  int bins[BINS] = {0};
  for (int i = 0; i < N; ++i) {
    const double u = fm_random_range(&random, -3, 7);
    assert_true(u >= -3 && u < 7);
    ++bins[(int)((u + 3) / 10 * BINS)];
  }
  double chi2 = 0;
  for (int b = 0; b < BINS; ++b)
    chi2 += pow(bins[b] - (double)N / BINS, 2) * BINS / N;
  assert_true(chi2 > 20 && chi2 < 90); // 49 degrees of freedom: below 23.98 or above 85.35 in 0.1 %
}

static void below_prefers_no_number(void **state) {
  (void)state;
  fm_random random = fm_random_make(4, 0, 0);
  // Three quarters of 2^64: without rejection the lower third would come twice as often.
  const uint64_t n = 3u * (UINT64_C(1) << 62);
  int low = 0;
  enum { N = 30000 };
  for (int i = 0; i < N; ++i) {
    const uint64_t value = fm_random_below(&random, n);
    assert_true(value < n);
    low += value < n / 3;
  }
  assert_true(abs(low - N / 3) < 5 * 82);
  for (int i = 0; i < 100; ++i)
    assert_int_equal(fm_random_below(&random, 1), 0);
}

static void normal_numbers_have_the_normal_moments(void **state) {
  (void)state;
  enum { N = 200000 };
  fm_random random = fm_random_make(9, 9, 9);
  double sums[5] = {0};
  int beyond = 0;
  for (int i = 0; i < N; ++i) {
    const double x = fm_random_normal(&random);
    assert_true(isfinite(x));
    beyond += fabs(x) > 1.959964;
    for (int k = 1; k <= 4; ++k)
      sums[k] += pow(x, k) / N;
  }
  assert_true(fabs(sums[1]) < 0.012);     // deviation 1 / sqrt(N) = 0.0022
  assert_true(fabs(sums[2] - 1) < 0.016); // sqrt(2 / N)
  assert_true(fabs(sums[3]) < 0.044);     // sqrt(15 / N)
  assert_true(fabs(sums[4] - 3) < 0.11);  // sqrt(96 / N)
  assert_true(abs(beyond - N / 20) < 5 * 98);
}

static void every_permutation_is_equally_likely(void **state) {
  (void)state;
  enum { N = 24000, ORDERS = 256 };
  int counts[ORDERS] = {0};
  fm_random random = fm_random_make(2, 7, 1);
  for (int i = 0; i < N; ++i) {
    uint32_t order[4];
    fm_random_permutation(&random, order, 4);
    unsigned seen = 0, code = 0;
    for (int k = 0; k < 4; ++k) {
      seen |= 1u << order[k];
      code = code * 4 + order[k];
    }
    assert_int_equal(seen, 15);
    ++counts[code];
  }
  int orders = 0;
  double chi2 = 0;
  for (int c = 0; c < ORDERS; ++c) {
    orders += counts[c] > 0;
    if (counts[c])
      chi2 += pow(counts[c] - N / 24.0, 2) * 24 / N;
  }
  assert_int_equal(orders, 24);
  assert_true(chi2 > 5 && chi2 < 53); // 23 degrees of freedom
  fm_random_permutation(&random, NULL, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_sequence_is_xoshiro256_plus_plus),
      cmocka_unit_test(a_triple_gives_one_sequence_and_another_triple_another),
      cmocka_unit_test(neighbouring_triples_share_nothing),
      cmocka_unit_test(uniform_numbers_fill_their_range_evenly),
      cmocka_unit_test(below_prefers_no_number),
      cmocka_unit_test(normal_numbers_have_the_normal_moments),
      cmocka_unit_test(every_permutation_is_equally_likely),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
