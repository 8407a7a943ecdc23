// A run's networks on what they were not trained on: each fold's network over the fold's own
// validation part, and all these out-of-fold predictions measured as one. A run of one fold is a
// cross-validation of one; folds that are trained call by call are pooled as they come.
#ifndef FM_PREDICT_CROSS_VALIDATION_H
#define FM_PREDICT_CROSS_VALIDATION_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "data/dataset.h"
#include "eval/analysis.h"

typedef struct fm_cross_validation_options {
  const char *run;           // the run's folder
  const fm_dataset *dataset; // lent
  int fold; // the call has trained it: from 1, or FM_RUN_FOLD_ALL; the run's other folds are
            // measured too when they are finished
  bool strict;
  const volatile sig_atomic_t *stop; // NULL: never
} fm_cross_validation_options;

enum { FM_CROSS_WEIGHTS_BYTES = 64 };
typedef struct fm_cross_fold {
  int fold, best_epoch;                 // from 1; 0: none was the best
  char weights[FM_CROSS_WEIGHTS_BYTES]; // "fold_1/weights/best.safetensors", in the run's folder
  size_t images;
  fm_coco_measure coco;
} fm_cross_fold;

typedef struct fm_cross_validation {
  fm_eval_subset subset; // the pictures that are in some fold
  fm_eval_boxes boxes;   // image numbers are positions in the subset
  fm_analysis analysis;  // of all folds together
  fm_cross_fold *folds;  // each of them alone, [fold_count], in their order
  size_t fold_count;
  int *missing; // folds that are not finished, [missing_count]: their pictures are in nothing here
  size_t missing_count;
  double mean_mAP, deviation_mAP; // over the folds
  bool leaking; // train.carry_weights: a network went on from one that was trained on its pictures
} fm_cross_validation;

// FM_ERR_ARGUMENT for FM_RUN_FOLD_NONE, which has no validation part, and when the call's fold is
// not finished. With a fold's best weights, or its last ones where no epoch was the best. A picture
// that two folds hold counts in the first one. FM_STOPPED, and nothing in `out`, when *stop is set
// meanwhile. `out` needs no release after a failure.
FM_MUST_USE fm_status fm_cross_validation_measure(fm_cross_validation *out,
                                                  const fm_cross_validation_options *options);
// metrics.json and predictions.json.
FM_MUST_USE fm_status fm_cross_validation_write(const fm_cross_validation *validation,
                                                const char *folder);
void fm_cross_validation_release(fm_cross_validation *validation);

#endif
