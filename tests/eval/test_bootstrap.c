// Intervals against drawings measured one by one here, and against what must hold of any.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "eval/bootstrap.h"

enum { IMAGES = 30, CLASSES = 3, ROUNDS = 200 };

// Class 0 is found always, class 1 in every other picture, class 2 is in one picture only.
static fm_eval_boxes make_boxes(void) {
  fm_eval_boxes boxes = {0};
  for (int i = IMAGES - 1; i >= 0; i--) { // in no order
    for (int k = 0; k < (i == 7 ? 3 : 2); k++) {
      const double x = 100 * k;
      const fm_coco_truth truth = {
          .image = i, .category = k, .x = x, .w = 40, .h = 40, .area = 1600};
      assert_int_equal(fm_eval_boxes_add_truth(&boxes, &truth), FM_OK);
      if (k == 1 && i % 2)
        continue;
      const fm_coco_result result = {
          .image = i, .category = k, .x = x, .w = 40, .h = 40, .score = 0.9 - 0.01 * i};
      assert_int_equal(fm_eval_boxes_add_result(&boxes, &result), FM_OK);
    }
  }
  return boxes;
}

static void what_is_always_found_has_no_width_and_what_is_not_has_one(void **state) {
  (void)state;
  fm_eval_boxes boxes = make_boxes();
  fm_bootstrap b, again, other;
  assert_int_equal(fm_bootstrap_make(&b, &boxes, IMAGES, CLASSES, ROUNDS, 5), FM_OK);
  assert_true(fabs(b.class_AP[0].low - 1) < 1e-9 && fabs(b.class_AP[0].high - 1) < 1e-9);
  // Recall is binomial: half of the pictures, deviation sqrt(.25 / 30) = .091, AP close to it.
  assert_true(b.class_AP50[1].low > 0.25 && b.class_AP50[1].low < 0.40);
  assert_true(b.class_AP50[1].high > 0.60 && b.class_AP50[1].high < 0.75);
  // Rounds without the picture that has class 2 are left out.
  assert_true(fabs(b.class_AP[2].low - 1) < 1e-9 && fabs(b.class_AP[2].high - 1) < 1e-9);
  assert_true(b.mAP.low < b.mAP.high && b.mAP.high < 1 && b.mAP.low > 0.5);
  assert_int_equal(fm_bootstrap_make(&again, &boxes, IMAGES, CLASSES, ROUNDS, 5), FM_OK);
  assert_true(again.mAP.low == b.mAP.low && again.mAP.high == b.mAP.high);
  assert_int_equal(fm_bootstrap_make(&other, &boxes, IMAGES, CLASSES, ROUNDS, 6), FM_OK);
  assert_true(other.mAP.low != b.mAP.low || other.mAP.high != b.mAP.high);
  fm_bootstrap_release(&b);
  fm_bootstrap_release(&again);
  fm_bootstrap_release(&other);
  fm_eval_boxes_release(&boxes);
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// With one class of IMAGES pictures, found or not, AP@.5 is near the share that is found; drawings
// made here with another generator give the same interval within what 2000 rounds leave to chance.
static void the_interval_is_that_of_independent_drawings(void **state) {
  (void)state;
  fm_eval_boxes all = make_boxes(), boxes = {0};
  for (size_t i = 0; i < all.truth_count; i++)
    if (all.truths[i].category == 1)
      assert_int_equal(fm_eval_boxes_add_truth(&boxes, &all.truths[i]), FM_OK);
  for (size_t i = 0; i < all.result_count; i++)
    if (all.results[i].category == 1)
      assert_int_equal(fm_eval_boxes_add_result(&boxes, &all.results[i]), FM_OK);
  enum { MANY = 2000 };
  fm_bootstrap b;
  assert_int_equal(fm_bootstrap_make(&b, &boxes, IMAGES, CLASSES, MANY, 1), FM_OK);
  static double shares[MANY];
  fm_random random = fm_random_make(99, 1, 2);
  for (int round = 0; round < MANY; round++) {
    int found = 0;
    for (int i = 0; i < IMAGES; i++)
      found += fm_random_below(&random, IMAGES) % 2 == 0;
    // Precision 1 up to that recall: of the 101 points those up to it count.
    shares[round] = (floor(100.0 * found / IMAGES + 1e-9) + 1) / 101;
  }
  qsort(shares, MANY, sizeof *shares, ascending);
  assert_true(fabs(b.mAP50.low - shares[MANY / 40]) < 0.035);
  assert_true(fabs(b.mAP50.high - shares[MANY - MANY / 40]) < 0.035);
  assert_true(b.class_AP[0].low == -1 && b.class_AP[2].high == -1);
  fm_bootstrap_release(&b);
  fm_eval_boxes_release(&boxes);
  fm_eval_boxes_release(&all);
}

static void pictures_that_do_not_exist_are_refused(void **state) {
  (void)state;
  fm_eval_boxes boxes = make_boxes();
  fm_bootstrap b;
  assert_int_equal(fm_bootstrap_make(&b, &boxes, IMAGES - 1, CLASSES, 1, 1), FM_ERR_ARGUMENT);
  assert_int_equal(fm_bootstrap_make(&b, &boxes, 0, CLASSES, 1, 1), FM_ERR_ARGUMENT);
  assert_int_equal(fm_bootstrap_make(&b, &boxes, IMAGES, CLASSES, 0, 1), FM_ERR_ARGUMENT);
  fm_eval_boxes_release(&boxes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_always_found_has_no_width_and_what_is_not_has_one),
      cmocka_unit_test(the_interval_is_that_of_independent_drawings),
      cmocka_unit_test(pictures_that_do_not_exist_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
