// Tests of the notebook's measure by hand; tests/parity/notebook.py compares random cases.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "eval/notebook.h"

// Adds a face of 100 x 100 pixels.
static void add_truth(fm_eval_boxes *boxes, int64_t image, int32_t category, double x) {
  static fm_object object;
  object = (fm_object){.box = {(float)x, 0, (float)x + 100, 100}, .label = category + 1};
  const fm_sample sample = {.objects = &object, .object_count = 1};
  assert_int_equal(fm_eval_boxes_add_sample(boxes, image, &sample), FM_OK);
}

// A detection of 100 x `height` pixels on the face at x: they overlap by height / 100.
static void add_result(fm_eval_boxes *boxes, int64_t image, const fm_coco_result *like) {
  const fm_coco_result result = {.image = image,
                                 .category = like->category,
                                 .x = like->x,
                                 .w = 100,
                                 .h = like->h,
                                 .score = like->score};
  assert_int_equal(fm_eval_boxes_add_result(boxes, &result), FM_OK);
}

static fm_notebook_measure measure(const fm_eval_boxes *boxes, int class_count) {
  fm_notebook_measure out;
  assert_int_equal(fm_notebook_evaluate(&out, boxes, class_count), FM_OK);
  return out;
}

static void assert_near(double value, double expected) {
  if (!(fabs(value - expected) < 1e-6))
    fail_msg("%.9g is not %.9g", value, expected);
}

// The notebook's last run: at IoU 0.95 the detections of its most frequent class were hits at these
// ranks and those of the other two never; it printed mAP@0.95 = 0.019173.
static void the_ranks_of_the_notebooks_hits_give_the_figure_it_printed(void **state) {
  (void)state;
  static const int ranks[] = {4, 34, 50, 99, 110, 111, 130, 140, 144, 145};
  fm_eval_boxes boxes = {0};
  size_t hit = 0;
  for (int rank = 1; rank <= 250; ++rank) {
    const bool hits = hit < sizeof ranks / sizeof *ranks && ranks[hit] == rank;
    hit += hits;
    add_truth(&boxes, rank, 1, 0);
    add_result(&boxes, rank,
               &(fm_coco_result){.category = 1, .h = hits ? 96 : 90, .score = 1 - rank * 0.001});
  }
  for (int32_t other = 0; other <= 2; other += 2) {
    add_truth(&boxes, 1000 + other, other, 0);
    add_result(&boxes, 1000 + other, &(fm_coco_result){.category = other, .h = 90, .score = 0.9});
  }
  fm_notebook_measure out = measure(&boxes, 3);
  assert_true(fabs(out.per_iou[9] - 0.019173) < 5e-7);
  assert_int_equal(out.class_detections[1], 250);
  fm_notebook_measure_release(&out);
  fm_eval_boxes_release(&boxes);
}

static void faces_that_are_missed_do_not_count(void **state) {
  (void)state;
  fm_eval_boxes boxes = {0};
  for (int i = 0; i < 10; ++i)
    add_truth(&boxes, i, 0, 0);
  add_result(&boxes, 3, &(fm_coco_result){.h = 100, .score = 0.75});
  fm_notebook_measure out = measure(&boxes, 1);
  assert_near(out.mAP, 1); // found one of ten
  fm_notebook_measure_release(&out);
  fm_coco_measure coco;
  assert_int_equal(fm_eval_boxes_measure(&boxes, 1, &coco), FM_OK);
  assert_true(coco.mAP < 0.11);
  fm_coco_measure_release(&coco);
  fm_eval_boxes_release(&boxes);
}

static void a_detection_counts_for_the_class_of_the_face_it_overlaps_most(void **state) {
  (void)state;
  fm_eval_boxes boxes = {0};
  add_truth(&boxes, 0, 0, 0);
  add_truth(&boxes, 0, 1, 200);
  add_result(&boxes, 0, &(fm_coco_result){.category = 1, .x = 0, .h = 100, .score = 0.9});
  add_result(&boxes, 0, &(fm_coco_result){.category = 1, .x = 200, .h = 100, .score = 0.8});
  add_result(&boxes, 0, &(fm_coco_result){.category = 1, .x = 900, .h = 100, .score = 0.7});
  fm_notebook_measure out = measure(&boxes, 3);
  assert_int_equal(out.class_detections[0], 2); // the stray one overlaps nothing: the first face
  assert_int_equal(out.class_detections[1], 1);
  assert_int_equal(out.class_hits[0], 0);
  assert_int_equal(out.class_hits[1], 1);
  assert_near(out.class_AP[0], 0);
  assert_near(out.class_AP[1], 1);
  assert_near(out.class_AP[2], -1);
  assert_near(out.mAP, 0.5); // of the two classes that occur
  fm_notebook_measure_release(&out);
  fm_eval_boxes_release(&boxes);
}

static void precision_falls_along_the_trapezoids(void **state) {
  (void)state;
  fm_eval_boxes boxes = {0};
  const double heights[] = {100, 40, 100}; // a hit, none, a hit
  for (int i = 0; i < 3; ++i) {
    add_truth(&boxes, i, 0, 0);
    add_result(&boxes, i, &(fm_coco_result){.h = heights[i], .score = 0.9 - 0.1 * i});
  }
  fm_notebook_measure out = measure(&boxes, 1);
  // Precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1: half of 1, then half of the mean of 1/2 and 2/3.
  assert_near(out.per_iou[0], 0.5 + 0.5 * (1.0 / 2 + 2.0 / 3) / 2);
  fm_notebook_measure_release(&out);
  fm_eval_boxes_release(&boxes);
}

static void weak_detections_and_those_below_a_better_one_of_any_class_go(void **state) {
  (void)state;
  fm_eval_boxes boxes = {0};
  add_truth(&boxes, 0, 0, 0);
  add_result(&boxes, 0, &(fm_coco_result){.category = 0, .h = 100, .score = 0.5});
  add_result(&boxes, 0, &(fm_coco_result){.category = 1, .h = 21, .score = 0.9}); // overlap 0.21
  add_result(&boxes, 0, &(fm_coco_result){.category = 1, .x = 500, .h = 100, .score = 0.4999});
  fm_notebook_measure out = measure(&boxes, 2);
  assert_int_equal(out.detections, 1);
  assert_int_equal(out.class_hits[0], 0);
  fm_notebook_measure_release(&out);
  boxes.results[1].h = 20; // 0.2 is not above 0.2
  out = measure(&boxes, 2);
  assert_int_equal(out.detections, 2);
  assert_int_equal(out.class_hits[0], 1);
  fm_notebook_measure_release(&out);
  fm_eval_boxes_release(&boxes);
}

static void nothing_found_is_no_figure_and_a_wrong_class_is_refused(void **state) {
  (void)state;
  fm_eval_boxes boxes = {0};
  add_result(&boxes, 5, &(fm_coco_result){.category = 1, .h = 100, .score = 0.9}); // no face there
  fm_notebook_measure out = measure(&boxes, 2);
  assert_near(out.mAP, -1);
  assert_near(out.per_iou[4], -1);
  assert_int_equal(out.detections, 0);
  fm_notebook_measure_release(&out);
  assert_int_equal(fm_notebook_evaluate(&out, &boxes, 1), FM_ERR_ARGUMENT);
  fm_eval_boxes_release(&boxes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_ranks_of_the_notebooks_hits_give_the_figure_it_printed),
      cmocka_unit_test(faces_that_are_missed_do_not_count),
      cmocka_unit_test(a_detection_counts_for_the_class_of_the_face_it_overlaps_most),
      cmocka_unit_test(precision_falls_along_the_trapezoids),
      cmocka_unit_test(weak_detections_and_those_below_a_better_one_of_any_class_go),
      cmocka_unit_test(nothing_found_is_no_figure_and_a_wrong_class_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
