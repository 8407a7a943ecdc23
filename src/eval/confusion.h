// Which class is taken for which: a confusion matrix with background, and the errors of each
// picture. Unlike in the COCO measure, faces and detections are paired whatever their classes, by
// falling overlap, one to one (as Ultralytics' ConfusionMatrix does), among the detections that
// reach a score.
#ifndef FM_EVAL_CONFUSION_H
#define FM_EVAL_CONFUSION_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "eval/boxes.h"

typedef struct fm_confusion_options {
  double score; // detections below do not count; 0: 0.5
  double iou;   // pairs overlap by this at least; 0: 0.5
} fm_confusion_options;

typedef struct fm_confusion_picture {
  int64_t image;
  size_t faces;                               // right + confused + missed
  size_t right, confused, missed, background; // background: detections where no face is
} fm_confusion_picture;

// What became of a face or a detection.
typedef enum fm_confusion_fate {
  FM_CONFUSION_UNCOUNTED, // to ignore, below the score
  FM_CONFUSION_RIGHT,     // paired with one of its class
  FM_CONFUSION_CONFUSED,  // paired with one of another class
  FM_CONFUSION_ALONE,     // a missed face, a false detection
} fm_confusion_fate;

typedef struct fm_confusion {
  int class_count;
  uint8_t *truth_fates, *result_fates; // fm_confusion_fate, in the order of the boxes
  // [class_count + 1][class_count + 1]: row the truth, column the prediction; the last one is
  // background: its column has the missed faces, its row the false detections.
  size_t *counts;
  fm_confusion_picture *pictures; // with faces or detections; the most errors first
  size_t picture_count;
} fm_confusion;

// Faces to ignore and crowds count nowhere, nor do detections on them alone. `out` needs no release
// after a failure.
FM_MUST_USE fm_status fm_confusion_make(fm_confusion *out, const fm_eval_boxes *boxes,
                                        int class_count, const fm_confusion_options *options);
void fm_confusion_release(fm_confusion *confusion);
size_t fm_confusion_count(const fm_confusion *confusion, int truth, int prediction);
// The part of its row: of the faces of a class, of the false detections; NAN for an empty row.
double fm_confusion_share(const fm_confusion *confusion, int truth, int prediction);

#endif
