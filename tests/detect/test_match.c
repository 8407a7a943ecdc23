// Matching against torchvision's Matcher written down over the whole matrix of overlaps.
#include "detect/match.h"

#include "naive.h"

typedef struct case_data {
  size_t count, truth_count;
  fm_box *boxes, *truth;
  float *columns, *scratch;
  fm_box_columns view;
  int32_t *matches, *expected;
} case_data;

static case_data make_case(fm_random *random, size_t count, size_t truth_count, float step) {
  case_data c = {.count = count, .truth_count = truth_count};
  c.boxes = test_alloc(count, sizeof *c.boxes);
  c.truth = test_alloc(truth_count, sizeof *c.truth);
  c.columns = test_alloc(count, 5 * sizeof *c.columns);
  c.scratch = test_alloc(count + truth_count, sizeof *c.scratch);
  c.matches = test_alloc(count, sizeof *c.matches);
  c.expected = test_alloc(count, sizeof *c.expected);
  for (size_t i = 0; i < truth_count; i++)
    c.truth[i] = random_box(random, 64, 48, step);
  float *x1 = c.columns, *y1 = x1 + count, *x2 = y1 + count, *y2 = x2 + count, *area = y2 + count;
  for (size_t i = 0; i < count; i++) {
    fm_box b = random_box(random, 64, 48, step);
    c.boxes[i] = b;
    x1[i] = b.x1, y1[i] = b.y1, x2[i] = b.x2, y2[i] = b.y2;
    area[i] = (b.x2 - b.x1) * (b.y2 - b.y1);
  }
  c.view = (fm_box_columns){x1, y1, x2, y2, area, count};
  return c;
}

static void release_case(case_data *c) {
  free(c->boxes);
  free(c->truth);
  free(c->columns);
  free(c->scratch);
  free(c->matches);
  free(c->expected);
}

static int check(fm_match_options options, case_data *c) {
  fm_match(&options, c->truth, c->truth_count, &c->view, c->matches, c->scratch);
  const int favoured =
      naive_match(&options, c->truth, c->truth_count, c->boxes, c->count, c->expected);
  for (size_t i = 0; i < c->count; i++) {
    if (c->matches[i] != c->expected[i])
      fail_msg("box %zu of %zu: %d instead of %d", i, c->count, c->matches[i], c->expected[i]);
  }
  return favoured;
}

static void matches_are_those_of_the_whole_matrix(void **state) {
  (void)state;
  // Around whole lanes, and a part of the boxes in the cache and more.
  static const size_t counts[] = {1, 3, 15, 16, 17, 33, 250, 1024, 1025, 2100};
  fm_random random = fm_random_make(1, 0, 0);
  int favoured = 0;
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    for (size_t truth = 1; truth <= 9; truth += 4) {
      // Coarse steps: many overlaps are equal, those of the best boxes too.
      case_data c = make_case(&random, counts[i], truth, i % 2 == 0 ? 8 : 0.5f);
      check((fm_match_options){0.5f, 0.5f, false}, &c);
      check((fm_match_options){0.7f, 0.3f, false}, &c);
      favoured += check((fm_match_options){0.7f, 0.3f, true}, &c);
      release_case(&c);
    }
  }
  assert_true(favoured > 50);
}

static void the_best_boxes_of_a_truth_match_however_weak_and_all_that_tie(void **state) {
  (void)state;
  fm_random random = fm_random_make(2, 0, 0);
  case_data c = make_case(&random, 4, 2, 8);
  c.truth[0] = (fm_box){0, 0, 10, 10};
  c.truth[1] = (fm_box){100, 100, 110, 110};
  // Two that hold the first truth and are nine times as large, one beside it, one that touches
  // nothing.
  const fm_box boxes[4] = {{0, 0, 30, 30}, {-10, -10, 20, 20}, {5, 0, 15, 90}, {50, 50, 60, 60}};
  float *columns = c.columns;
  for (size_t i = 0; i < 4; i++) {
    c.boxes[i] = boxes[i];
    columns[i] = boxes[i].x1, columns[4 + i] = boxes[i].y1;
    columns[8 + i] = boxes[i].x2, columns[12 + i] = boxes[i].y2;
    columns[16 + i] = (boxes[i].x2 - boxes[i].x1) * (boxes[i].y2 - boxes[i].y1);
  }
  const fm_match_options options = {0.7f, 0.3f, true};
  fm_match(&options, c.truth, 1, &c.view, c.matches, c.scratch);
  static const int32_t expected[4] = {0, 0, FM_MATCH_BACKGROUND, FM_MATCH_BACKGROUND};
  assert_memory_equal(c.matches, expected, sizeof expected);
  // The second truth meets none: its best overlap is 0, which all boxes have, so all match their
  // best.
  check(options, &c);
  assert_int_equal(c.matches[3], 0);
  release_case(&c);
}

static void without_truth_all_is_background(void **state) {
  (void)state;
  fm_random random = fm_random_make(3, 0, 0);
  case_data c = make_case(&random, 40, 0, 8);
  const fm_match_options options = {0.7f, 0.3f, true};
  fm_match(&options, c.truth, 0, &c.view, c.matches, c.scratch);
  for (int i = 0; i < 40; i++)
    assert_int_equal(c.matches[i], FM_MATCH_BACKGROUND);
  release_case(&c);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(matches_are_those_of_the_whole_matrix),
      cmocka_unit_test(the_best_boxes_of_a_truth_match_however_weak_and_all_that_tie),
      cmocka_unit_test(without_truth_all_is_background),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
