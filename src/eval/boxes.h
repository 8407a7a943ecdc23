// Truth and detections of a set of pictures, gathered in the form the COCO measure takes.
//
// Truth from a data set's corners: w = x2 - x1, h = y2 - y1, area = w * h, from the boxes the data
// set gives (clipped to the picture unless strict). So a Pascal VOC box is xmin, ymin, xmax - xmin,
// ymax - ymin, as the pixel edges of fm_box are meant; no 1 is added.
#ifndef FM_EVAL_BOXES_H
#define FM_EVAL_BOXES_H

#include <stddef.h>
#include <stdint.h>

#include "base/box.h"
#include "base/status.h"
#include "data/dataset.h"
#include "eval/coco.h"

// Starts as {0}.
typedef struct fm_eval_boxes {
  fm_coco_truth *truths;
  size_t truth_count, truth_room;
  fm_coco_result *results;
  size_t result_count, result_room;
} fm_eval_boxes;

FM_MUST_USE fm_status fm_eval_boxes_add_sample(fm_eval_boxes *boxes, int64_t image,
                                               const fm_sample *sample);
// Labels are 1-based, categories start at 0. Boxes in pixels of the source picture.
FM_MUST_USE fm_status fm_eval_boxes_add_detections(fm_eval_boxes *boxes, int64_t image,
                                                   const fm_detection *items, size_t count);
FM_MUST_USE fm_status fm_eval_boxes_add_truth(fm_eval_boxes *boxes, const fm_coco_truth *truth);
FM_MUST_USE fm_status fm_eval_boxes_add_result(fm_eval_boxes *boxes, const fm_coco_result *result);
FM_MUST_USE fm_status fm_eval_boxes_measure(const fm_eval_boxes *boxes, int class_count,
                                            fm_coco_measure *out);
void fm_eval_boxes_release(fm_eval_boxes *boxes);

#endif
