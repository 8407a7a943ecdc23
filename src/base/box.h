// An upright box and the sizes derived from it. Pixel edges of the picture it belongs to: x2 - x1
// is the width.
#ifndef FM_BASE_BOX_H
#define FM_BASE_BOX_H

#include <stddef.h>
#include <stdint.h>

typedef struct fm_box {
  float x1, y1, x2, y2;
} fm_box;

// The box in a picture of `width` pixels that is mirrored left to right.
static inline fm_box fm_box_mirror(fm_box box, float width) {
  return (fm_box){width - box.x2, box.y1, width - box.x1, box.y2};
}

// One found face. `label` is 1-based (0 is background); score in [0, 1]; box in pixels of the
// source picture.
typedef struct fm_detection {
  fm_box box;
  int32_t label;
  float score;
} fm_detection;

#endif
