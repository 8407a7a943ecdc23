// Suppression against torchvision's nms and batched_nms written down: every pair compared.
#include "detect/nms.h"

#include "naive.h"

typedef struct case_data {
  fm_nms_input input;
  fm_box *boxes;
  float *scores;
  int32_t *groups;
  uint32_t *keep, *expected;
} case_data;

static case_data make_case(fm_random *random, size_t count, int groups, float step) {
  case_data c = {.boxes = test_alloc(count, sizeof *c.boxes),
                 .scores = test_alloc(count, sizeof *c.scores),
                 .groups = test_alloc(count, sizeof *c.groups),
                 .keep = test_alloc(count, sizeof *c.keep),
                 .expected = test_alloc(count, sizeof *c.expected)};
  for (size_t i = 0; i < count; i++) {
    c.boxes[i] = random_box(random, 64, 48, step);
    // Of few different values when the boxes are: scores tie.
    c.scores[i] =
        step >= 1 ? (float)fm_random_below(random, 20) / 20 : (float)fm_random_uniform(random);
    c.groups[i] = groups > 0 ? (int32_t)fm_random_below(random, (uint64_t)groups) : 0;
  }
  c.input = (fm_nms_input){.boxes = c.boxes,
                           .scores = c.scores,
                           .groups = groups > 0 ? c.groups : NULL,
                           .group_count = groups,
                           .count = count,
                           .threshold = 0.5,
                           .limit = count};
  return c;
}

static void release_case(case_data *c) {
  free(c->boxes);
  free(c->scores);
  free(c->groups);
  free(c->keep);
  free(c->expected);
}

// The number of kept boxes.
static size_t check(case_data *c) {
  const fm_nms_input *input = &c->input;
  void *scratch = NULL;
  assert_int_equal(posix_memalign(&scratch, 64, fm_nms_bytes(input->count, input->group_count)), 0);
  const size_t kept = fm_nms(input, c->keep, scratch);
  const size_t expected = naive_batched_nms(input, c->expected);
  assert_int_equal(kept, expected);
  for (size_t i = 0; i < kept; i++) {
    if (c->keep[i] != c->expected[i])
      fail_msg("%zu boxes, place %zu: %u instead of %u", input->count, i, c->keep[i],
               c->expected[i]);
  }
  free(scratch);
  return kept;
}

static void what_is_kept_is_what_comparing_all_pairs_keeps(void **state) {
  (void)state;
  static const size_t counts[] = {0, 1, 2, 15, 16, 17, 60, 300};
  static const double thresholds[] = {0, 0.2, 0.5, 0.7, 1};
  fm_random random = fm_random_make(1, 0, 0);
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    for (size_t t = 0; t < sizeof thresholds / sizeof *thresholds; t++) {
      case_data c = make_case(&random, counts[i], 0, t % 2 == 0 ? 8 : 0.25f);
      c.input.threshold = thresholds[t];
      const size_t kept = check(&c);
      assert_true(thresholds[t] < 1 || kept == counts[i]);
      c.input.limit = kept / 2;
      assert_int_equal(check(&c), kept / 2);
      release_case(&c);
    }
  }
}

static void boxes_of_other_groups_do_not_suppress(void **state) {
  (void)state;
  static const size_t counts[] = {1, 40, 500, 1000, 1001, 1500};
  fm_random random = fm_random_make(2, 0, 0);
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    for (int groups = 1; groups <= 9; groups += 4) {
      case_data c = make_case(&random, counts[i], groups, i % 2 == 0 ? 4 : 0.125f);
      const size_t kept = check(&c);
      c.input.limit = kept / 3 + 1;
      check(&c);
      release_case(&c);
    }
  }
  // A group's box over another's, and one of its own.
  case_data c = make_case(&random, 3, 2, 8);
  for (size_t i = 0; i < 3; i++) {
    c.boxes[i] = (fm_box){0, 0, 10, 10};
    c.scores[i] = 1 - 0.1f * (float)i;
    c.groups[i] = i == 1;
  }
  assert_int_equal(check(&c), 2);
  assert_int_equal(c.keep[1], 1);
  release_case(&c);
}

static void groups_are_shifted_apart_as_in_torchvision_and_round_alike(void **state) {
  (void)state;
  fm_random random = fm_random_make(3, 0, 0);
  size_t differ = 0;
  for (int round = 0; round < 40; round++) {
    case_data c = make_case(&random, 400, 90, 1);
    // Pairs whose overlap is just around the threshold, far from the origin.
    for (size_t i = 0; i < 400; i += 2) {
      c.boxes[i] = naive_moved(random_box(&random, 40, 40, 0.01f), 7000);
      const float third = (c.boxes[i].x2 - c.boxes[i].x1) / 3;
      c.boxes[i + 1] =
          (fm_box){c.boxes[i].x1 + third, c.boxes[i].y1, c.boxes[i].x2 + third, c.boxes[i].y2};
      c.groups[i + 1] = c.groups[i];
      c.scores[i] = (float)fm_random_uniform(&random);
      c.scores[i + 1] = c.scores[i] / 2;
    }
    const size_t kept = check(&c);
    differ += kept != naive_nms(&c.input, false, c.expected);
    release_case(&c);
  }
  assert_true(differ > 20); // otherwise this test shows nothing
}

// Two 1 x 1 boxes that share a part: exactly at the threshold is not above it.
static void overlap_equal_to_the_threshold_is_allowed(void **state) {
  (void)state;
  fm_random random = fm_random_make(4, 0, 0);
  case_data c = make_case(&random, 2, 0, 8);
  c.boxes[0] = (fm_box){0, 0, 3, 3};
  c.boxes[1] = (fm_box){1, 0, 4, 3}; // 6 of 12
  c.input.threshold = 0.5;
  assert_int_equal(check(&c), 2);
  c.input.threshold = 0.4999999;
  assert_int_equal(check(&c), 1);
  // 0.7f is 0.699999988: less than 0.7, so a float overlap of 0.7f is not above 0.7.
  c.boxes[0] = (fm_box){0, 0, 10, 1};
  c.boxes[1] = (fm_box){0, 0, 7, 1};
  c.input.threshold = 0.7;
  assert_int_equal(check(&c), 2);
  c.input.threshold = 0.69999998;
  assert_int_equal(check(&c), 1);
  release_case(&c);
}

static void empty_boxes_suppress_nothing(void **state) {
  (void)state;
  fm_random random = fm_random_make(5, 0, 0);
  case_data c = make_case(&random, 20, 0, 8);
  for (size_t i = 0; i < 20; i++)
    c.boxes[i] = (fm_box){5, 5, 5, 5};
  c.input.threshold = 0;
  assert_int_equal(check(&c), 20);
  release_case(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_kept_is_what_comparing_all_pairs_keeps),
      cmocka_unit_test(boxes_of_other_groups_do_not_suppress),
      cmocka_unit_test(groups_are_shifted_apart_as_in_torchvision_and_round_alike),
      cmocka_unit_test(overlap_equal_to_the_threshold_is_allowed),
      cmocka_unit_test(empty_boxes_suppress_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
