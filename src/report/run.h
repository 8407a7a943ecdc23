// A run's folder, read for its report: also of a run that is still going.
#ifndef FM_REPORT_RUN_H
#define FM_REPORT_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "data/split_table.h"
#include "report/run_table.h"
#include "train/config.h"

typedef struct fm_run_fold {
  char name[24]; // "fold 3", "fold all"
  int number;    // from 1; 0 for fold_all
  fm_run_table epochs, steps;
} fm_run_fold;

typedef struct fm_run {
  char *path, *name;
  fm_config config;
  char *config_text, *environment_text; // config.yaml, environment.json
  fm_run_fold *folds;                   // by number, those that have begun
  size_t fold_count;
  size_t folds_wanted; // that the call trains
  bool validates;      // some fold has a validation part
  bool has_table;
  fm_split_table table; // of split.json
} fm_run;

FM_MUST_USE fm_status fm_run_read(fm_run *out, const char *path);
void fm_run_release(fm_run *run);
bool fm_run_is_complete(const fm_run *run); // every fold has all its epochs

#endif
