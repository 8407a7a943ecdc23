// Folds against iterative-stratification 0.1 (tests/parity/split.py compares many more cases,
// live).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/stratify.h"

enum { COUNT = 40, LABELS = 4, FOLDS = 4 };

// Labels 0 to 3 are on every 2nd, 3rd, 5th and 7th row; every 11th row has none.
static void make_labels(uint8_t *has_label) {
  static const int step[LABELS] = {2, 3, 5, 7}, rest[LABELS] = {0, 0, 4, 6};
  for (int i = 0; i < COUNT; i++)
    for (int j = 0; j < LABELS; j++)
      has_label[i * LABELS + j] = i % 11 != 0 && i % step[j] == rest[j];
}

static void folds_equal_those_of_the_python_package(void **state) {
  (void)state;
  static const uint32_t expected[2][COUNT] = {
      {1, 1, 2, 1, 0, 3, 0, 3, 0, 2, 1, 0, 3, 0, 1, 2, 2, 3, 1, 2,
       1, 1, 0, 1, 0, 0, 3, 2, 3, 1, 0, 2, 2, 3, 3, 2, 3, 0, 2, 3},
      {0, 2, 3, 2, 0, 0, 3, 3, 1, 3, 3, 1, 0, 0, 1, 2, 1, 2, 1, 2,
       2, 3, 0, 1, 0, 3, 2, 1, 3, 3, 0, 3, 0, 0, 2, 1, 2, 2, 1, 1},
  };
  uint8_t has_label[COUNT * LABELS];
  make_labels(has_label);
  for (int i = 0; i < 2; i++) {
    uint32_t fold_of[COUNT];
    const fm_stratify_options options = {FOLDS, 7, i == 0};
    assert_int_equal(fm_stratify(fold_of, has_label, COUNT, LABELS, &options), FM_OK);
    assert_memory_equal(fold_of, expected[i], sizeof fold_of);
  }
}

static void rows_without_any_label_are_dealt_out_evenly(void **state) {
  (void)state;
  uint32_t fold_of[COUNT];
  size_t sizes[FOLDS] = {0};
  const fm_stratify_options options = {FOLDS, 1, true};
  assert_int_equal(fm_stratify(fold_of, NULL, COUNT, 0, &options), FM_OK);
  for (int i = 0; i < COUNT; i++)
    sizes[fold_of[i]]++;
  for (int i = 0; i < FOLDS; i++)
    assert_int_equal(sizes[i], COUNT / FOLDS);
}

static void too_few_rows_or_folds_are_refused(void **state) {
  (void)state;
  uint32_t fold_of[2];
  assert_int_equal(fm_stratify(fold_of, NULL, 2, 0, &(fm_stratify_options){1, 1, true}),
                   FM_ERR_ARGUMENT);
  assert_int_equal(fm_stratify(fold_of, NULL, 2, 0, &(fm_stratify_options){3, 1, true}),
                   FM_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(folds_equal_those_of_the_python_package),
      cmocka_unit_test(rows_without_any_label_are_dealt_out_evenly),
      cmocka_unit_test(too_few_rows_or_folds_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
