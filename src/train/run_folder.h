// The folder of a run, runs/NAME: config.yaml, split.json, environment.json, and a folder a fold. A
// run exists as soon as its config.yaml does, which is written last.
#ifndef FM_TRAIN_RUN_FOLDER_H
#define FM_TRAIN_RUN_FOLDER_H

#include <stdbool.h>

#include "base/status.h"
#include "data/dataset.h"
#include "data/split.h"
#include "train/config.h"

enum { FM_RUN_FOLD_NONE = 0, FM_RUN_FOLD_ALL = -1 };

// What of a call belongs to the run: kept in environment.json, read again on resume.
typedef struct fm_run_call {
  const char *data;    // as the user wrote it
  const char *command; // the whole call; NULL: unknown
  int fold;            // from 1, or FM_RUN_FOLD_NONE, FM_RUN_FOLD_ALL
  const char *weights; // start weights; NULL: random ones
} fm_run_call;

typedef struct fm_run_folder {
  char *path; // runs/NAME
  fm_config config;
  fm_split split;
  int fold;
  char *weights; // NULL: none
} fm_run_folder;

bool fm_run_folder_exists(const char *path);
// Writes a new one.
FM_MUST_USE fm_status fm_run_folder_create(const fm_run_folder *run, const fm_dataset *dataset,
                                           const fm_run_call *call);
// config.yaml alone, when a resumed run changes a setting.
FM_MUST_USE fm_status fm_run_folder_write_config(const fm_run_folder *run);
// environment.json's "fold" alone, when a resumed run becomes one of more folds.
FM_MUST_USE fm_status fm_run_folder_write_fold(const fm_run_folder *run);
// Reads everything but `path`, which is set.
FM_MUST_USE fm_status fm_run_folder_read(fm_run_folder *run);
void fm_run_folder_release(fm_run_folder *run);
// "fold_3", "fold_all" for FM_RUN_FOLD_NONE: heap path inside the run's folder; NULL when out of
// memory.
char *fm_run_folder_fold(const fm_run_folder *run, int fold);
// "logs/faster_rcnn_fold_3", likewise: what the names of the fold's event folders begin with.
char *fm_run_folder_logs(const fm_run_folder *run, int fold);

// What train.carry_weights lets a fold begin with: the path of the last weights of the fold before,
// heap; NULL where there are none.
FM_MUST_USE fm_status fm_run_folder_carried(const fm_run_folder *run, int fold, char **out);

// "3", "all", "none".
FM_MUST_USE fm_status fm_run_fold_parse(int *out, const char *text);
void fm_run_fold_format(int fold, char out[16]);

#endif
