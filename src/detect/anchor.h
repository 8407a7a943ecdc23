// Anchors of all pyramid levels: torchvision's AnchorGenerator.
#ifndef FM_DETECT_ANCHOR_H
#define FM_DETECT_ANCHOR_H

#include <stddef.h>

#include "base/box.h"
#include "base/options.h"
#include "base/status.h"
#include "detect/scratch.h"

enum { FM_ANCHOR_LEVELS_MAX = FM_TABLE_ROWS_MAX };

// Where a level's anchors lie, and the size of its feature map.
typedef struct fm_anchor_level {
  int height, width, per_place; // their product is count; the last runs fastest
  size_t first, count;
} fm_anchor_level;

// The same for every picture of a batch. Coordinates in pixels of the padded picture, each in an
// array of its own.
typedef struct fm_anchors {
  int level_count;
  fm_anchor_level levels[FM_ANCHOR_LEVELS_MAX];
  size_t count;
  float *x1, *y1, *x2, *y2, *area; // (count) each, lent from memory
  int image_height, image_width;   // of the padded picture
  fm_scratch memory;
} fm_anchors;

typedef struct fm_anchor_grid {
  int level_count;
  int heights[FM_ANCHOR_LEVELS_MAX], widths[FM_ANCHOR_LEVELS_MAX];
  int image_height, image_width; // padded
} fm_anchor_grid;

// Zero-initialised at first; kept as it is when the grid has not changed.
FM_MUST_USE fm_status fm_anchors_make(fm_anchors *anchors, const fm_float_table *sizes,
                                      const fm_float_table *ratios, const fm_anchor_grid *grid);
void fm_anchors_release(fm_anchors *anchors);

static inline fm_box fm_anchors_box(const fm_anchors *anchors, size_t index) {
  return (fm_box){anchors->x1[index], anchors->y1[index], anchors->x2[index], anchors->y2[index]};
}

#endif
