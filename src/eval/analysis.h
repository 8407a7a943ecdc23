// Everything that is said of a set of predictions: the COCO measure, the confusion matrix, the
// curves against the score and, when asked for, the notebook's measure; and its JSON form.
#ifndef FM_EVAL_ANALYSIS_H
#define FM_EVAL_ANALYSIS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "eval/bootstrap.h"
#include "eval/boxes.h"
#include "eval/coco.h"
#include "eval/confidence.h"
#include "eval/confusion.h"
#include "eval/notebook.h"
#include "eval/subset.h"

typedef struct fm_analysis {
  const fm_eval_subset *subset; // lent
  const fm_eval_boxes *boxes;   // lent; image numbers are positions in the subset
  size_t images;                // that were measured
  fm_coco_measure coco;
  fm_confusion_options confusion_options;
  fm_confusion confusion;
  fm_confidence confidence; // at IoU 0.5
  bool has_notebook;
  fm_notebook_measure notebook;
  fm_bootstrap bootstrap; // of 0 rounds when it was not asked for
} fm_analysis;

typedef struct fm_analysis_options {
  const fm_eval_subset *subset;
  const fm_eval_boxes *boxes;
  size_t images;
  bool notebook;        // count as the notebook did, too
  int bootstrap_rounds; // 0: no intervals
} fm_analysis_options;

FM_MUST_USE fm_status fm_analysis_make(fm_analysis *out, const fm_analysis_options *options);
void fm_analysis_release(fm_analysis *analysis);
const char *fm_analysis_class_name(const fm_analysis *analysis, int category); // from 0
int fm_analysis_class_count(const fm_analysis *analysis);

// One fold of a cross-validation: its own predictions on its own validation part.
typedef struct fm_analysis_fold {
  int fold, best_epoch;
  const char *weights; // as in the run's folder
  size_t images;
  const fm_coco_measure *coco;
} fm_analysis_fold;

// What metrics.json has besides when the predictions are those of a cross-validation.
typedef struct fm_analysis_folds {
  const fm_analysis_fold *folds;
  size_t count;
  const int *missing; // the split's other folds
  size_t missing_count;
  bool leaking; // train.carry_weights: the networks were trained on what they are measured on
} fm_analysis_folds;

// The mean over the folds of a figure that is not negative (-1: no truth), and its deviation (the
// sample's, n - 1; 0 for one fold). -1 when no fold has it.
void fm_analysis_spread(const double *values, size_t count, double *mean, double *deviation);

// The document of `facemask evaluate --json`, heap text; `folds` may be NULL.
FM_MUST_USE fm_status fm_analysis_format(char **out, const fm_analysis *analysis,
                                         const fm_analysis_folds *folds);

#endif
