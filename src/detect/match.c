// Overlaps are computed in two passes instead of kept in a matrix: what is compared lies in the
// processor's cache.
#include "detect/match.h"

#include "base/clones.h"
#include "detect/box.h"

// Boxes are taken in parts whose columns stay in the first-level cache while all true boxes pass.
enum { MATCH_LANES = 16, MATCH_PART = 1024 };

static inline float match_overlap(const fm_box_columns *boxes, size_t i, fm_box truth, float area) {
  fm_box box = {boxes->x1[i], boxes->y1[i], boxes->x2[i], boxes->y2[i]};
  return fm_box_iou(truth, area, box, boxes->area[i]);
}

// Raises best and matches where this true box overlaps more; returns the greatest overlap.
FM_KERNEL static float match_raise(const fm_box_columns *boxes, fm_box truth, int32_t number,
                                   int32_t *restrict matches, float *restrict best) {
  float area = (truth.x2 - truth.x1) * (truth.y2 - truth.y1);
  float lanes[MATCH_LANES];
  for (int l = 0; l < MATCH_LANES; l++)
    lanes[l] = -1;
  size_t whole = boxes->count / MATCH_LANES * MATCH_LANES;
  for (size_t i = 0; i < whole; i += MATCH_LANES) {
    for (size_t l = 0; l < MATCH_LANES; l++) {
      float overlap = match_overlap(boxes, i + l, truth, area);
      bool more = overlap > best[i + l];
      matches[i + l] = more ? number : matches[i + l];
      best[i + l] = more ? overlap : best[i + l];
      lanes[l] = overlap > lanes[l] ? overlap : lanes[l];
    }
  }
  for (size_t i = whole; i < boxes->count; i++) {
    float overlap = match_overlap(boxes, i, truth, area);
    bool more = overlap > best[i];
    matches[i] = more ? number : matches[i];
    best[i] = more ? overlap : best[i];
    lanes[0] = overlap > lanes[0] ? overlap : lanes[0];
  }
  for (int l = 1; l < MATCH_LANES; l++)
    lanes[0] = lanes[l] > lanes[0] ? lanes[l] : lanes[0];
  return lanes[0];
}

// Puts best of every box with just this overlap above all thresholds.
FM_KERNEL static void match_favour(const fm_box_columns *boxes, fm_box truth, float greatest,
                                   float *restrict best) {
  float area = (truth.x2 - truth.x1) * (truth.y2 - truth.y1);
  for (size_t i = 0; i < boxes->count; i++) {
    float overlap = match_overlap(boxes, i, truth, area);
    best[i] = overlap == greatest ? 2 : best[i];
  }
}

FM_KERNEL static void match_decide(const fm_match_options *options, size_t count,
                                   const float *restrict best, int32_t *restrict matches) {
  float high = options->high, low = options->low;
  for (size_t i = 0; i < count; i++) {
    int32_t weak = best[i] < low ? FM_MATCH_BACKGROUND : FM_MATCH_BETWEEN;
    matches[i] = best[i] < high ? weak : matches[i];
  }
}

static fm_box_columns match_part(const fm_box_columns *boxes, size_t start) {
  size_t rest = boxes->count - start;
  return (fm_box_columns){boxes->x1 + start,   boxes->y1 + start,
                          boxes->x2 + start,   boxes->y2 + start,
                          boxes->area + start, rest < MATCH_PART ? rest : MATCH_PART};
}

void fm_match(const fm_match_options *options, const fm_box *truth, size_t truth_count,
              const fm_box_columns *boxes, int32_t *matches, float *scratch) {
  float *best = scratch, *greatest = scratch + boxes->count;
  for (size_t i = 0; i < boxes->count; i++) {
    matches[i] = 0;
    best[i] = -1;
  }
  for (size_t t = 0; t < truth_count; t++)
    greatest[t] = -1;
  for (size_t start = 0; start < boxes->count; start += MATCH_PART) {
    fm_box_columns part = match_part(boxes, start);
    for (size_t t = 0; t < truth_count; t++) {
      float most = match_raise(&part, truth[t], (int32_t)t, matches + start, best + start);
      greatest[t] = most > greatest[t] ? most : greatest[t];
    }
  }
  for (size_t start = 0; options->allow_low_quality && start < boxes->count; start += MATCH_PART) {
    fm_box_columns part = match_part(boxes, start);
    for (size_t t = 0; t < truth_count; t++)
      match_favour(&part, truth[t], greatest[t], best + start);
  }
  match_decide(options, boxes->count, best, matches);
}
