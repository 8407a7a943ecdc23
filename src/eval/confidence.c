// Hits and detections by score, summed from the best score down.
#include "eval/confidence.h"

#include <math.h>
#include <stdlib.h>

// Of one class: first those whose score lies between a point and the next, then with all better.
typedef struct confidence_sums {
  size_t hits[FM_CONFIDENCE_POINTS], found[FM_CONFIDENCE_POINTS], faces;
} confidence_sums;

double fm_confidence_score(int point) {
  return (double)point / (FM_CONFIDENCE_POINTS - 1);
}

// The last point whose score is not above `score`, -1 when there is none.
static int confidence_point(double score) {
  if (!(score >= 0))
    return -1;
  if (score >= 1)
    return FM_CONFIDENCE_POINTS - 1;
  int point = (int)(score * (FM_CONFIDENCE_POINTS - 1));
  while (point + 1 < FM_CONFIDENCE_POINTS && fm_confidence_score(point + 1) <= score)
    point++;
  while (point > 0 && fm_confidence_score(point) > score)
    point--;
  return point;
}

static void confidence_count(confidence_sums *sums, const fm_eval_boxes *boxes,
                             const fm_coco_measure *measure, int iou) {
  for (size_t i = 0; i < boxes->result_count; ++i) {
    const int point = confidence_point(boxes->results[i].score);
    const unsigned hit = measure->hits[i] >> iou & 1, miss = measure->false_alarms[i] >> iou & 1;
    if (point < 0)
      continue;
    confidence_sums *own = &sums[boxes->results[i].category];
    own->hits[point] += hit;
    own->found[point] += hit + miss;
  }
  for (int k = 0; k < measure->category_count; ++k) {
    sums[k].faces = measure->category_truths[k];
    for (int i = FM_CONFIDENCE_POINTS - 2; i >= 0; --i) {
      sums[k].hits[i] += sums[k].hits[i + 1];
      sums[k].found[i] += sums[k].found[i + 1];
    }
  }
}

static void confidence_fill(fm_confidence_curve *curve, const confidence_sums *sums) {
  curve->best_score = curve->best_f1 = (double)NAN;
  for (int i = 0; i < FM_CONFIDENCE_POINTS; ++i) {
    const double hits = (double)sums->hits[i], found = (double)sums->found[i];
    const double faces = (double)sums->faces;
    curve->precision[i] = found > 0 ? hits / found : (double)NAN;
    curve->recall[i] = faces > 0 ? hits / faces : (double)NAN;
    curve->f1[i] = faces > 0 ? 2 * hits / (found + faces) : (double)NAN;
    if (hits > 0 && !(curve->f1[i] <= curve->best_f1)) {
      curve->best_f1 = curve->f1[i];
      curve->best_score = fm_confidence_score(i);
    }
  }
}

static void confidence_add(confidence_sums *all, const confidence_sums *sums) {
  all->faces += sums->faces;
  for (int i = 0; i < FM_CONFIDENCE_POINTS; ++i) {
    all->hits[i] += sums->hits[i];
    all->found[i] += sums->found[i];
  }
}

fm_status fm_confidence_make(fm_confidence *out, const fm_eval_boxes *boxes,
                             const fm_coco_measure *measure, int iou) {
  FM_ASSERT(iou >= 0 && iou < FM_COCO_IOUS && measure->result_count == boxes->result_count);
  const size_t classes = (size_t)measure->category_count;
  *out = (fm_confidence){.class_count = measure->category_count};
  confidence_sums *sums = calloc(classes + 1, sizeof *sums);
  out->classes = calloc(classes, sizeof *out->classes);
  if (!sums || !out->classes) {
    free(sums);
    fm_confidence_release(out);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  confidence_count(sums, boxes, measure, iou);
  for (size_t k = 0; k < classes; ++k) {
    confidence_fill(&out->classes[k], &sums[k]);
    confidence_add(&sums[classes], &sums[k]);
  }
  confidence_fill(&out->all, &sums[classes]);
  free(sums);
  return FM_OK;
}

void fm_confidence_release(fm_confidence *confidence) {
  free(confidence->classes);
  *confidence = (fm_confidence){0};
}
