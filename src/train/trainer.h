// The training of one fold: the one file that knows the order of things. Loader, detector,
// optimiser, average, log, validation, checkpoint; everything they do is elsewhere.
#ifndef FM_TRAIN_TRAINER_H
#define FM_TRAIN_TRAINER_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "data/dataset.h"
#include "data/picture_cache.h"
#include "train/config.h"

typedef struct fm_trainer_options {
  const fm_config *config; // all lent
  const fm_dataset *dataset;
  fm_picture_cache *cache;
  const size_t *train, *valid; // indices into the data set, in the order of the split's list
  size_t train_count, valid_count;
  const char *folder;  // of the fold; exists
  const char *logs;    // prefix of the event files' folders; its folder need not exist
  const char *label;   // "fold 1", for the progress bar
  const char *weights; // the start weights; NULL: random ones from the seed
  int max_steps;       // stop after so many in all; 0: no limit
  bool strict;         // an unreadable picture is a failure
  const volatile sig_atomic_t
      *stop; // when set, the step is finished and the state saved; NULL: never
} fm_trainer_options;

typedef struct fm_trainer_result {
  bool finished;                 // all epochs are done
  bool resumed;                  // there was a checkpoint
  int first_step, steps, epochs; // steps before this call; steps and whole epochs done in all
  int best_epoch;                // from 1; 0 while none was validated
  double best_mAP;               // of that epoch; -1 when there is no truth
} fm_trainer_result;

// Goes on from folder/checkpoint.safetensors when there is one. Writes event files for TensorBoard
// into LOGS_train and LOGS_valid (train/tensorboard.h), and into folder: steps.jsonl,
// metrics.csv, checkpoint.safetensors, weights/last.safetensors (after each epoch and at the end),
// weights/best.safetensors (of the validated epochs, train.validate_every, the one with the largest
// mAP, or the smallest validation loss when the validation part has no boxes; not without a
// validation part). FM_STOPPED when *options->stop ended it;
// FM_ERR_NUMERIC when a loss is not finite.
FM_MUST_USE fm_status fm_trainer_run(const fm_trainer_options *options, fm_trainer_result *result);

#endif
