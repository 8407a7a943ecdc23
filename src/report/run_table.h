// The numbers a training writes while it goes on, as columns: steps.jsonl and metrics.csv.
#ifndef FM_REPORT_RUN_TABLE_H
#define FM_REPORT_RUN_TABLE_H

#include <stddef.h>

#include "base/status.h"

typedef enum fm_step_column { // the keys of steps.jsonl
  FM_STEP_STEP,
  FM_STEP_EPOCH,
  FM_STEP_LOSS,
  FM_STEP_CLASSIFIER,
  FM_STEP_BOX_REG,
  FM_STEP_OBJECTNESS,
  FM_STEP_RPN_BOX_REG,
  FM_STEP_LR,
  FM_STEP_IMAGES,
  FM_STEP_SECONDS,
  FM_STEP_DATA_SECONDS,
  FM_STEP_COLUMNS,
} fm_step_column;

typedef enum fm_epoch_column { // the heading of metrics.csv; losses in the order of fm_step_column
  FM_EPOCH_EPOCH,
  FM_EPOCH_STEP,
  FM_EPOCH_LR,
  FM_EPOCH_LOSS,
  FM_EPOCH_VALID_LOSS = FM_EPOCH_LOSS + 5,
  FM_EPOCH_MAP = FM_EPOCH_VALID_LOSS + 5,
  FM_EPOCH_MAP50,
  FM_EPOCH_MAP75,
  FM_EPOCH_SECONDS,
  FM_EPOCH_COLUMNS,
} fm_epoch_column;

enum { FM_RUN_TABLE_COLUMNS = 17 };
typedef struct fm_run_table {
  size_t rows, capacity;
  double *columns[FM_RUN_TABLE_COLUMNS]; // (rows) each; NAN where a row has no such value
} fm_run_table;

// A file that is not there is an empty table. A last line without its end is one that is being
// written, or was cut short by a crash: it is left out. Other lines must be whole:
// FM_ERR_FORMAT names file and line.
FM_MUST_USE fm_status fm_run_table_read_steps(fm_run_table *out, const char *path);
FM_MUST_USE fm_status fm_run_table_read_epochs(fm_run_table *out, const char *path);
void fm_run_table_release(fm_run_table *table);

#endif
