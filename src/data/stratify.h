// Multi-label stratified folds: Sechidis, Tsoumakas & Vlahavas 2011, "On the Stratification of
// Multi-Label Data", with the order of choices and the rounding of the Python package
// iterative-stratification (MultilabelStratifiedKFold).
#ifndef FM_DATA_STRATIFY_H
#define FM_DATA_STRATIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct fm_stratify_options {
  int folds;
  uint32_t seed;
  bool shuffle; // false: the rows in their order, ties decided by a generator seeded with `seed`
} fm_stratify_options;

// has_label: (count, label_count), nonzero where row i has label j. fold_of: (count), becomes 0 ...
// folds - 1. FM_ERR_ARGUMENT when there are fewer than two folds or fewer rows than folds.
FM_MUST_USE fm_status fm_stratify(uint32_t *fold_of, const uint8_t *has_label, size_t count,
                                  int label_count, const fm_stratify_options *options);

#endif
