// explore.json against the notebook's counts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "data/statistics.h"
#include "support.h"

static void counts_of_the_853_annotations_equal_the_notebooks(void **state) {
  (void)state;
  char *path = support_shared("kaggle-annotations-853");
  char *golden_path = support_shared("../golden/explore_853.json");
  if (!path || !golden_path)
    skip();
  fm_dataset *dataset;
  fm_statistics statistics;
  char *text;
  assert_int_equal(fm_dataset_open(&dataset, path, NULL), FM_OK);
  assert_true(fm_dataset_annotations_only(dataset));
  assert_int_equal(fm_statistics_make(&statistics, dataset), FM_OK);
  assert_int_equal(fm_statistics_format(&text, &statistics, dataset), FM_OK);
  json_t *found = json_loads(text, 0, NULL), *golden = json_load_file(golden_path, 0, NULL);
  assert_int_equal(json_array_size(json_object_get(found, "problems")), 12);
  json_object_del(found, "problems");
  assert_true(json_equal(found, golden));
  // The reference: median 23 px, 5th percentile 8 px, 95th percentile 106 px.
  assert_true(fabsf(fm_statistics_size_quantile(&statistics, 0.5) - 23) < 0.5f);
  assert_true(fabsf(fm_statistics_size_quantile(&statistics, 0.05) - 8) < 0.5f);
  assert_true(fabsf(fm_statistics_size_quantile(&statistics, 0.95) - 106) < 0.7f);
  json_decref(found);
  json_decref(golden);
  free(text);
  fm_statistics_release(&statistics);
  fm_dataset_free(dataset);
  free(path);
  free(golden_path);
}

static void pictures_without_faces_are_a_combination_of_no_classes(void **state) {
  (void)state;
  static const char empty[] =
      "<annotation><size><width>9</width><height>9</height></size></annotation>";
  static const char one[] =
      "<annotation><size><width>9</width><height>9</height></size><object><name>x</name><bndbox>"
      "<xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>";
  char *folder = support_folder_make();
  support_write_text(folder, "a.xml", empty);
  support_write_text(folder, "b.xml", one);
  support_write_text(folder, "c.xml", empty);
  fm_dataset *dataset;
  fm_statistics statistics;
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_OK);
  assert_int_equal(fm_statistics_make(&statistics, dataset), FM_OK);
  assert_int_equal(statistics.combination_count, 2);
  assert_int_equal(statistics.combinations[0].images, 2);
  assert_int_equal(statistics.combinations[0].has_label[0], 0);
  assert_int_equal(statistics.per_image_count, 2);
  assert_int_equal(statistics.per_image[0].faces, 0);
  assert_int_equal(statistics.per_image[0].images, 2);
  assert_int_equal(statistics.classes[0].images, 1);
  fm_statistics_release(&statistics);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_of_the_853_annotations_equal_the_notebooks),
      cmocka_unit_test(pictures_without_faces_are_a_combination_of_no_classes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
