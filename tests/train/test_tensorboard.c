// Tests of what a training hands to TensorBoard: which folders, tags and steps, that a resumed
// training has no step twice, and the watched pictures. Values and the format are tests of
// format/event_file.
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "data/synth.h"
#include "format/event_record.h"
#include "train/tensorboard.h"

enum { VALID_COUNT = 7 };

typedef struct fixture {
  char folder[32];
  char *prefix;
  fm_config config;
  fm_dataset *dataset;
  size_t valid[VALID_COUNT];
  fm_tensorboard board;
  double train_bytes, valid_bytes;
} fixture;

static int setup(void **state) {
  fixture *self = calloc(1, sizeof *self);
  memcpy(self->folder, "/tmp/fm_board_XXXXXX", sizeof "/tmp/fm_board_XXXXXX");
  assert_non_null(mkdtemp(self->folder));
  self->prefix = fm_path_join(self->folder, "logs/faster_rcnn_fold_2");
  assert_int_equal(fm_config_load(&self->config, NULL, NULL, 0, NULL), FM_OK);
  const fm_synth_options synth = {.count = 10, .seed = 5, .folder = self->folder};
  assert_int_equal(fm_synth_write(&synth, NULL), FM_OK);
  const fm_dataset_options data = {0};
  assert_int_equal(fm_dataset_open(&self->dataset, self->folder, &data), FM_OK);
  for (size_t i = 0; i < VALID_COUNT; ++i)
    self->valid[i] = 9 - i;
  *state = self;
  return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at) {
  (void)info;
  (void)type;
  (void)at;
  return remove(path);
}

static int teardown(void **state) {
  fixture *self = *state;
  fm_tensorboard_release(&self->board);
  fm_dataset_free(self->dataset);
  nftw(self->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  free(self->prefix);
  free(self);
  return 0;
}

static void open_board(fixture *self, size_t valid_count) {
  fm_tensorboard_release(&self->board);
  const fm_tensorboard_options options = {.prefix = self->prefix,
                                          .config = &self->config,
                                          .valid = self->valid,
                                          .valid_count = valid_count,
                                          .train_bytes = self->train_bytes,
                                          .valid_bytes = self->valid_bytes};
  assert_int_equal(fm_tensorboard_open(&self->board, &options), FM_OK);
}

static void sync_board(fixture *self) {
  assert_int_equal(fm_tensorboard_sync(&self->board, &self->train_bytes, &self->valid_bytes),
                   FM_OK);
}

// Events in which a value has this tag: its field 1, length before text.
static size_t count_tag(const fm_event_file *file, const char *tag) {
  char wanted[64];
  const int size = snprintf(wanted, sizeof wanted, "\x0a%c%s", (int)strlen(tag), tag);
  fm_bytes bytes;
  assert_int_equal(fm_file_read(&bytes, fm_event_file_path(file), 1 << 24), FM_OK);
  size_t at = 0, count = 0;
  fm_record record;
  while (fm_record_next(&record, bytes.data, bytes.size, &at))
    count += memmem(record.data, record.size, wanted, (size_t)size) != NULL;
  assert_int_equal(at, bytes.size);
  free(bytes.data);
  return count;
}

static void write_step(fixture *self, int step) {
  const fm_step_line line = {.step = step, .epoch = 1, .images = 4, .seconds = 0.5};
  assert_int_equal(fm_tensorboard_step(&self->board, &line, 1.5), FM_OK);
}

static void write_epoch(fixture *self, int epoch) {
  const fm_metrics_row row = {.epoch = epoch, .step = 10 * epoch, .has_valid = true, .mAP = 0.25};
  assert_int_equal(fm_tensorboard_epoch(&self->board, &row), FM_OK);
}

static void watch_all(fixture *self) {
  fm_detection found[] = {{{10, 10, 40, 60}, 1, 0.75f}, {{5, 5, 9, 9}, 2, 0.25f}};
  const fm_detections detections = {found, 2};
  for (size_t i = 0; i < VALID_COUNT; ++i)
    assert_int_equal(fm_tensorboard_watch(&self->board, self->dataset, self->valid[i], &detections),
                     FM_OK);
}

static void the_writers_and_tags_are_the_notebooks(void **state) {
  static const char *const tags[] = {"loss_classifier",  "loss_box_reg", "loss_objectness",
                                     "loss_rpn_box_reg", "average_loss", "lr_epoch"};
  fixture *self = *state;
  open_board(self, VALID_COUNT);
  write_step(self, 1);
  write_epoch(self, 1);
  const char *train = fm_event_file_path(self->board.train);
  assert_non_null(strstr(train, "/logs/faster_rcnn_fold_2_train/events.out.tfevents."));
  const char *valid = fm_event_file_path(self->board.valid);
  assert_non_null(strstr(valid, "/logs/faster_rcnn_fold_2_valid/events.out.tfevents."));
  for (size_t i = 0; i < sizeof tags / sizeof *tags; ++i) {
    assert_int_equal(count_tag(self->board.train, tags[i]), 1);
    assert_int_equal(count_tag(self->board.valid, tags[i]), 1);
  }
  assert_int_equal(count_tag(self->board.valid, "mAP"), 1);
  assert_int_equal(count_tag(self->board.train, "step/gradient_norm"), 1);
  assert_int_equal(count_tag(self->board.train, "step/images_per_second"), 1);
  assert_int_equal(count_tag(self->board.valid, "_hparams_/session_start_info"), 1);
  assert_int_equal(count_tag(self->board.valid, "configuration"), 1);
}

static void a_resumed_training_has_no_step_twice(void **state) {
  fixture *self = *state;
  open_board(self, VALID_COUNT);
  for (int step = 1; step <= 4; ++step)
    write_step(self, step);
  write_epoch(self, 1);
  sync_board(self);
  write_step(self, 5);
  write_epoch(self, 2);
  open_board(self, VALID_COUNT); // killed, and resumed from what was synced
  write_step(self, 5);
  write_epoch(self, 2);
  assert_int_equal(count_tag(self->board.train, "step/loss"), 5);
  assert_int_equal(count_tag(self->board.valid, "mAP"), 2);
  assert_int_equal(count_tag(self->board.valid, "_hparams_/session_start_info"), 1);
}

static void a_finished_training_that_is_resumed_ends_once(void **state) {
  fixture *self = *state;
  for (int times = 0; times < 3; ++times) {
    open_board(self, VALID_COUNT);
    if (times == 0) {
      write_epoch(self, 1);
      sync_board(self);
    }
    assert_int_equal(fm_tensorboard_finish(&self->board), FM_OK);
    assert_int_equal(count_tag(self->board.valid, "_hparams_/session_end_info"), 1);
  }
}

static void three_pictures_from_all_over_the_validation_part_are_watched(void **state) {
  fixture *self = *state;
  open_board(self, VALID_COUNT);
  watch_all(self);
  write_epoch(self, 1);
  // The list is 9, 8 ... 3; the middles of its thirds are its entries 1, 3 and 5.
  for (int sample = 0; sample < 10; ++sample) {
    char tag[64];
    snprintf(tag, sizeof tag, "prediction/synth%05d", sample);
    const bool watched = sample == 8 || sample == 6 || sample == 4;
    assert_int_equal(count_tag(self->board.valid, tag), watched);
  }
}

static void a_validation_that_is_stopped_leaves_no_picture(void **state) {
  fixture *self = *state;
  open_board(self, VALID_COUNT);
  watch_all(self);
  sync_board(self);
  open_board(self, VALID_COUNT);
  watch_all(self);
  write_epoch(self, 1);
  assert_int_equal(count_tag(self->board.valid, "prediction/synth00006"), 1);
}

static void a_validation_part_of_two_pictures_is_watched_once_each(void **state) {
  fixture *self = *state;
  open_board(self, 2);
  watch_all(self);
  write_epoch(self, 1);
  assert_int_equal(count_tag(self->board.valid, "prediction/synth00009"), 1);
  assert_int_equal(count_tag(self->board.valid, "prediction/synth00008"), 1);
  assert_int_equal(count_tag(self->board.valid, "prediction/synth00007"), 0);
}

static void without_a_validation_part_there_is_one_writer(void **state) {
  fixture *self = *state;
  open_board(self, 0);
  write_step(self, 1);
  write_epoch(self, 1);
  assert_int_equal(fm_tensorboard_finish(&self->board), FM_OK);
  assert_null(self->board.valid);
  assert_int_equal(count_tag(self->board.train, "average_loss"), 1);
  assert_int_equal(count_tag(self->board.train, "_hparams_/session_end_info"), 1);
  char *folder = fm_path_join(self->folder, "logs/faster_rcnn_fold_2_valid");
  assert_false(fm_path_exists(folder));
  free(folder);
}

static void switched_off_it_writes_nothing(void **state) {
  fixture *self = *state;
  self->config.log.tensorboard = false;
  open_board(self, VALID_COUNT);
  write_step(self, 1);
  watch_all(self);
  write_epoch(self, 1);
  sync_board(self);
  assert_int_equal(fm_tensorboard_finish(&self->board), FM_OK);
  char *folder = fm_path_join(self->folder, "logs");
  assert_false(fm_path_exists(folder));
  free(folder);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_writers_and_tags_are_the_notebooks),
      TEST(a_resumed_training_has_no_step_twice),
      TEST(a_finished_training_that_is_resumed_ends_once),
      TEST(three_pictures_from_all_over_the_validation_part_are_watched),
      TEST(a_validation_that_is_stopped_leaves_no_picture),
      TEST(a_validation_part_of_two_pictures_is_watched_once_each),
      TEST(without_a_validation_part_there_is_one_writer),
      TEST(switched_off_it_writes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
