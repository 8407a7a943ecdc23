// The processor's part of the engine: which number type is preferred, and what becomes of the
// smallest numbers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <omp.h>

#include "nn/library.h"

static void test_bf16_is_preferred_only_where_the_processor_has_it(void **unused) {
  (void)unused;
  const int threads = omp_get_max_threads();
  const bool preferred = fm_nn_prefers_bf16();
  assert_true(!preferred || fm_nn_has_bf16());
  assert_int_equal(fm_nn_prefers_bf16(), preferred);
  assert_int_equal(omp_get_max_threads(), threads);
}

static void test_denormals_become_zero_on_every_thread(void **unused) {
  (void)unused;
  int kept_before = 0, kept_after = 0;
  volatile float small = 2e-38f, half = 0.5f;
#pragma omp parallel reduction(+ : kept_before)
  kept_before += small * half != 0;
  fm_nn_flush_denormals();
#pragma omp parallel reduction(+ : kept_after)
  kept_after += small * half != 0;
  assert_int_equal(kept_before, omp_get_max_threads());
#ifdef __SSE2__
  assert_int_equal(kept_after, 0);
#endif
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bf16_is_preferred_only_where_the_processor_has_it),
      cmocka_unit_test(test_denormals_become_zero_on_every_thread),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
