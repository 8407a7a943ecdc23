// Train/test and stratified folds, exactly as NumPy, scikit-learn and iterative-stratification give
// them.
#ifndef FM_DATA_SPLIT_H
#define FM_DATA_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/dataset.h"

typedef struct fm_split_list {
  char **names; // without extension
  size_t count;
} fm_split_list;

typedef struct fm_split {
  uint32_t seed;
  fm_split_list train, test; // in the order scikit-learn gives
  fm_split_list *folds;      // fold_count lists: the valid part, in the order of train
  size_t fold_count;
} fm_split;

typedef struct fm_split_options {
  double test_fraction; // 0 puts everything in train, in sorted order
  int folds;
  uint32_t seed;
  bool no_shuffle;
  // (samples) or NULL. Samples with the same number stay together, in train or test and in one
  // fold, and are dealt out as one picture that has the classes of all; fm_duplicates makes it.
  const size_t *group;
} fm_split_options;

FM_MUST_USE fm_status fm_split_make(fm_split *out, const fm_dataset *dataset,
                                    const fm_split_options *options);
// The file that `facemask split --out` writes, and also the layout
// {"train","test","valid_folds":[[…]]} . Names in folds must be names of train, and no name may
// stand twice in train or in a fold.
FM_MUST_USE fm_status fm_split_read(fm_split *out, const char *path);
// The file's text (JSON, heap): names, and per fold a row of `table` with the faces per class in
// its train part.
FM_MUST_USE fm_status fm_split_format(char **out, const fm_split *split, const fm_dataset *dataset);
FM_MUST_USE fm_status fm_split_write(const fm_split *split, const fm_dataset *dataset,
                                     const char *path);
// Adds the faces of the list's pictures to faces[label - 1]. Names that the data set does not have
// count nothing.
void fm_split_list_count_faces(const fm_split_list *list, const fm_dataset *dataset, size_t *faces);
// counts[label - 1] becomes the faces in the train part of fold `fold` (train without its valid
// list).
void fm_split_count_faces(const fm_split *split, const fm_dataset *dataset, size_t fold,
                          size_t *counts);
void fm_split_release(fm_split *split);

#endif
