// Precision, recall and F1 against the score from which detections are taken, at one IoU threshold:
// what a user chooses a threshold by. From the matches of the COCO measure, which go from better to
// worse scores, so that leaving out the worse ones changes no match.
#ifndef FM_EVAL_CONFIDENCE_H
#define FM_EVAL_CONFIDENCE_H

#include <stddef.h>

#include "base/status.h"
#include "eval/boxes.h"
#include "eval/coco.h"

enum { FM_CONFIDENCE_POINTS = 101 };

typedef struct fm_confidence_curve {
  // [i]: of the detections with a score of i / 100 and more. precision is NAN where there are none,
  // recall and F1 = 2 hits / (detections + faces) are NAN when the class has no faces.
  double precision[FM_CONFIDENCE_POINTS], recall[FM_CONFIDENCE_POINTS], f1[FM_CONFIDENCE_POINTS];
  double best_score, best_f1; // the lowest score of the largest F1; NAN when nothing is found
} fm_confidence_curve;

typedef struct fm_confidence {
  int class_count;
  fm_confidence_curve *classes; // [class_count]
  fm_confidence_curve all;      // of all classes together: sums of hits, detections and faces
} fm_confidence;

// The score of point i.
double fm_confidence_score(int point);
// `measure` is that of `boxes`; `iou` counts from 0 (fm_coco_iou).
FM_MUST_USE fm_status fm_confidence_make(fm_confidence *out, const fm_eval_boxes *boxes,
                                         const fm_coco_measure *measure, int iou);
void fm_confidence_release(fm_confidence *confidence);

#endif
