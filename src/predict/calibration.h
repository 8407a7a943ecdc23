// Measures the ranges that int8 detection needs on pictures of a data set, and writes the weights
// with them.
#ifndef FM_PREDICT_CALIBRATION_H
#define FM_PREDICT_CALIBRATION_H

#include <stddef.h>

#include "base/status.h"
#include "eval/subset.h"

typedef struct fm_calibration_options {
  const char *weights; // that say what model they are of; lent, as everything
  const char *out;
  const fm_eval_subset *subset;
  size_t pictures; // of the subset, evenly spread over it; fewer when it has fewer
} fm_calibration_options;
FM_MUST_USE fm_status fm_calibration_run(const fm_calibration_options *options);

#endif
