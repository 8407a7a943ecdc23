// Arithmetic of boxes: overlap, and the coding of one box relative to another
// (torchvision's ops.boxes and BoxCoder). Every formula is evaluated in float in torchvision's
// order, so that comparisons with thresholds fall the same way.
#ifndef FM_DETECT_BOX_H
#define FM_DETECT_BOX_H

#include <math.h>
#include <stdbool.h>

#include "base/box.h"

// Weights of (dx, dy, dw, dh): 1,1,1,1 in the RPN, 10,10,5,5 in the head.
typedef struct fm_box_coder {
  float weights[4];
} fm_box_coder;
extern const fm_box_coder fm_box_coder_rpn, fm_box_coder_head;

// ln(1000 / 16): dw and dh are cut here before exp.
#define FM_BOX_CODER_CLIP 4.135166556742356f

// deltas (4): `box` seen from `reference` (an anchor or a proposal).
void fm_box_encode(const fm_box_coder *coder, fm_box reference, fm_box box, float *deltas);
fm_box fm_box_decode(const fm_box_coder *coder, fm_box reference, const float *deltas);
// d(loss)/d(deltas) from d(loss)/d(decoded box): the gradient of fm_box_decode.
void fm_box_decode_gradient(const fm_box_coder *coder, fm_box reference, const float *deltas,
                            const float *dbox, float *ddeltas);

// The number a user wrote, from the float that keeps it: 0.7f -> 0.7. torchvision computes with the
// double.
double fm_box_decimal(float value);

static inline float fm_box_area(fm_box box) {
  return (box.x2 - box.x1) * (box.y2 - box.y1);
}

// torchvision's remove_small_boxes keeps it. False for NaN.
static inline bool fm_box_is_large(fm_box box, float side) {
  return box.x2 - box.x1 >= side && box.y2 - box.y1 >= side;
}

// The mean of boxes by weight; of none with a weight above 0 it is no number.
typedef struct fm_box_mean {
  double sums[4], weight;
} fm_box_mean;
static inline void fm_box_mean_add(fm_box_mean *mean, fm_box box, float weight) {
  const float sides[4] = {box.x1, box.y1, box.x2, box.y2};
  for (int i = 0; i < 4; i++)
    mean->sums[i] += (double)weight * (double)sides[i];
  mean->weight += (double)weight;
}
static inline fm_box fm_box_mean_get(const fm_box_mean *mean) {
  return (fm_box){(float)(mean->sums[0] / mean->weight), (float)(mean->sums[1] / mean->weight),
                  (float)(mean->sums[2] / mean->weight), (float)(mean->sums[3] / mean->weight)};
}

// Intersection over union of two boxes with known areas; NaN for two empty ones.
static inline float fm_box_iou(fm_box a, float area_a, fm_box b, float area_b) {
  float x1 = a.x1 > b.x1 ? a.x1 : b.x1, y1 = a.y1 > b.y1 ? a.y1 : b.y1;
  float x2 = a.x2 < b.x2 ? a.x2 : b.x2, y2 = a.y2 < b.y2 ? a.y2 : b.y2;
  float w = x2 - x1 > 0 ? x2 - x1 : 0, h = y2 - y1 > 0 ? y2 - y1 : 0;
  float both = w * h;
  return both / (area_a + area_b - both);
}

#endif
