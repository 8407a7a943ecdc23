// Reading steps.jsonl and metrics.csv, also while they are being written.
#include "report/run_table.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { RUN_TABLE_BYTES_MAX = 1 << 30, RUN_TABLE_CELL_BYTES = 64 };

static const char *const run_table_step_keys[FM_STEP_COLUMNS] = {"step",
                                                                 "epoch",
                                                                 "loss",
                                                                 "loss_classifier",
                                                                 "loss_box_reg",
                                                                 "loss_objectness",
                                                                 "loss_rpn_box_reg",
                                                                 "lr",
                                                                 "images",
                                                                 "seconds",
                                                                 "data_seconds"};

static const char *const run_table_epoch_keys[FM_EPOCH_COLUMNS] = {"epoch",
                                                                   "step",
                                                                   "lr",
                                                                   "loss",
                                                                   "loss_classifier",
                                                                   "loss_box_reg",
                                                                   "loss_objectness",
                                                                   "loss_rpn_box_reg",
                                                                   "valid_loss",
                                                                   "valid_loss_classifier",
                                                                   "valid_loss_box_reg",
                                                                   "valid_loss_objectness",
                                                                   "valid_loss_rpn_box_reg",
                                                                   "mAP",
                                                                   "mAP50",
                                                                   "mAP75",
                                                                   "seconds"};
_Static_assert((int)FM_EPOCH_COLUMNS <= (int)FM_RUN_TABLE_COLUMNS, "the table has the columns");

void fm_run_table_release(fm_run_table *table) {
  for (size_t i = 0; i < FM_RUN_TABLE_COLUMNS; i++)
    free(table->columns[i]);
  *table = (fm_run_table){0};
}

static fm_status run_table_add(fm_run_table *table, const double *row, size_t columns) {
  if (table->rows == table->capacity) {
    const size_t capacity = table->capacity ? 2 * table->capacity : 256;
    for (size_t i = 0; i < columns; i++) {
      double *grown = realloc(table->columns[i], capacity * sizeof *grown);
      FM_CHECK_ALLOC(grown);
      table->columns[i] = grown;
    }
    table->capacity = capacity;
  }
  for (size_t i = 0; i < columns; i++)
    table->columns[i][table->rows] = row[i];
  table->rows++;
  return FM_OK;
}

// A reader of one line; `number` counts lines from 1, `state` is the reader's.
typedef fm_status (*run_table_reader)(fm_run_table *out, void *state, char *line, size_t number);

static fm_status run_table_lines(fm_run_table *out, fm_bytes *bytes, run_table_reader read,
                                 void *state) {
  char *line = (char *)bytes->data, *end = line + bytes->size;
  for (size_t number = 1; line < end; number++) {
    char *stop = memchr(line, '\n', (size_t)(end - line));
    if (!stop)
      break;
    *stop = 0;
    FM_TRY(read(out, state, line, number));
    line = stop + 1;
  }
  return FM_OK;
}

static fm_status run_table_read(fm_run_table *out, const char *path, run_table_reader read,
                                void *state) {
  *out = (fm_run_table){0};
  if (!fm_path_exists(path))
    return FM_OK;
  fm_bytes bytes;
  FM_TRY(fm_file_read(&bytes, path, RUN_TABLE_BYTES_MAX));
  const fm_status status = run_table_lines(out, &bytes, read, state);
  free(bytes.data);
  if (status >= 0)
    return FM_OK;
  fm_run_table_release(out);
  return fm_fail_within(status, "%s", path);
}

static fm_status run_table_step(fm_run_table *out, void *state, char *line, size_t number) {
  (void)state;
  double row[FM_STEP_COLUMNS];
  json_error_t error;
  json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
  if (!json_is_object(object)) {
    json_decref(object);
    return fm_fail(FM_ERR_FORMAT, "line %zu: not a step as JSON", number);
  }
  for (size_t i = 0; i < FM_STEP_COLUMNS; i++) {
    const json_t *value = json_object_get(object, run_table_step_keys[i]);
    row[i] = json_is_number(value) ? json_number_value(value) : (double)NAN;
  }
  json_decref(object);
  if (!isfinite(row[FM_STEP_STEP]))
    return fm_fail(FM_ERR_FORMAT, "line %zu: no \"step\"", number);
  return run_table_add(out, row, FM_STEP_COLUMNS);
}

fm_status fm_run_table_read_steps(fm_run_table *out, const char *path) {
  return run_table_read(out, path, run_table_step, NULL);
}

// Which column of the table each column of the file is, by the heading; -1: one we do not know.
enum { RUN_TABLE_FILE_COLUMNS = 64 };
typedef struct run_table_heading {
  int columns[RUN_TABLE_FILE_COLUMNS];
  size_t count;
} run_table_heading;

static int run_table_column(const char *name) {
  for (int i = 0; i < FM_EPOCH_COLUMNS; i++)
    if (strcmp(name, run_table_epoch_keys[i]) == 0)
      return i;
  return -1;
}

static fm_status run_table_cell(double *out, const char *cell, size_t number) {
  *out = (double)NAN;
  if (!*cell)
    return FM_OK;
  char *end;
  *out = strtod(cell, &end);
  if (*end || strlen(cell) >= RUN_TABLE_CELL_BYTES)
    return fm_fail(FM_ERR_FORMAT, "line %zu: \"%.*s\" is not a number", number,
                   RUN_TABLE_CELL_BYTES, cell);
  return FM_OK;
}

static fm_status run_table_epoch(fm_run_table *out, void *state, char *line, size_t number) {
  run_table_heading *heading = state;
  double row[FM_EPOCH_COLUMNS];
  for (size_t i = 0; i < FM_EPOCH_COLUMNS; i++)
    row[i] = (double)NAN;
  size_t count = 0;
  for (char *cell; (cell = strsep(&line, ","));) {
    if (count == RUN_TABLE_FILE_COLUMNS)
      return fm_fail(FM_ERR_FORMAT, "line %zu: more than %d columns", number,
                     RUN_TABLE_FILE_COLUMNS);
    if (number == 1)
      heading->columns[count] = run_table_column(cell);
    else if (count < heading->count && heading->columns[count] >= 0)
      FM_TRY(run_table_cell(&row[heading->columns[count]], cell, number));
    count++;
  }
  if (number == 1) {
    heading->count = count;
    return FM_OK;
  }
  if (count != heading->count || !isfinite(row[FM_EPOCH_EPOCH]))
    return fm_fail(FM_ERR_FORMAT, "line %zu: not an epoch's row", number);
  for (size_t i = FM_EPOCH_MAP; i <= FM_EPOCH_MAP75; i++)
    if (row[i] < 0) // there was no face to find
      row[i] = (double)NAN;
  return run_table_add(out, row, FM_EPOCH_COLUMNS);
}

fm_status fm_run_table_read_epochs(fm_run_table *out, const char *path) {
  run_table_heading heading = {.count = 0};
  return run_table_read(out, path, run_table_epoch, &heading);
}
