// The COCO detection measure, equal to pycocotools' COCOeval for boxes (cocoeval.py) within
// rounding: ten IoU thresholds, 101 recall points, four area ranges, 1/10/100 detections. Knows
// nothing of files or models.
#ifndef FM_EVAL_COCO_H
#define FM_EVAL_COCO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/box.h"
#include "base/status.h"

enum { FM_COCO_IOUS = 10, FM_COCO_RECALLS = 101, FM_COCO_AREAS = 4, FM_COCO_MAX_DETS = 3 };
enum { FM_COCO_CATEGORIES_MAX = 10000 };

// Boxes are x, y, w, h in double, as COCO files hold them; equality with pycocotools depends on
// that.
typedef struct fm_coco_truth {
  int64_t image;    // any id; images without truth or detections need not be listed
  int32_t category; // 0..category_count-1
  double x, y, w, h, area;
  bool crowd;  // a region of many: may be matched often, never counts
  bool ignore; // never counts either, but is matched once (pycocotools forgets this flag)
} fm_coco_truth;

typedef struct fm_coco_result {
  int64_t image;
  int32_t category;
  double x, y, w, h, score;
} fm_coco_result;

typedef struct fm_coco_measure {
  double mAP, mAP50, mAP75, mAP_small, mAP_medium,
      mAP_large; // -1 when there is no truth, as pycocotools
  double AR1, AR10, AR100, AR_small, AR_medium, AR_large;
  double per_iou[FM_COCO_IOUS]; // mAP at each threshold, area all, 100 detections
  int category_count;
  double *category_AP, *category_AP50; // [category_count]
  double *category_AP_iou;             // [category_count][FM_COCO_IOUS]
  size_t *category_truths;             // faces of each class
  // precision[iou][recall][category][area][max_dets] and recall[iou][category][area][max_dets], -1
  // where undefined
  double *precision, *recall;
  // What became of each detection, in the order of the input, among boxes of every size: bit t of
  // `hits` when it finds a face at threshold t, of `false_alarms` when it finds none. Neither when
  // it does not count (behind the first 100 of its class in a picture, or on a face to ignore).
  size_t result_count;
  uint16_t *hits, *false_alarms; // [result_count]
} fm_coco_measure;

// Order matters as in pycocotools: ties in score keep the input order (stable sort), images are
// taken in ascending id. FM_ERR_ARGUMENT for a category out of range, FM_ERR_NUMERIC for a number
// that is not finite. `out` needs no release after a failure.
FM_MUST_USE fm_status fm_coco_evaluate(fm_coco_measure *out, const fm_coco_truth *truths,
                                       size_t truth_count, const fm_coco_result *results,
                                       size_t result_count, int category_count);
void fm_coco_measure_release(fm_coco_measure *measure);
// The threshold of per_iou[index]: 0.5, 0.55 ... 0.95, as numpy.linspace gives them.
double fm_coco_iou(int index);

#endif
