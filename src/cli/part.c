// From the words of a call to a part of a data set.
#include "cli/part.h"

#include <string.h>

#include "base/progress.h"

static fm_status part_parse(const fm_cli *cli, int fold, fm_subset_part initial,
                            fm_subset_part *out) {
  const char *word = fm_cli_value(cli, "--subset");
  static const char *const words[] = {
      [FM_SUBSET_TRAIN] = "train", [FM_SUBSET_TEST] = "test", [FM_SUBSET_VALID] = "valid"};
  if (!fm_cli_value(cli, "--split")) {
    *out = FM_SUBSET_ALL;
    return word || fold ? fm_fail(FM_ERR_ARGUMENT, "--subset and --fold need --split FILE, which "
                                                   "facemask split writes")
                        : FM_OK;
  }
  *out = fold && initial == FM_SUBSET_TEST ? FM_SUBSET_VALID : initial;
  if (!word)
    return FM_OK;
  for (int part = FM_SUBSET_TRAIN; part <= FM_SUBSET_VALID; ++part) {
    *out = (fm_subset_part)part;
    if (strcmp(word, words[part]) == 0)
      return FM_OK;
  }
  return fm_fail(FM_ERR_ARGUMENT, "--subset %s: train, test or valid", word);
}

fm_status fm_cli_choose_part(const fm_cli *cli, const fm_dataset *dataset, fm_subset_part initial,
                             fm_eval_subset *out) {
  const char *path = fm_cli_value(cli, "--split");
  int fold;
  fm_subset_part part;
  FM_TRY(fm_cli_int(cli, "--fold", 0, 1, 1000, &fold));
  FM_TRY(part_parse(cli, fold, initial, &part));
  fm_split split = {0};
  if (path)
    FM_TRY(fm_split_read(&split, path));
  size_t missing = 0;
  fm_status status = fm_eval_subset_make(out, dataset, path ? &split : NULL, part, fold, &missing);
  fm_split_release(&split);
  if (status >= 0 && missing > 0 && fm_cli_value(cli, "--strict"))
    status = fm_fail(FM_ERR_FORMAT, "%s: %zu names are not in the data", path, missing);
  else if (status >= 0 && missing > 0)
    fm_say("left out: %zu names of the split are not in the data", missing);
  return status;
}
