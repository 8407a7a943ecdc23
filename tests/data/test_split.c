// Splits against the notebook's (golden files), and the split file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/split.h"
#include "data/split_table.h"
#include "support.h"

static const fm_split_options notebook = {.test_fraction = 0.1, .folds = 5, .seed = 42};

// NULL when the shared data is not there.
static fm_dataset *open_853(void) {
  char *path = support_shared("kaggle-annotations-853");
  fm_dataset *dataset = NULL;
  if (path)
    assert_int_equal(fm_dataset_open(&dataset, path, NULL), FM_OK);
  free(path);
  return dataset;
}

static void assert_equal_list(const fm_split_list *list, const json_t *names) {
  assert_int_equal(list->count, json_array_size(names));
  for (size_t i = 0; i < list->count; i++)
    assert_string_equal(list->names[i], json_string_value(json_array_get(names, i)));
}

static void assert_equal_golden(const fm_split *split, const char *name, int whole) {
  char *path = support_shared(name);
  assert_non_null(path);
  json_t *golden = json_load_file(path, 0, NULL);
  assert_non_null(golden);
  if (whole) {
    assert_equal_list(&split->train, json_object_get(golden, "train"));
    assert_equal_list(&split->test, json_object_get(golden, "test"));
  }
  const json_t *folds = json_object_get(golden, "valid_folds");
  assert_int_equal(split->fold_count, json_array_size(folds));
  for (size_t i = 0; i < split->fold_count; i++)
    assert_equal_list(&split->folds[i], json_array_get(folds, i));
  json_decref(golden);
  free(path);
}

static void the_shuffled_split_is_the_notebooks_to_the_last_name(void **state) {
  (void)state;
  fm_dataset *dataset = open_853();
  if (!dataset)
    skip();
  fm_split split;
  assert_int_equal(fm_split_make(&split, dataset, &notebook), FM_OK);
  assert_equal_golden(&split, "../golden/notebook_split.json", 1);
  fm_split_release(&split);
  fm_dataset_free(dataset);
}

static void the_unshuffled_folds_and_their_table_are_the_notebooks(void **state) {
  (void)state;
  static const size_t faces[5][3] = {
      {567, 2348, 92}, {510, 2255, 90}, {483, 2383, 87}, {551, 2369, 89}, {557, 2205, 90}};
  static const size_t valid[5] = {151, 154, 152, 155, 155};
  fm_dataset *dataset = open_853();
  if (!dataset)
    skip();
  fm_split_options options = notebook;
  options.no_shuffle = true;
  fm_split split;
  assert_int_equal(fm_split_make(&split, dataset, &options), FM_OK);
  assert_equal_golden(&split, "../golden/notebook_explore_folds.json", 0);
  for (size_t i = 0; i < 5; i++) {
    size_t counts[3];
    fm_split_count_faces(&split, dataset, i, counts);
    assert_memory_equal(counts, faces[i], sizeof counts);
    assert_int_equal(split.folds[i].count, valid[i]);
  }
  fm_split_release(&split);
  fm_dataset_free(dataset);
}

static void the_golden_layout_can_be_read_as_a_split(void **state) {
  (void)state;
  char *path = support_shared("../golden/notebook_split.json");
  if (!path)
    skip();
  fm_split split;
  assert_int_equal(fm_split_read(&split, path), FM_OK);
  assert_equal_golden(&split, "../golden/notebook_split.json", 1);
  assert_int_equal(split.seed, 42);
  fm_split_release(&split);
  free(path);
}

// A data set of `count` annotations a00.xml ...: picture i has a face of class i % 3 unless i % 4
// is 3.
static fm_dataset *small_dataset(const char *folder, int count) {
  for (int i = 0; i < count; i++) {
    char name[32], text[512];
    snprintf(name, sizeof name, "a%02d.xml", i);
    snprintf(text, sizeof text,
             "<annotation><size><width>40</width><height>30</height></size>%s%c%s</annotation>",
             i % 4 == 3 ? "<!--" : "<object><name>", 'a' + i % 3,
             i % 4 == 3 ? "-->"
                        : "</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax>"
                          "</bndbox></object>");
    support_write_text(folder, name, text);
  }
  fm_dataset *dataset;
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_OK);
  return dataset;
}

static void a_written_split_reads_back_equal(void **state) {
  (void)state;
  char *folder = support_folder_make();
  fm_dataset *dataset = small_dataset(folder, 23);
  fm_split split, again;
  fm_split_options options = {.test_fraction = 0.3, .folds = 4, .seed = 9};
  assert_int_equal(fm_split_make(&split, dataset, &options), FM_OK);
  char *path = fm_path_join(folder, "split.json");
  assert_int_equal(fm_split_write(&split, dataset, path), FM_OK);
  assert_int_equal(fm_split_read(&again, path), FM_OK);
  assert_int_equal(again.seed, 9);
  assert_int_equal(again.train.count, 16);
  assert_int_equal(again.test.count, 7);
  assert_int_equal(again.fold_count, 4);
  for (size_t i = 0; i < 16; i++)
    assert_string_equal(again.train.names[i], split.train.names[i]);
  for (size_t i = 0; i < 4; i++)
    for (size_t j = 0; j < split.folds[i].count; j++)
      assert_string_equal(again.folds[i].names[j], split.folds[i].names[j]);
  fm_split_release(&split);
  fm_split_release(&again);
  fm_dataset_free(dataset);
  free(path);
  support_folder_remove(folder);
}

static void without_a_test_part_train_is_everything_in_sorted_order(void **state) {
  (void)state;
  char *folder = support_folder_make();
  fm_dataset *dataset = small_dataset(folder, 12);
  fm_split split;
  fm_split_options options = {.test_fraction = 0, .folds = 2, .seed = 1};
  assert_int_equal(fm_split_make(&split, dataset, &options), FM_OK);
  assert_int_equal(split.test.count, 0);
  for (size_t i = 0; i < 12; i++)
    assert_string_equal(split.train.names[i], fm_dataset_sample(dataset, i)->name);
  fm_split_release(&split);
  options.folds = 13;
  assert_int_equal(fm_split_make(&split, dataset, &options), FM_ERR_ARGUMENT);
  options.folds = 1;
  assert_int_equal(fm_split_make(&split, dataset, &options), FM_ERR_ARGUMENT);
  options = (fm_split_options){.test_fraction = 0.99, .folds = 2};
  assert_int_equal(fm_split_make(&split, dataset, &options), FM_ERR_ARGUMENT);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

// Where a name stands: -1 in test, else its fold.
static int side_of(const fm_split *split, const char *name) {
  for (size_t i = 0; i < split->test.count; i++)
    if (strcmp(split->test.names[i], name) == 0)
      return -1;
  for (size_t fold = 0; fold < split->fold_count; fold++)
    for (size_t i = 0; i < split->folds[fold].count; i++)
      if (strcmp(split->folds[fold].names[i], name) == 0)
        return (int)fold;
  fail_msg("%s is nowhere", name);
  return -2;
}

static void groups_stay_on_one_side_and_nothing_is_lost(void **state) {
  (void)state;
  enum { COUNT = 60 };
  size_t group[COUNT];
  for (size_t i = 0; i < COUNT; i++)
    group[i] = i;
  group[40] = group[7] = 3; // a group of three,
  group[59] = 10;           // some pairs
  group[33] = 32;
  char *folder = support_folder_make();
  fm_dataset *dataset = small_dataset(folder, COUNT);
  for (uint32_t seed = 0; seed < 20; seed++) {
    fm_split split;
    const fm_split_options options = {
        .test_fraction = 0.2, .folds = 4, .seed = seed, .group = group};
    assert_int_equal(fm_split_make(&split, dataset, &options), FM_OK);
    assert_int_equal(split.train.count + split.test.count, COUNT);
    size_t folds = 0;
    for (size_t fold = 0; fold < split.fold_count; fold++)
      folds += split.folds[fold].count;
    assert_int_equal(folds, split.train.count);
    for (size_t i = 0; i < COUNT; i++)
      assert_int_equal(side_of(&split, fm_dataset_sample(dataset, i)->name),
                       side_of(&split, fm_dataset_sample(dataset, group[i])->name));
    fm_split_release(&split);
  }
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void groups_of_one_change_nothing(void **state) {
  (void)state;
  enum { COUNT = 30 };
  size_t group[COUNT];
  for (size_t i = 0; i < COUNT; i++)
    group[i] = i;
  char *folder = support_folder_make(), *texts[2];
  fm_dataset *dataset = small_dataset(folder, COUNT);
  for (size_t grouped = 0; grouped < 2; grouped++) {
    fm_split split;
    const fm_split_options options = {
        .test_fraction = 0.1, .folds = 3, .seed = 42, .group = grouped ? group : NULL};
    assert_int_equal(fm_split_make(&split, dataset, &options), FM_OK);
    assert_int_equal(fm_split_format(&texts[grouped], &split, dataset), FM_OK);
    fm_split_release(&split);
  }
  assert_string_equal(texts[0], texts[1]);
  free(texts[0]);
  free(texts[1]);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void assert_equal_tables(const fm_split_table *a, const fm_split_table *b) {
  assert_int_equal(a->fold_count, b->fold_count);
  assert_int_equal(a->class_count, b->class_count);
  assert_int_equal(a->train_images, b->train_images);
  assert_int_equal(a->test_images, b->test_images);
  for (size_t i = 0; i < a->class_count; i++) {
    assert_string_equal(a->classes[i], b->classes[i]);
    assert_int_equal(a->faces[i], b->faces[i]);
  }
  for (size_t fold = 0; fold < a->fold_count; fold++) {
    assert_int_equal(a->images[fold], b->images[fold]);
    for (size_t i = 0; i < a->class_count; i++)
      assert_int_equal(fm_split_table_valid(a, fold, i), fm_split_table_valid(b, fold, i));
  }
}

static void the_table_reads_back_from_the_file_and_its_shares_add_up(void **state) {
  (void)state;
  char *folder = support_folder_make(), *path = fm_path_join(folder, "split.json");
  fm_dataset *dataset = small_dataset(folder, 41);
  fm_split split;
  fm_split_table table, again;
  const fm_split_options options = {.test_fraction = 0.2, .folds = 5, .seed = 4};
  assert_int_equal(fm_split_make(&split, dataset, &options), FM_OK);
  assert_int_equal(fm_split_write(&split, dataset, path), FM_OK);
  assert_int_equal(fm_split_table_make(&table, &split, dataset), FM_OK);
  assert_int_equal(fm_split_table_read(&again, path), FM_OK);
  assert_equal_tables(&table, &again);
  for (size_t i = 0; i < table.class_count; i++) {
    double sum = 0;
    size_t valid = 0, counts[3];
    for (size_t fold = 0; fold < table.fold_count; fold++) {
      fm_split_count_faces(&split, dataset, fold, counts);
      assert_int_equal(table.train[fold * table.class_count + i], counts[i]);
      sum += fm_split_table_deviation(&table, fold, i);
      valid += fm_split_table_valid(&table, fold, i);
    }
    assert_true(fabs(sum) < 1e-12);
    assert_int_equal(valid, table.faces[i]);
  }
  fm_split_table_release(&table);
  fm_split_table_release(&again);
  fm_split_release(&split);
  fm_dataset_free(dataset);
  free(path);
  support_folder_remove(folder);
}

static void tables_that_cannot_be_are_refused_and_none_is_none(void **state) {
  (void)state;
  static const struct {
    const char *text;
    fm_status status;
  } cases[] = {
      {"{}", FM_END},
      {"{\"train\": [], \"folds\": []}", FM_END},
      {"[", FM_ERR_FORMAT},
      {"{\"table\": [{\"faces\": {\"a\": 1}}, {\"faces\": {\"b\": 1}}]}", FM_ERR_FORMAT},
      {"{\"table\": [{\"faces\": {\"a\": 1}}, {\"faces\": {\"a\": -1}}]}", FM_ERR_FORMAT},
      {"{\"table\": [{\"faces\": {\"a\": 1}}, {\"faces\": {\"a\": 1}}, {\"faces\": {\"a\": 1}}]}",
       FM_ERR_FORMAT},
      {"{\"table\": [{\"faces\": {\"a\": 9}}, {\"faces\": {\"a\": 0}}, {\"faces\": {\"a\": 1}}]}",
       FM_ERR_FORMAT},
  };
  char *folder = support_folder_make(), *path = fm_path_join(folder, "split.json");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fm_split_table table;
    support_write_text(folder, "split.json", cases[i].text);
    assert_int_equal(fm_split_table_read(&table, path), cases[i].status);
  }
  free(path);
  support_folder_remove(folder);
}

static void broken_split_files_are_refused(void **state) {
  (void)state;
  static const char *const texts[] = {
      "",
      "[]",
      "{\"train\": [\"a\"]}",
      "{\"train\": [1], \"folds\": []}",
      "{\"train\": [\"a\", \"a\"], \"folds\": []}",
      "{\"train\": [\"a\"], \"folds\": [{\"valid\": [\"b\"]}]}",
      "{\"train\": [\"a\"], \"folds\": [[\"a\"]]}",
      "{\"train\": [\"a\"], \"valid_folds\": [{\"valid\": [\"a\"]}]}",
      "{\"train\": [\"a\"], \"valid_folds\": \"a\"}",
  };
  char *folder = support_folder_make();
  char *path = fm_path_join(folder, "split.json");
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    fm_split split;
    support_write_text(folder, "split.json", texts[i]);
    assert_int_equal(fm_split_read(&split, path), FM_ERR_FORMAT);
  }
  free(path);
  support_folder_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_shuffled_split_is_the_notebooks_to_the_last_name),
      cmocka_unit_test(the_unshuffled_folds_and_their_table_are_the_notebooks),
      cmocka_unit_test(the_golden_layout_can_be_read_as_a_split),
      cmocka_unit_test(a_written_split_reads_back_equal),
      cmocka_unit_test(without_a_test_part_train_is_everything_in_sorted_order),
      cmocka_unit_test(groups_stay_on_one_side_and_nothing_is_lost),
      cmocka_unit_test(groups_of_one_change_nothing),
      cmocka_unit_test(the_table_reads_back_from_the_file_and_its_shares_add_up),
      cmocka_unit_test(tables_that_cannot_be_are_refused_and_none_is_none),
      cmocka_unit_test(broken_split_files_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
