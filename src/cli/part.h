// The part of a data set that --split, --subset and --fold name.
#ifndef FM_CLI_PART_H
#define FM_CLI_PART_H

#include "cli/verb.h"
#include "eval/subset.h"

// `initial`: the part of a split when --subset is not given. What the split names and the data lack
// is said, or with --strict an error.
FM_MUST_USE fm_status fm_cli_choose_part(const fm_cli *cli, const fm_dataset *dataset,
                                         fm_subset_part initial, fm_eval_subset *out);

#endif
