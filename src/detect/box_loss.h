// The loss of box deltas that the proposal network and the head share: smooth L1 on the deltas
// (torchvision's, beta 1/9) or GIoU on the decoded boxes, a sum over rows divided by a number.
#ifndef FM_DETECT_BOX_LOSS_H
#define FM_DETECT_BOX_LOSS_H

#include <stddef.h>

#include "base/box.h"
#include "base/status.h"
#include "detect/box.h"
#include "detect/config.h"
#include "detect/scratch.h"

typedef struct fm_box_loss_rows {
  fm_box_coder coder;
  size_t count;
  fm_box *references; // (count): anchors or proposals
  fm_box *truth;      // (count)
  float *deltas;      // (count, 4): predicted
  float *ddeltas;     // (count, 4): written by fm_box_loss_run
  float *work;        // (count, 12)
} fm_box_loss_rows;

// Room for `count` rows; the arrays are lent from memory.
FM_MUST_USE fm_status fm_box_loss_rows_make(fm_box_loss_rows *rows, fm_scratch *memory,
                                            const fm_box_coder *coder, size_t count);
double fm_box_loss_run(const fm_box_loss_rows *rows, fm_box_loss kind, double normaliser);

#endif
