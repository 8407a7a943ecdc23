// A training's whole state in one file, so that it can go on as if it had never stopped: a
// safetensors file with the values
// ("value/NAME"), the optimiser's moments ("moment0/…", "moment1/…"), the moving average
// ("average/…"), the mean over restarts ("mean/…"), and where the training stands in the metadata.
// Written atomically: a kill leaves the file before or the file after.
#ifndef FM_TRAIN_CHECKPOINT_H
#define FM_TRAIN_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/options.h"
#include "base/status.h"
#include "nn/params.h"

// Where a training stands. A plain value; the generators need no state, they follow from the seed
// and these positions.
typedef struct fm_train_state {
  int step;         // done in all, also the optimiser's
  int epoch, batch; // under way, 0-based, and the batches of it that are done
  // Of the epoch under way: sums over its steps.
  int epoch_steps, epoch_images;
  double epoch_loss, epoch_classifier, epoch_box_reg, epoch_objectness, epoch_rpn_box_reg,
      epoch_seconds;
  int cycles;         // that the mean of the weights (FM_MOMENT_MEAN) is of
  int best_epoch;     // 1-based, 0: none yet
  double best_metric; // larger is better
  double best_mAP;    // of the best epoch, -1 where there is none
  // Bytes of the log files that belong to the steps done.
  double steps_bytes, metrics_bytes, train_events_bytes, valid_events_bytes;
  int threads;                              // of the run that wrote it
  char config_hash[FM_OPTION_STRING_BYTES]; // of every key that decides a step
  char data_hash[FM_OPTION_STRING_BYTES];   // of the names and boxes it trains on
} fm_train_state;

void fm_train_state_init(fm_train_state *state);
void fm_train_state_next_epoch(fm_train_state *state); // its first batch, empty sums

// The slots to keep: the optimiser's moments, the moving average, and the mean over restarts.
typedef struct fm_checkpoint_slots {
  bool moments[2], average, mean;
} fm_checkpoint_slots;

// FM_ERR_NUMERIC, and nothing written, when a value is not finite.
FM_MUST_USE fm_status fm_checkpoint_write(const char *path, const fm_params *params,
                                          fm_checkpoint_slots slots, const fm_train_state *state);
// Where it stands, without the tensors.
FM_MUST_USE fm_status fm_checkpoint_read_state(const char *path, fm_train_state *state);
// Every parameter must be there with its shape; FM_ERR_FORMAT names the first that is not.
FM_MUST_USE fm_status fm_checkpoint_read(const char *path, fm_params *params,
                                         fm_checkpoint_slots slots, fm_train_state *state);

#endif
