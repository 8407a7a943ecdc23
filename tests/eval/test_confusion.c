// Tests of the confusion matrix: every kind of cell by hand, one-to-one pairs, and random boxes
// against repeated search for the largest overlap.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "eval/confusion.h"

enum { BOXES_MAX = 64 };

// Truths are 100 x 100 pixels; a detection of height h on one overlaps it by h / 100.
static const fm_coco_truth face = {.w = 100, .h = 100, .area = 10000};

typedef struct lists {
  fm_coco_truth truths[BOXES_MAX];
  fm_coco_result results[BOXES_MAX];
  fm_eval_boxes boxes;
} lists;

static void add_truth(lists *self, int64_t image, int32_t category, double x) {
  self->boxes.truths = self->truths;
  fm_coco_truth *truth = &self->truths[self->boxes.truth_count++];
  *truth = face;
  truth->image = image;
  truth->category = category;
  truth->x = x;
}

static void add_result(lists *self, int64_t image, const fm_coco_result *like) {
  self->boxes.results = self->results;
  fm_coco_result *result = &self->results[self->boxes.result_count++];
  *result = *like;
  result->image = image;
  result->w = 100;
}

static fm_confusion confusion(const lists *self, int classes) {
  fm_confusion out;
  const fm_confusion_options options = {0};
  assert_int_equal(fm_confusion_make(&out, &self->boxes, classes, &options), FM_OK);
  return out;
}

static void each_kind_of_cell_is_counted(void **state) {
  (void)state;
  lists self = {0};
  add_truth(&self, 0, 0, 0);   // found
  add_truth(&self, 0, 0, 200); // taken for class 1
  add_truth(&self, 0, 1, 400); // missed
  add_result(&self, 0, &(fm_coco_result){.category = 0, .x = 0, .h = 90, .score = 0.9});
  add_result(&self, 0, &(fm_coco_result){.category = 1, .x = 200, .h = 80, .score = 0.8});
  add_result(&self, 0, &(fm_coco_result){.category = 1, .x = 400, .h = 49, .score = 0.7});
  add_result(&self, 0, &(fm_coco_result){.category = 0, .x = 400, .h = 99, .score = 0.4});
  fm_confusion out = confusion(&self, 2);
  static const size_t expected[3][3] = {{1, 1, 0}, {0, 0, 1}, {0, 1, 0}};
  for (int row = 0; row < 3; ++row)
    for (int column = 0; column < 3; ++column)
      assert_int_equal(fm_confusion_count(&out, row, column), expected[row][column]);
  assert_true(fm_confusion_share(&out, 0, 1) == 0.5);
  assert_true(fm_confusion_share(&out, 2, 1) == 1);
  assert_int_equal(out.picture_count, 1);
  assert_int_equal(out.pictures[0].right, 1);
  assert_int_equal(out.pictures[0].confused, 1);
  assert_int_equal(out.pictures[0].missed, 1);
  assert_int_equal(out.pictures[0].background, 1);
  static const uint8_t truths[] = {FM_CONFUSION_RIGHT, FM_CONFUSION_CONFUSED, FM_CONFUSION_ALONE};
  static const uint8_t results[] = {FM_CONFUSION_RIGHT, FM_CONFUSION_CONFUSED, FM_CONFUSION_ALONE,
                                    FM_CONFUSION_UNCOUNTED};
  assert_memory_equal(out.truth_fates, truths, sizeof truths);
  assert_memory_equal(out.result_fates, results, sizeof results);
  fm_confusion_release(&out);
}

static void a_face_takes_the_detection_that_overlaps_most_whatever_its_class(void **state) {
  (void)state;
  lists self = {0};
  add_truth(&self, 0, 0, 0);
  add_result(&self, 0, &(fm_coco_result){.category = 0, .h = 80, .score = 0.99});
  add_result(&self, 0, &(fm_coco_result){.category = 1, .h = 95, .score = 0.6});
  fm_confusion out = confusion(&self, 2);
  assert_int_equal(fm_confusion_count(&out, 0, 1), 1);
  assert_int_equal(fm_confusion_count(&out, 2, 0), 1); // the other one is left over
  assert_int_equal(fm_confusion_count(&out, 0, 0), 0);
  fm_confusion_release(&out);
}

// Each takes both of its detections.
static void detections_on_faces_to_ignore_count_nowhere(void **state) {
  (void)state;
  lists self = {0};
  add_truth(&self, 0, 0, 0);
  add_truth(&self, 0, 0, 500);
  self.truths[0].ignore = true;
  self.truths[1].crowd = true;
  for (int i = 0; i < 2; ++i) {
    add_result(&self, 0, &(fm_coco_result){.x = 0, .h = 90, .score = 0.9});
    add_result(&self, 0, &(fm_coco_result){.x = 500, .h = 60, .score = 0.9});
  }
  fm_confusion out = confusion(&self, 1);
  for (int row = 0; row < 2; ++row)
    for (int column = 0; column < 2; ++column)
      assert_int_equal(fm_confusion_count(&out, row, column), 0);
  assert_true(isnan(fm_confusion_share(&out, 0, 0)));
  fm_confusion_release(&out);
}

static void the_picture_with_most_errors_comes_first(void **state) {
  (void)state;
  lists self = {0};
  add_truth(&self, 7, 0, 0); // right
  add_result(&self, 7, &(fm_coco_result){.h = 100, .score = 0.9});
  add_truth(&self, 3, 0, 0); // one missed
  add_truth(&self, 5, 0, 0); // one missed, two false
  add_result(&self, 5, &(fm_coco_result){.x = 300, .h = 100, .score = 0.9});
  add_result(&self, 5, &(fm_coco_result){.x = 600, .h = 100, .score = 0.9});
  add_result(&self, 1, &(fm_coco_result){.h = 100, .score = 0.9}); // one false
  fm_confusion out = confusion(&self, 1);
  static const int64_t order[] = {5, 1, 3, 7};
  assert_int_equal(out.picture_count, 4);
  for (size_t i = 0; i < 4; ++i)
    assert_int_equal(out.pictures[i].image, order[i]);
  fm_confusion_release(&out);
}

// Takes the best pair of a picture again and again, looking at every pair each time.
static void search(const lists *self, int classes, size_t *cells) {
  bool truth_taken[BOXES_MAX] = {0}, result_taken[BOXES_MAX] = {0};
  for (;;) {
    double best = 0.5;
    size_t truth = SIZE_MAX, result = 0;
    for (size_t d = 0; d < self->boxes.result_count; ++d)
      for (size_t g = 0; g < self->boxes.truth_count; ++g) {
        const fm_coco_result *a = &self->results[d];
        const fm_coco_truth *b = &self->truths[g];
        if (truth_taken[g] || result_taken[d] || a->image != b->image || a->score < 0.5)
          continue;
        const double w = fmin(a->x + a->w, b->x + b->w) - fmax(a->x, b->x);
        const double h = fmin(a->y + a->h, b->y + b->h) - fmax(a->y, b->y);
        const double both = fmax(w, 0) * fmax(h, 0);
        const double overlap = both / (a->w * a->h + b->w * b->h - both);
        if (overlap >= best) {
          best = overlap;
          truth = g;
          result = d;
        }
      }
    if (truth == SIZE_MAX)
      break;
    truth_taken[truth] = result_taken[result] = true;
    ++cells[self->truths[truth].category * (classes + 1) + self->results[result].category];
  }
  for (size_t g = 0; g < self->boxes.truth_count; ++g)
    if (!truth_taken[g])
      ++cells[self->truths[g].category * (classes + 1) + classes];
  for (size_t d = 0; d < self->boxes.result_count; ++d)
    if (!result_taken[d] && self->results[d].score >= 0.5)
      ++cells[classes * (classes + 1) + self->results[d].category];
}

static void random_boxes_agree_with_a_search_for_the_best_pair(void **state) {
  (void)state;
  fm_random random = fm_random_make(3, 1, 4);
  size_t confused = 0;
  for (int round = 0; round < 200; ++round) {
    const int classes = 1 + (int)fm_random_below(&random, 4);
    lists self = {0};
    for (int i = 0; i < 24; ++i)
      add_truth(&self, (int64_t)fm_random_below(&random, 3),
                (int32_t)fm_random_below(&random, (uint64_t)classes),
                fm_random_range(&random, 0, 300));
    for (int i = 0; i < 40; ++i)
      add_result(&self, (int64_t)fm_random_below(&random, 3),
                 &(fm_coco_result){.category = (int32_t)fm_random_below(&random, (uint64_t)classes),
                                   .x = fm_random_range(&random, 0, 300),
                                   .h = fm_random_range(&random, 60, 100),
                                   .score = fm_random_uniform(&random)});
    size_t cells[25] = {0};
    search(&self, classes, cells);
    fm_confusion out = confusion(&self, classes);
    const int side = classes + 1;
    assert_memory_equal(out.counts, cells, (size_t)(side * side) * sizeof *cells);
    confused += classes > 1 ? cells[1] : 0;
    fm_confusion_release(&out);
  }
  assert_true(confused > 100);
}

static void nothing_at_all_is_an_empty_matrix(void **state) {
  (void)state;
  lists self = {0};
  fm_confusion out = confusion(&self, 20);
  assert_int_equal(out.picture_count, 0);
  assert_int_equal(fm_confusion_count(&out, 20, 20), 0);
  fm_confusion_release(&out);
  add_truth(&self, 0, 20, 0);
  const fm_confusion_options options = {0};
  assert_int_equal(fm_confusion_make(&out, &self.boxes, 20, &options), FM_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_kind_of_cell_is_counted),
      cmocka_unit_test(a_face_takes_the_detection_that_overlaps_most_whatever_its_class),
      cmocka_unit_test(detections_on_faces_to_ignore_count_nowhere),
      cmocka_unit_test(the_picture_with_most_errors_comes_first),
      cmocka_unit_test(random_boxes_agree_with_a_search_for_the_best_pair),
      cmocka_unit_test(nothing_at_all_is_an_empty_matrix),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
