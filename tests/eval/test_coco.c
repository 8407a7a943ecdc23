// The COCO measure on cases worked out by hand. tests/parity/coco.py compares it with pycocotools.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "eval/coco.h"

static fm_coco_truth face(int64_t image, int32_t category, double x, double side) {
  return (fm_coco_truth){.image = image,
                         .category = category,
                         .x = x,
                         .y = 0,
                         .w = side,
                         .h = side,
                         .area = side * side};
}

static fm_coco_result found(int64_t image, int32_t category, double x, double side, double score) {
  return (fm_coco_result){
      .image = image, .category = category, .x = x, .w = side, .h = side, .score = score};
}

static fm_coco_measure measure(const fm_coco_truth *truths, size_t truth_count,
                               const fm_coco_result *results, size_t result_count, int categories) {
  fm_coco_measure out;
  assert_int_equal(fm_coco_evaluate(&out, truths, truth_count, results, result_count, categories),
                   FM_OK);
  return out;
}

static void assert_near(double value, double expected) {
  if (!(fabs(value - expected) < 1e-12))
    fail_msg("%.15g is not %.15g", value, expected);
}

static void perfect_detections_score_one(void **state) {
  (void)state;
  const fm_coco_truth truths[] = {face(7, 0, 0, 20), face(7, 0, 50, 50), face(9, 0, 0, 100)};
  const fm_coco_result results[] = {found(9, 0, 0, 100, 0.9), found(7, 0, 0, 20, 0.8),
                                    found(7, 0, 50, 50, 0.7)};
  fm_coco_measure m = measure(truths, 3, results, 3, 1);
  assert_near(m.mAP, 1);
  assert_near(m.mAP50, 1);
  assert_near(m.mAP_small, 1);
  assert_near(m.mAP_medium, 1);
  assert_near(m.mAP_large, 1);
  assert_near(m.AR100, 1);
  assert_near(m.AR1, 2.0 / 3); // one of the two in picture 7 does not fit
  assert_near(m.category_AP[0], 1);
  assert_int_equal(m.category_truths[0], 3);
  fm_coco_measure_release(&m);
}

static void a_false_positive_before_the_hit_halves_the_precision(void **state) {
  (void)state;
  const fm_coco_truth truths[] = {face(0, 0, 0, 40)};
  const fm_coco_result results[] = {found(0, 0, 0, 40, 0.5), found(0, 0, 200, 40, 0.9)};
  fm_coco_measure m = measure(truths, 1, results, 2, 1);
  assert_near(m.mAP, 0.5);
  assert_near(m.AR100, 1);
  assert_near(m.AR1, 0); // the best one of the picture is the false one
  fm_coco_measure_release(&m);
}

static void the_precision_is_read_at_101_recalls(void **state) {
  (void)state;
  // Of two faces one is found: recalls 0, 0.01 ... 0.5 are reached, 51 of 101.
  const fm_coco_truth truths[] = {face(0, 0, 0, 40), face(1, 0, 0, 40)};
  const fm_coco_result results[] = {found(1, 0, 0, 40, 0.5)};
  fm_coco_measure m = measure(truths, 2, results, 1, 1);
  assert_near(m.mAP, 51.0 / 101);
  assert_near(m.AR100, 0.5);
  fm_coco_measure_release(&m);
}

static void an_overlap_counts_up_to_its_threshold(void **state) {
  (void)state;
  // 40 x 40 against 40 x 30 inside it: IoU 0.75 exactly, so thresholds .50 to .75 are met.
  const fm_coco_truth truths[] = {face(0, 0, 0, 40)};
  const fm_coco_result results[] = {{.category = 0, .w = 40, .h = 30, .score = 1}};
  fm_coco_measure m = measure(truths, 1, results, 1, 1);
  assert_near(m.mAP, 0.6);
  assert_near(m.mAP75, 1);
  for (int t = 0; t < FM_COCO_IOUS; ++t)
    assert_near(m.per_iou[t], t <= 5);
  fm_coco_measure_release(&m);
}

static void a_second_detection_of_a_face_is_false(void **state) {
  (void)state;
  const fm_coco_truth truths[] = {face(0, 0, 0, 40), face(0, 0, 100, 40)};
  const fm_coco_result results[] = {found(0, 0, 0, 40, 0.9), found(0, 0, 0, 40, 0.8),
                                    found(0, 0, 100, 40, 0.7)};
  fm_coco_measure m = measure(truths, 2, results, 3, 1);
  assert_near(m.mAP, (51 + 50 * 2.0 / 3) / 101);
  fm_coco_measure_release(&m);
}

static void crowds_and_ignored_faces_never_count(void **state) {
  (void)state;
  fm_coco_truth truths[] = {face(0, 0, 0, 40), face(0, 0, 100, 80), face(0, 0, 300, 40)};
  truths[1].crowd = true;
  truths[2].ignore = true;
  // Two inside the crowd (its union is the detection alone), one on the ignored face: none is
  // false. A second one on the ignored face is.
  const fm_coco_result results[] = {found(0, 0, 100, 40, 0.9), found(0, 0, 120, 40, 0.9),
                                    found(0, 0, 300, 40, 0.9), found(0, 0, 0, 40, 0.5),
                                    found(0, 0, 300, 40, 0.6)};
  fm_coco_measure m = measure(truths, 3, results, 4, 1);
  assert_near(m.mAP, 1);
  assert_int_equal(m.category_truths[0], 1);
  fm_coco_measure_release(&m);
  m = measure(truths, 3, results, 5, 1);
  assert_near(m.mAP, 0.5);
  fm_coco_measure_release(&m);
}

static void classes_without_truth_are_left_out_of_the_mean(void **state) {
  (void)state;
  const fm_coco_truth truths[] = {face(0, 0, 0, 40), face(0, 2, 100, 40)};
  const fm_coco_result results[] = {found(0, 0, 0, 40, 0.9), found(0, 1, 0, 40, 0.9)};
  fm_coco_measure m = measure(truths, 2, results, 2, 3);
  assert_near(m.mAP, 0.5);
  assert_near(m.category_AP[0], 1);
  assert_near(m.category_AP[1], -1);
  assert_near(m.category_AP[2], 0);
  assert_near(m.mAP_small, -1);
  assert_near(m.mAP_large, -1);
  fm_coco_measure_release(&m);
}

static void nothing_at_all_measures_minus_one(void **state) {
  (void)state;
  fm_coco_measure m = measure(NULL, 0, NULL, 0, 2);
  assert_near(m.mAP, -1);
  assert_near(m.AR100, -1);
  fm_coco_measure_release(&m);
  const fm_coco_result results[] = {found(0, 0, 0, 40, 0.9)};
  m = measure(NULL, 0, results, 1, 2);
  assert_near(m.mAP, -1);
  fm_coco_measure_release(&m);
}

static void equal_scores_keep_the_order_given(void **state) {
  (void)state;
  const fm_coco_truth truths[] = {face(5, 0, 0, 40)};
  const fm_coco_result hit_first[] = {found(5, 0, 0, 40, 0.5), found(5, 0, 200, 40, 0.5)};
  const fm_coco_result hit_last[] = {found(5, 0, 200, 40, 0.5), found(5, 0, 0, 40, 0.5)};
  fm_coco_measure m = measure(truths, 1, hit_first, 2, 1);
  assert_near(m.mAP, 1);
  fm_coco_measure_release(&m);
  m = measure(truths, 1, hit_last, 2, 1);
  assert_near(m.mAP, 0.5);
  fm_coco_measure_release(&m);
  // Between pictures the smaller id comes first, however they are listed.
  const fm_coco_result later[] = {found(5, 0, 0, 40, 0.5), found(-4, 0, 200, 40, 0.5)};
  m = measure(truths, 1, later, 2, 1);
  assert_near(m.mAP, 0.5);
  fm_coco_measure_release(&m);
}

static void only_a_hundred_detections_of_a_class_in_a_picture_are_looked_at(void **state) {
  (void)state;
  const fm_coco_truth truths[] = {face(0, 0, 0, 40)};
  fm_coco_result results[101];
  for (int i = 0; i < 101; ++i)
    results[i] = found(0, 0, 1000 + 50 * i, 40, 1 - i * 0.001);
  results[100] = found(0, 0, 0, 40, 0.1);
  fm_coco_measure m = measure(truths, 1, results, 101, 1);
  assert_near(m.AR100, 0);
  fm_coco_measure_release(&m);
  results[99] = results[100];
  m = measure(truths, 1, results, 100, 1);
  assert_near(m.AR100, 1);
  assert_near(m.mAP, 0.01);
  fm_coco_measure_release(&m);
}

static void numbers_that_mean_nothing_are_refused(void **state) {
  (void)state;
  fm_coco_measure out;
  fm_coco_truth truth = face(0, 1, 0, 40);
  fm_coco_result result = found(0, 0, 0, 40, (double)NAN);
  assert_int_equal(fm_coco_evaluate(&out, &truth, 1, NULL, 0, 1), FM_ERR_ARGUMENT);
  assert_int_equal(fm_coco_evaluate(&out, NULL, 0, &result, 1, 1), FM_ERR_NUMERIC);
  result.score = 1;
  result.category = -1;
  assert_int_equal(fm_coco_evaluate(&out, NULL, 0, &result, 1, 1), FM_ERR_ARGUMENT);
  assert_int_equal(fm_coco_evaluate(&out, NULL, 0, NULL, 0, 0), FM_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(perfect_detections_score_one),
      cmocka_unit_test(a_false_positive_before_the_hit_halves_the_precision),
      cmocka_unit_test(the_precision_is_read_at_101_recalls),
      cmocka_unit_test(an_overlap_counts_up_to_its_threshold),
      cmocka_unit_test(a_second_detection_of_a_face_is_false),
      cmocka_unit_test(crowds_and_ignored_faces_never_count),
      cmocka_unit_test(classes_without_truth_are_left_out_of_the_mean),
      cmocka_unit_test(nothing_at_all_measures_minus_one),
      cmocka_unit_test(equal_scores_keep_the_order_given),
      cmocka_unit_test(only_a_hundred_detections_of_a_class_in_a_picture_are_looked_at),
      cmocka_unit_test(numbers_that_mean_nothing_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
