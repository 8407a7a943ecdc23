// The losses of the second stage: torchvision's fastrcnn_loss.
#include <string.h>

#include "detect/box_loss.h"
#include "detect/roi_heads.h"
#include "nn/loss.h"

#define ROI_FOCAL_GAMMA 2
#define ROI_FOCAL_ALPHA 0.25f

// Labels of all rows of the head; masked rows are ignored.
static fm_status roi_loss_labels(fm_roi_heads *heads, const fm_roi_batch *batch, size_t rows,
                                 int32_t **out) {
  void *memory;
  FM_TRY(fm_scratch_get(&heads->work, rows, sizeof **out, &memory));
  *out = memory;
  memcpy(*out, batch->labels, batch->count * sizeof **out);
  for (size_t row = batch->count; row < rows; row++)
    (*out)[row] = -1;
  return FM_OK;
}

static fm_status roi_loss_classes(fm_roi_heads *heads, const fm_roi_batch *batch,
                                  const fm_roi_outputs *outputs, const fm_model_config *config,
                                  double normaliser, double *loss) {
  int32_t *labels;
  FM_TRY(roi_loss_labels(heads, batch, outputs->rows, &labels));
  const fm_loss_focal focal = {ROI_FOCAL_GAMMA, ROI_FOCAL_ALPHA, normaliser};
  const fm_loss_smooth smooth = {config->label_smoothing, normaliser};
  if (config->loss_class == FM_CLASS_LOSS_FOCAL)
    *loss = fm_loss_softmax_focal(outputs->logits, labels, outputs->rows, outputs->classes, &focal,
                                  outputs->dlogits);
  else
    *loss = fm_loss_softmax_cross_entropy(outputs->logits, labels, outputs->rows, outputs->classes,
                                          &smooth, outputs->dlogits);
  return FM_OK;
}

// Only the deltas of the true class of a row with a face count.
static fm_status roi_loss_boxes(fm_roi_heads *heads, const fm_roi_batch *batch,
                                const fm_roi_outputs *outputs, const fm_model_config *config,
                                double normaliser, double *loss) {
  size_t positives = 0, width = 4 * (size_t)outputs->classes;
  for (size_t row = 0; row < batch->count; row++)
    positives += batch->labels[row] > 0;
  const fm_box_coder coder = fm_roi_coder(outputs->stage);
  fm_box_loss_rows rows;
  void *memory;
  FM_TRY(fm_box_loss_rows_make(&rows, &heads->rows, &coder, positives));
  FM_TRY(fm_scratch_get(&heads->places, positives, sizeof(size_t), &memory));
  size_t *places = memory, at = 0;
  for (size_t row = 0; row < batch->count; row++) {
    if (batch->labels[row] <= 0)
      continue;
    places[at] = row * width + 4 * (size_t)batch->labels[row];
    rows.references[at] = batch->boxes[row];
    rows.truth[at] = batch->truth[row];
    memcpy(rows.deltas + 4 * at, outputs->deltas + places[at], 4 * sizeof(float));
    at++;
  }
  *loss = fm_box_loss_run(&rows, (fm_box_loss)config->loss_box,
                          normaliser / (double)config->box_weight);
  memset(outputs->ddeltas, 0, outputs->rows * width * sizeof(float));
  for (size_t i = 0; i < positives; i++)
    memcpy(outputs->ddeltas + places[i], rows.ddeltas + 4 * i, 4 * sizeof(float));
  return FM_OK;
}

fm_status fm_roi_heads_losses(fm_roi_heads *heads, const fm_roi_batch *batch,
                              const fm_roi_outputs *outputs, const fm_model_config *config,
                              fm_losses *losses) {
  double normaliser = batch->divisor > 0 ? (double)batch->divisor : 1;
  normaliser *= 1 << outputs->stage;
  double classifier, box_reg;
  FM_TRY(roi_loss_classes(heads, batch, outputs, config, normaliser, &classifier));
  FM_TRY(roi_loss_boxes(heads, batch, outputs, config, normaliser, &box_reg));
  losses->classifier += classifier;
  losses->box_reg += box_reg;
  return FM_OK;
}

void fm_roi_heads_release(fm_roi_heads *heads) {
  fm_scratch_release(&heads->work);
  fm_scratch_release(&heads->rows);
  fm_scratch_release(&heads->places);
  fm_scratch_release(&heads->scores);
}
