// A part of a data set as evaluation sees it.
#ifndef FM_EVAL_SUBSET_H
#define FM_EVAL_SUBSET_H

#include <stddef.h>

#include "base/status.h"
#include "data/dataset.h"
#include "data/split.h"

// Image i, in files and measures, is sample samples[i] of the data set.
typedef struct fm_eval_subset {
  const fm_dataset *dataset; // lent
  size_t *samples;           // rising, so by name
  size_t count;
} fm_eval_subset;

typedef enum fm_subset_part {
  FM_SUBSET_ALL,
  FM_SUBSET_TRAIN, // without a fold: all of train; with one: without its valid part
  FM_SUBSET_TEST,
  FM_SUBSET_VALID, // of the fold
} fm_subset_part;

// `fold` from 1, 0 for none. `split` may be NULL for FM_SUBSET_ALL. Names of the split that the
// data set does not have are left out, *missing tells how many (may be NULL). FM_ERR_ARGUMENT for a
// fold that the split does not have, FM_ERR_FORMAT when no picture is left.
FM_MUST_USE fm_status fm_eval_subset_make(fm_eval_subset *out, const fm_dataset *dataset,
                                          const fm_split *split, fm_subset_part part, int fold,
                                          size_t *missing);
void fm_eval_subset_release(fm_eval_subset *subset);

#endif
