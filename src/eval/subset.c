// Marks the samples of a part, then lists the marked ones in order.
#include "eval/subset.h"

#include <stdbool.h>
#include <stdlib.h>

static size_t subset_mark(const fm_dataset *dataset, const fm_split_list *list, bool *marks,
                          bool mark) {
  size_t missing = 0;
  for (size_t i = 0; i < list->count; ++i) {
    const ptrdiff_t at = fm_dataset_find(dataset, list->names[i]);
    if (at < 0)
      ++missing;
    else
      marks[at] = mark;
  }
  return missing;
}

static fm_status subset_check(const fm_split *split, fm_subset_part part, int fold) {
  if (part == FM_SUBSET_VALID && fold < 1)
    return fm_fail(FM_ERR_ARGUMENT, "the valid part of which fold? (--fold K)");
  if (split && fold > 0 && (size_t)fold > split->fold_count)
    return fm_fail(FM_ERR_ARGUMENT, "--fold %d: the split has %zu folds", fold, split->fold_count);
  return FM_OK;
}

static size_t subset_mark_part(const fm_dataset *dataset, const fm_split *split,
                               fm_subset_part part, int fold, bool *marks) {
  if (part == FM_SUBSET_TEST)
    return subset_mark(dataset, &split->test, marks, true);
  if (part == FM_SUBSET_VALID)
    return subset_mark(dataset, &split->folds[fold - 1], marks, true);
  const size_t missing = subset_mark(dataset, &split->train, marks, true);
  if (fold > 0)
    subset_mark(dataset, &split->folds[fold - 1], marks, false);
  return missing;
}

fm_status fm_eval_subset_make(fm_eval_subset *out, const fm_dataset *dataset, const fm_split *split,
                              fm_subset_part part, int fold, size_t *missing) {
  *out = (fm_eval_subset){.dataset = dataset};
  FM_TRY(subset_check(split, part, fold));
  const size_t count = fm_dataset_count(dataset);
  bool *marks = calloc(count + 1, sizeof *marks);
  out->samples = malloc((count + 1) * sizeof *out->samples);
  fm_status status = FM_OK;
  size_t lacking = 0;
  if (!marks || !out->samples)
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  else if (part != FM_SUBSET_ALL)
    lacking = subset_mark_part(dataset, split, part, fold, marks);
  for (size_t i = 0; status == FM_OK && i < count; ++i)
    if (part == FM_SUBSET_ALL || marks[i])
      out->samples[out->count++] = i;
  free(marks);
  if (status == FM_OK && out->count == 0)
    status = fm_fail(FM_ERR_FORMAT, "the data have none of the pictures that were asked for");
  if (missing)
    *missing = lacking;
  if (status < 0)
    fm_eval_subset_release(out);
  return status;
}

void fm_eval_subset_release(fm_eval_subset *subset) {
  free(subset->samples);
  *subset = (fm_eval_subset){0};
}
