// A whole training: the run's folder, its split, and one model a fold (cross-validation). The verb
// train is this call.
#ifndef FM_TRAIN_TRAINING_H
#define FM_TRAIN_TRAINING_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "data/dataset.h"
#include "train/trainer.h"

typedef struct fm_training_options {
  // Everything is lent. With model.inclusive_boxes the boxes are edges while the training runs.
  fm_dataset *dataset;
  const char *data;        // the dataset's path, for environment.json
  const char *command;     // the user's call, likewise; NULL: unknown
  const char *runs, *name; // the folder is runs/name
  bool resume;
  // NULL: left out, which means the stored one on resume, else: defaults, a split made with the
  // default settings, fold 1, random weights.
  const char *config_file;
  const char *const *assignments;
  int assignment_count;
  const char *split, *fold, *weights;
  int max_steps; // a fold; 0: no limit
  bool strict;
  const volatile sig_atomic_t *stop;
} fm_training_options;

typedef struct fm_training_fold {
  int fold; // from 1; 0 is all of train
  char *folder;
  bool carried; // train.carry_weights: it began with the last weights of the fold before
  fm_trainer_result result;
} fm_training_fold;

typedef struct fm_training_result {
  char *folder;
  fm_training_fold *folds; // those that were run, in order
  size_t fold_count;
  // Of best_mAP over the finished folds that have one; deviation is the sample's (n - 1), 0 for a
  // single fold.
  double mean_mAP, deviation_mAP;
  size_t measured;
  int fold;      // asked for: from 1, FM_RUN_FOLD_NONE or FM_RUN_FOLD_ALL
  bool finished; // every fold asked for
  bool leaking;  // a carried fold: its validation part has been trained on before it
  bool detects;  // what was trained finds faces: no face classifier
} fm_training_result;

// FM_STOPPED when *stop ended it; `result` then says how far it came. Without `resume` an existing
// run is refused; with it, a missing run and settings that differ from the stored ones are. The
// result is to be released whatever the status.
FM_MUST_USE fm_status fm_training_run(const fm_training_options *options,
                                      fm_training_result *result);
void fm_training_result_release(fm_training_result *result);

#endif
