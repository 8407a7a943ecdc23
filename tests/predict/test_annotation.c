// Detections as annotation files: numbers, names that need quoting, and reading VOC back.
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
#include "data/dataset.h"
#include "predict/annotation.h"

static char folder[] = "/tmp/facemask-test-XXXXXX";
static char *names[] = {"with_mask", "it's <odd> & so"};
static fm_classes classes = {names, 2};
static fm_detection faces[] = {{{10.25f, 20, 30.5f, 60}, 1, 0.875f},
                               {{-3, 79.9f, 99, 85}, 2, 0.1f}};
static fm_found_picture pictures[] = {
    {"some/a&b.png", "a&b", 100, 80, {faces, 2}, 0.25},
    {"empty.jpg", "empty", 50, 40, {NULL, 0}, 0.5},
};
static const fm_found_list found = {.classes = &classes, .items = pictures, .count = 2};

static json_t *document(const fm_annotation_format *format) {
  char *text;
  assert_int_equal(format->format(&text, &found), FM_OK);
  assert_int_equal(text[strlen(text) - 1], '\n');
  json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
  free(text);
  assert_non_null(json);
  return json;
}

static char *read_file(const char *name) {
  char *path = fm_path_join(folder, name);
  fm_bytes bytes;
  assert_int_equal(fm_file_read(&bytes, path, 1 << 20), FM_OK);
  free(path);
  return (char *)bytes.data;
}

static void assert_near(double value, double expected) {
  if (!(fabs(value - expected) < 1e-6))
    fail_msg("%.9g is not %.9g", value, expected);
}

static void json_has_the_keys_of_the_command_line(void **state) {
  (void)state;
  json_t *json = document(&fm_annotation_json);
  assert_int_equal(json_array_size(json), 2);
  const char *image, *name;
  int width, height, label;
  double seconds, score, box[4];
  assert_int_equal(json_unpack(json_array_get(json, 0),
                               "{s:s, s:i, s:i, s:F, s:[{s:s, s:i, s:F, s:[F,F,F,F]}, o!]}",
                               "image", &image, "width", &width, "height", &height, "seconds",
                               &seconds, "detections", "class", &name, "label", &label, "score",
                               &score, "box", &box[0], &box[1], &box[2], &box[3],
                               &(json_t *){NULL}),
                   0);
  assert_string_equal(image, "some/a&b.png");
  assert_string_equal(name, "with_mask");
  assert_int_equal(label, 1);
  assert_true(score == 0.875 && box[0] == 10.25 && box[3] == 60 && seconds == 0.25);
  assert_int_equal(json_array_size(json_object_get(json_array_get(json, 1), "detections")), 0);
  json_decref(json);
}

static void a_score_reads_back_to_the_same_float(void **state) {
  (void)state;
  json_t *json = document(&fm_annotation_json);
  const json_t *weak = json_array_get(json_object_get(json_array_get(json, 0), "detections"), 1);
  assert_true((float)json_real_value(json_object_get(weak, "score")) == 0.1f);
  json_decref(json);
}

static void coco_has_images_annotations_and_categories(void **state) {
  (void)state;
  json_t *json = document(&fm_annotation_coco);
  const json_t *annotation = json_array_get(json_object_get(json, "annotations"), 0);
  int id, image, category, crowd;
  double box[4], area;
  assert_int_equal(json_unpack((json_t *)(uintptr_t)annotation,
                               "{s:i, s:i, s:i, s:[F,F,F,F], s:F, s:i}", "id", &id, "image_id",
                               &image, "category_id", &category, "bbox", &box[0], &box[1], &box[2],
                               &box[3], "area", &area, "iscrowd", &crowd),
                   0);
  assert_true(id == 1 && image == 0 && category == 1 && crowd == 0);
  assert_near(box[2], 20.25);
  assert_near(box[3], 40);
  assert_near(area, 810);
  assert_int_equal(json_array_size(json_object_get(json, "images")), 2);
  const json_t *second = json_array_get(json_object_get(json, "categories"), 1);
  assert_string_equal(json_string_value(json_object_get(second, "name")), names[1]);
  assert_int_equal(json_integer_value(json_object_get(second, "id")), 2);
  json_decref(json);
}

static void label_studio_has_percent_of_the_picture(void **state) {
  (void)state;
  json_t *json = document(&fm_annotation_labelstudio);
  double x, y, width, height;
  const char *image, *name;
  assert_int_equal(json_unpack(json_array_get(json, 0),
                               "{s:{s:s}, s:[{s:[{s:{s:F, s:F, s:F, s:F, s:[s]}}, o!]}]}", "data",
                               "image", &image, "predictions", "result", "value", "x", &x, "y", &y,
                               "width", &width, "height", &height, "rectanglelabels", &name,
                               &(json_t *){NULL}),
                   0);
  assert_near(x, 10.25);
  assert_near(y, 25);
  assert_near(width, 20.25);
  assert_near(height, 50);
  assert_string_equal(name, "with_mask");
  json_decref(json);
}

static void voc_reads_back_as_a_data_set(void **state) {
  (void)state;
  assert_int_equal(fm_annotation_voc.write(&found, folder), FM_OK);
  char *path = fm_path_join(folder, "annotations");
  fm_dataset *dataset;
  const fm_dataset_options options = {0};
  assert_int_equal(fm_dataset_open(&dataset, path, &options), FM_OK);
  assert_int_equal(fm_dataset_count(dataset), 2);
  const fm_sample *sample = fm_dataset_sample(dataset, 0);
  assert_string_equal(sample->name, "a&b");
  assert_int_equal(sample->width, 100);
  assert_int_equal(sample->object_count, 2);
  const fm_object *first = &sample->objects[0], *second = &sample->objects[1];
  assert_string_equal(fm_dataset_class_name(dataset, second->label), names[1]);
  assert_true(first->box.x1 == 10 && first->box.x2 == 31 && first->box.y2 == 60);
  assert_true(second->box.x1 == 0 && second->box.x2 == 99); // inside the picture
  assert_true(second->box.y1 == 79 && second->box.y2 == 80);
  fm_dataset_free(dataset);
  free(path);
}

static void voc_can_be_read_whatever_a_picture_is_called(void **state) {
  (void)state;
  static fm_found_picture picture = {"bell\x07.png", "bell\x07", 100, 80, {faces, 2}, 0.25};
  const fm_found_list one = {.classes = &classes, .items = &picture, .count = 1};
  char *sub = fm_path_join(folder, "bell");
  assert_int_equal(fm_folder_make(sub), FM_OK);
  assert_int_equal(fm_annotation_voc.write(&one, sub), FM_OK);
  fm_dataset *dataset;
  assert_int_equal(fm_dataset_open(&dataset, sub, NULL), FM_OK);
  assert_int_equal(fm_dataset_count(dataset), 1);
  assert_int_equal(fm_dataset_sample(dataset, 0)->object_count, 2);
  fm_dataset_free(dataset);
  free(sub);
}

static void yolo_has_shares_of_the_picture_and_quoted_names(void **state) {
  (void)state;
  assert_int_equal(fm_annotation_yolo.write(&found, folder), FM_OK);
  char *text = read_file("labels/a&b.txt");
  int label;
  double x, y, width, height;
  assert_int_equal(sscanf(text, "%d %lf %lf %lf %lf", &label, &x, &y, &width, &height), 5);
  assert_int_equal(label, 0);
  assert_near(x, 0.20375);
  assert_near(y, 0.5);
  assert_near(width, 0.2025);
  assert_near(height, 0.5);
  free(text);
  text = read_file("labels/empty.txt");
  assert_string_equal(text, "");
  free(text);
  text = read_file("data.yaml");
  assert_non_null(strstr(text, "  0: 'with_mask'\n  1: 'it''s <odd> & so'\n"));
  free(text);
}

static void an_unknown_format_is_answered_with_the_nearest(void **state) {
  (void)state;
  const fm_annotation_format *format;
  assert_int_equal(fm_annotation_find(&format, "voc"), FM_OK);
  assert_ptr_equal(format, &fm_annotation_voc);
  assert_int_equal(fm_annotation_find(&format, "jsom"), FM_ERR_ARGUMENT);
  assert_non_null(strstr(fm_error_message(), "json"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(json_has_the_keys_of_the_command_line),
      cmocka_unit_test(a_score_reads_back_to_the_same_float),
      cmocka_unit_test(coco_has_images_annotations_and_categories),
      cmocka_unit_test(label_studio_has_percent_of_the_picture),
      cmocka_unit_test(voc_reads_back_as_a_data_set),
      cmocka_unit_test(voc_can_be_read_whatever_a_picture_is_called),
      cmocka_unit_test(yolo_has_shares_of_the_picture_and_quoted_names),
      cmocka_unit_test(an_unknown_format_is_answered_with_the_nearest),
  };
  if (!mkdtemp(folder))
    return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  static const char *const made[] = {"bell/annotations/bell\x07.xml",
                                     "bell/annotations",
                                     "bell",
                                     "annotations/a&b.xml",
                                     "annotations/empty.xml",
                                     "annotations",
                                     "labels/a&b.txt",
                                     "labels/empty.txt",
                                     "labels",
                                     "data.yaml",
                                     ""};
  for (size_t i = 0; i < sizeof made / sizeof *made; ++i) {
    char *path = fm_path_join(folder, made[i]);
    remove(path);
    free(path);
  }
  return failed;
}
