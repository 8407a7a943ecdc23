// Intersection over union of boxes given as x, y, w, h, in double.
#ifndef FM_EVAL_OVERLAP_H
#define FM_EVAL_OVERLAP_H

#include "eval/coco.h"

// Of a detection and a face; for a crowd the union is the detection alone (maskApi.c, bbIou).
double fm_overlap_truth(const fm_coco_result *result, const fm_coco_truth *truth);
double fm_overlap_results(const fm_coco_result *a, const fm_coco_result *b);

#endif
