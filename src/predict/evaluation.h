// Runs a predictor over a part of a data set and gathers truth and detections for the measure.
#ifndef FM_PREDICT_EVALUATION_H
#define FM_PREDICT_EVALUATION_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "eval/boxes.h"
#include "eval/subset.h"
#include "predict/predictor.h"

typedef struct fm_evaluation_options {
  fm_predictor *predictor; // lent, as everything
  // Detections in the subset's pictures that the predictor, one of classifiers, has a word on;
  // NULL: it detects itself.
  const fm_eval_boxes *given;
  const fm_eval_subset *subset;
  bool strict; // a picture that cannot be read is a failure; otherwise it is named and left out
  const char *label;                 // of the progress bar; NULL: "evaluate"
  const volatile sig_atomic_t *stop; // when set, FM_STOPPED; NULL: never
} fm_evaluation_options;

// Image numbers are positions in the subset. Pictures are decoded and resized by threads ahead of
// the network; the order of the boxes does not depend on them. Classes are matched by name when the
// weights name theirs, else by number; FM_ERR_FORMAT when they are not the data's. *images: the
// pictures that were measured. `boxes` is to be released also after a failure.
FM_MUST_USE fm_status fm_evaluation_run(const fm_evaluation_options *options, fm_eval_boxes *boxes,
                                        size_t *images);

#endif
