// The tables of a run, also while they are being written, and the charts made of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../data/support.h"
#include "base/file.h"
#include "report/chart_parts.h"
#include "report/run.h"
#include "report/run_charts.h"
#include "train/run_log.h"

typedef struct fixture {
  char *folder, *steps, *metrics;
} fixture;

static int setup(void **state) {
  fixture *self = calloc(1, sizeof *self);
  self->folder = support_folder_make();
  self->steps = fm_path_join(self->folder, "steps.jsonl");
  self->metrics = fm_path_join(self->folder, "metrics.csv");
  *state = self;
  return 0;
}

static int teardown(void **state) {
  fixture *self = *state;
  support_folder_remove(self->folder);
  free(self->steps);
  free(self->metrics);
  free(self);
  return 0;
}

static void what_the_trainer_logs_is_read_back(void **state) {
  const fixture *self = *state;
  fm_run_log log;
  assert_int_equal(fm_run_log_open(&log, self->folder), FM_OK);
  assert_int_equal(fm_run_log_cut(&log, 0, 0), FM_OK);
  for (int i = 1; i <= 700; i++) {
    const fm_step_line line = {.step = i,
                               .epoch = (i - 1) / 350 + 1,
                               .losses = {.loss = 10.0 / i, .rpn_box_reg = 0.125 * i},
                               .lr = 0.01,
                               .images = 8,
                               .seconds = 0.5,
                               .data_seconds = 0.25};
    assert_int_equal(fm_run_log_step(&log, &line), FM_OK);
  }
  const fm_metrics_row with = {.epoch = 1,
                               .step = 350,
                               .lr = 0.01,
                               .train = {.loss = 2, .classifier = 0.5},
                               .valid = {.loss = 3, .rpn_box_reg = 0.75},
                               .has_valid = true,
                               .mAP = 0.25,
                               .mAP50 = 0.5,
                               .mAP75 = -1,
                               .seconds = 9};
  fm_metrics_row without = with;
  without.epoch = 2;
  without.has_valid = false;
  assert_int_equal(fm_run_log_metrics(&log, &with), FM_OK);
  assert_int_equal(fm_run_log_metrics(&log, &without), FM_OK);
  fm_run_log_release(&log);
  fm_run_table steps, epochs;
  assert_int_equal(fm_run_table_read_steps(&steps, self->steps), FM_OK);
  assert_int_equal(fm_run_table_read_epochs(&epochs, self->metrics), FM_OK);
  assert_int_equal(steps.rows, 700);
  assert_true(steps.columns[FM_STEP_STEP][699] == 700 && steps.columns[FM_STEP_EPOCH][699] == 2);
  assert_true(steps.columns[FM_STEP_LOSS][2] == 10.0 / 3);
  assert_true(steps.columns[FM_STEP_RPN_BOX_REG][699] == 87.5);
  assert_true(steps.columns[FM_STEP_IMAGES][5] == 8 &&
              steps.columns[FM_STEP_DATA_SECONDS][5] == 0.25);
  assert_int_equal(epochs.rows, 2);
  assert_true(epochs.columns[FM_EPOCH_LOSS][0] == 2 && epochs.columns[FM_EPOCH_LOSS + 1][1] == 0.5);
  assert_true(epochs.columns[FM_EPOCH_VALID_LOSS][0] == 3);
  assert_true(epochs.columns[FM_EPOCH_VALID_LOSS + 4][0] == 0.75);
  assert_true(isnan(epochs.columns[FM_EPOCH_VALID_LOSS][1]));
  assert_true(epochs.columns[FM_EPOCH_MAP50][0] == 0.5 && isnan(epochs.columns[FM_EPOCH_MAP][1]));
  assert_true(isnan(epochs.columns[FM_EPOCH_MAP75][0])); // -1: there was nothing to find
  assert_true(epochs.columns[FM_EPOCH_SECONDS][1] == 9);
  fm_run_table_release(&steps);
  fm_run_table_release(&epochs);
}

static void a_line_that_is_being_written_is_left_out(void **state) {
  const fixture *self = *state;
  static const char steps[] = "{\"step\": 1, \"loss\": 2}\n{\"step\": 2, \"loss\": 1}\n";
  static const char metrics[] = "epoch,loss\n1,0.5\n2,0.25\n";
  for (size_t size = 0; size <= sizeof steps - 1; size++) {
    fm_run_table table;
    support_write(self->folder, "steps.jsonl", steps, size);
    assert_int_equal(fm_run_table_read_steps(&table, self->steps), FM_OK);
    assert_int_equal(table.rows, size < 23 ? 0 : size < 46 ? 1 : 2);
    fm_run_table_release(&table);
  }
  for (size_t size = 0; size <= sizeof metrics - 1; size++) {
    fm_run_table table;
    support_write(self->folder, "metrics.csv", metrics, size);
    assert_int_equal(fm_run_table_read_epochs(&table, self->metrics), FM_OK);
    assert_int_equal(table.rows, size < 17 ? 0 : size < 24 ? 1 : 2);
    fm_run_table_release(&table);
  }
}

static void files_that_are_missing_are_empty_tables(void **state) {
  const fixture *self = *state;
  fm_run_table table;
  assert_int_equal(fm_run_table_read_steps(&table, self->steps), FM_OK);
  assert_int_equal(table.rows, 0);
  assert_int_equal(fm_run_table_read_epochs(&table, self->metrics), FM_OK);
  assert_int_equal(table.rows, 0);
}

static void broken_lines_are_named(void **state) {
  const fixture *self = *state;
  static const char *const steps[] = {"{\"step\": 1}\nnonsense\n", "{\"step\": 1}\n[2]\n",
                                      "{\"step\": 1}\n{\"loss\": 2}\n", "{\"step\": 1}\n\n"};
  static const char *const metrics[] = {"epoch,loss\n1\n", "epoch,loss\n1,abc\n",
                                        "epoch,loss\n,1\n", "epoch,loss\n1,2,3\n"};
  fm_run_table table;
  for (size_t i = 0; i < 4; i++) {
    support_write_text(self->folder, "steps.jsonl", steps[i]);
    assert_int_equal(fm_run_table_read_steps(&table, self->steps), FM_ERR_FORMAT);
    assert_non_null(strstr(fm_error_message(), "steps.jsonl: line 2"));
    support_write_text(self->folder, "metrics.csv", metrics[i]);
    assert_int_equal(fm_run_table_read_epochs(&table, self->metrics), FM_ERR_FORMAT);
    assert_non_null(strstr(fm_error_message(), "metrics.csv: line 2"));
  }
}

static void columns_are_found_by_their_names(void **state) {
  const fixture *self = *state;
  fm_run_table table;
  support_write_text(self->folder, "metrics.csv", "new,loss,epoch,mAP\nx,0.5,7,0.25\n");
  assert_int_equal(fm_run_table_read_epochs(&table, self->metrics), FM_OK);
  assert_true(table.columns[FM_EPOCH_EPOCH][0] == 7 && table.columns[FM_EPOCH_LOSS][0] == 0.5);
  assert_true(table.columns[FM_EPOCH_MAP][0] == 0.25 && isnan(table.columns[FM_EPOCH_LR][0]));
  fm_run_table_release(&table);
}

// A chart that was shown, by its name: the points of its first series.
typedef struct seen {
  const char *wanted;
  size_t series, count;
  double x[64], y[64];
  char first[64], last[64];
} seen;

static fm_status look(void *user, const fm_chart *chart) {
  seen *self = user;
  assert_int_equal(fm_chart_check(chart), FM_OK);
  if (strcmp(chart->name, self->wanted) != 0)
    return FM_OK;
  self->series = chart->series_count;
  if (chart->series_count == 0)
    return FM_OK;
  const fm_chart_series *last = &chart->series[chart->series_count - 1];
  snprintf(self->first, sizeof self->first, "%s", chart->series[0].name);
  snprintf(self->last, sizeof self->last, "%s", last->name);
  self->count = chart->series[0].count;
  for (size_t i = 0; i < self->count && i < 64; i++) {
    self->x[i] = chart->series[0].x[i];
    self->y[i] = chart->series[0].y[i];
  }
  return FM_OK;
}

static void fill_fold(fm_run_fold *fold, int number, size_t epochs, size_t steps) {
  fold->number = number;
  snprintf(fold->name, sizeof fold->name, "fold %d", number);
  for (int i = 0; i < FM_RUN_TABLE_COLUMNS; i++) {
    fold->epochs.columns[i] = calloc(epochs + 1, sizeof(double));
    fold->steps.columns[i] = calloc(steps + 1, sizeof(double));
  }
  fold->epochs.rows = epochs;
  fold->steps.rows = steps;
  for (size_t i = 0; i < epochs; i++) {
    fold->epochs.columns[FM_EPOCH_EPOCH][i] = (double)i + 1;
    fold->epochs.columns[FM_EPOCH_LOSS][i] = 10.0 * number + (double)i;
  }
  for (size_t i = 0; i < steps; i++) {
    fold->steps.columns[FM_STEP_STEP][i] = (double)i + 1;
    fold->steps.columns[FM_STEP_LOSS][i] = (double)i;
    fold->steps.columns[FM_STEP_IMAGES][i] = 4;
    fold->steps.columns[FM_STEP_SECONDS][i] = i % 2 ? 1 : 3;
  }
}

static void the_entire_model_is_the_folds_one_after_the_other(void **state) {
  (void)state;
  fm_run run = {.folds = calloc(2, sizeof *run.folds), .fold_count = 2, .folds_wanted = 2};
  fill_fold(&run.folds[0], 1, 3, 1);
  fill_fold(&run.folds[1], 2, 2, 1);
  static const double x[] = {1, 2, 3, 4, 5}, y[] = {10, 11, 12, 20, 21};
  run.config.train.carry_weights = true;
  seen found = {.wanted = "average_loss"};
  assert_int_equal(fm_run_charts(&run, FM_RUN_CURVES_MODEL, look, &found), FM_OK);
  assert_int_equal(found.series, 2);
  assert_int_equal(found.count, 5);
  for (size_t i = 0; i < 5; i++)
    assert_true(found.x[i] == x[i] && found.y[i] == y[i]);
  // Folds that each began anew are set apart by a gap.
  run.config.train.carry_weights = false;
  assert_int_equal(fm_run_charts(&run, FM_RUN_CURVES_MODEL, look, &found), FM_OK);
  assert_int_equal(found.count, 7);
  assert_true(isnan(found.y[3]) && found.x[4] == 4 && found.y[4] == 20);
  assert_int_equal(fm_run_charts(&run, FM_RUN_CURVES_FOLDS, look, &found), FM_OK);
  assert_int_equal(found.series, 4);
  assert_string_equal(found.first, "fold 1 train");
  assert_string_equal(found.last, "fold 2 valid");
  fm_run_release(&run);
}

static void steps_are_thinned_by_means(void **state) {
  (void)state;
  fm_run run = {.folds = calloc(1, sizeof *run.folds), .fold_count = 1, .folds_wanted = 1};
  fill_fold(&run.folds[0], 1, 0, 650); // 300 points at most: 3 steps each, the last point 2
  seen found = {.wanted = "loss"};
  assert_int_equal(fm_run_charts(&run, FM_RUN_CURVES_STEPS, look, &found), FM_OK);
  assert_int_equal(found.count, 217);
  assert_true(found.x[0] == 3 && found.y[0] == 1 && found.x[1] == 6 && found.y[1] == 4);
  found = (seen){.wanted = "images_per_second"};
  assert_int_equal(fm_run_charts(&run, FM_RUN_CURVES_STEPS, look, &found), FM_OK);
  // Images over seconds, not a mean of rates.
  assert_true(found.y[0] == 12.0 / 7 && found.y[1] == 12.0 / 5);
  fm_run_release(&run);
}

static void a_run_that_has_just_begun_has_charts_without_data(void **state) {
  (void)state;
  fm_run run = {.folds = calloc(1, sizeof *run.folds), .fold_count = 1, .folds_wanted = 5};
  snprintf(run.folds[0].name, sizeof run.folds[0].name, "fold 1");
  for (int curves = 0; curves < FM_RUN_CURVES_COUNT; curves++) {
    seen found = {.wanted = "average_loss", .series = 9};
    assert_int_equal(fm_run_charts(&run, (fm_run_curves)curves, look, &found), FM_OK);
    assert_int_equal(found.series, curves == FM_RUN_CURVES_STEPS ? 9 : 0);
  }
  assert_false(fm_run_is_complete(&run));
  fm_run_release(&run);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(what_the_trainer_logs_is_read_back, setup, teardown),
      cmocka_unit_test_setup_teardown(a_line_that_is_being_written_is_left_out, setup, teardown),
      cmocka_unit_test_setup_teardown(files_that_are_missing_are_empty_tables, setup, teardown),
      cmocka_unit_test_setup_teardown(broken_lines_are_named, setup, teardown),
      cmocka_unit_test_setup_teardown(columns_are_found_by_their_names, setup, teardown),
      cmocka_unit_test(the_entire_model_is_the_folds_one_after_the_other),
      cmocka_unit_test(steps_are_thinned_by_means),
      cmocka_unit_test(a_run_that_has_just_begun_has_charts_without_data),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
