// Numbers of numpy.random.RandomState (NumPy 1.24).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/mt19937.h"

static void bits_equal_numpy_randint_over_the_full_range(void **state) {
  (void)state;
  fm_mt19937 generator;
  fm_mt19937_seed(&generator, 42);
  const uint32_t expected[] = {1608637542u, 3421126067u, 4083286876u, 787846414u, 3143890026u};
  for (int i = 0; i < 5; i++)
    assert_int_equal(fm_mt19937_bits(&generator), expected[i]);
}

static void bits_equal_numpy_after_several_refills(void **state) {
  (void)state;
  fm_mt19937 generator;
  fm_mt19937_seed(&generator, 0);
  for (int i = 0; i < 2000; i++)
    fm_mt19937_bits(&generator);
  const uint32_t expected[] = {2546401361u, 3952537117u, 43223238u};
  for (int i = 0; i < 3; i++)
    assert_int_equal(fm_mt19937_bits(&generator), expected[i]);
}

static void permutation_equals_numpy(void **state) {
  (void)state;
  static const uint32_t seeds[] = {42, 4294967295u};
  static const uint32_t expected[2][12] = {{10, 9, 0, 8, 5, 2, 1, 11, 4, 7, 3, 6},
                                           {11, 8, 5, 9, 1, 10, 6, 0, 4, 7, 2, 3}};
  for (int i = 0; i < 2; i++) {
    fm_mt19937 generator;
    uint32_t items[12];
    fm_mt19937_seed(&generator, seeds[i]);
    fm_mt19937_permutation(&generator, items, 12);
    assert_memory_equal(items, expected[i], sizeof items);
  }
}

static void below_equals_numpy_choice_and_takes_no_bits_for_one(void **state) {
  (void)state;
  static const uint32_t limits[] = {1, 2, 3, 5, 8, 100, 1000, 65537};
  static const uint32_t expected[] = {0, 1, 0, 1, 6, 67, 211, 56718};
  fm_mt19937 generator;
  fm_mt19937_seed(&generator, 7);
  for (int i = 0; i < 8; i++)
    assert_int_equal(fm_mt19937_below(&generator, limits[i]), expected[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bits_equal_numpy_randint_over_the_full_range),
      cmocka_unit_test(bits_equal_numpy_after_several_refills),
      cmocka_unit_test(permutation_equals_numpy),
      cmocka_unit_test(below_equals_numpy_choice_and_takes_no_bits_for_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
