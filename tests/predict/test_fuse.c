// Fusion against groups counted by hand.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "predict/fuse.h"

static fm_detection face(float x, int32_t label, float score) {
  return (fm_detection){{x, 0, x + 40, 40}, label, score};
}

static fm_detections fuse(const fm_detections *lists, size_t count, fm_fuse_options options) {
  fm_detections out;
  options.threshold = 0.5f;
  assert_int_equal(fm_fuse_detections(&options, lists, count, &out), FM_OK);
  return out;
}

static void assert_close(float value, double expected) {
  assert_true(fabs((double)value - expected) < 1e-5);
}

static void boxes_that_overlap_become_their_mean(void **state) {
  (void)state;
  fm_detection a[] = {face(0, 1, 0.9f), face(200, 2, 0.4f)};
  fm_detection b[] = {face(202, 2, 0.8f), face(2, 1, 0.6f), face(2, 3, 0.5f)};
  const fm_detections lists[] = {{a, 2}, {b, 3}};
  fm_detections out = fuse(lists, 2, (fm_fuse_options){.limit = 100});
  assert_int_equal(out.count, 3);
  assert_int_equal(out.items[0].label, 1);
  assert_close(out.items[0].score, (0.9 + 0.6) / 2);
  assert_close(out.items[0].box.x1, 2 * 0.6 / 1.5);
  assert_close(out.items[0].box.x2, 40 + 2 * 0.6 / 1.5);
  assert_close(out.items[1].score, (0.4 + 0.8) / 2);
  assert_close(out.items[1].box.x1, (200 * 0.4 + 202 * 0.8) / 1.2);
  // Another class is another group, and seen by one list of two.
  assert_int_equal(out.items[2].label, 3);
  assert_close(out.items[2].score, 0.25);
  assert_close(out.items[2].box.x1, 2);
  fm_detections_release(&out);
  out = fuse(lists, 2, (fm_fuse_options){.limit = 100, .agnostic = true});
  assert_int_equal(out.count, 2); // the class 3 was the second list's weaker box of the group
  assert_close(out.items[0].score, (0.9 + 0.6) / 2);
  fm_detections_release(&out);
}

// Sizes of 1 and e times the best: their weights are as 1 to exp(-1).
static void a_list_counts_by_the_size_it_sees_a_face_in(void **state) {
  (void)state;
  fm_detection a[] = {face(0, 1, 0.9f)}, b[] = {face(2, 1, 0.6f), face(200, 1, 0.5f)};
  const fm_detections lists[] = {{a, 1}, {b, 2}};
  const float sizes[] = {1.0f / 40, (float)(exp(1) / 40)};
  fm_detections out = fuse(lists, 2, (fm_fuse_options){.limit = 100, .sizes = sizes});
  const double first = 1 / (1 + exp(-1)), second = 1 - first;
  assert_int_equal(out.count, 2);
  assert_close(out.items[0].score, first * 0.9 + second * 0.6);
  assert_close(out.items[0].box.x1, 2 * second * 0.6 / (first * 0.9 + second * 0.6));
  assert_close(out.items[1].score, second * 0.5);
  fm_detections_release(&out);
  // However far all are from the best, the nearest one counts.
  const float far[] = {1e9f, 1e12f};
  out = fuse(lists, 2, (fm_fuse_options){.limit = 100, .sizes = far});
  assert_close(out.items[0].score, 0.9);
  fm_detections_release(&out);
}

// The second list saw only the right half of the picture.
static void a_list_does_not_count_for_what_it_did_not_see(void **state) {
  (void)state;
  fm_detection a[] = {face(0, 1, 0.9f), face(200, 1, 0.6f)}, b[] = {face(204, 1, 0.2f)};
  const fm_detections lists[] = {{a, 2}, {b, 1}};
  const fm_box seen[] = {{0, 0, 300, 100}, {100, 0, 300, 100}};
  fm_detections out = fuse(lists, 2, (fm_fuse_options){.limit = 100, .seen = seen});
  assert_int_equal(out.count, 2);
  assert_close(out.items[0].score, 0.9);
  assert_close(out.items[1].score, (0.6 + 0.2) / 2);
  assert_close(out.items[1].box.x1, 200 + 4 * 0.2 / 0.8);
  fm_detections_release(&out);
}

static void a_list_takes_part_with_its_best_box(void **state) {
  (void)state;
  fm_detection a[] = {face(0, 1, 0.8f)}, b[] = {face(4, 1, 0.6f), face(-4, 1, 0.5f)};
  const fm_detections lists[] = {{a, 1}, {b, 2}, {0}};
  fm_detections out = fuse(lists, 3, (fm_fuse_options){.limit = 100});
  assert_int_equal(out.count, 1);
  assert_close(out.items[0].score, (0.8 + 0.6) / 3);
  assert_close(out.items[0].box.x1, 4 * 0.6 / 1.4);
  fm_detections_release(&out);
}

static void only_the_strongest_and_the_sure_are_kept(void **state) {
  (void)state;
  fm_detection a[] = {face(0, 1, 0.1f), face(100, 1, 0.3f)}, b[] = {face(200, 1, 0.2f)};
  const fm_detections lists[] = {{a, 2}, {b, 1}};
  fm_detections out = fuse(lists, 2, (fm_fuse_options){.limit = 2});
  assert_int_equal(out.count, 2);
  assert_close(out.items[0].score, 0.15);
  assert_close(out.items[1].score, 0.1);
  fm_detections_release(&out);
  out = fuse(lists, 2, (fm_fuse_options){.limit = 100, .score = 0.12f});
  assert_int_equal(out.count, 1);
  fm_detections_release(&out);
}

// Weak groups that many lists see overtake strong ones that one list sees.
static void groups_are_ordered_by_what_becomes_of_them(void **state) {
  (void)state;
  fm_detection a[] = {face(0, 1, 0.9f), face(100, 1, 0.5f)}, b[] = {face(100, 1, 0.5f)};
  const fm_detections lists[] = {{a, 2}, {b, 1}};
  fm_detections out = fuse(lists, 2, (fm_fuse_options){.limit = 100});
  assert_int_equal(out.count, 2);
  assert_close(out.items[0].box.x1, 100);
  assert_close(out.items[0].score, 0.5);
  assert_close(out.items[1].score, 0.45);
  fm_detections_release(&out);
}

// Two boxes of 40 x 40, 8 apart, with scores of 0.6 and 0.2: their mean lies 2 from the first.
static void scores_can_tell_the_overlap_to_be_expected(void **state) {
  (void)state;
  fm_detection a[] = {face(0, 1, 0.6f), face(200, 1, 0.6f)}, b[] = {face(8, 1, 0.2f)};
  const fm_detections lists[] = {{a, 2}, {b, 1}};
  fm_detections out = fuse(lists, 2, (fm_fuse_options){.limit = 100, .overlap = true});
  const double agreement = (0.6 * 38 / 42 + 0.2 * 34 / 46) / 0.8, grid = 40.0 / 41;
  assert_int_equal(out.count, 2);
  assert_close(out.items[0].box.x1, 2);
  assert_close(out.items[0].score, 0.4 * agreement * grid);
  assert_close(out.items[1].score, 0.3 * grid);
  fm_detections_release(&out);
  // What the lowered score no longer reaches is left out.
  out = fuse(lists, 2, (fm_fuse_options){.limit = 100, .overlap = true, .score = 0.34f});
  assert_int_equal(out.count, 0);
  fm_detections_release(&out);
}

static void boxes_without_an_area_have_no_overlap(void **state) {
  (void)state;
  fm_detection a[] = {{{5, 5, 5, 5}, 1, 0.5f}}, b[] = {{{5, 5, 5, 5}, 1, 0.5f}};
  const fm_detections lists[] = {{a, 1}, {b, 1}};
  fm_detections out = fuse(lists, 2, (fm_fuse_options){.limit = 100, .overlap = true});
  for (size_t i = 0; i < out.count; i++)
    assert_true(out.items[i].score == 0);
  fm_detections_release(&out);
}

static void nothing_found_is_nothing(void **state) {
  (void)state;
  const fm_detections lists[] = {{0}, {0}};
  fm_detections out = fuse(lists, 2, (fm_fuse_options){.limit = 100});
  assert_int_equal(out.count, 0);
  fm_detections_release(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(boxes_that_overlap_become_their_mean),
      cmocka_unit_test(a_list_counts_by_the_size_it_sees_a_face_in),
      cmocka_unit_test(a_list_does_not_count_for_what_it_did_not_see),
      cmocka_unit_test(a_list_takes_part_with_its_best_box),
      cmocka_unit_test(only_the_strongest_and_the_sure_are_kept),
      cmocka_unit_test(groups_are_ordered_by_what_becomes_of_them),
      cmocka_unit_test(scores_can_tell_the_overlap_to_be_expected),
      cmocka_unit_test(boxes_without_an_area_have_no_overlap),
      cmocka_unit_test(nothing_found_is_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
