// What a validation part says of a detector: the mean losses and the COCO measure, in one pass over
// its pictures.
#ifndef FM_TRAIN_VALIDATION_H
#define FM_TRAIN_VALIDATION_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "detect/detector.h"
#include "eval/coco.h"

typedef struct fm_validation_options {
  fm_detector *detector;
  fm_loader *loader; // of the validation part: no shuffling, no augmentation
  const fm_dataset *dataset;
  uint64_t seed;                     // the samplers of the losses draw the same in every epoch
  const char *label;                 // of the progress bar
  const volatile sig_atomic_t *stop; // NULL: never
  // Shown what was found in each picture, by its number in the data set; NULL: nobody looks.
  fm_status (*watch)(void *watcher, size_t sample, const fm_detections *found);
  void *watcher;
} fm_validation_options;

typedef struct fm_validation {
  fm_losses losses;         // means over the batches
  double mAP, mAP50, mAP75; // -1 when there is no truth
  size_t truths;
} fm_validation;

// FM_STOPPED, and nothing in `out`, when *stop is set meanwhile.
FM_MUST_USE fm_status fm_validation_run(const fm_validation_options *options, fm_validation *out);

#endif
