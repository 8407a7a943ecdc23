// The two growing files of a fold's folder: steps.jsonl, a line a step, and metrics.csv, a row an
// epoch. Lines are handed to the system as soon as they are complete; on resume both are cut back
// to what the checkpoint knows.
#ifndef FM_TRAIN_RUN_LOG_H
#define FM_TRAIN_RUN_LOG_H

#include "base/status.h"
#include "detect/detector.h"

typedef struct fm_run_log {
  int steps, metrics; // file descriptors, -1 when closed
  char *steps_path, *metrics_path;
  double steps_bytes, metrics_bytes; // written so far
} fm_run_log;

// Opens both in `folder`, and keeps any other program from training there meanwhile.
FM_MUST_USE fm_status fm_run_log_open(fm_run_log *log, const char *folder);
// Cuts both to these sizes (0 begins anew); before the first line.
FM_MUST_USE fm_status fm_run_log_cut(fm_run_log *log, double steps_bytes, double metrics_bytes);
void fm_run_log_release(fm_run_log *log);
// Brings what was written to the disk, so that a checkpoint never knows more than the files hold.
FM_MUST_USE fm_status fm_run_log_sync(fm_run_log *log);

typedef struct fm_step_line {
  int step, epoch; // from 1
  fm_losses losses;
  double lr;
  size_t images;
  double seconds, data_seconds; // of the whole step; waiting for pictures
} fm_step_line;
FM_MUST_USE fm_status fm_run_log_step(fm_run_log *log, const fm_step_line *line);

typedef struct fm_metrics_row {
  int epoch, step;
  double lr;
  fm_losses train, valid; // means over the epoch's steps and the validation's batches
  bool has_valid;         // otherwise the columns of validation are empty
  double mAP, mAP50, mAP75;
  double seconds; // of the epoch's steps
} fm_metrics_row;
FM_MUST_USE fm_status fm_run_log_metrics(fm_run_log *log, const fm_metrics_row *row);

#endif
