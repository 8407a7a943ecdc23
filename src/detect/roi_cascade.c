// Between two stages of the cascade: the boxes of one become the proposals of the next.
#include <math.h>
#include <string.h>

#include "detect/roi_heads.h"

#define ROI_CASCADE_IOU_STEP 0.1f

fm_box_coder fm_roi_coder(int stage) {
  fm_box_coder coder = fm_box_coder_head;
  for (int i = 0; i < 4; i++)
    coder.weights[i] *= (float)(stage + 1);
  return coder;
}

static int roi_likeliest(const float *logits, int classes) {
  int best = 1;
  for (int c = 2; c < classes; c++)
    best = logits[c] > logits[best] ? c : best;
  return best;
}

// A box that its deltas make too small to pool from stays where it was.
static void roi_move(const fm_roi_batch *batch, const fm_roi_outputs *outputs,
                     const fm_input *inputs, bool training) {
  const fm_box_coder coder = fm_roi_coder(outputs->stage);
  size_t classes = (size_t)outputs->classes;
  for (size_t picture = 0; picture < batch->pictures; picture++) {
    for (size_t row = batch->starts[picture]; row < batch->starts[picture + 1]; row++) {
      int label = training && batch->labels[row] > 0
                      ? batch->labels[row]
                      : roi_likeliest(outputs->logits + row * classes, outputs->classes);
      const float *deltas = outputs->deltas + 4 * (row * classes + (size_t)label);
      fm_box box = fm_box_decode(&coder, batch->boxes[row], deltas);
      box = fm_box_clip(box, inputs[picture].width, inputs[picture].height);
      if (fm_box_is_large(box, FM_CASCADE_MIN_SIDE))
        batch->boxes[row] = box;
    }
  }
}

void fm_roi_softmax(const float *logits, int classes, float *out) {
  float highest = logits[0], sum = 0;
  for (int c = 1; c < classes; c++)
    highest = logits[c] > highest ? logits[c] : highest;
  for (int c = 0; c < classes; c++) {
    out[c] = expf(logits[c] - highest);
    sum += out[c];
  }
  for (int c = 0; c < classes; c++)
    out[c] /= sum;
}

// Adds the stage's class scores to those of the stages before.
static fm_status roi_keep_scores(fm_roi_heads *heads, const fm_roi_batch *batch,
                                 const fm_roi_outputs *outputs) {
  size_t classes = (size_t)outputs->classes;
  void *memory;
  FM_TRY(fm_scratch_get(&heads->scores, (batch->count + 1) * classes, sizeof(float), &memory));
  float *sums = memory, *own = sums + batch->count * classes;
  if (outputs->stage == 0)
    memset(sums, 0, batch->count * classes * sizeof(float));
  for (size_t row = 0; row < batch->count; row++) {
    fm_roi_softmax(outputs->logits + row * classes, outputs->classes, own);
    for (size_t c = 0; c < classes; c++)
      sums[row * classes + c] += own[c];
  }
  return FM_OK;
}

// Drops the rows to which the stages so far give less than `threshold` in the mean for all classes
// together.
static void roi_drop(fm_roi_heads *heads, fm_roi_batch *batch, const fm_roi_outputs *outputs,
                     float threshold) {
  const size_t classes = (size_t)outputs->classes;
  float *sums = heads->scores.data;
  const float most = (1 - threshold) * (float)(outputs->stage + 1); // background
  size_t kept = 0, row = 0;
  for (size_t picture = 0; picture < batch->pictures; picture++) {
    const size_t end = batch->starts[picture + 1];
    for (; row < end; row++) {
      if (sums[row * classes] > most)
        continue;
      batch->boxes[kept] = batch->boxes[row];
      memmove(sums + kept * classes, sums + row * classes, classes * sizeof *sums);
      kept++;
    }
    batch->starts[picture + 1] = kept;
  }
  batch->count = kept;
}

fm_status fm_roi_heads_refine(fm_roi_heads *heads, fm_roi_batch *batch,
                              const fm_roi_outputs *outputs, const fm_input *inputs,
                              const fm_model_config *config, bool training) {
  if (!training)
    FM_TRY(roi_keep_scores(heads, batch, outputs));
  roi_move(batch, outputs, inputs, training);
  if (!training) {
    if (config->cascade_score_thresh > 0)
      roi_drop(heads, batch, outputs, config->cascade_score_thresh);
    return FM_OK;
  }
  float threshold = config->box_fg_iou_thresh + ROI_CASCADE_IOU_STEP * (float)(outputs->stage + 1);
  return fm_roi_heads_rematch(heads, batch, inputs, threshold < 0.95f ? threshold : 0.95f);
}
