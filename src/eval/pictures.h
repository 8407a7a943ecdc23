// The boxes of a measurement picture by picture.
#ifndef FM_EVAL_PICTURES_H
#define FM_EVAL_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "eval/boxes.h"

typedef struct fm_eval_pictures {
  const fm_coco_truth **truths;   // by picture, in the order of the input
  const fm_coco_result **results; // likewise
  size_t truth_count, result_count;
  size_t truth, result; // where the next picture begins
} fm_eval_pictures;

// What one picture has; may be put into another order.
typedef struct fm_eval_picture {
  int64_t image;
  const fm_coco_truth **truths;
  const fm_coco_result **results;
  size_t truth_count, result_count; // one of them may be 0
} fm_eval_picture;

// Takes the detections of this score and more. FM_ERR_ARGUMENT for a category outside 0 to
// class_count - 1. To be released also after a failure; `boxes` is lent as long.
FM_MUST_USE fm_status fm_eval_pictures_init(fm_eval_pictures *pictures, const fm_eval_boxes *boxes,
                                            int class_count, double score);
// The next picture by rising number; false behind the last one.
bool fm_eval_pictures_next(fm_eval_pictures *pictures, fm_eval_picture *out);
void fm_eval_pictures_release(fm_eval_pictures *pictures);

#endif
