// From the head's outputs to detections: torchvision's postprocess_detections and resize_boxes.
#include <math.h>
#include <stdlib.h>

#include "detect/box.h"
#include "detect/nms.h"
#include "detect/roi_heads.h"

#define ROI_MIN_SIDE 1e-2f

// The candidates of one picture: a box a row and class.
typedef struct roi_candidates {
  fm_box *boxes;
  float *scores;
  int32_t *labels; // 0-based, without background
  uint32_t *keep;
  void *nms;
  size_t count;
} roi_candidates;

// The class scores of one row, of a later stage of the cascade the mean over the stages.
static void roi_scores(const fm_roi_heads *heads, const fm_roi_outputs *outputs, size_t row,
                       float *out) {
  size_t classes = (size_t)outputs->classes;
  fm_roi_softmax(outputs->logits + row * classes, outputs->classes, out);
  if (outputs->stage == 0)
    return;
  const float *sums = (const float *)heads->scores.data + row * classes;
  for (size_t c = 0; c < classes; c++)
    out[c] = (sums[c] + out[c]) / (float)(outputs->stage + 1);
}

static void roi_add_row(roi_candidates *candidates, const fm_roi_heads *heads,
                        const fm_roi_outputs *outputs, size_t row, fm_box proposal,
                        const fm_input *input, float threshold) {
  float *scores = candidates->scores + candidates->count; // room for a row's classes and background
  const float *deltas = outputs->deltas + row * 4 * (size_t)outputs->classes;
  const fm_box_coder coder = fm_roi_coder(outputs->stage);
  roi_scores(heads, outputs, row, scores);
  for (int c = 1; c < outputs->classes; c++) {
    float score = scores[c];
    if (!(score > threshold))
      continue;
    fm_box box = fm_box_decode(&coder, proposal, deltas + 4 * (size_t)c);
    box = fm_box_clip(box, input->width, input->height);
    if (!fm_box_is_large(box, ROI_MIN_SIDE))
      continue;
    size_t at =
        candidates->count++; // at most c - 1 entries behind `scores`, so nothing unread is lost
    candidates->boxes[at] = box;
    candidates->scores[at] = score;
    candidates->labels[at] = c - 1;
  }
}

static fm_status roi_candidates_make(roi_candidates *candidates, fm_scratch *memory, size_t rows,
                                     int classes) {
  size_t most = (rows + 1) * (size_t)classes, nms = fm_nms_bytes(most, classes);
  size_t head = (most * (sizeof(fm_box) + 12) + 63) / 64 * 64;
  void *data;
  FM_TRY(fm_scratch_get(memory, head + nms, 1, &data));
  *candidates = (roi_candidates){.boxes = data};
  candidates->scores = (float *)(candidates->boxes + most);
  candidates->labels = (int32_t *)(candidates->scores + most);
  candidates->keep = (uint32_t *)(candidates->labels + most);
  candidates->nms = (char *)data + head;
  return FM_OK;
}

// The mean of all candidates of its class (of any, when they suppress each other) that overlap a
// kept box enough, weighted by score: neighbours that see the same face differ by chance.
static fm_box roi_vote(const roi_candidates *candidates, uint32_t kept,
                       const fm_roi_thresholds *thresholds) {
  fm_box box = candidates->boxes[kept];
  float area = fm_box_area(box);
  fm_box_mean mean = {{0}, 0};
  for (size_t i = 0; i < candidates->count; i++) {
    fm_box other = candidates->boxes[i];
    if (!thresholds->agnostic && candidates->labels[i] != candidates->labels[kept])
      continue;
    if (i != kept && !(fm_box_iou(box, area, other, fm_box_area(other)) >= thresholds->vote))
      continue;
    fm_box_mean_add(&mean, other, candidates->scores[i]);
  }
  return fm_box_mean_get(&mean);
}

static fm_status roi_give(const roi_candidates *candidates, size_t kept,
                          const fm_roi_thresholds *thresholds, const fm_input *input,
                          fm_detections *out) {
  *out = (fm_detections){0};
  if (kept == 0)
    return FM_OK;
  out->items = malloc(kept * sizeof *out->items);
  FM_CHECK_ALLOC(out->items);
  out->count = kept;
  float across = (float)input->source_width / (float)input->width;
  float down = (float)input->source_height / (float)input->height;
  for (size_t i = 0; i < kept; i++) {
    uint32_t at = candidates->keep[i];
    fm_box b = thresholds->vote > 0 ? roi_vote(candidates, at, thresholds) : candidates->boxes[at];
    out->items[i] = (fm_detection){{b.x1 * across, b.y1 * down, b.x2 * across, b.y2 * down},
                                   candidates->labels[at] + 1,
                                   candidates->scores[at]};
  }
  return FM_OK;
}

fm_status fm_roi_heads_detect(fm_roi_heads *heads, const fm_roi_batch *batch,
                              const fm_roi_outputs *outputs, const fm_input *inputs,
                              const fm_roi_thresholds *thresholds, fm_detections *out) {
  for (size_t picture = 0; picture < batch->pictures; picture++)
    out[picture] = (fm_detections){0};
  for (size_t picture = 0; picture < batch->pictures; picture++) {
    size_t first = batch->starts[picture], end = batch->starts[picture + 1];
    roi_candidates candidates;
    FM_TRY(roi_candidates_make(&candidates, &heads->work, end - first, outputs->classes));
    for (size_t row = first; row < end; row++)
      roi_add_row(&candidates, heads, outputs, row, batch->boxes[row], &inputs[picture],
                  thresholds->score);
    const fm_nms_input nms = {.boxes = candidates.boxes,
                              .scores = candidates.scores,
                              .groups = thresholds->agnostic ? NULL : candidates.labels,
                              .group_count = outputs->classes - 1,
                              .count = candidates.count,
                              .threshold = fm_box_decimal(thresholds->nms),
                              .limit = (size_t)thresholds->limit};
    size_t kept = fm_nms(&nms, candidates.keep, candidates.nms);
    FM_TRY(roi_give(&candidates, kept, thresholds, &inputs[picture], &out[picture]));
  }
  return FM_OK;
}
