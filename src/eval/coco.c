// The measure in three steps: boxes into groups of one class in one picture; each group matched;
// per class, area range and threshold the precision at 101 recalls. Groups and tasks are
// independent, so threads change nothing.
#include "eval/coco.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/coco_match.h"
#include "eval/coco_order.h"

static const size_t coco_max_dets[FM_COCO_MAX_DETS] = {1, 10, FM_COCO_DETECTIONS};

double fm_coco_iou(int index) {
  return index == FM_COCO_IOUS - 1 ? 0.95 : index * ((0.95 - 0.5) / (FM_COCO_IOUS - 1)) + 0.5;
}

// One class in one picture: ranges of the sorted indices.
typedef struct coco_range {
  size_t detection, detection_count, truth, truth_count;
  int32_t category;
} coco_range;

// A detection that is looked at, in the order of the precision-recall curve.
typedef struct coco_ranked {
  fm_coco_flags flags;
  uint32_t rank; // among the class's in its picture
} coco_ranked;

typedef struct coco_job {
  const fm_coco_truth *truths;
  const fm_coco_result *results;
  size_t truth_count, result_count;
  int category_count;
  // Sorted by category, image: truths by input, detections by score and input. `by_score` has the
  // detections by category, score, image, input.
  uint32_t *truth_order, *result_order, *by_score;
  coco_range *ranges;
  size_t range_count;
  uint32_t *ranks;       // (results) by input, UINT32_MAX for those not looked at
  fm_coco_flags *flags;  // (results) by input
  coco_ranked *ranked;   // in the order of by_score without those not looked at
  size_t *ranked_starts; // (categories + 1) into ranked
  size_t *counted;       // (categories, areas) truths that count
} coco_job;

static void coco_job_release(coco_job *job) {
  free(job->truth_order);
  free(job->result_order);
  free(job->by_score);
  free(job->ranges);
  free(job->ranks);
  free(job->flags);
  free(job->ranked);
  free(job->ranked_starts);
  free(job->counted);
}

static fm_status coco_check_truth(const fm_coco_truth *t, size_t at, int categories) {
  if (t->category < 0 || t->category >= categories)
    return fm_fail(FM_ERR_ARGUMENT, "truth %zu: category %d is outside 0 to %d", at, t->category,
                   categories - 1);
  if (!isfinite(t->x) || !isfinite(t->y) || !isfinite(t->w) || !isfinite(t->h) ||
      !isfinite(t->area))
    return fm_fail(FM_ERR_NUMERIC, "truth %zu: a number of the box is not finite", at);
  return FM_OK;
}

static fm_status coco_check_result(const fm_coco_result *r, size_t at, int categories) {
  if (r->category < 0 || r->category >= categories)
    return fm_fail(FM_ERR_ARGUMENT, "detection %zu: category %d is outside 0 to %d", at,
                   r->category, categories - 1);
  if (!isfinite(r->x) || !isfinite(r->y) || !isfinite(r->w) || !isfinite(r->h) ||
      !isfinite(r->score))
    return fm_fail(FM_ERR_NUMERIC, "detection %zu: a number is not finite", at);
  return FM_OK;
}

static fm_status coco_check(const coco_job *job) {
  if (job->category_count < 1 || job->category_count > FM_COCO_CATEGORIES_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "%d categories: must be 1 to %d", job->category_count,
                   FM_COCO_CATEGORIES_MAX);
  if (job->truth_count >= UINT32_MAX || job->result_count >= UINT32_MAX)
    return fm_fail(FM_ERR_UNSUPPORTED, "more than %u boxes", UINT32_MAX - 1);
  for (size_t i = 0; i < job->truth_count; ++i)
    FM_TRY(coco_check_truth(&job->truths[i], i, job->category_count));
  for (size_t i = 0; i < job->result_count; ++i)
    FM_TRY(coco_check_result(&job->results[i], i, job->category_count));
  return FM_OK;
}

static fm_status coco_allocate(coco_job *job) {
  const size_t truths = job->truth_count + 1, results = job->result_count + 1,
               categories = (size_t)job->category_count;
  job->truth_order = malloc(truths * sizeof *job->truth_order);
  job->result_order = malloc(results * sizeof *job->result_order);
  job->by_score = malloc(results * sizeof *job->by_score);
  job->ranges = malloc((truths + results) * sizeof *job->ranges);
  job->ranks = malloc(results * sizeof *job->ranks);
  job->flags = malloc(results * sizeof *job->flags);
  job->ranked = malloc(results * sizeof *job->ranked);
  job->ranked_starts = calloc(categories + 2, sizeof *job->ranked_starts);
  job->counted = calloc(categories * FM_COCO_AREAS, sizeof *job->counted);
  if (!job->truth_order || !job->result_order || !job->by_score || !job->ranges || !job->ranks ||
      !job->flags || !job->ranked || !job->ranked_starts || !job->counted)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  return FM_OK;
}

// Keys of one sorting pass after another.
typedef struct coco_sorter {
  uint64_t *keys;
  uint32_t *spare;
} coco_sorter;

static void coco_sort_truths(const coco_job *job, coco_sorter *sorter) {
  for (uint32_t i = 0; i < job->truth_count; ++i) {
    job->truth_order[i] = i;
    sorter->keys[i] = fm_coco_id_key(job->truths[i].image);
  }
  fm_coco_order_by(job->truth_order, sorter->spare, sorter->keys, job->truth_count);
  for (size_t i = 0; i < job->truth_count; ++i)
    sorter->keys[i] = (uint64_t)job->truths[i].category;
  fm_coco_order_by(job->truth_order, sorter->spare, sorter->keys, job->truth_count);
}

static void coco_sort_results(const coco_job *job, coco_sorter *sorter) {
  const size_t count = job->result_count;
  uint32_t *order = job->result_order, *by_score = job->by_score;
  for (uint32_t i = 0; i < count; ++i) {
    order[i] = by_score[i] = i;
    sorter->keys[i] = fm_coco_score_key(job->results[i].score);
  }
  fm_coco_order_by(order, sorter->spare, sorter->keys, count);
  for (size_t i = 0; i < count; ++i)
    sorter->keys[i] = fm_coco_id_key(job->results[i].image);
  fm_coco_order_by(order, sorter->spare, sorter->keys, count);
  fm_coco_order_by(by_score, sorter->spare, sorter->keys, count);
  for (size_t i = 0; i < count; ++i)
    sorter->keys[i] = fm_coco_score_key(job->results[i].score);
  fm_coco_order_by(by_score, sorter->spare, sorter->keys, count);
  for (size_t i = 0; i < count; ++i)
    sorter->keys[i] = (uint64_t)job->results[i].category;
  fm_coco_order_by(order, sorter->spare, sorter->keys, count);
  fm_coco_order_by(by_score, sorter->spare, sorter->keys, count);
}

static fm_status coco_sort(const coco_job *job) {
  const size_t most = job->truth_count > job->result_count ? job->truth_count : job->result_count;
  coco_sorter sorter = {malloc((most + 1) * sizeof(uint64_t)),
                        malloc((most + 1) * sizeof(uint32_t))};
  const fm_status status =
      sorter.keys && sorter.spare ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status == FM_OK) {
    coco_sort_truths(job, &sorter);
    coco_sort_results(job, &sorter);
  }
  free(sorter.keys);
  free(sorter.spare);
  return status;
}

static int coco_compare(int32_t a_category, int64_t a_image, int32_t b_category, int64_t b_image) {
  if (a_category != b_category)
    return a_category < b_category ? -1 : 1;
  return a_image < b_image ? -1 : a_image > b_image;
}

// The pairs (category, image) that have a truth or a detection, both lists being sorted by them.
static void coco_group(coco_job *job) {
  size_t t = 0, d = 0;
  while (t < job->truth_count || d < job->result_count) {
    const fm_coco_truth *truth = t < job->truth_count ? &job->truths[job->truth_order[t]] : NULL;
    const fm_coco_result *result =
        d < job->result_count ? &job->results[job->result_order[d]] : NULL;
    const bool truth_first =
        truth && (!result || coco_compare(truth->category, truth->image, result->category,
                                          result->image) <= 0);
    const int32_t category = truth_first ? truth->category : result->category;
    const int64_t image = truth_first ? truth->image : result->image;
    coco_range *range = &job->ranges[job->range_count++];
    *range = (coco_range){.detection = d, .truth = t, .category = category};
    for (; t < job->truth_count; ++t) {
      truth = &job->truths[job->truth_order[t]];
      if (truth->category != category || truth->image != image)
        break;
    }
    for (; d < job->result_count; ++d) {
      result = &job->results[job->result_order[d]];
      if (result->category != category || result->image != image)
        break;
      const size_t rank = d - range->detection;
      job->ranks[job->result_order[d]] = rank < FM_COCO_DETECTIONS ? (uint32_t)rank : UINT32_MAX;
    }
    range->truth_count = t - range->truth;
    range->detection_count = d - range->detection;
    if (range->detection_count > FM_COCO_DETECTIONS)
      range->detection_count = FM_COCO_DETECTIONS;
  }
}

static fm_status coco_match_range(const coco_job *job, const coco_range *range,
                                  fm_coco_scratch *scratch) {
  const fm_coco_group group = {.results = job->results,
                               .detections = job->result_order + range->detection,
                               .detection_count = range->detection_count,
                               .all_truths = job->truths,
                               .truths = job->truth_order + range->truth,
                               .truth_count = range->truth_count};
  fm_coco_flags flags[FM_COCO_DETECTIONS];
  FM_TRY(fm_coco_match(&group, scratch, flags));
  for (size_t i = 0; i < range->detection_count; ++i)
    job->flags[group.detections[i]] = flags[i];
  return FM_OK;
}

// The message of a failure belongs to the thread that failed, so only its status comes back.
static fm_status coco_match_all(const coco_job *job) {
  fm_status failure = FM_OK;
#pragma omp parallel
  {
    fm_coco_scratch scratch = {0};
#pragma omp for schedule(dynamic, 32)
    for (size_t i = 0; i < job->range_count; ++i) {
      const fm_status status = coco_match_range(job, &job->ranges[i], &scratch);
      if (status < 0) {
#pragma omp atomic write
        failure = status;
      }
    }
    fm_coco_scratch_release(&scratch);
  }
  return failure < 0 ? fm_fail(failure, "out of memory") : FM_OK;
}

static void coco_rank(coco_job *job) {
  size_t used = 0;
  int category = 0;
  for (size_t i = 0; i < job->result_count; ++i) {
    const uint32_t at = job->by_score[i];
    for (; category < job->results[at].category; ++category)
      job->ranked_starts[category + 1] = used;
    if (job->ranks[at] != UINT32_MAX)
      job->ranked[used++] = (coco_ranked){job->flags[at], job->ranks[at]};
  }
  for (; category < job->category_count; ++category)
    job->ranked_starts[category + 1] = used;
  for (size_t i = 0; i < job->truth_count; ++i)
    for (int area = 0; area < FM_COCO_AREAS; ++area)
      if (!fm_coco_truth_ignored(&job->truths[i], area))
        ++job->counted[(size_t)job->truths[i].category * FM_COCO_AREAS + (size_t)area];
}

static size_t coco_at(const coco_job *job, size_t row, size_t category, size_t area, size_t dets) {
  return ((row * (size_t)job->category_count + category) * FM_COCO_AREAS + area) *
             FM_COCO_MAX_DETS +
         dets;
}

// One curve: precisions holds the precision where each true positive is found.
typedef struct coco_curve {
  double *precisions;
  size_t category, area, iou, dets;
} coco_curve;

// Between two true positives precision only falls and recall stays, so the curve of the true
// positives alone has the same envelope.
static size_t coco_trace(const coco_job *job, const coco_curve *curve) {
  const double tiny = 0x1p-52; // numpy.spacing(1)
  const uint32_t limit = (uint32_t)coco_max_dets[curve->dets];
  size_t hits = 0, misses = 0;
  for (size_t i = job->ranked_starts[curve->category]; i < job->ranked_starts[curve->category + 1];
       ++i) {
    const coco_ranked *found = &job->ranked[i];
    if (found->rank >= limit || (found->flags.ignored[curve->area] >> curve->iou & 1))
      continue;
    if (found->flags.matched[curve->area] >> curve->iou & 1) {
      ++hits;
      curve->precisions[hits - 1] = (double)hits / ((double)(misses + hits) + tiny);
    } else {
      ++misses;
    }
  }
  for (size_t i = hits; i > 1; --i)
    if (curve->precisions[i - 1] > curve->precisions[i - 2])
      curve->precisions[i - 2] = curve->precisions[i - 1];
  return hits;
}

static void coco_sample(const coco_job *job, const coco_curve *curve, fm_coco_measure *out) {
  const size_t counted = job->counted[curve->category * FM_COCO_AREAS + curve->area];
  if (counted == 0)
    return; // stays -1
  const size_t hits = coco_trace(job, curve);
  out->recall[coco_at(job, curve->iou, curve->category, curve->area, curve->dets)] =
      (double)hits / (double)counted;
  size_t hit = 0;
  for (size_t r = 0; r < FM_COCO_RECALLS; ++r) {
    const double recall = r == FM_COCO_RECALLS - 1 ? 1.0 : (double)r * 0.01;
    while (hit < hits && (double)(hit + 1) / (double)counted < recall)
      ++hit;
    out->precision[coco_at(job, curve->iou * FM_COCO_RECALLS + r, curve->category, curve->area,
                           curve->dets)] = hit < hits ? curve->precisions[hit] : 0;
  }
}

static fm_status coco_accumulate(const coco_job *job, fm_coco_measure *out) {
  const int curves = job->category_count * FM_COCO_AREAS * FM_COCO_IOUS;
  size_t longest = 1;
  for (int k = 0; k < job->category_count; ++k)
    if (job->ranked_starts[k + 1] - job->ranked_starts[k] > longest)
      longest = job->ranked_starts[k + 1] - job->ranked_starts[k];
  bool failed = false;
#pragma omp parallel
  {
    double *precisions = malloc(longest * sizeof *precisions);
    if (!precisions) {
#pragma omp atomic write
      failed = true;
    }
#pragma omp for schedule(dynamic)
    for (int i = 0; i < curves; ++i) {
      coco_curve curve = {.precisions = precisions,
                          .iou = (size_t)(i % FM_COCO_IOUS),
                          .area = (size_t)(i / FM_COCO_IOUS % FM_COCO_AREAS),
                          .category = (size_t)(i / FM_COCO_IOUS / FM_COCO_AREAS)};
      for (curve.dets = 0; precisions && curve.dets < FM_COCO_MAX_DETS; ++curve.dets)
        coco_sample(job, &curve, out);
    }
    free(precisions);
  }
  return failed ? fm_fail(FM_ERR_MEMORY, "out of memory") : FM_OK;
}

// A mean of the defined entries (> -1), -1 when there is none.
typedef struct coco_mean {
  double sum;
  size_t count;
} coco_mean;

static void coco_mean_add(coco_mean *mean, double value) {
  if (value > -1) {
    mean->sum += value;
    ++mean->count;
  }
}

static double coco_mean_value(const coco_mean *mean) {
  return mean->count ? mean->sum / (double)mean->count : -1;
}

// Mean precision of categories [first, last) at thresholds [from, to), 100 detections.
static double coco_mean_precision(const coco_job *job, const fm_coco_measure *out,
                                  const size_t categories[2], const int ious[2], int area) {
  coco_mean mean = {0};
  for (int t = ious[0]; t < ious[1]; ++t)
    for (size_t r = 0; r < FM_COCO_RECALLS; ++r)
      for (size_t k = categories[0]; k < categories[1]; ++k)
        coco_mean_add(&mean, out->precision[coco_at(job, (size_t)t * FM_COCO_RECALLS + r, k,
                                                    (size_t)area, FM_COCO_MAX_DETS - 1)]);
  return coco_mean_value(&mean);
}

static double coco_mean_recall(const coco_job *job, const fm_coco_measure *out, int area,
                               int dets) {
  coco_mean mean = {0};
  for (size_t t = 0; t < FM_COCO_IOUS; ++t)
    for (size_t k = 0; k < (size_t)job->category_count; ++k)
      coco_mean_add(&mean, out->recall[coco_at(job, t, k, (size_t)area, (size_t)dets)]);
  return coco_mean_value(&mean);
}

static void coco_summarize(const coco_job *job, fm_coco_measure *out) {
  const size_t all[2] = {0, (size_t)job->category_count};
  const int every[2] = {0, FM_COCO_IOUS};
  out->mAP = coco_mean_precision(job, out, all, every, 0);
  out->mAP50 = coco_mean_precision(job, out, all, (int[2]){0, 1}, 0);
  out->mAP75 = coco_mean_precision(job, out, all, (int[2]){5, 6}, 0);
  out->mAP_small = coco_mean_precision(job, out, all, every, 1);
  out->mAP_medium = coco_mean_precision(job, out, all, every, 2);
  out->mAP_large = coco_mean_precision(job, out, all, every, 3);
  out->AR1 = coco_mean_recall(job, out, 0, 0);
  out->AR10 = coco_mean_recall(job, out, 0, 1);
  out->AR100 = coco_mean_recall(job, out, 0, 2);
  out->AR_small = coco_mean_recall(job, out, 1, 2);
  out->AR_medium = coco_mean_recall(job, out, 2, 2);
  out->AR_large = coco_mean_recall(job, out, 3, 2);
  for (int t = 0; t < FM_COCO_IOUS; ++t)
    out->per_iou[t] = coco_mean_precision(job, out, all, (int[2]){t, t + 1}, 0);
  for (size_t k = 0; k < all[1]; ++k) {
    const size_t one[2] = {k, k + 1};
    out->category_AP[k] = coco_mean_precision(job, out, one, every, 0);
    for (int t = 0; t < FM_COCO_IOUS; ++t)
      out->category_AP_iou[k * FM_COCO_IOUS + (size_t)t] =
          coco_mean_precision(job, out, one, (int[2]){t, t + 1}, 0);
    out->category_AP50[k] = out->category_AP_iou[k * FM_COCO_IOUS];
    out->category_truths[k] = job->counted[k * FM_COCO_AREAS];
  }
}

static void coco_tell_fates(const coco_job *job, fm_coco_measure *out) {
  const unsigned all = (1u << FM_COCO_IOUS) - 1;
  for (size_t i = 0; i < job->result_count; ++i) {
    const bool looked_at = job->ranks[i] != UINT32_MAX;
    const unsigned counts = looked_at ? all & ~(unsigned)job->flags[i].ignored[0] : 0;
    out->hits[i] = (uint16_t)(counts & job->flags[i].matched[0]);
    out->false_alarms[i] = (uint16_t)(counts & ~(unsigned)job->flags[i].matched[0]);
  }
}

static fm_status coco_measure_init(const coco_job *job, fm_coco_measure *out) {
  const size_t categories = (size_t)job->category_count, results = job->result_count;
  const size_t recalls = FM_COCO_IOUS * categories * FM_COCO_AREAS * FM_COCO_MAX_DETS;
  *out = (fm_coco_measure){.category_count = job->category_count, .result_count = results};
  out->category_AP = malloc(categories * sizeof *out->category_AP);
  out->category_AP50 = malloc(categories * sizeof *out->category_AP50);
  out->category_AP_iou = malloc(categories * FM_COCO_IOUS * sizeof *out->category_AP_iou);
  out->category_truths = malloc(categories * sizeof *out->category_truths);
  out->precision = malloc(recalls * FM_COCO_RECALLS * sizeof *out->precision);
  out->recall = malloc(recalls * sizeof *out->recall);
  out->hits = malloc((results + 1) * sizeof *out->hits);
  out->false_alarms = malloc((results + 1) * sizeof *out->false_alarms);
  if (!out->category_AP || !out->category_AP50 || !out->category_AP_iou || !out->category_truths ||
      !out->precision || !out->recall || !out->hits || !out->false_alarms)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < recalls * FM_COCO_RECALLS; ++i)
    out->precision[i] = -1;
  for (size_t i = 0; i < recalls; ++i)
    out->recall[i] = -1;
  return FM_OK;
}

fm_status fm_coco_evaluate(fm_coco_measure *out, const fm_coco_truth *truths, size_t truth_count,
                           const fm_coco_result *results, size_t result_count, int category_count) {
  coco_job job = {.truths = truths,
                  .results = results,
                  .truth_count = truth_count,
                  .result_count = result_count,
                  .category_count = category_count};
  *out = (fm_coco_measure){0};
  fm_status status;
  FM_TRY_OUT(coco_check(&job));
  FM_TRY_OUT(coco_measure_init(&job, out));
  FM_TRY_OUT(coco_allocate(&job));
  FM_TRY_OUT(coco_sort(&job));
  coco_group(&job);
  FM_TRY_OUT(coco_match_all(&job));
  coco_rank(&job);
  FM_TRY_OUT(coco_accumulate(&job, out));
  coco_summarize(&job, out);
  coco_tell_fates(&job, out);
out:
  coco_job_release(&job);
  if (status < 0)
    fm_coco_measure_release(out);
  return status;
}

void fm_coco_measure_release(fm_coco_measure *measure) {
  free(measure->category_AP);
  free(measure->category_AP50);
  free(measure->category_AP_iou);
  free(measure->category_truths);
  free(measure->precision);
  free(measure->recall);
  free(measure->hits);
  free(measure->false_alarms);
  *measure = (fm_coco_measure){0};
}
