// Charts of the scalars that a run's tables hold.
#include "report/run_charts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { RUN_NOTE_BYTES = 160, RUN_SERIES_BYTES = 48, RUN_STEP_POINTS = 300 };

// A scalar by epoch: its column of the train part and (-1: none) of the valid part.
typedef struct run_scalar {
  const char *name, *title, *label;
  int train, valid;
  bool zero; // drawn from zero
} run_scalar;

static const run_scalar run_scalars[] = {
    {"average_loss", "Average loss", "loss", FM_EPOCH_LOSS, FM_EPOCH_VALID_LOSS, false},
    {"loss_classifier", "Loss of the classes", "loss_classifier", FM_EPOCH_LOSS + 1,
     FM_EPOCH_VALID_LOSS + 1, false},
    {"loss_box_reg", "Loss of the boxes", "loss_box_reg", FM_EPOCH_LOSS + 2,
     FM_EPOCH_VALID_LOSS + 2, false},
    {"loss_objectness", "Loss of the proposals' objectness", "loss_objectness", FM_EPOCH_LOSS + 3,
     FM_EPOCH_VALID_LOSS + 3, false},
    {"loss_rpn_box_reg", "Loss of the proposals' boxes", "loss_rpn_box_reg", FM_EPOCH_LOSS + 4,
     FM_EPOCH_VALID_LOSS + 4, false},
    {"lr_epoch", "Learning rate", "learning rate", FM_EPOCH_LR, -1, true},
    {"mAP", "mAP@[.50:.95] of the valid part", "mAP", -1, FM_EPOCH_MAP, true},
    {"mAP50", "mAP at IoU .50 of the valid part", "mAP50", -1, FM_EPOCH_MAP50, true},
    {"mAP75", "mAP at IoU .75 of the valid part", "mAP75", -1, FM_EPOCH_MAP75, true},
};

// Lines that are being collected, with the storage of their names and numbers.
typedef struct run_lines {
  fm_chart_series *series;
  char (*names)[RUN_SERIES_BYTES];
  double *numbers; // what the lines' x and y point into
  size_t count, used;
} run_lines;

static fm_status run_lines_new(run_lines *lines, size_t series, size_t numbers) {
  *lines = (run_lines){.series = calloc(series + 1, sizeof *lines->series),
                       .names = calloc(series + 1, sizeof *lines->names),
                       .numbers = calloc(numbers + 1, sizeof *lines->numbers)};
  FM_CHECK_ALLOC(lines->series && lines->names && lines->numbers);
  return FM_OK;
}

static void run_lines_release(run_lines *lines) {
  free(lines->series);
  free(lines->names);
  free(lines->numbers);
}

static double *run_lines_take(run_lines *lines, size_t count) {
  double *numbers = lines->numbers + lines->used;
  lines->used += count;
  return numbers;
}

static size_t run_total_rows(const fm_run *run) {
  size_t total = 0;
  for (size_t i = 0; i < run->fold_count; i++)
    total += run->folds[i].epochs.rows;
  return total;
}

// The points of a fold's column, `before` epochs further to the right. An epoch that has no value
// (train.validate_every) is none, so that the line goes on past it.
static size_t run_take_points(const fm_run_table *epochs, int column, double before, double *x,
                              double *y) {
  size_t count = 0;
  for (size_t row = 0; row < epochs->rows; row++) {
    if (!isfinite(epochs->columns[column][row]))
      continue;
    x[count] = before + epochs->columns[FM_EPOCH_EPOCH][row];
    y[count++] = epochs->columns[column][row];
  }
  return count;
}

// The part's name stands behind the fold's where the chart has both parts.
static void run_add_fold_line(run_lines *lines, const fm_run *run, size_t index,
                              const run_scalar *scalar, bool valid) {
  const fm_run_table *epochs = &run->folds[index].epochs;
  const int column = valid ? scalar->valid : scalar->train;
  if (column < 0)
    return;
  double *x = run_lines_take(lines, epochs->rows), *y = run_lines_take(lines, epochs->rows);
  const size_t count = run_take_points(epochs, column, 0, x, y);
  if (count == 0)
    return;
  const bool both = scalar->train >= 0 && scalar->valid >= 0;
  snprintf(lines->names[lines->count], RUN_SERIES_BYTES, "%s%s", run->folds[index].name,
           !both   ? ""
           : valid ? " valid"
                   : " train");
  lines->series[lines->count] = (fm_chart_series){.name = lines->names[lines->count],
                                                  .x = x,
                                                  .y = y,
                                                  .count = count,
                                                  .rgb = fm_chart_color(index),
                                                  .dashed = both && valid,
                                                  .steps = column == FM_EPOCH_LR,
                                                  .dots = count < 4 || count < epochs->rows};
  lines->count++;
}

static fm_status run_show_scalar(const run_lines *lines, const run_scalar *scalar,
                                 const char *x_label, const char *note, fm_chart_shower show,
                                 void *user) {
  return show(user, &(fm_chart){.kind = FM_CHART_LINES,
                                .name = scalar->name,
                                .title = scalar->title,
                                .note = note,
                                .x = {.label = x_label, .whole = true},
                                .y = {.label = scalar->label, .zero = scalar->zero},
                                .series = lines->series,
                                .series_count = lines->count});
}

static fm_status run_chart_folds(const fm_run *run, const run_scalar *scalar, fm_chart_shower show,
                                 void *user) {
  run_lines lines;
  fm_status status = run_lines_new(&lines, 2 * run->fold_count, 4 * run_total_rows(run));
  for (size_t i = 0; i < run->fold_count && status >= 0; i++) {
    run_add_fold_line(&lines, run, i, scalar, false);
    run_add_fold_line(&lines, run, i, scalar, true);
  }
  if (status >= 0)
    status = run_show_scalar(&lines, scalar, "epoch",
                             scalar->train >= 0 && scalar->valid >= 0 && run->validates
                                 ? "solid: train, dashed: valid"
                                 : NULL,
                             show, user);
  run_lines_release(&lines);
  return status;
}

// One line over all folds: the epochs go on counting from fold to fold. Where each fold began anew
// there is a gap between them.
static void run_add_model_line(run_lines *lines, const fm_run *run, int column, bool valid) {
  const size_t rows = run_total_rows(run);
  double *x = run_lines_take(lines, rows + run->fold_count);
  double *y = run_lines_take(lines, rows + run->fold_count);
  size_t count = 0, points = 0;
  double before = 0;
  for (size_t i = 0; i < run->fold_count; i++) {
    const fm_run_table *epochs = &run->folds[i].epochs;
    const size_t taken = run_take_points(epochs, column, before, x + count, y + count);
    points += taken;
    count += taken;
    if (epochs->rows)
      before += epochs->columns[FM_EPOCH_EPOCH][epochs->rows - 1];
    if (taken && !run->config.train.carry_weights) {
      x[count] = before;
      y[count++] = (double)NAN;
    }
  }
  if (points == 0)
    return;
  lines->series[lines->count++] = (fm_chart_series){.name = valid ? "valid" : "train",
                                                    .x = x,
                                                    .y = y,
                                                    .count = count,
                                                    .rgb = fm_chart_color(valid),
                                                    .steps = column == FM_EPOCH_LR,
                                                    .dots = points < 4 || points < rows};
}

static fm_status run_chart_model(const fm_run *run, const run_scalar *scalar, fm_chart_shower show,
                                 void *user) {
  run_lines lines;
  fm_status status = run_lines_new(&lines, 2, 4 * (run_total_rows(run) + run->fold_count));
  if (status >= 0 && scalar->train >= 0)
    run_add_model_line(&lines, run, scalar->train, false);
  if (status >= 0 && scalar->valid >= 0)
    run_add_model_line(&lines, run, scalar->valid, true);
  const char *note = run->config.train.carry_weights
                         ? "leaking: each fold goes on with the weights of the one before, which "
                           "has seen its valid part"
                         : "the folds one after the other; each is a model of its own";
  if (status >= 0)
    status = run_show_scalar(&lines, scalar, "epoch, over all folds",
                             run->fold_count > 1 ? note : NULL, show, user);
  run_lines_release(&lines);
  return status;
}

// A scalar by step: the sum of `column` over some steps divided by that of `divisor` (-1: by their
// number).
typedef struct run_step_scalar {
  const char *name, *title, *label;
  int column, divisor;
  bool zero; // drawn from zero
} run_step_scalar;

static const run_step_scalar run_step_scalars[] = {
    {"loss", "Loss of the steps", "loss", FM_STEP_LOSS, -1, false},
    {"loss_classifier", "Loss of the classes, by step", "loss_classifier", FM_STEP_CLASSIFIER, -1,
     false},
    {"loss_box_reg", "Loss of the boxes, by step", "loss_box_reg", FM_STEP_BOX_REG, -1, false},
    {"loss_objectness", "Loss of the proposals' objectness, by step", "loss_objectness",
     FM_STEP_OBJECTNESS, -1, false},
    {"loss_rpn_box_reg", "Loss of the proposals' boxes, by step", "loss_rpn_box_reg",
     FM_STEP_RPN_BOX_REG, -1, false},
    {"lr", "Learning rate of the steps", "learning rate", FM_STEP_LR, -1, true},
    {"images_per_second", "Images a second", "images a second", FM_STEP_IMAGES, FM_STEP_SECONDS,
     true},
    {"data_share", "Share of the time that waits for images", "share", FM_STEP_DATA_SECONDS,
     FM_STEP_SECONDS, true},
};

static void run_add_step_line(run_lines *lines, const fm_run *run, size_t index,
                              const run_step_scalar *scalar, size_t each) {
  const fm_run_table *steps = &run->folds[index].steps;
  const size_t points = (steps->rows + each - 1) / each;
  double *x = run_lines_take(lines, points), *y = run_lines_take(lines, points);
  if (points == 0)
    return;
  for (size_t point = 0; point < points; point++) {
    double sum = 0, divisor = 0;
    size_t row = point * each;
    for (; row < steps->rows && row < (point + 1) * each; row++) {
      sum += steps->columns[scalar->column][row];
      divisor += scalar->divisor < 0 ? 1 : steps->columns[scalar->divisor][row];
    }
    x[point] = steps->columns[FM_STEP_STEP][row - 1];
    y[point] = divisor > 0 ? sum / divisor : (double)NAN;
  }
  lines->series[lines->count++] = (fm_chart_series){.name = run->folds[index].name,
                                                    .x = x,
                                                    .y = y,
                                                    .count = points,
                                                    .steps = scalar->column == FM_STEP_LR,
                                                    .rgb = fm_chart_color(index)};
}

static fm_status run_chart_steps(const fm_run *run, const run_step_scalar *scalar,
                                 fm_chart_shower show, void *user) {
  size_t longest = 0, total = 0;
  for (size_t i = 0; i < run->fold_count; i++) {
    total += run->folds[i].steps.rows;
    longest = run->folds[i].steps.rows > longest ? run->folds[i].steps.rows : longest;
  }
  const size_t each = longest / RUN_STEP_POINTS + 1;
  char note[RUN_NOTE_BYTES];
  snprintf(note, sizeof note, "each point is the mean of %zu steps", each);
  run_lines lines;
  fm_status status = run_lines_new(&lines, run->fold_count, 2 * (total + run->fold_count));
  for (size_t i = 0; i < run->fold_count && status >= 0; i++)
    run_add_step_line(&lines, run, i, scalar, each);
  const run_scalar as_scalar = {
      .name = scalar->name, .title = scalar->title, .label = scalar->label, .zero = scalar->zero};
  if (status >= 0)
    status = run_show_scalar(&lines, &as_scalar, "step", each > 1 ? note : NULL, show, user);
  run_lines_release(&lines);
  return status;
}

const char *fm_run_curves_folder(fm_run_curves curves) {
  static const char *const folders[FM_RUN_CURVES_COUNT] = {"folds", "model", "steps"};
  FM_ASSERT(curves < FM_RUN_CURVES_COUNT);
  return folders[curves];
}

fm_status fm_run_charts(const fm_run *run, fm_run_curves curves, fm_chart_shower show, void *user) {
  if (curves == FM_RUN_CURVES_STEPS) {
    for (size_t i = 0; i < sizeof run_step_scalars / sizeof *run_step_scalars; i++)
      FM_TRY(run_chart_steps(run, &run_step_scalars[i], show, user));
    return FM_OK;
  }
  for (size_t i = 0; i < sizeof run_scalars / sizeof *run_scalars; i++) {
    const run_scalar *scalar = &run_scalars[i];
    if (scalar->train < 0 && !run->validates)
      continue;
    FM_TRY((curves == FM_RUN_CURVES_FOLDS ? run_chart_folds : run_chart_model)(run, scalar, show,
                                                                               user));
  }
  return FM_OK;
}
