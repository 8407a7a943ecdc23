// COCO results files (predictions.json):
// [{"image_id", "category_id", "bbox": [x, y, w, h], "score", "file_name"}].
// image_id is the position in the sorted names of the subset, category_id the 1-based label.
#ifndef FM_EVAL_RESULTS_H
#define FM_EVAL_RESULTS_H

#include <stddef.h>

#include "base/status.h"
#include "eval/boxes.h"
#include "eval/subset.h"

// Adds the truth of every picture.
FM_MUST_USE fm_status fm_eval_subset_truths(const fm_eval_subset *subset, fm_eval_boxes *boxes);
// Adds a results file. A detection's picture is its file_name (with or without extension, folders
// do not matter) when it has one, else its image_id. Those of named pictures that are in the data
// set and not in the subset are left out and counted (*outside). FM_ERR_FORMAT names the entry and
// what is wrong with it: a picture nobody knows, an unknown category, a number that is not finite.
FM_MUST_USE fm_status fm_results_read(fm_eval_boxes *boxes, const fm_eval_subset *subset,
                                      const char *path, size_t *outside);
FM_MUST_USE fm_status fm_results_write(const fm_eval_boxes *boxes, const fm_eval_subset *subset,
                                       const char *path);
#endif
