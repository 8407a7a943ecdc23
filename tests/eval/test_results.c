// Results files, parts of a data set and the metrics document, over a small Pascal VOC data set.
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
#include <unistd.h>

#include "base/file.h"
#include "eval/analysis.h"
#include "eval/results.h"

static char folder[] = "/tmp/facemask-test-XXXXXX";
static fm_dataset *dataset;

static char *join(const char *name) {
  char *path = fm_path_join(folder, name);
  assert_non_null(path);
  return path;
}

static void put(const char *name, const char *text) {
  char *path = join(name);
  assert_int_equal(fm_file_write(path, text, strlen(text)), FM_OK);
  free(path);
}

static void put_annotation(const char *name, const char *class_name, int x) {
  char text[1024], file[64];
  snprintf(text, sizeof text,
           "<annotation><filename>%s.png</filename><size><width>200</width><height>100</height>"
           "<depth>3</depth></size><object><name>%s</name><bndbox><xmin>%d</xmin><ymin>10</ymin>"
           "<xmax>%d</xmax><ymax>50</ymax></bndbox></object></annotation>",
           name, class_name, x, x + 20);
  snprintf(file, sizeof file, "%s.xml", name);
  put(file, text);
}

static int open_data(void **state) {
  (void)state;
  if (!mkdtemp(folder))
    return 1;
  put_annotation("b", "with_mask", 10);
  put_annotation("a", "without_mask", 20);
  put_annotation("c", "mask_weared_incorrect", 30);
  put_annotation("d", "with_mask", 40);
  const fm_dataset_options options = {0};
  return fm_dataset_open(&dataset, folder, &options) == FM_OK ? 0 : 1;
}

static int close_data(void **state) {
  (void)state;
  fm_name_list names;
  fm_dataset_free(dataset);
  if (fm_folder_list(&names, folder) < 0)
    return 1;
  for (size_t i = 0; i < names.count; ++i) {
    char *path = join(names.names[i]);
    unlink(path);
    free(path);
  }
  fm_name_list_release(&names);
  return rmdir(folder);
}

static fm_eval_subset all(void) {
  fm_eval_subset subset;
  assert_int_equal(fm_eval_subset_make(&subset, dataset, NULL, FM_SUBSET_ALL, 0, NULL), FM_OK);
  return subset;
}

static void truth_is_corners_as_x_y_width_height(void **state) {
  (void)state;
  fm_eval_subset subset = all();
  fm_eval_boxes boxes = {0};
  assert_int_equal(fm_eval_subset_truths(&subset, &boxes), FM_OK);
  assert_int_equal(boxes.truth_count, 4);
  const fm_coco_truth *b = &boxes.truths[1];
  assert_int_equal(b->image, 1);
  assert_int_equal(b->category, 1); // with_mask has label 2
  assert_true(b->x == 10 && b->y == 10 && b->w == 20 && b->h == 40 && b->area == 800);
  fm_eval_boxes_release(&boxes);
  fm_eval_subset_release(&subset);
}

static void results_read_back_to_the_same_bits(void **state) {
  (void)state;
  fm_eval_subset subset = all();
  fm_eval_boxes written = {0}, read = {0};
  size_t outside;
  const fm_detection items[] = {{{0.1f, 1.0f / 3, 7.7f, 99.99f}, 3, 0.123456789f},
                                {{-5, 2, 8, 9}, 1, 1}};
  assert_int_equal(fm_eval_boxes_add_detections(&written, 2, items, 2), FM_OK);
  assert_int_equal(fm_eval_boxes_add_detections(&written, 0, items, 1), FM_OK);
  char *path = join("predictions.json");
  assert_int_equal(fm_results_write(&written, &subset, path), FM_OK);
  assert_int_equal(fm_results_read(&read, &subset, path, &outside), FM_OK);
  assert_int_equal(read.result_count, 3);
  for (size_t i = 0; i < 3; ++i) {
    const fm_coco_result *a = &written.results[i], *b = &read.results[i];
    assert_int_equal(a->image, b->image);
    assert_int_equal(a->category, b->category);
    assert_true(a->x == b->x && a->y == b->y && a->w == b->w && a->h == b->h);
    assert_true(a->score == b->score);
  }
  json_t *document = json_load_file(path, 0, NULL);
  const json_t *entry = json_array_get(document, 0);
  assert_int_equal(json_integer_value(json_object_get(entry, "image_id")), 2);
  assert_int_equal(json_integer_value(json_object_get(entry, "category_id")), 3);
  assert_non_null(json_object_get(entry, "file_name"));
  json_decref(document);
  free(path);
  fm_eval_boxes_release(&written);
  fm_eval_boxes_release(&read);
  fm_eval_subset_release(&subset);
}

static void a_part_leaves_out_detections_in_other_pictures_of_the_data(void **state) {
  (void)state;
  fm_eval_subset subset = all();
  const size_t pictures = subset.count;
  subset.count = 2; // a and b
  fm_eval_boxes boxes = {0};
  size_t outside;
  put("part.json", "[{\"file_name\":\"c.png\",\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":0.5},"
                   "{\"file_name\":\"b.png\",\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1}]");
  char *path = join("part.json");
  assert_int_equal(fm_results_read(&boxes, &subset, path, &outside), FM_OK);
  assert_int_equal(outside, 1);
  assert_int_equal(boxes.result_count, 1);
  assert_int_equal(boxes.results[0].image, 1);
  free(path);
  fm_eval_boxes_release(&boxes);
  subset.count = pictures;
  fm_eval_subset_release(&subset);
}

static void a_file_name_decides_before_the_image_id(void **state) {
  (void)state;
  fm_eval_subset subset = all();
  fm_eval_boxes boxes = {0};
  size_t outside;
  put("named.json", "[{\"image_id\":0,\"file_name\":\"images/c.png\",\"category_id\":1,"
                    "\"bbox\":[1,2,3,4],\"score\":0.5},"
                    "{\"image_id\":3,\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1}]");
  char *path = join("named.json");
  assert_int_equal(fm_results_read(&boxes, &subset, path, &outside), FM_OK);
  assert_int_equal(outside, 0);
  assert_int_equal(boxes.results[0].image, 2);
  assert_int_equal(boxes.results[1].image, 3);
  free(path);
  fm_eval_boxes_release(&boxes);
  fm_eval_subset_release(&subset);
}

static void entries_that_make_no_sense_are_named(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"{}", "not a list"},
      {"", "not a list"},
      {"[", "entry 0"},
      {"[{]", "entry 0"},
      {"[{\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1}", "neither , nor ]"},
      {"[{\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1},]", "entry 1"},
      {"[{\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1}] x", "1 bytes behind"},
      {"[] []", "2 bytes behind"},
      {"[1]", "entry 0: not a map"},
      {"[{\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1}]", "image_id"},
      {"[{\"image_id\":4,\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1}]",
       "image_id must be 0 to 3"},
      {"[{\"image_id\":-1,\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1}]", "image_id"},
      {"[{\"image_id\":1,\"file_name\":\"z.png\",\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":1}"
       "]",
       "z.png is not among the 4 pictures"},
      {"[{\"image_id\":1,\"category_id\":0,\"bbox\":[1,2,3,4],\"score\":1}]",
       "category_id must be 1 to 3"},
      {"[{\"image_id\":1,\"category_id\":4,\"bbox\":[1,2,3,4],\"score\":1}]", "category_id"},
      {"[{\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,3],\"score\":1}]", "bbox"},
      {"[{\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,3,\"4\"],\"score\":1}]", "bbox"},
      {"[{\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,3,4]}]", "score"},
      {"[{\"image_id\":1,\"category_id\":1,\"bbox\":[1,2,3,4],\"score\":\"x\"}]", "score"},
  };
  fm_eval_subset subset = all();
  char *path = join("bad.json");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    fm_eval_boxes boxes = {0};
    size_t outside;
    put("bad.json", cases[i][0]);
    assert_int_equal(fm_results_read(&boxes, &subset, path, &outside), FM_ERR_FORMAT);
    if (!strstr(fm_error_message(), cases[i][1]))
      fail_msg("\"%s\" is not in \"%s\"", cases[i][1], fm_error_message());
    fm_eval_boxes_release(&boxes);
  }
  free(path);
  fm_eval_subset_release(&subset);
}

static void a_subset_has_the_part_of_the_split_sorted(void **state) {
  (void)state;
  put("split.json", "{\"train\":[\"d\",\"b\",\"a\"],\"test\":[\"c\",\"gone\"],"
                    "\"folds\":[{\"valid\":[\"b\"]},{\"valid\":[\"d\",\"a\"]}]}");
  char *path = join("split.json");
  fm_split split;
  assert_int_equal(fm_split_read(&split, path), FM_OK);
  static const struct {
    fm_subset_part part;
    int fold;
    const char *names;
    size_t missing;
  } cases[] = {{FM_SUBSET_TRAIN, 0, "abd", 0},
               {FM_SUBSET_TRAIN, 2, "b", 0},
               {FM_SUBSET_TEST, 0, "c", 1},
               {FM_SUBSET_VALID, 2, "ad", 0},
               {FM_SUBSET_ALL, 0, "abcd", 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    fm_eval_subset subset;
    size_t missing;
    assert_int_equal(
        fm_eval_subset_make(&subset, dataset, &split, cases[i].part, cases[i].fold, &missing),
        FM_OK);
    assert_int_equal(missing, cases[i].missing);
    assert_int_equal(subset.count, strlen(cases[i].names));
    for (size_t k = 0; k < subset.count; ++k)
      assert_int_equal(fm_dataset_sample(dataset, subset.samples[k])->name[0], cases[i].names[k]);
    fm_eval_subset_release(&subset);
  }
  fm_eval_subset subset;
  assert_int_equal(fm_eval_subset_make(&subset, dataset, &split, FM_SUBSET_VALID, 3, NULL),
                   FM_ERR_ARGUMENT);
  assert_int_equal(fm_eval_subset_make(&subset, dataset, &split, FM_SUBSET_VALID, 0, NULL),
                   FM_ERR_ARGUMENT);
  fm_split_release(&split);
  free(path);
}

static void metrics_have_the_keys_of_the_command_line(void **state) {
  (void)state;
  fm_eval_subset subset = all();
  fm_eval_boxes boxes = {0};
  assert_int_equal(fm_eval_subset_truths(&subset, &boxes), FM_OK);
  const fm_detection item = {{20, 10, 40, 50}, 1, 0.9f}; // the face of a
  assert_int_equal(fm_eval_boxes_add_detections(&boxes, 0, &item, 1), FM_OK);
  fm_analysis analysis;
  const fm_analysis_options options = {
      .subset = &subset, .boxes = &boxes, .images = subset.count, .notebook = true};
  assert_int_equal(fm_analysis_make(&analysis, &options), FM_OK);
  char *text;
  assert_int_equal(fm_analysis_format(&text, &analysis, NULL), FM_OK);
  json_t *document = json_loads(text, 0, NULL);
  double mAP, mAP50, mAP75, small, medium, large, AR1, AR10, AR100, iou, at_iou, AP, AP50;
  const char *name;
  int faces, images;
  const int unpacked = json_unpack(
      document,
      "{s:F, s:F, s:F, s:F, s:F, s:F, s:F, s:F, s:F, s:[{s:F, s:F}], s:[{s:s, s:i, s:F, "
      "s:F}], s:i}",
      "mAP", &mAP, "mAP50", &mAP50, "mAP75", &mAP75, "mAP_small", &small, "mAP_medium", &medium,
      "mAP_large", &large, "AR1", &AR1, "AR10", &AR10, "AR100", &AR100, "per_iou", "iou", &iou,
      "mAP", &at_iou, "per_class", "name", &name, "faces", &faces, "AP", &AP, "AP50", &AP50,
      "images", &images);
  assert_int_equal(unpacked, 0);
  assert_true(fabs(mAP - 1.0 / 3) < 1e-12 && fabs(AP - 1) < 1e-12 && fabs(AP50 - 1) < 1e-12);
  assert_true(iou == 0.5);
  assert_true(medium == -1 && large == -1 && small == mAP);
  assert_string_equal(name, "without_mask");
  assert_int_equal(faces, 1);
  assert_int_equal(images, 4);
  assert_int_equal(json_array_size(json_object_get(document, "per_iou")), 10);
  assert_int_equal(json_array_size(json_object_get(document, "per_class")), 3);
  const json_t *notebook = json_object_get(document, "notebook");
  assert_true(json_number_value(json_object_get(notebook, "mAP")) > 0.99); // one found, and right
  assert_int_equal(json_array_size(json_object_get(notebook, "per_iou")), 10);
  assert_null(json_object_get(document, "folds"));
  json_t *counts = json_object_get(json_object_get(document, "confusion"), "counts");
  assert_int_equal(json_array_size(counts), 4);
  assert_int_equal(json_integer_value(json_array_get(json_array_get(counts, 0), 0)), 1);
  json_decref(document);
  free(text);
  fm_analysis_release(&analysis);
  fm_eval_boxes_release(&boxes);
  fm_eval_subset_release(&subset);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(truth_is_corners_as_x_y_width_height),
      cmocka_unit_test(results_read_back_to_the_same_bits),
      cmocka_unit_test(a_part_leaves_out_detections_in_other_pictures_of_the_data),
      cmocka_unit_test(a_file_name_decides_before_the_image_id),
      cmocka_unit_test(entries_that_make_no_sense_are_named),
      cmocka_unit_test(a_subset_has_the_part_of_the_split_sorted),
      cmocka_unit_test(metrics_have_the_keys_of_the_command_line),
  };
  return cmocka_run_group_tests(tests, open_data, close_data);
}
