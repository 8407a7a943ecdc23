// The notebook's measure: one table of the kept detections, walked once a class and threshold.
#include "eval/notebook.h"

#include <math.h>
#include <stdlib.h>

#include "eval/overlap.h"

static const double NOTEBOOK_TINY = 1e-6;

// A detection, and the face it is related to.
typedef struct notebook_row {
  const fm_coco_result *result;
  size_t at; // among the input
  int32_t real;
  double overlap;
} notebook_row;

typedef struct notebook_job {
  notebook_row *rows; // first all, by picture; at last those that count, by score
  size_t count;
  const fm_coco_truth **truths; // by picture
  size_t truth_count;
  int class_count;
} notebook_job;

static int notebook_by_score(const notebook_row *a, const notebook_row *b) {
  if (a->result->score != b->result->score)
    return a->result->score > b->result->score ? -1 : 1;
  if (a->result->image != b->result->image)
    return a->result->image < b->result->image ? -1 : 1;
  return a->at < b->at ? -1 : a->at > b->at;
}

static int notebook_compare_scores(const void *a, const void *b) {
  return notebook_by_score(a, b);
}

static int notebook_compare_pictures(const void *a, const void *b) {
  const notebook_row *left = a, *right = b;
  if (left->result->image != right->result->image)
    return left->result->image < right->result->image ? -1 : 1;
  return notebook_by_score(left, right);
}

// The truths lie in one array, so their addresses are their order.
static int notebook_compare_truths(const void *a, const void *b) {
  const fm_coco_truth *left = *(const fm_coco_truth *const *)a;
  const fm_coco_truth *right = *(const fm_coco_truth *const *)b;
  if (left->image != right->image)
    return left->image < right->image ? -1 : 1;
  return left < right ? -1 : left > right;
}

static fm_status notebook_collect(notebook_job *job, const fm_eval_boxes *boxes) {
  job->rows = malloc((boxes->result_count + 1) * sizeof *job->rows);
  job->truths = malloc((boxes->truth_count + 1) * sizeof *job->truths);
  if (!job->rows || !job->truths)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < boxes->result_count; ++i) {
    const fm_coco_result *result = &boxes->results[i];
    if (result->category < 0 || result->category >= job->class_count)
      return fm_fail(FM_ERR_ARGUMENT, "detection %zu: category %d is outside 0 to %d", i,
                     result->category, job->class_count - 1);
    job->rows[job->count++] = (notebook_row){.result = result, .at = i};
  }
  for (size_t i = 0; i < boxes->truth_count; ++i) {
    if (boxes->truths[i].category < 0 || boxes->truths[i].category >= job->class_count)
      return fm_fail(FM_ERR_ARGUMENT, "truth %zu: category %d is outside 0 to %d", i,
                     boxes->truths[i].category, job->class_count - 1);
    job->truths[job->truth_count++] = &boxes->truths[i];
  }
  qsort(job->rows, job->count, sizeof *job->rows, notebook_compare_pictures);
  qsort(job->truths, job->truth_count, sizeof *job->truths, notebook_compare_truths);
  return FM_OK;
}

static bool notebook_is_suppressed(const notebook_row *kept, size_t count,
                                   const fm_coco_result *result) {
  for (size_t i = 0; i < count; ++i)
    if (fm_overlap_results(kept[i].result, result) > FM_NOTEBOOK_NMS)
      return true;
  return false;
}

// The first of those that overlap most, which may be by nothing at all.
static void notebook_relate(notebook_row *row, const fm_coco_truth *const *truths, size_t count) {
  row->overlap = -1;
  for (size_t i = 0; i < count; ++i) {
    const double overlap = fm_overlap_truth(row->result, truths[i]);
    if (overlap > row->overlap) {
      row->overlap = overlap;
      row->real = truths[i]->category;
    }
  }
}

// Leaves of each picture's rows those that survive the suppression, reach the score and have a face
// to be related to.
static void notebook_keep(notebook_job *job) {
  size_t kept = 0, truth = 0;
  for (size_t first = 0, next; first < job->count; first = next) {
    const int64_t image = job->rows[first].result->image;
    while (truth < job->truth_count && job->truths[truth]->image < image)
      ++truth;
    size_t truths = 0;
    while (truth + truths < job->truth_count && job->truths[truth + truths]->image == image)
      ++truths;
    const size_t before = kept;
    for (next = first; next < job->count && job->rows[next].result->image == image; ++next) {
      notebook_row row = job->rows[next];
      if (truths == 0 || row.result->score < FM_NOTEBOOK_SCORE ||
          notebook_is_suppressed(job->rows + before, kept - before, row.result))
        continue;
      notebook_relate(&row, job->truths + truth, truths);
      job->rows[kept++] = row;
    }
  }
  job->count = kept;
  qsort(job->rows, job->count, sizeof *job->rows, notebook_compare_scores);
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
  out->class_detections = malloc(classes * sizeof *out->class_detections);
  out->class_hits = malloc(classes * sizeof *out->class_hits);
  if (!out->class_AP || !out->class_AP_iou || !out->class_detections || !out->class_hits)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  return FM_OK;
}

fm_status fm_notebook_evaluate(fm_notebook_measure *out, const fm_eval_boxes *boxes,
                               int class_count) {
  *out = (fm_notebook_measure){0};
  if (class_count < 1 || class_count > FM_COCO_CATEGORIES_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "%d classes: must be 1 to %d", class_count,
                   FM_COCO_CATEGORIES_MAX);
  notebook_job job = {.class_count = class_count};
  fm_status status = notebook_allocate(out, class_count);
  if (status >= 0)
    status = notebook_collect(&job, boxes);
  if (status >= 0) {
    notebook_keep(&job);
    out->detections = job.count;
    for (int32_t k = 0; k < class_count; ++k)
      notebook_fill_class(&job, k, out);
    notebook_average(out);
  }
  free(job.rows);
  free(job.truths);
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
