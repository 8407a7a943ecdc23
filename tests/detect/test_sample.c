// The balanced sampler: its counts, that every candidate has the same chance, that it repeats
// itself.
#include "detect/sample.h"

#include "detect/match.h"
#include "support.h"

static void counts_are_torchvisions(void **state) {
  (void)state;
  static const struct {
    fm_sample_options options;
    size_t positives, negatives, positive, negative;
  } rows[] = {
      {{256, 0.5f}, 1000, 5000, 128, 128},
      {{256, 0.5f}, 10, 5000, 10, 246},
      {{256, 0.5f}, 10, 20, 10, 20},
      {{256, 0.5f}, 1000, 20, 128, 20},
      {{512, 0.25f}, 200, 5000, 128, 384},
      {{512, 0.25f}, 0, 5000, 0, 512},
      {{512, 0.25f}, 0, 0, 0, 0},
      {{7, 0.5f}, 9, 9, 3, 4},
      {{10, 0.3f}, 9, 9, 3, 7}, // 0.3f as double times ten is 3.0000001, 0.3 times ten is 3
      {{10, 0.7f}, 9, 9, 7, 3}, // 0.7f as double times ten is 6.9999998
      {{10, 0}, 9, 9, 0, 9},
      {{10, 1}, 19, 9, 10, 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const fm_sample_counts counts =
        fm_sample_count(&rows[i].options, rows[i].positives, rows[i].negatives);
    assert_int_equal(counts.positive, rows[i].positive);
    assert_int_equal(counts.negative, rows[i].negative);
  }
}

enum { COUNT = 60 };

// Thirds: matched, between, background.
static void fill(int32_t *matches) {
  for (int i = 0; i < COUNT; i++)
    matches[i] = i % 3 == 0 ? i : i % 3 == 1 ? FM_MATCH_BETWEEN : FM_MATCH_BACKGROUND;
}

static void positives_come_first_and_each_part_rises(void **state) {
  (void)state;
  int32_t matches[COUNT];
  uint32_t chosen[COUNT], scratch[COUNT];
  fill(matches);
  for (int size = 1; size <= COUNT; size++) {
    const fm_sample_options options = {size, 0.5f};
    fm_random random = fm_random_make(1, 0, (uint64_t)size);
    const fm_sample_counts counts = fm_sample(&options, matches, COUNT, &random, chosen, scratch);
    const fm_sample_counts expected = fm_sample_count(&options, COUNT / 3, COUNT / 3);
    assert_int_equal(counts.positive, expected.positive);
    assert_int_equal(counts.negative, expected.negative);
    for (size_t i = 0; i < counts.positive + counts.negative; i++) {
      assert_in_range(chosen[i], 0, COUNT - 1);
      assert_int_equal(chosen[i] % 3, i < counts.positive ? 0 : 2);
      if (i > 0 && i != counts.positive)
        assert_true(chosen[i] > chosen[i - 1]);
    }
  }
}

static void all_have_the_same_chance(void **state) {
  (void)state;
  enum { ROUNDS = 20000 };
  int32_t matches[COUNT];
  uint32_t chosen[COUNT], scratch[COUNT];
  int seen[COUNT] = {0};
  fill(matches);
  const fm_sample_options options = {12, 0.5f}; // 6 of 20 positives, 6 of 20 negatives
  fm_random random = fm_random_make(2, 0, 0);
  int together = 0;
  for (int round = 0; round < ROUNDS; round++) {
    const fm_sample_counts counts = fm_sample(&options, matches, COUNT, &random, chosen, scratch);
    assert_int_equal(counts.positive + counts.negative, 12);
    for (int i = 0; i < 12; i++)
      seen[chosen[i]]++;
    bool first = false, last = false;
    for (int i = 0; i < 6; i++) {
      first |= chosen[i] == 0;
      last |= chosen[i] == 57;
    }
    together += first && last;
  }
  // Of a share p of n rounds, five deviations.
  for (int i = 0; i < COUNT; i++) {
    const double p = i % 3 == 1 ? 0 : 0.3;
    assert_near(seen[i], p * ROUNDS, 5 * sqrt(p * (1 - p) * ROUNDS));
  }
  const double p = 0.3 * 5 / 19;
  assert_near(together, p * ROUNDS, 5 * sqrt(p * (1 - p) * ROUNDS));
}

static void the_same_generator_takes_the_same(void **state) {
  (void)state;
  int32_t matches[COUNT];
  uint32_t chosen[2][COUNT], scratch[COUNT];
  fill(matches);
  const fm_sample_options options = {20, 0.5f};
  for (int i = 0; i < 2; i++) {
    fm_random random = fm_random_make(3, 4, 5);
    fm_sample(&options, matches, COUNT, &random, chosen[i], scratch);
  }
  assert_memory_equal(chosen[0], chosen[1], 20 * sizeof **chosen);
  fm_random random = fm_random_make(3, 4, 6);
  fm_sample(&options, matches, COUNT, &random, chosen[1], scratch);
  assert_memory_not_equal(chosen[0], chosen[1], 20 * sizeof **chosen);
}

static void where_all_are_taken_no_number_is_drawn(void **state) {
  (void)state;
  int32_t matches[COUNT];
  uint32_t chosen[COUNT], scratch[COUNT];
  fill(matches);
  const fm_sample_options options = {1000, 0.5f};
  fm_random random = fm_random_make(3, 4, 5), before = random;
  const fm_sample_counts counts = fm_sample(&options, matches, COUNT, &random, chosen, scratch);
  assert_int_equal(counts.positive, 20);
  assert_int_equal(counts.negative, 20);
  assert_memory_equal(&random, &before, sizeof random);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_are_torchvisions),
      cmocka_unit_test(positives_come_first_and_each_part_rises),
      cmocka_unit_test(all_have_the_same_chance),
      cmocka_unit_test(the_same_generator_takes_the_same),
      cmocka_unit_test(where_all_are_taken_no_number_is_drawn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
