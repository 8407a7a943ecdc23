// The charts of an evaluation against the measures they show, and the pictures as files.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../data/support.h"
#include "base/file.h"
#include "report/chart_list.h"
#include "report/evaluation.h"

enum { IMAGES = 6, CLASSES_MAX = 25 };

// Pictures of 64 x 48 pixels with a face a class, side by side.
typedef struct fixture {
  char *folder;
  fm_dataset *dataset;
  fm_eval_subset subset;
  fm_eval_boxes boxes;
  fm_analysis analysis;
  int classes;
} fixture;

static void write_sample(const char *folder, int image, int classes) {
  char name[64], text[16384];
  fm_image picture;
  assert_int_equal(fm_image_new(&picture, 64, 48), FM_OK);
  memset(picture.pixels, 90, 64 * 48 * 3);
  snprintf(name, sizeof name, "images/p%d.png", image);
  char *path = fm_path_join(folder, name);
  support_write_text(folder, name, "");
  assert_int_equal(fm_image_write_png(&picture, path), FM_OK);
  free(path);
  fm_image_release(&picture);
  int used = snprintf(text, sizeof text, "<annotation><filename>p%d.png</filename>", image);
  for (int k = 0; k < classes; ++k)
    for (int copy = 0; copy <= (k == 7); ++copy) // class 7 has twice as many faces
      used += snprintf(text + used, sizeof text - (size_t)used,
                       "<object><name>class_%02d</name><bndbox><xmin>%d</xmin><ymin>%d</ymin>"
                       "<xmax>%d</xmax><ymax>%d</ymax></bndbox></object>",
                       k, 2 * k, 20 * copy, 2 * k + 10, 20 * copy + 10);
  snprintf(text + used, sizeof text - (size_t)used, "</annotation>");
  snprintf(name, sizeof name, "annotations/p%d.xml", image);
  support_write_text(folder, name, text);
}

// Every picture's faces are found but for those of the first `missed` pictures.
static void open_fixture(fixture *self, int classes, int missed) {
  *self = (fixture){.folder = support_folder_make(), .classes = classes};
  for (int i = 0; i < IMAGES; ++i)
    write_sample(self->folder, i, classes);
  const fm_dataset_options data = {0};
  assert_int_equal(fm_dataset_open(&self->dataset, self->folder, &data), FM_OK);
  assert_int_equal(fm_eval_subset_make(&self->subset, self->dataset, NULL, FM_SUBSET_ALL, 0, NULL),
                   FM_OK);
  for (size_t i = 0; i < IMAGES; ++i) {
    const fm_sample *sample = fm_dataset_sample(self->dataset, i);
    assert_int_equal(fm_eval_boxes_add_sample(&self->boxes, (int64_t)i, sample), FM_OK);
    for (size_t k = 0; (int)i >= missed && k < sample->object_count; ++k) {
      const fm_detection found = {sample->objects[k].box, sample->objects[k].label,
                                  0.5f + 0.05f * (float)i};
      assert_int_equal(fm_eval_boxes_add_detections(&self->boxes, (int64_t)i, &found, 1), FM_OK);
    }
  }
  const fm_analysis_options options = {
      .subset = &self->subset, .boxes = &self->boxes, .images = IMAGES, .notebook = true};
  assert_int_equal(fm_analysis_make(&self->analysis, &options), FM_OK);
}

static void close_fixture(fixture *self) {
  fm_analysis_release(&self->analysis);
  fm_eval_boxes_release(&self->boxes);
  fm_eval_subset_release(&self->subset);
  fm_dataset_free(self->dataset);
  support_folder_remove(self->folder);
}

// What the shower has seen.
typedef struct seen {
  const fm_analysis *analysis;
  char names[64][80];
  size_t count, lines_of_first_precision;
  double matrix_sum, first_recall_end, mAP_line;
} seen;

static fm_status look(void *user, const fm_chart *chart) {
  seen *self = user;
  snprintf(self->names[self->count++], 80, "%s", chart->name);
  if (strcmp(chart->name, "confusion") == 0)
    for (size_t i = 0; i < chart->matrix.rows * chart->matrix.columns; ++i)
      self->matrix_sum += isfinite(chart->matrix.values[i]) ? chart->matrix.values[i] : 0;
  if (strcmp(chart->name, "map_iou") == 0)
    self->mAP_line = chart->series[0].y[0];
  if (strcmp(chart->name, "precision_recall") == 0) {
    self->lines_of_first_precision = chart->series_count;
    for (size_t r = 0; r < chart->series[0].count; ++r)
      if (chart->series[0].y[r] > 0)
        self->first_recall_end = chart->series[0].x[r];
  }
  return FM_OK;
}

static bool has(const seen *self, const char *name) {
  for (size_t i = 0; i < self->count; ++i)
    if (strcmp(self->names[i], name) == 0)
      return true;
  return false;
}

static void the_charts_show_what_was_measured(void **state) {
  (void)state;
  fixture self;
  open_fixture(&self, 3, 2);
  seen charts = {.analysis = &self.analysis};
  assert_int_equal(fm_evaluation_charts(&self.analysis, look, &charts), FM_OK);
  static const char *const names[] = {"map_iou",
                                      "precision_recall",
                                      "precision_recall_01_class_00",
                                      "precision_recall_03_class_02",
                                      "f1_confidence",
                                      "precision_confidence",
                                      "recall_confidence",
                                      "confusion",
                                      "confusion_normalised"};
  for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
    if (!has(&charts, names[i]))
      fail_msg("%s is missing", names[i]);
  assert_int_equal(charts.count, 6 + 1 + 3);
  assert_true(charts.matrix_sum == (double)self.boxes.truth_count);
  assert_true(charts.mAP_line == self.analysis.coco.mAP50);
  // Four of six pictures: recall 2/3, so the curve ends at 0.66.
  assert_true(fabs(charts.first_recall_end - 0.66) < 1e-9);
  close_fixture(&self);
}

static void of_many_classes_those_with_most_faces_are_drawn(void **state) {
  (void)state;
  fixture self;
  open_fixture(&self, CLASSES_MAX, 0);
  seen charts = {.analysis = &self.analysis};
  assert_int_equal(fm_evaluation_charts(&self.analysis, look, &charts), FM_OK);
  assert_int_equal(charts.lines_of_first_precision, FM_EVALUATION_CLASSES);
  assert_true(has(&charts, "precision_recall_08_class_07"));
  assert_true(has(&charts, "precision_recall_20_class_19"));
  assert_false(has(&charts, "precision_recall_21_class_20"));
  close_fixture(&self);
}

// What is said where nothing was found, by chart.
typedef struct words {
  char notes[2][128], last_line[128];
} words;

static fm_status look_at_words(void *user, const fm_chart *chart) {
  words *self = user;
  if (strcmp(chart->name, "precision_recall") == 0)
    snprintf(self->notes[0], sizeof self->notes[0], "%s", chart->note);
  if (strcmp(chart->name, "recall_confidence") == 0)
    snprintf(self->notes[1], sizeof self->notes[1], "%s", chart->note ? chart->note : "");
  if (strcmp(chart->name, "map_iou") == 0)
    snprintf(self->last_line, sizeof self->last_line, "%s",
             chart->series[chart->series_count - 1].name);
  return FM_OK;
}

static void where_nothing_was_found_the_charts_say_so(void **state) {
  (void)state;
  fixture self;
  open_fixture(&self, 2, IMAGES);
  words found = {0};
  assert_int_equal(fm_evaluation_charts(&self.analysis, look_at_words, &found), FM_OK);
  assert_string_equal(found.notes[0],
                      "COCO measure, mAP at IoU 0.50: 0.000; there are no detections");
  assert_string_equal(found.notes[1], "there are no detections");
  assert_string_equal(found.last_line, "as the notebook counts (nothing found)");
  close_fixture(&self);
  open_fixture(&self, 2, 0);
  assert_int_equal(fm_evaluation_charts(&self.analysis, look_at_words, &found), FM_OK);
  assert_null(strstr(found.notes[0], "no detections"));
  assert_string_equal(found.notes[1], "");
  assert_null(strstr(found.last_line, "nothing"));
  close_fixture(&self);
}

static bool exists(const fixture *self, const char *name) {
  char *path = fm_path_join(self->folder, name);
  const bool found = fm_path_exists(path);
  free(path);
  return found;
}

static void pictures_with_errors_are_drawn_and_older_ones_go(void **state) {
  (void)state;
  fixture self;
  open_fixture(&self, 2, 3);
  support_write_text(self.folder, "out/worst/04.png", "of an earlier evaluation");
  support_write_text(self.folder, "out/worst/kept.png", "somebody else's");
  char *out = fm_path_join(self.folder, "out");
  assert_int_equal(fm_evaluation_draw(&self.analysis, out), FM_OK);
  assert_true(exists(&self, "out/worst/01.png") && exists(&self, "out/worst/03.png"));
  assert_false(exists(&self, "out/worst/04.png"));
  assert_true(exists(&self, "out/worst/kept.png"));
  assert_true(exists(&self, "out/confusion.png") && exists(&self, "out/map_iou.svg"));
  assert_true(exists(&self, "out/worst.png"));
  char *path = fm_path_join(out, "worst/01.png");
  fm_image image;
  assert_int_equal(fm_image_read(&image, path), FM_OK);
  assert_true(image.width >= 2 * 64 * 8 && image.height >= 48 * 8); // enlarged, side by side
  fm_image_release(&image);
  free(path);
  free(out);
  close_fixture(&self);
}

static fm_status refuse(void *user, const fm_chart *chart) {
  (void)user;
  return fm_fail(FM_ERR_IO, "%s: no", chart->name);
}

// The charts that were read, one after the other, beside those of the analysis.
typedef struct beside {
  fm_chart_list *list;
  const fm_chart *wanted;
  size_t found, lines;
} beside;

static void assert_same_numbers(const double *a, const double *b, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (!(isnan(a[i]) && isnan(b[i])) && !(fabs(a[i] - b[i]) <= 1e-8))
      fail_msg("point %zu is %g, not %g", i, b[i], a[i]);
}

static fm_status compare(void *user, const fm_chart *chart) {
  beside *self = user;
  const fm_chart *wanted = self->wanted;
  if (strcmp(chart->name, wanted->name) != 0)
    return FM_OK;
  ++self->found;
  assert_string_equal(chart->title, wanted->title);
  assert_true((chart->note == NULL) == (wanted->note == NULL));
  if (wanted->note)
    assert_string_equal(chart->note, wanted->note);
  assert_string_equal(chart->x.label, wanted->x.label);
  assert_string_equal(chart->y.label, wanted->y.label);
  assert_int_equal(chart->series_count, wanted->series_count);
  for (size_t i = 0; i < wanted->series_count; ++i) {
    const fm_chart_series *a = &wanted->series[i], *b = &chart->series[i];
    assert_string_equal(b->name, a->name);
    assert_int_equal(b->rgb, a->rgb);
    assert_true(b->dashed == a->dashed && b->dots == a->dots && b->steps == a->steps);
    assert_int_equal(b->count, a->count);
    assert_same_numbers(a->x, b->x, a->count);
    assert_same_numbers(a->y, b->y, a->count);
  }
  return FM_OK;
}

static fm_status look_for(void *user, const fm_chart *chart) {
  beside *self = user;
  assert_true(fm_chart_list_has(self->list, chart->name) == (chart->kind == FM_CHART_LINES));
  if (chart->kind != FM_CHART_LINES)
    return FM_OK;
  self->wanted = chart;
  ++self->lines;
  return fm_chart_list_show(self->list, compare, self);
}

static void the_curves_are_read_back_from_their_file(void **state) {
  (void)state;
  fixture self;
  open_fixture(&self, 3, 2);
  char *out = fm_path_join(self.folder, "out"), *path = fm_path_join(out, "charts.json");
  assert_int_equal(fm_evaluation_draw(&self.analysis, out), FM_OK);
  beside pair = {0};
  assert_int_equal(fm_chart_list_read(&pair.list, path), FM_OK);
  assert_int_equal(fm_evaluation_charts(&self.analysis, look_for, &pair), FM_OK);
  assert_int_equal(pair.lines, 2 + 3 + 3);
  assert_int_equal(pair.found, pair.lines);
  fm_chart_list_free(pair.list);
  free(path);
  free(out);
  close_fixture(&self);
}

static void broken_files_of_curves_are_named(void **state) {
  (void)state;
  static const char *const texts[] = {
      "[1]",
      "[{\"kind\": \"bars\", \"name\": \"a\", \"title\": \"b\", \"series\": []}]",
      "[{\"kind\": \"lines\", \"title\": \"b\", \"series\": []}]",
      "[{\"kind\":\"lines\",\"name\":\"a\",\"title\":\"b\",\"series\":[{\"x\":[1],\"y\":[]}]}]",
  };
  char *folder = support_folder_make(), *path = fm_path_join(folder, "charts.json");
  fm_chart_list *list;
  support_write_text(folder, "charts.json", "{}");
  assert_int_equal(fm_chart_list_read(&list, path), FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), path));
  for (size_t i = 0; i < sizeof texts / sizeof *texts; ++i) {
    support_write_text(folder, "charts.json", texts[i]);
    assert_int_equal(fm_chart_list_read(&list, path), FM_OK);
    assert_int_equal(fm_chart_list_show(list, refuse, NULL), FM_ERR_FORMAT);
    assert_non_null(strstr(fm_error_message(), path));
    fm_chart_list_free(list);
  }
  support_folder_remove(folder);
  free(path);
}

static void nothing_found_and_nothing_to_find_are_charts_too(void **state) {
  (void)state;
  fixture self;
  open_fixture(&self, 1, IMAGES);
  char *out = fm_path_join(self.folder, "out");
  assert_int_equal(fm_evaluation_draw(&self.analysis, out), FM_OK);
  fm_analysis_release(&self.analysis);
  self.boxes.truth_count = 0;
  const fm_analysis_options options = {
      .subset = &self.subset, .boxes = &self.boxes, .images = IMAGES, .notebook = true};
  assert_int_equal(fm_analysis_make(&self.analysis, &options), FM_OK);
  assert_int_equal(fm_evaluation_draw(&self.analysis, out), FM_OK);
  assert_false(exists(&self, "out/worst/01.png"));
  assert_false(exists(&self, "out/worst.png")); // nor that of the evaluation before
  free(out);
  close_fixture(&self);
}

static void a_failure_of_the_shower_ends_it(void **state) {
  (void)state;
  fixture self;
  open_fixture(&self, 1, 0);
  assert_int_equal(fm_evaluation_charts(&self.analysis, refuse, NULL), FM_ERR_IO);
  assert_string_equal(fm_error_message(), "map_iou: no");
  close_fixture(&self);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_charts_show_what_was_measured),
      cmocka_unit_test(of_many_classes_those_with_most_faces_are_drawn),
      cmocka_unit_test(where_nothing_was_found_the_charts_say_so),
      cmocka_unit_test(pictures_with_errors_are_drawn_and_older_ones_go),
      cmocka_unit_test(the_curves_are_read_back_from_their_file),
      cmocka_unit_test(broken_files_of_curves_are_named),
      cmocka_unit_test(nothing_found_and_nothing_to_find_are_charts_too),
      cmocka_unit_test(a_failure_of_the_shower_ends_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
