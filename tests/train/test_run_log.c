// Tests of the files that grow with a run: their lines, cutting them back, and two programs on one
// folder.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "train/run_log.h"

static char *read_text(const char *folder, const char *name) {
  char *path = fm_path_join(folder, name);
  fm_bytes bytes;
  assert_int_equal(fm_file_read(&bytes, path, 1 << 20), FM_OK);
  free(path);
  return (char *)bytes.data;
}

static void remove_folder(const char *folder) {
  static const char *const names[] = {"steps.jsonl", "metrics.csv"};
  for (size_t i = 0; i < 2; i++) {
    char *path = fm_path_join(folder, names[i]);
    unlink(path);
    free(path);
  }
  rmdir(folder);
}

static void write_step(fm_run_log *log, int step) {
  const fm_step_line line = {.step = step,
                             .epoch = 1,
                             .losses = {1.0 / 3, 0.1, 1e-300, 0, 2.5},
                             .lr = 0.005,
                             .images = 4,
                             .seconds = 1.5,
                             .data_seconds = 0.25};
  assert_int_equal(fm_run_log_step(log, &line), FM_OK);
}

static void a_step_is_a_json_line_with_the_losses_to_the_last_bit(void **state) {
  (void)state;
  char folder[] = "/tmp/fm_run_log_XXXXXX";
  assert_non_null(mkdtemp(folder));
  fm_run_log log;
  assert_int_equal(fm_run_log_open(&log, folder), FM_OK);
  assert_int_equal(fm_run_log_cut(&log, 0, 0), FM_OK);
  write_step(&log, 1);
  char *text = read_text(folder, "steps.jsonl");
  assert_true((double)strlen(text) == log.steps_bytes);
  json_t *line = json_loads(text, 0, NULL);
  assert_non_null(line);
  assert_true(json_number_value(json_object_get(line, "loss")) == 1.0 / 3);
  assert_true(json_number_value(json_object_get(line, "loss_classifier")) == 0.1);
  assert_true(json_number_value(json_object_get(line, "loss_box_reg")) == 1e-300);
  assert_true(json_number_value(json_object_get(line, "loss_rpn_box_reg")) == 2.5);
  static const char *const others[] = {"step",   "epoch",   "loss_objectness", "lr",
                                       "images", "seconds", "data_seconds"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    assert_true(json_is_number(json_object_get(line, others[i])));
  assert_int_equal(json_object_size(line), 11);
  json_decref(line);
  free(text);
  fm_run_log_release(&log);
  remove_folder(folder);
}

static size_t count_columns(const char *row) {
  size_t count = 1;
  for (; *row && *row != '\n'; row++)
    count += *row == ',';
  return count;
}

static void metrics_have_a_header_and_as_many_columns_in_every_row(void **state) {
  (void)state;
  char folder[] = "/tmp/fm_run_log_XXXXXX";
  assert_non_null(mkdtemp(folder));
  fm_run_log log;
  assert_int_equal(fm_run_log_open(&log, folder), FM_OK);
  assert_int_equal(fm_run_log_cut(&log, 0, 0), FM_OK);
  fm_metrics_row row = {.epoch = 1, .step = 10, .mAP = -1};
  assert_int_equal(fm_run_log_metrics(&log, &row), FM_OK);
  row.has_valid = true;
  assert_int_equal(fm_run_log_metrics(&log, &row), FM_OK);
  char *text = read_text(folder, "metrics.csv");
  char *second = strchr(text, '\n') + 1, *third = strchr(second, '\n') + 1;
  assert_true(strncmp(text, "epoch,step,lr,loss,", 19) == 0);
  assert_int_equal(count_columns(text), 17);
  assert_int_equal(count_columns(second), 17);
  assert_int_equal(count_columns(third), 17);
  free(text);
  fm_run_log_release(&log);
  remove_folder(folder);
}

static void cutting_back_drops_later_and_torn_lines(void **state) {
  (void)state;
  char folder[] = "/tmp/fm_run_log_XXXXXX";
  assert_non_null(mkdtemp(folder));
  fm_run_log log;
  assert_int_equal(fm_run_log_open(&log, folder), FM_OK);
  assert_int_equal(fm_run_log_cut(&log, 0, 0), FM_OK);
  write_step(&log, 1);
  write_step(&log, 2);
  double steps = log.steps_bytes, metrics = log.metrics_bytes;
  char *before = read_text(folder, "steps.jsonl");
  write_step(&log, 3);
  assert_int_equal(write(log.steps, "{\"step\": 4, \"ep", 15), 15); // torn by a kill
  fm_run_log_release(&log);
  assert_int_equal(fm_run_log_open(&log, folder), FM_OK);
  assert_int_equal(fm_run_log_cut(&log, steps, metrics), FM_OK);
  char *after = read_text(folder, "steps.jsonl");
  assert_string_equal(before, after);
  write_step(&log, 3);
  char *longer = read_text(folder, "steps.jsonl");
  assert_true(strncmp(longer, before, strlen(before)) == 0);
  assert_non_null(strstr(longer, "\"step\": 3"));
  free(before);
  free(after);
  free(longer);
  fm_run_log_release(&log);
  remove_folder(folder);
}

static void a_second_program_on_the_same_folder_is_refused(void **state) {
  (void)state;
  char folder[] = "/tmp/fm_run_log_XXXXXX";
  assert_non_null(mkdtemp(folder));
  fm_run_log first, second;
  assert_int_equal(fm_run_log_open(&first, folder), FM_OK);
  assert_int_equal(fm_run_log_open(&second, folder), FM_ERR_IO);
  assert_non_null(strstr(fm_error_message(), folder));
  fm_run_log_release(&first);
  assert_int_equal(fm_run_log_open(&second, folder), FM_OK);
  fm_run_log_release(&second);
  remove_folder(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_step_is_a_json_line_with_the_losses_to_the_last_bit),
      cmocka_unit_test(metrics_have_a_header_and_as_many_columns_in_every_row),
      cmocka_unit_test(cutting_back_drops_later_and_torn_lines),
      cmocka_unit_test(a_second_program_on_the_same_folder_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
