// Tests of the curves against the score: by hand, and against measuring only the detections that
// reach the score.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/random.h"
#include "eval/confidence.h"

enum { CLASSES = 3, IMAGES = 30 };

static void add_truth(fm_eval_boxes *boxes, int64_t image, int32_t category, double x) {
  fm_object object = {.box = {(float)x, 0, (float)x + 50, 50}, .label = category + 1};
  const fm_sample sample = {.objects = &object, .object_count = 1};
  assert_int_equal(fm_eval_boxes_add_sample(boxes, image, &sample), FM_OK);
}

static void add_result(fm_eval_boxes *boxes, const fm_coco_result *result) {
  assert_int_equal(fm_eval_boxes_add_result(boxes, result), FM_OK);
}

static fm_confidence confidence(const fm_eval_boxes *boxes, int classes, int iou) {
  fm_coco_measure measure;
  fm_confidence out;
  assert_int_equal(fm_eval_boxes_measure(boxes, classes, &measure), FM_OK);
  assert_int_equal(fm_confidence_make(&out, boxes, &measure, iou), FM_OK);
  fm_coco_measure_release(&measure);
  return out;
}

static void assert_near(double value, double expected) {
  if (!(fabs(value - expected) < 1e-12))
    fail_msg("%.17g is not %.17g", value, expected);
}

static void the_curves_of_four_detections_are_these(void **state) {
  (void)state;
  fm_eval_boxes boxes = {0};
  for (int i = 0; i < 4; ++i)
    add_truth(&boxes, i, 0, 0);
  static const double scores[] = {0.9, 0.7, 0.29, 0.1};
  for (int i = 0; i < 4; ++i) // the second one is beside its face
    add_result(
        &boxes,
        &(fm_coco_result){.image = i, .x = i == 1 ? 100 : 0, .w = 50, .h = 50, .score = scores[i]});
  fm_confidence out = confidence(&boxes, 1, 0);
  const fm_confidence_curve *curve = &out.classes[0];
  assert_near(curve->precision[0], 3.0 / 4);
  assert_near(curve->recall[0], 3.0 / 4);
  assert_near(curve->f1[0], 6.0 / 8);
  assert_near(curve->recall[10], 3.0 / 4); // a score of 0.1 reaches 0.1
  assert_near(curve->recall[11], 2.0 / 4);
  assert_near(curve->recall[29], 2.0 / 4); // 0.29 * 100 is below 29 in binary
  assert_near(curve->recall[30], 1.0 / 4);
  assert_near(curve->precision[70], 1.0 / 2);
  assert_near(curve->precision[71], 1);
  assert_near(curve->f1[90], 2.0 / 5);
  assert_true(isnan(curve->precision[91]));
  assert_near(curve->recall[91], 0);
  assert_near(curve->f1[100], 0);
  assert_near(curve->best_f1, 3.0 / 4);
  assert_near(curve->best_score, 0);
  assert_near(out.all.f1[50], curve->f1[50]);
  fm_confidence_release(&out);
  fm_eval_boxes_release(&boxes);
}

static void fill(fm_eval_boxes *boxes, fm_random *random) {
  for (int64_t image = 0; image < IMAGES; ++image)
    for (int i = 0; i < 6; ++i) {
      const int32_t category = (int32_t)fm_random_below(random, CLASSES);
      const double x = fm_random_range(random, 0, 400);
      add_truth(boxes, image, category, x);
      for (int k = 0; k < 3; ++k)
        add_result(boxes, &(fm_coco_result){.image = image,
                                            .category = category,
                                            .x = x + fm_random_range(random, -20, 20),
                                            .w = 50,
                                            .h = 50,
                                            .score = fm_random_uniform(random)});
    }
}

static void recall_is_that_of_measuring_only_what_reaches_the_score(void **state) {
  (void)state;
  fm_random random = fm_random_make(8, 2, 1);
  fm_eval_boxes boxes = {0};
  fill(&boxes, &random);
  for (int iou = 0; iou < FM_COCO_IOUS; iou += 4) {
    fm_confidence out = confidence(&boxes, CLASSES, iou);
    for (int point = 0; point < FM_CONFIDENCE_POINTS; point += 7) {
      fm_eval_boxes some = {.truths = boxes.truths, .truth_count = boxes.truth_count};
      size_t found[CLASSES] = {0};
      for (size_t i = 0; i < boxes.result_count; ++i) {
        if (boxes.results[i].score < fm_confidence_score(point))
          continue;
        add_result(&some, &boxes.results[i]);
        ++found[boxes.results[i].category];
      }
      fm_coco_measure measure;
      assert_int_equal(fm_eval_boxes_measure(&some, CLASSES, &measure), FM_OK);
      for (int k = 0; k < CLASSES; ++k) {
        const size_t at = ((size_t)iou * CLASSES + (size_t)k) * FM_COCO_AREAS * FM_COCO_MAX_DETS;
        const double recall = measure.recall[at + FM_COCO_MAX_DETS - 1];
        assert_near(out.classes[k].recall[point], recall);
        if (found[k] > 0)
          assert_near(out.classes[k].precision[point],
                      recall * (double)measure.category_truths[k] / (double)found[k]);
      }
      fm_coco_measure_release(&measure);
      free(some.results);
    }
    assert_true(out.all.recall[0] > 0.1 && out.all.recall[0] < 1);
    fm_confidence_release(&out);
  }
  fm_eval_boxes_release(&boxes);
}

static void
a_class_without_faces_has_no_recall_and_one_without_detections_no_precision(void **state) {
  (void)state;
  fm_eval_boxes boxes = {0};
  add_truth(&boxes, 0, 0, 0);
  add_result(&boxes, &(fm_coco_result){.category = 1, .w = 50, .h = 50, .score = 2});
  fm_confidence out = confidence(&boxes, 2, 0);
  assert_true(isnan(out.classes[0].precision[0]));
  assert_near(out.classes[0].f1[0], 0);
  assert_true(isnan(out.classes[0].best_score)); // nothing is found at any score
  assert_near(out.classes[1].precision[100], 0); // a score above 1 reaches 1
  assert_true(isnan(out.classes[1].recall[0]));
  assert_true(isnan(out.classes[1].best_score));
  fm_confidence_release(&out);
  fm_eval_boxes_release(&boxes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_curves_of_four_detections_are_these),
      cmocka_unit_test(recall_is_that_of_measuring_only_what_reaches_the_score),
      cmocka_unit_test(a_class_without_faces_has_no_recall_and_one_without_detections_no_precision),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
