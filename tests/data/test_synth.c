// The drawn data set: the same bytes for the same seed, whatever the count and the threads, and
// annotations without a fault.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/dataset.h"
#include "data/synth.h"
#include "support.h"

static void assert_equal_files(const char *a, const char *b, const char *name) {
  fm_bytes left, right;
  char *path = fm_path_join(a, name);
  assert_int_equal(fm_file_read(&left, path, 1 << 24), FM_OK);
  free(path);
  path = fm_path_join(b, name);
  assert_int_equal(fm_file_read(&right, path, 1 << 24), FM_OK);
  free(path);
  assert_int_equal(left.size, right.size);
  assert_memory_equal(left.data, right.data, left.size);
  free(left.data);
  free(right.data);
}

static void a_picture_depends_on_seed_and_number_only(void **state) {
  (void)state;
  char *few = support_folder_make(), *many = support_folder_make();
  int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  assert_int_equal(fm_synth_write(&(fm_synth_options){.count = 5, .seed = 3, .folder = few}, NULL),
                   FM_OK);
  omp_set_num_threads(3);
  assert_int_equal(
      fm_synth_write(&(fm_synth_options){.count = 12, .seed = 3, .folder = many}, NULL), FM_OK);
  omp_set_num_threads(threads);
  for (int i = 0; i < 5; i++) {
    char name[64];
    snprintf(name, sizeof name, "images/synth%05d.png", i);
    assert_equal_files(few, many, name);
    snprintf(name, sizeof name, "annotations/synth%05d.xml", i);
    assert_equal_files(few, many, name);
  }
  support_folder_remove(few);
  support_folder_remove(many);
}

static void the_set_passes_the_strict_checks_with_all_three_classes(void **state) {
  (void)state;
  char *folder = support_folder_make();
  fm_synth_counts counts;
  assert_int_equal(
      fm_synth_write(&(fm_synth_options){.count = 60, .seed = 9, .folder = folder}, &counts),
      FM_OK);
  fm_dataset *dataset;
  const fm_dataset_options strict = {.strict = true};
  assert_int_equal(fm_dataset_open(&dataset, folder, &strict), FM_OK);
  assert_int_equal(fm_dataset_check_pictures(dataset), FM_OK);
  assert_int_equal(fm_dataset_count(dataset), 60);
  assert_int_equal(fm_dataset_class_count(dataset), 3);
  size_t faces[4] = {0};
  for (size_t i = 0; i < 60; i++) {
    const fm_sample *sample = fm_dataset_sample(dataset, i);
    for (size_t j = 0; j < sample->object_count; j++)
      faces[sample->objects[j].label]++;
  }
  assert_int_equal(faces[1], counts.without);
  assert_int_equal(faces[2], counts.with_mask);
  assert_int_equal(faces[3], counts.incorrect);
  assert_true(faces[2] > faces[3] && faces[3] > 15);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void shares_and_sizes_can_be_chosen_and_are_checked(void **state) {
  (void)state;
  char *folder = support_folder_make();
  fm_synth_options options = {
      .count = 8, .folder = folder, .smallest = 40, .largest = 60, .incorrect = 1};
  fm_synth_counts counts;
  assert_int_equal(fm_synth_write(&options, &counts), FM_OK);
  assert_int_equal(counts.with_mask + counts.without, 0);
  assert_true(counts.incorrect > 0);
  options.smallest = 61;
  assert_int_equal(fm_synth_write(&options, &counts), FM_ERR_ARGUMENT);
  options.smallest = 40;
  options.without = -1;
  assert_int_equal(fm_synth_write(&options, &counts), FM_ERR_ARGUMENT);
  options = (fm_synth_options){.count = 1, .folder = "/proc/nowhere"};
  assert_int_equal(fm_synth_write(&options, &counts), FM_ERR_IO);
  support_folder_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_picture_depends_on_seed_and_number_only),
      cmocka_unit_test(the_set_passes_the_strict_checks_with_all_three_classes),
      cmocka_unit_test(shares_and_sizes_can_be_chosen_and_are_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
