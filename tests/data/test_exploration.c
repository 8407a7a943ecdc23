// Sizes, places and suspicious annotations, and explore_details.json.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/exploration.h"
#include "support.h"

#define OBJECT(name, x1, y1, x2, y2)                                                        \
  "<object><name>" name "</name><bndbox><xmin>" #x1 "</xmin><ymin>" #y1 "</ymin><xmax>" #x2 \
  "</xmax><ymax>" #y2 "</ymax></bndbox></object>"

static void write_annotation(const char *folder, const char *name, int width, int height,
                             const char *objects) {
  char text[4096];
  snprintf(text, sizeof text,
           "<annotation><size><width>%d</width><height>%d</height></size>%s</annotation>", width,
           height, objects);
  support_write_text(folder, name, text);
}

static void explore(fm_exploration *out, const char *folder) {
  fm_dataset *dataset;
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_OK);
  assert_int_equal(fm_exploration_make(out, dataset), FM_OK);
}

static void finish(fm_exploration *exploration, char *folder) {
  fm_dataset *dataset = (fm_dataset *)(uintptr_t)exploration->dataset;
  fm_exploration_release(exploration);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void each_kind_of_suspicious_annotation_is_found_and_no_other(void **state) {
  (void)state;
  static const struct {
    size_t sample, object;
    fm_suspect_kind kind;
    double value;
  } expected[] = {
      {0, 1, FM_SUSPECT_TINY, 3},       {0, 2, FM_SUSPECT_STRETCHED, 4},
      {0, 4, FM_SUSPECT_DOUBLED, 0.81}, {1, 0, FM_SUSPECT_HUGE, 0.95 * 0.9},
      {2, 0, FM_SUSPECT_TINY, 2},       {2, 0, FM_SUSPECT_STRETCHED, 5},
  };
  char *folder = support_folder_make();
  write_annotation(folder, "a.xml", 100, 100,
                   OBJECT("x", 0, 0, 4, 4) OBJECT("x", 10, 10, 13, 19) OBJECT("y", 20, 20, 60, 30)
                       OBJECT("x", 50, 50, 60, 60) OBJECT("y", 50, 50, 59, 59)
                           OBJECT("x", 70, 50, 100, 60));
  write_annotation(folder, "b.xml", 100, 100, OBJECT("x", 0, 0, 95, 90));
  write_annotation(folder, "c.xml", 100, 100,
                   OBJECT("x", 90, 0, 92, 10) OBJECT("x", 90, 50, 101, 60));
  fm_exploration found;
  explore(&found, folder);
  assert_int_equal(found.suspects.count, 6);
  assert_int_equal(found.suspects.clipped, 1);
  assert_int_equal(found.suspects.kinds[FM_SUSPECT_TINY], 2);
  for (size_t i = 0; i < 6; i++) {
    const fm_suspect *suspect = &found.suspects.items[i];
    assert_int_equal(suspect->sample, expected[i].sample);
    assert_int_equal(suspect->object, expected[i].object);
    assert_int_equal(suspect->kind, expected[i].kind);
    assert_true(fabs(suspect->value - expected[i].value) < 1e-6);
  }
  char text[512];
  fm_suspect_format(text, sizeof text, &found.suspects.items[2], found.dataset);
  assert_string_equal(text, "y (50, 50, 59, 59): overlaps x (50, 50, 60, 60) by 0.81");
  finish(&found, folder);
}

static void places_add_up_to_the_area_of_the_faces(void **state) {
  (void)state;
  char *folder = support_folder_make();
  // In fields of a 32nd: 8 x 16 fields from (8, 8), and half a field in the last corner.
  write_annotation(folder, "a.xml", 64, 320,
                   OBJECT("x", 16, 80, 32, 240) OBJECT("x", 63, 310, 64, 320));
  write_annotation(folder, "b.xml", 32, 32, OBJECT("x", 8, 8, 9, 10));
  fm_exploration found;
  explore(&found, folder);
  const double *places = found.shapes.places;
  double sum = 0;
  for (size_t i = 0; i < FM_SHAPES_FIELDS * FM_SHAPES_FIELDS; i++)
    sum += places[i];
  assert_true(fabs(sum - (8 * 16 + 0.5 + 2)) < 1e-9);
  assert_true(fabs(places[8 * 32 + 8] - 2) < 1e-9); // both pictures
  assert_true(fabs(places[9 * 32 + 8] - 2) < 1e-9);
  assert_true(fabs(places[10 * 32 + 8] - 1) < 1e-9);
  assert_true(places[7 * 32 + 8] == 0 && places[8 * 32 + 7] == 0 && places[8 * 32 + 16] == 0);
  assert_true(fabs(places[31 * 32 + 31] - 0.5) < 1e-9);
  finish(&found, folder);
}

static void sizes_shares_and_shapes_are_those_of_the_boxes(void **state) {
  (void)state;
  char *folder = support_folder_make();
  write_annotation(folder, "a.xml", 100, 400, OBJECT("x", 0, 0, 20, 80));
  write_annotation(folder, "b.xml", 200, 100, OBJECT("x", 0, 0, 30, 30) OBJECT("x", 5, 5, 25, 15));
  write_annotation(folder, "c.xml", 200, 100, "");
  fm_exploration found;
  explore(&found, folder);
  const fm_shapes *shapes = &found.shapes;
  assert_int_equal(shapes->faces, 3);
  assert_true(shapes->sizes[0] == 40 && shapes->shares[0] == 0.2 && shapes->aspects[0] == 4);
  assert_true(shapes->sizes[1] == 30 && shapes->aspects[1] == 1 && shapes->aspects[2] == 0.5);
  assert_int_equal(shapes->picture_count, 2);
  assert_int_equal(shapes->pictures[0].width, 200);
  assert_int_equal(shapes->pictures[0].images, 2);
  assert_int_equal(shapes->pictures[1].height, 400);
  double median, quartile;
  assert_int_equal(fm_shapes_quantile(&median, shapes->sizes, 3, 0.5), FM_OK);
  assert_int_equal(fm_shapes_quantile(&quartile, shapes->sizes, 3, 0.75), FM_OK);
  assert_true(median == 30 && quartile == 35);
  finish(&found, folder);
}

static void details_of_the_853_annotations_are_the_references(void **state) {
  (void)state;
  char *path = support_shared("kaggle-annotations-853");
  if (!path)
    skip();
  fm_dataset *dataset;
  fm_exploration found;
  char *text;
  assert_int_equal(fm_dataset_open(&dataset, path, NULL), FM_OK);
  assert_int_equal(fm_exploration_make(&found, dataset), FM_OK);
  assert_int_equal(found.suspects.clipped, 12);
  assert_int_equal(found.suspects.kinds[FM_SUSPECT_DOUBLED], 1);
  assert_int_equal(found.shapes.picture_count, 136);
  size_t small = 0;
  for (size_t i = 0; i < found.shapes.faces; i++)
    small += found.shapes.sizes[i] < 32;
  assert_int_equal(100 * small / found.shapes.faces, 68);
  assert_int_equal(fm_exploration_format(&text, &found), FM_OK);
  json_t *json = json_loads(text, 0, NULL);
  assert_non_null(json);
  assert_int_equal(json_array_size(json_object_get(json, "image_sizes")), 136);
  assert_int_equal(json_array_size(json_object_get(json, "suspicious")), found.suspects.count);
  assert_int_equal(json_array_size(json_object_get(json, "duplicates")), 0);
  const json_t *sizes = json_object_get(json, "face_size");
  assert_true(fabs(json_real_value(json_object_get(sizes, "median")) - 23) < 0.5);
  json_decref(json);
  free(text);
  fm_exploration_release(&found);
  fm_dataset_free(dataset);
  free(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_kind_of_suspicious_annotation_is_found_and_no_other),
      cmocka_unit_test(places_add_up_to_the_area_of_the_faces),
      cmocka_unit_test(sizes_shares_and_shapes_are_those_of_the_boxes),
      cmocka_unit_test(details_of_the_853_annotations_are_the_references),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
