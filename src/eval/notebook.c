// The notebook's measure: one table of the kept detections, walked once a class and threshold.
#include "eval/notebook.h"

#include <stdbool.h>
#include <stdlib.h>

#include "eval/overlap.h"
#include "eval/pictures.h"

static const double NOTEBOOK_TINY = 1e-6;

// A kept detection, and the face it is related to.
typedef struct notebook_row {
  const fm_coco_result *result;
  int32_t real;
  double overlap;
} notebook_row;

typedef struct notebook_job {
  fm_eval_pictures pictures;
  notebook_row *rows; // by score
  size_t count;
} notebook_job;

// The detections lie in one array, so their addresses are their order.
static int notebook_by_score(const fm_coco_result *a, const fm_coco_result *b) {
  if (a->score != b->score)
    return a->score > b->score ? -1 : 1;
  if (a->image != b->image)
    return a->image < b->image ? -1 : 1;
  return a < b ? -1 : a > b;
}

static int notebook_compare_results(const void *a, const void *b) {
  return notebook_by_score(*(const fm_coco_result *const *)a, *(const fm_coco_result *const *)b);
}

static int notebook_compare_rows(const void *a, const void *b) {
  const notebook_row *left = a, *right = b;
  return notebook_by_score(left->result, right->result);
}

static bool notebook_is_suppressed(const notebook_row *kept, size_t count,
                                   const fm_coco_result *result) {
  for (size_t i = 0; i < count; ++i)
    if (fm_overlap_results(kept[i].result, result) > FM_NOTEBOOK_NMS)
      return true;
  return false;
}

// The first of those that overlap most, which may be by nothing at all.
static void notebook_relate(notebook_row *row, const fm_eval_picture *picture) {
  row->overlap = -1;
  for (size_t i = 0; i < picture->truth_count; ++i) {
    const double overlap = fm_overlap_truth(row->result, picture->truths[i]);
    if (overlap > row->overlap) {
      row->overlap = overlap;
      row->real = picture->truths[i]->category;
    }
  }
}

// Worse detections suppress nothing, so those below the score are not looked at at all.
static void notebook_keep(notebook_job *job) {
  fm_eval_picture picture;
  while (fm_eval_pictures_next(&job->pictures, &picture)) {
    if (picture.truth_count == 0)
      continue;
    qsort(picture.results, picture.result_count, sizeof *picture.results, notebook_compare_results);
    const size_t before = job->count;
    for (size_t i = 0; i < picture.result_count; ++i) {
      notebook_row row = {.result = picture.results[i]};
      if (notebook_is_suppressed(job->rows + before, job->count - before, row.result))
        continue;
      notebook_relate(&row, &picture);
      job->rows[job->count++] = row;
    }
  }
  qsort(job->rows, job->count, sizeof *job->rows, notebook_compare_rows);
}

static bool notebook_hits(const notebook_row *row, double threshold) {
  return row->result->category == row->real && row->overlap >= threshold;
}

static size_t notebook_count_hits(const notebook_job *job, int32_t real, double threshold) {
  size_t hits = 0;
  for (size_t i = 0; i < job->count; ++i)
    hits += job->rows[i].real == real && notebook_hits(&job->rows[i], threshold);
  return hits;
}

static double notebook_area(const notebook_job *job, int32_t real, double threshold) {
  const double all = (double)notebook_count_hits(job, real, threshold) + NOTEBOOK_TINY;
  size_t seen = 0, hits = 0;
  double area = 0, precision = 0, recall = 0;
  for (size_t i = 0; i < job->count; ++i) {
    if (job->rows[i].real != real)
      continue;
    ++seen;
    hits += notebook_hits(&job->rows[i], threshold);
    const double last_precision = seen > 1 ? precision : (double)hits, last_recall = recall;
    precision = (double)hits / (double)seen;
    recall = (double)hits / all;
    area += (recall - last_recall) * (precision + last_precision) / 2;
  }
  return area;
}

static void notebook_fill_class(const notebook_job *job, int32_t real, fm_notebook_measure *out) {
  double *const areas = out->class_AP_iou + (size_t)real * FM_COCO_IOUS;
  size_t *const seen = &out->class_detections[real];
  *seen = 0;
  for (size_t i = 0; i < job->count; ++i)
    *seen += job->rows[i].real == real;
  out->class_hits[real] = notebook_count_hits(job, real, fm_coco_iou(0));
  double sum = 0;
  for (int t = 0; t < FM_COCO_IOUS; ++t) {
    areas[t] = *seen > 0 ? notebook_area(job, real, fm_coco_iou(t)) : -1;
    sum += areas[t];
  }
  out->class_AP[real] = sum / FM_COCO_IOUS;
}

static void notebook_average(fm_notebook_measure *out) {
  size_t classes = 0;
  double sum = 0;
  for (int k = 0; k < out->class_count; ++k) {
    if (out->class_detections[k] == 0)
      continue;
    ++classes;
    sum += out->class_AP[k];
    for (int t = 0; t < FM_COCO_IOUS; ++t)
      out->per_iou[t] += out->class_AP_iou[k * FM_COCO_IOUS + t];
  }
  out->mAP = classes > 0 ? sum / (double)classes : -1;
  for (int t = 0; t < FM_COCO_IOUS; ++t)
    out->per_iou[t] = classes > 0 ? out->per_iou[t] / (double)classes : -1;
}

static fm_status notebook_allocate(fm_notebook_measure *out, int class_count) {
  const size_t classes = (size_t)class_count;
  *out = (fm_notebook_measure){.class_count = class_count};
  out->class_AP = malloc(classes * sizeof *out->class_AP);
  out->class_AP_iou = malloc(classes * FM_COCO_IOUS * sizeof *out->class_AP_iou);
  out->class_detections = calloc(classes, sizeof *out->class_detections);
  out->class_hits = malloc(classes * sizeof *out->class_hits);
  if (!out->class_AP || !out->class_AP_iou || !out->class_detections || !out->class_hits)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  return FM_OK;
}

fm_status fm_notebook_evaluate(fm_notebook_measure *out, const fm_eval_boxes *boxes,
                               int class_count) {
  *out = (fm_notebook_measure){0};
  notebook_job job = {0};
  fm_status status = fm_eval_pictures_init(&job.pictures, boxes, class_count, FM_NOTEBOOK_SCORE);
  if (status >= 0)
    status = notebook_allocate(out, class_count);
  job.rows = malloc((boxes->result_count + 1) * sizeof *job.rows);
  if (status >= 0 && !job.rows)
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status >= 0) {
    notebook_keep(&job);
    out->detections = job.count;
    for (int32_t k = 0; k < class_count; ++k)
      notebook_fill_class(&job, k, out);
    notebook_average(out);
  }
  free(job.rows);
  fm_eval_pictures_release(&job.pictures);
  if (status < 0)
    fm_notebook_measure_release(out);
  return status;
}

void fm_notebook_measure_release(fm_notebook_measure *measure) {
  free(measure->class_AP);
  free(measure->class_AP_iou);
  free(measure->class_detections);
  free(measure->class_hits);
  *measure = (fm_notebook_measure){0};
}
