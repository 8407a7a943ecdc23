// Tests of the order of epochs: permutations, and LVIS repeat factors.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/sampler.h"
#include "support.h"

enum { PICTURES = 40 };

static const int widths[] = {20, 30, 60};

// Annotations alone, 20 pixels high: picture i has class a; every 4th has b; every 20th has c, too.
// Picture 7 has no face.
static fm_dataset *open_pictures(char **folder) {
  *folder = support_folder_make();
  for (int i = 0; i < PICTURES; i++) {
    char name[64], text[1024], faces[3][160] = {{0}};
    static const char *const classes[] = {"a", "b", "c"};
    const int every[] = {1, 4, 20};
    for (int k = 0; k < 3; k++)
      if (i % every[k] == 0 && i != 7)
        snprintf(faces[k], sizeof faces[k],
                 "<object><name>%s</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>15</xmax>"
                 "<ymax>12</ymax></bndbox></object>",
                 classes[k]);
    snprintf(text, sizeof text,
             "<annotation><size><width>%d</width><height>20</height></size>%s%s%s%s</annotation>",
             widths[i % 3], faces[0], faces[0], faces[1], faces[2]);
    snprintf(name, sizeof name, "annotations/p%02d.xml", i);
    support_write_text(*folder, name, text);
  }
  fm_dataset *dataset;
  const fm_dataset_options options = {.classes = "a,b,c"};
  assert_int_equal(fm_dataset_open(&dataset, *folder, &options), FM_OK);
  assert_int_equal(fm_dataset_count(dataset), PICTURES);
  return dataset;
}

static fm_sampler *open_sampler(const fm_dataset *dataset, double threshold, bool shuffle) {
  size_t samples[PICTURES];
  for (size_t i = 0; i < PICTURES; i++)
    samples[i] = i;
  fm_sampler *sampler;
  const fm_sampler_options options = {.dataset = dataset,
                                      .samples = samples,
                                      .sample_count = PICTURES,
                                      .shuffle = shuffle,
                                      .seed = 3,
                                      .repeat_threshold = threshold};
  assert_int_equal(fm_sampler_new(&sampler, &options), FM_OK);
  return sampler;
}

// By hand: f(a) = 39/40, f(b) = 10/40, f(c) = 2/40.
static double factor_by_hand(int i, double threshold) {
  double a = sqrt(threshold / (39.0 / 40)), b = sqrt(threshold / (10.0 / 40)),
         c = sqrt(threshold / (2.0 / 40)), factor = 1;
  if (i != 7)
    factor = fmax(factor, a);
  if (i % 4 == 0)
    factor = fmax(factor, b);
  if (i % 20 == 0)
    factor = fmax(factor, c);
  return factor;
}

static void factors_are_those_of_the_paper(void **state) {
  (void)state;
  char *folder;
  fm_dataset *dataset = open_pictures(&folder);
  static const double thresholds[] = {0.001, 0.1, 0.3, 1};
  for (size_t k = 0; k < sizeof thresholds / sizeof *thresholds; k++) {
    fm_sampler *sampler = open_sampler(dataset, thresholds[k], true);
    double sum = 0;
    for (int i = 0; i < PICTURES; i++) {
      double wanted = factor_by_hand(i, thresholds[k]);
      assert_true(fabs(fm_sampler_factor(sampler, (size_t)i) - wanted) < 1e-12);
      sum += wanted;
    }
    assert_int_equal(fm_sampler_count(sampler), (size_t)ceil(sum - 1e-9));
    fm_sampler_free(sampler);
  }
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void pictures_come_in_proportion_to_their_factors(void **state) {
  (void)state;
  enum { EPOCHS = 2000 };
  char *folder;
  fm_dataset *dataset = open_pictures(&folder);
  fm_sampler *sampler = open_sampler(dataset, 0.5, true);
  size_t count = fm_sampler_count(sampler), times[PICTURES] = {0};
  fm_sampler_entry *order = calloc(count, sizeof *order);
  double sum = 0;
  for (int i = 0; i < PICTURES; i++)
    sum += factor_by_hand(i, 0.5);
  for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
    uint32_t copies[PICTURES] = {0}, seen[PICTURES] = {0};
    fm_sampler_order(sampler, epoch, order);
    for (size_t i = 0; i < count; i++) {
      assert_true(order[i].sample < PICTURES && order[i].copy < 8);
      copies[order[i].sample]++;
      seen[order[i].sample] |= 1u << order[i].copy;
    }
    for (int i = 0; i < PICTURES; i++) {
      double wanted = factor_by_hand(i, 0.5) * (double)count / sum;
      assert_in_range(copies[i], (uintmax_t)wanted, (uintmax_t)ceil(wanted));
      assert_int_equal(seen[i], (1u << copies[i]) - 1); // copies 0, 1, 2, … without a gap
      times[i] += copies[i];
    }
  }
  for (int i = 0; i < PICTURES; i++) {
    double wanted = factor_by_hand(i, 0.5) * (double)count / sum;
    assert_true(fabs((double)times[i] / EPOCHS - wanted) < 0.05); // 4.5 deviations at most
  }
  free(order);
  fm_sampler_free(sampler);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void batches_hold_pictures_of_similar_shape_and_lose_none(void **state) {
  (void)state;
  enum { BATCH = 4 };
  char *folder;
  fm_dataset *dataset = open_pictures(&folder);
  size_t samples[PICTURES];
  for (size_t i = 0; i < PICTURES; i++)
    samples[i] = i;
  fm_sampler_options options = {.dataset = dataset,
                                .samples = samples,
                                .sample_count = PICTURES,
                                .shuffle = true,
                                .seed = 3,
                                .group_size = BATCH};
  fm_sampler *sampler;
  assert_int_equal(fm_sampler_new(&sampler, &options), FM_OK);
  fm_sampler_entry order[PICTURES];
  for (uint64_t epoch = 0; epoch < 50; epoch++) {
    fm_sampler_order(sampler, epoch, order);
    bool seen[PICTURES] = {false};
    size_t mixed = 0;
    for (size_t i = 0; i < PICTURES; i++) {
      assert_false(seen[order[i].sample]);
      seen[order[i].sample] = true;
      mixed += order[i].sample % 3 != order[i / BATCH * BATCH].sample % 3;
    }
    // Groups of 14, 13 and 13 pictures leave 2, 1 and 1 over, which share the last batch.
    assert_int_equal(mixed, 2);
  }
  fm_sampler_free(sampler);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void an_order_depends_on_seed_and_epoch_alone(void **state) {
  (void)state;
  char *folder;
  fm_dataset *dataset = open_pictures(&folder);
  for (int shuffle = 0; shuffle < 2; shuffle++) {
    fm_sampler *sampler = open_sampler(dataset, 0.5, shuffle), *other;
    size_t count = fm_sampler_count(sampler), bytes = count * sizeof(fm_sampler_entry);
    fm_sampler_entry *first = malloc(bytes), *again = malloc(bytes), *next = malloc(bytes);
    fm_sampler_order(sampler, 6, first);
    fm_sampler_order(sampler, 7, next);
    other = open_sampler(dataset, 0.5, shuffle);
    fm_sampler_order(other, 6, again); // the first thing it is asked for, as when resuming
    assert_memory_equal(first, again, bytes);
    assert_memory_not_equal(first, next, bytes);
    for (size_t i = 1; i < count && !shuffle; i++)
      assert_true(first[i].sample >= first[i - 1].sample);
    free(first), free(again), free(next);
    fm_sampler_free(sampler);
    fm_sampler_free(other);
  }
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void without_a_threshold_every_picture_comes_once(void **state) {
  (void)state;
  char *folder;
  fm_dataset *dataset = open_pictures(&folder);
  fm_sampler *sampler = open_sampler(dataset, 0, true);
  assert_int_equal(fm_sampler_count(sampler), PICTURES);
  fm_sampler_entry order[PICTURES];
  bool seen[PICTURES] = {0};
  fm_sampler_order(sampler, 0, order);
  for (size_t i = 0; i < PICTURES; i++) {
    assert_false(seen[order[i].sample]);
    assert_int_equal(order[i].copy, 0);
    seen[order[i].sample] = true;
  }
  fm_sampler_free(sampler);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(factors_are_those_of_the_paper),
      cmocka_unit_test(pictures_come_in_proportion_to_their_factors),
      cmocka_unit_test(batches_hold_pictures_of_similar_shape_and_lose_none),
      cmocka_unit_test(an_order_depends_on_seed_and_epoch_alone),
      cmocka_unit_test(without_a_threshold_every_picture_comes_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
