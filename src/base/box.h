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

// NaN stays NaN, as in torch.
static inline float fm_box_clamp(float value, float high) {
  float low = value < 0 ? 0 : value;
  return low > high ? high : low;
}

// What of a box lies in a picture; of one beside it a box without area.
static inline fm_box fm_box_clip(fm_box box, int width, int height) {
  float w = (float)width, h = (float)height;
  return (fm_box){fm_box_clamp(box.x1, w), fm_box_clamp(box.y1, h), fm_box_clamp(box.x2, w),
                  fm_box_clamp(box.y2, h)};
}

// One found face. `label` is 1-based (0 is background); score in [0, 1]; box in pixels of the
// source picture.
typedef struct fm_detection {
  fm_box box;
  int32_t label;
  float score;
} fm_detection;

#endif
