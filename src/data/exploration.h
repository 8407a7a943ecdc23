// All that `facemask explore` finds out about a data set.
#ifndef FM_DATA_EXPLORATION_H
#define FM_DATA_EXPLORATION_H

#include "base/status.h"
#include "data/dataset.h"
#include "data/duplicates.h"
#include "data/shapes.h"
#include "data/statistics.h"
#include "data/suspects.h"

typedef struct fm_exploration {
  const fm_dataset *dataset; // lent
  fm_statistics statistics;
  fm_shapes shapes;
  fm_suspects suspects;
  fm_duplicates duplicates;
} fm_exploration;

// Decodes every picture (fm_dataset_check_pictures) and counts.
FM_MUST_USE fm_status fm_exploration_make(fm_exploration *out, fm_dataset *dataset);
void fm_exploration_release(fm_exploration *exploration);
// explore_details.json as text (heap): what explore.json (fm_statistics_format) does not hold.
FM_MUST_USE fm_status fm_exploration_format(char **out, const fm_exploration *exploration);

#endif
