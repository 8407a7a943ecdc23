// Pictures that stand in a data set more than once, or nearly so, and labels on them that
// contradict each other.
#ifndef FM_DATA_DUPLICATES_H
#define FM_DATA_DUPLICATES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "data/dataset.h"

// Near means: the mean difference of the fingerprints is less than this many grey levels.
#define FM_DUPLICATE_GREY_LEVELS 3.0f
enum { FM_DUPLICATE_PAIRS_MAX = 100 * 1000, FM_CONTRADICTIONS_MAX = 100 * 1000 };

typedef struct fm_duplicate {
  size_t first, second; // samples, first < second
  float difference;     // grey levels
  bool same;            // not only near: equal pixel by pixel
} fm_duplicate;

// A face of one picture of a pair that the other labels otherwise, or does not have.
typedef struct fm_contradiction {
  size_t pair;
  ptrdiff_t first_object, second_object; // -1: there is none
} fm_contradiction;

typedef struct fm_duplicates {
  fm_duplicate *pairs; // by first, then second; at most FM_DUPLICATE_PAIRS_MAX of `pair_count`
  size_t count;        // in `pairs`
  size_t pair_count;   // found
  size_t same_count;   // of these, equal pixel by pixel
  size_t *group;       // (samples): the first sample of those connected by pairs
  fm_contradiction *contradictions; // by pair; those of later pairs are
                                    // left out when there are FM_CONTRADICTIONS_MAX
  size_t contradiction_count;
} fm_duplicates;

// fm_dataset_check_pictures must have run before; without pictures there are no pairs.
FM_MUST_USE fm_status fm_duplicates_find(fm_duplicates *out, const fm_dataset *dataset);
void fm_duplicates_release(fm_duplicates *duplicates);
// What one picture of a pair says: "with_mask (194, 114, 200, 123)", or "no face there" for -1.
void fm_contradiction_format(char *out, size_t capacity, const fm_dataset *dataset, size_t sample,
                             ptrdiff_t object);

#endif
