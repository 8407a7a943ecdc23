// The way of counting of the notebook this program was modelled on, kept so that its figures can be
// compared with. NOT the COCO measure: it says more about the classes of what was found than about
// what was found at all, and its numbers are higher.
//
// 1. Detections of a picture are thinned by non-maximum suppression across classes: one whose
//    overlap with a better one is above 0.2 goes. Of the rest, those with a score of 0.5 and more
//    are kept.
// 2. Each kept detection is related to the face of its picture it overlaps most, whatever that
//    face's class, and however little they overlap; several may be related to the same face. Let
//    "real" be that face's class.
// 3. At an IoU threshold a detection is a hit when its class is its real class and the overlap
//    reaches the threshold.
// 4. For each real class, over its detections by falling score, after the n-th of them
//      precision = hits so far / n,   recall = hits so far / (hits in all + 1e-6).
//    So recall ends at 1 whatever was missed: it is counted over the faces found, not over all
//    faces. A false detection counts against the class of the nearest face.
// 5. AP of a class is the area below these points by the trapezoid rule, beginning at recall 0 with
//    the first precision. No envelope is taken, as COCO and Pascal VOC do.
// 6. mAP at a threshold is the mean over the classes some detection is related to; AP of a class is
//    the mean over the ten thresholds 0.5, 0.55 ... 0.95; mAP is the mean of those.
//
// Pictures without a face have no real class to give: their detections are left out (the notebook's
// data has none).
#ifndef FM_EVAL_NOTEBOOK_H
#define FM_EVAL_NOTEBOOK_H

#include <stddef.h>

#include "base/status.h"
#include "eval/boxes.h"

#define FM_NOTEBOOK_NMS 0.2
#define FM_NOTEBOOK_SCORE 0.5

typedef struct fm_notebook_measure {
  double mAP;                   // -1 when no detection is left
  double per_iou[FM_COCO_IOUS]; // likewise
  int class_count;
  double *class_AP;         // [class]; -1 for classes that no detection is related to
  double *class_AP_iou;     // [class][FM_COCO_IOUS], likewise
  size_t *class_detections; // [class] related to its faces
  size_t *class_hits;       // [class] at IoU 0.5
  size_t detections;        // kept and related
} fm_notebook_measure;

// `boxes` holds categories 0 to class_count - 1 (fm_eval_boxes). Equal scores keep the order of the
// pictures' numbers. `out` needs no release after a failure.
FM_MUST_USE fm_status fm_notebook_evaluate(fm_notebook_measure *out, const fm_eval_boxes *boxes,
                                           int class_count);
void fm_notebook_measure_release(fm_notebook_measure *measure);

#endif
