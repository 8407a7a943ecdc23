// Measures cases for tests/parity/coco.py and, with the word `notebook`, for notebook.py. Standard
// input: a JSON document a line,
// {"categories": K, "truths": [[image, category, x, y, w, h, area, crowd]...],
//  "results": [[image, category, x, y, w, h, score]...]}.
// Standard output: for each, native doubles: the 12 figures of COCOeval.stats, per_iou (10),
// category_AP (K), category_AP50 (K), category_AP_iou (K, 10), category_truths (K), precision
// (10, 101, K, 4, 3), recall (10, K, 4, 3), seconds. Of the notebook's measure: mAP, per_iou (10),
// class_AP (K), class_AP_iou (K, 10), class_detections (K), class_hits (K), detections.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "eval/coco.h"
#include "eval/notebook.h"

static void fail(const char *what) {
  fprintf(stderr, "coco_runner: %s\n", what);
  exit(1);
}

static double number(const json_t *row, size_t at) {
  const json_t *value = json_array_get(row, at);
  if (!json_is_number(value))
    fail("a row lacks a number");
  return json_number_value(value);
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count + 1, size);
  if (!memory)
    fail("out of memory");
  return memory;
}

static fm_coco_truth *read_truths(const json_t *rows, size_t *count) {
  *count = json_array_size(rows);
  fm_coco_truth *truths = allocate(*count, sizeof *truths);
  for (size_t i = 0; i < *count; ++i) {
    const json_t *row = json_array_get(rows, i);
    truths[i] = (fm_coco_truth){.image = (int64_t)number(row, 0),
                                .category = (int32_t)number(row, 1),
                                .x = number(row, 2),
                                .y = number(row, 3),
                                .w = number(row, 4),
                                .h = number(row, 5),
                                .area = number(row, 6),
                                .crowd = number(row, 7) > 0};
  }
  return truths;
}

static fm_coco_result *read_results(const json_t *rows, size_t *count) {
  *count = json_array_size(rows);
  fm_coco_result *results = allocate(*count, sizeof *results);
  for (size_t i = 0; i < *count; ++i) {
    const json_t *row = json_array_get(rows, i);
    results[i] = (fm_coco_result){.image = (int64_t)number(row, 0),
                                  .category = (int32_t)number(row, 1),
                                  .x = number(row, 2),
                                  .y = number(row, 3),
                                  .w = number(row, 4),
                                  .h = number(row, 5),
                                  .score = number(row, 6)};
  }
  return results;
}

static void put(const double *values, size_t count) {
  if (fwrite(values, sizeof *values, count, stdout) != count)
    fail("standard output cannot be written");
}

static void put_measure(const fm_coco_measure *m, double seconds) {
  const double stats[] = {m->mAP, m->mAP50, m->mAP75, m->mAP_small, m->mAP_medium, m->mAP_large,
                          m->AR1, m->AR10,  m->AR100, m->AR_small,  m->AR_medium,  m->AR_large};
  const size_t k = (size_t)m->category_count;
  put(stats, sizeof stats / sizeof *stats);
  put(m->per_iou, FM_COCO_IOUS);
  put(m->category_AP, k);
  put(m->category_AP50, k);
  put(m->category_AP_iou, k * FM_COCO_IOUS);
  for (size_t i = 0; i < k; ++i)
    put(&(double){(double)m->category_truths[i]}, 1);
  const size_t recalls = FM_COCO_IOUS * k * FM_COCO_AREAS * FM_COCO_MAX_DETS;
  put(m->precision, recalls * FM_COCO_RECALLS);
  put(m->recall, recalls);
  put(&seconds, 1);
}

static void run_coco(const fm_eval_boxes *boxes, int categories) {
  fm_coco_measure measure;
  const double start = fm_clock();
  if (fm_eval_boxes_measure(boxes, categories, &measure) < 0)
    fail(fm_error_message());
  put_measure(&measure, fm_clock() - start);
  fm_coco_measure_release(&measure);
}

static void put_counts(const size_t *counts, size_t count) {
  for (size_t i = 0; i < count; ++i)
    put(&(double){(double)counts[i]}, 1);
}

static void run_notebook(const fm_eval_boxes *boxes, int categories) {
  fm_notebook_measure measure;
  if (fm_notebook_evaluate(&measure, boxes, categories) < 0)
    fail(fm_error_message());
  const size_t k = (size_t)categories;
  put(&measure.mAP, 1);
  put(measure.per_iou, FM_COCO_IOUS);
  put(measure.class_AP, k);
  put(measure.class_AP_iou, k * FM_COCO_IOUS);
  put_counts(measure.class_detections, k);
  put_counts(measure.class_hits, k);
  put_counts(&measure.detections, 1);
  fm_notebook_measure_release(&measure);
}

static void run_case(const json_t *document, bool notebook) {
  fm_eval_boxes boxes = {0};
  boxes.truths = read_truths(json_object_get(document, "truths"), &boxes.truth_count);
  boxes.results = read_results(json_object_get(document, "results"), &boxes.result_count);
  const int categories = (int)json_integer_value(json_object_get(document, "categories"));
  if (notebook)
    run_notebook(&boxes, categories);
  else
    run_coco(&boxes, categories);
  fm_eval_boxes_release(&boxes);
}

int main(int argc, char **argv) {
  const bool notebook = argc > 1 && strcmp(argv[1], "notebook") == 0;
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  while ((length = getline(&line, &room, stdin)) > 0) {
    json_error_t error;
    json_t *document = json_loadb(line, (size_t)length, 0, &error);
    if (!document)
      fail(error.text);
    run_case(document, notebook);
    json_decref(document);
  }
  free(line);
  return fflush(stdout) == 0 ? 0 : 1;
}
