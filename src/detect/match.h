// Which true box each anchor or proposal stands for: torchvision's Matcher over box_iou.
#ifndef FM_DETECT_MATCH_H
#define FM_DETECT_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/box.h"

enum { FM_MATCH_BACKGROUND = -1, FM_MATCH_BETWEEN = -2 };

// Many boxes, each coordinate in an array of its own, (count) each.
typedef struct fm_box_columns {
  const float *x1, *y1, *x2, *y2, *area;
  size_t count;
} fm_box_columns;

typedef struct fm_match_options {
  float high, low;        // IoU >= high matches; < low is background; between is left out
  bool allow_low_quality; // the best of each true box, ties included, match at any IoU
} fm_match_options;

// matches (count): index into truth, FM_MATCH_BACKGROUND or FM_MATCH_BETWEEN. Among equal overlaps
// the first true box. Without truth all are background. scratch: (count + truth_count) floats.
void fm_match(const fm_match_options *options, const fm_box *truth, size_t truth_count,
              const fm_box_columns *boxes, int32_t *matches, float *scratch);

#endif
