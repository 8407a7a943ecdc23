// Detections of several models as those of one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "predict/fuse.h"

static fm_detection face(float x, int32_t label, float score) {
  return (fm_detection){{x, 0, x + 40, 40}, label, score};
}

static fm_detections fuse(const fm_detections *lists, bool agnostic, size_t limit) {
  const fm_fuse_options options = {
      .class_count = 3, .nms = 0.5f, .agnostic = agnostic, .limit = limit};
  fm_detections out;
  assert_int_equal(fm_fuse_detections(&options, lists, 2, &out), FM_OK);
  return out;
}

static void the_stronger_of_two_that_overlap_stays(void **state) {
  (void)state;
  fm_detection a[] = {face(0, 1, 0.9f), face(200, 2, 0.4f)};
  fm_detection b[] = {face(202, 2, 0.8f), face(2, 1, 0.7f), face(2, 3, 0.6f)};
  const fm_detections lists[] = {{a, 2}, {b, 3}};
  fm_detections out = fuse(lists, false, 100);
  assert_int_equal(out.count, 3);
  assert_true(out.items[0].score == 0.9f && out.items[0].label == 1);
  assert_true(out.items[1].score == 0.8f && out.items[1].box.x1 == 202);
  assert_true(out.items[2].score == 0.6f && out.items[2].label == 3);
  fm_detections_release(&out);
  out = fuse(lists, true, 100);
  assert_int_equal(out.count, 2);
  fm_detections_release(&out);
}

static void only_the_strongest_are_kept(void **state) {
  (void)state;
  fm_detection a[] = {face(0, 1, 0.1f), face(100, 1, 0.3f)}, b[] = {face(200, 1, 0.2f)};
  const fm_detections lists[] = {{a, 2}, {b, 1}};
  fm_detections out = fuse(lists, false, 2);
  assert_int_equal(out.count, 2);
  assert_true(out.items[0].score == 0.3f && out.items[1].score == 0.2f);
  fm_detections_release(&out);
}

static void between_equals_the_first_model_wins(void **state) {
  (void)state;
  fm_detection a[] = {face(0, 1, 0.5f)}, b[] = {face(1, 1, 0.5f)};
  const fm_detections lists[] = {{a, 1}, {b, 1}};
  fm_detections out = fuse(lists, false, 100);
  assert_int_equal(out.count, 1);
  assert_true(out.items[0].box.x1 == 0);
  fm_detections_release(&out);
}

static void nothing_found_is_nothing(void **state) {
  (void)state;
  const fm_detections lists[] = {{0}, {0}};
  fm_detections out = fuse(lists, false, 100);
  assert_int_equal(out.count, 0);
  fm_detections_release(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_stronger_of_two_that_overlap_stays),
      cmocka_unit_test(only_the_strongest_are_kept),
      cmocka_unit_test(between_equals_the_first_model_wins),
      cmocka_unit_test(nothing_found_is_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
