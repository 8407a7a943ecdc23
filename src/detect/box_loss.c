// Smooth L1 on deltas, or GIoU on boxes and its gradient back through the decoding.
#include "detect/box_loss.h"

#include "nn/loss.h"

#define BOX_LOSS_BETA (1.0f / 9)

fm_status fm_box_loss_rows_make(fm_box_loss_rows *rows, fm_scratch *memory,
                                const fm_box_coder *coder, size_t count) {
  void *data;
  FM_TRY(fm_scratch_get(memory, count, 2 * sizeof(fm_box) + 20 * sizeof(float), &data));
  *rows = (fm_box_loss_rows){.coder = *coder, .count = count, .references = data};
  rows->truth = rows->references + count;
  rows->deltas = (float *)(rows->truth + count);
  rows->ddeltas = rows->deltas + 4 * count;
  rows->work = rows->ddeltas + 4 * count;
  return FM_OK;
}

static double box_loss_smooth_l1(const fm_box_loss_rows *rows, double normaliser) {
  float *targets = rows->work;
  for (size_t i = 0; i < rows->count; i++)
    fm_box_encode(&rows->coder, rows->references[i], rows->truth[i], targets + 4 * i);
  return fm_loss_smooth_l1(rows->deltas, targets, 4 * rows->count, BOX_LOSS_BETA, normaliser,
                           rows->ddeltas);
}

static double box_loss_giou(const fm_box_loss_rows *rows, double normaliser) {
  float *boxes = rows->work, *truth = boxes + 4 * rows->count, *dboxes = truth + 4 * rows->count;
  for (size_t i = 0; i < rows->count; i++) {
    fm_box box = fm_box_decode(&rows->coder, rows->references[i], rows->deltas + 4 * i);
    float *b = boxes + 4 * i, *t = truth + 4 * i;
    b[0] = box.x1, b[1] = box.y1, b[2] = box.x2, b[3] = box.y2;
    box = rows->truth[i];
    t[0] = box.x1, t[1] = box.y1, t[2] = box.x2, t[3] = box.y2;
  }
  double loss = fm_loss_giou(boxes, truth, rows->count, normaliser, dboxes);
  for (size_t i = 0; i < rows->count; i++)
    fm_box_decode_gradient(&rows->coder, rows->references[i], rows->deltas + 4 * i, dboxes + 4 * i,
                           rows->ddeltas + 4 * i);
  return loss;
}

double fm_box_loss_run(const fm_box_loss_rows *rows, fm_box_loss kind, double normaliser) {
  return kind == FM_BOX_LOSS_GIOU ? box_loss_giou(rows, normaliser)
                                  : box_loss_smooth_l1(rows, normaliser);
}
