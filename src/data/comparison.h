// Ground truth beside prediction: a picture of the data set with its faces, and again with what was
// found in it.
#ifndef FM_DATA_COMPARISON_H
#define FM_DATA_COMPARISON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/box.h"
#include "base/status.h"
#include "data/dataset.h"
#include "image/image.h"

typedef struct fm_comparison {
  const fm_dataset *dataset;
  size_t sample;
  const fm_detection *detections; // labels of the data set
  size_t detection_count;
  const bool *plain_truths, *plain_detections; // boxes without text; NULL: none
  double score;                                // detections below are not drawn
  const char *truth;                           // titles; NULL: how many there are
  const char *prediction;
  int scale; // by which the picture is enlarged, see fm_draw_scale
} fm_comparison;

FM_MUST_USE fm_status fm_comparison_draw(fm_image *out, const fm_comparison *comparison);

#endif
