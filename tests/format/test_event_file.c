// Tests of event files: checksums and frames against published and TensorBoard's own bytes, an
// event to the last byte, and what cutting keeps. tests/parity/tensorboard_events.py has
// TensorBoard itself read them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "format/event_file.h"
#include "format/event_read.h"
#include "format/event_record.h"

typedef struct fixture {
  char folder[32];
  fm_event_file *file;
} fixture;

static int setup(void **state) {
  fixture *self = calloc(1, sizeof *self);
  memcpy(self->folder, "/tmp/fm_event_XXXXXX", sizeof "/tmp/fm_event_XXXXXX");
  assert_non_null(mkdtemp(self->folder));
  assert_int_equal(fm_event_file_open(&self->file, self->folder), FM_OK);
  *state = self;
  return 0;
}

static int teardown(void **state) {
  fixture *self = *state;
  unlink(fm_event_file_path(self->file));
  fm_event_file_free(self->file);
  rmdir(self->folder);
  free(self);
  return 0;
}

static fm_bytes content(const fixture *self) {
  fm_bytes bytes;
  assert_int_equal(fm_file_read(&bytes, fm_event_file_path(self->file), 1 << 20), FM_OK);
  return bytes;
}

static size_t count_records(const fixture *self) {
  fm_bytes bytes = content(self);
  size_t at = 0, count = 0;
  fm_record record;
  while (fm_record_next(&record, bytes.data, bytes.size, &at))
    ++count;
  assert_int_equal(at, bytes.size); // nothing but whole records
  free(bytes.data);
  return count;
}

static void write_loss(const fixture *self, int64_t step) {
  const fm_event_scalar scalar = {"loss", 0.25};
  assert_int_equal(fm_event_file_scalars(self->file, step, &scalar, 1), FM_OK);
}

static void reopen(fixture *self) {
  fm_event_file_free(self->file);
  assert_int_equal(fm_event_file_open(&self->file, self->folder), FM_OK);
}

static void checksums_are_those_of_rfc_3720(void **state) {
  (void)state;
  uint8_t data[32] = {0};
  assert_int_equal(fm_crc32c(data, 32), 0x8a9136aa);
  memset(data, 0xff, 32);
  assert_int_equal(fm_crc32c(data, 32), 0x62a8ab43);
  for (uint8_t i = 0; i < 32; ++i)
    data[i] = i;
  assert_int_equal(fm_crc32c(data, 32), 0x46dd794e);
  assert_int_equal(fm_crc32c("123456789", 9), 0xe3069283);
}

// The event {wall_time: 1.5, file_version: "brain.Event:2"} as tensorboard 2.21 writes it.
static void a_frame_has_the_bytes_that_tensorboard_writes(void **state) {
  (void)state;
  static const uint8_t expected[] =
      "\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22\x09\0\0\0\0\0\0\xf8\x3f\x1a\x0d"
      "brain.Event:2\x2a\x28\x64\x6c";
  uint8_t head[FM_RECORD_HEAD_BYTES], foot[FM_RECORD_FOOT_BYTES];
  fm_record_frame(head, foot, expected + 12, 24);
  assert_memory_equal(head, expected, 12);
  assert_memory_equal(foot, expected + 36, 4);
  fm_record record;
  size_t at = 0;
  assert_int_equal(fm_record_next(&record, expected, 40, &at), 1);
  assert_int_equal(record.size, 24);
  assert_int_equal(at, 40);
}

static void a_record_that_is_damaged_anywhere_is_no_record(void **state) {
  (void)state;
  uint8_t file[12 + 5 + 4] = {0};
  static const uint8_t payload[5] = {'e', 'v', 'e', 'n', 't'};
  memcpy(file + 12, payload, sizeof payload);
  fm_record_frame(file, file + 17, file + 12, sizeof payload);
  fm_record record;
  for (size_t i = 0; i < sizeof file; ++i) {
    size_t at = 0;
    assert_int_equal(fm_record_next(&record, file, i, &at), 0); // cut short
    file[i] ^= 0x40;
    assert_int_equal(fm_record_next(&record, file, sizeof file, &at), 0);
    file[i] ^= 0x40;
    assert_int_equal(at, 0);
  }
}

static void a_scalar_is_this_message_to_the_last_byte(void **state) {
  const fixture *self = *state;
  assert_int_equal(fm_event_file_cut(self->file, 0), FM_OK);
  write_loss(self, 300);
  fm_bytes bytes = content(self);
  size_t at = 0;
  fm_record record;
  assert_true(fm_record_next(&record, bytes.data, bytes.size, &at));
  assert_memory_equal(record.data + 9,
                      "\x1a\x0d"
                      "brain.Event:2",
                      15);
  assert_true(fm_record_next(&record, bytes.data, bytes.size, &at));
  // wall_time, 9 bytes; step 300; summary of 13 bytes: value of 11: tag "loss", float 0.25
  assert_int_equal(record.size, 9 + 3 + 15);
  assert_memory_equal(record.data + 9, "\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\0\0\x80\x3e",
                      18);
  double wall_time;
  memcpy(&wall_time, record.data + 1, sizeof wall_time);
  assert_true(wall_time > 1.7e9 && wall_time < 1e11);
  assert_int_equal(fm_event_file_bytes(self->file), bytes.size);
  free(bytes.data);
}

static void a_resumed_file_has_no_step_behind_the_cut(void **state) {
  fixture *self = *state;
  assert_int_equal(fm_event_file_cut(self->file, 0), FM_OK);
  for (int64_t step = 1; step <= 3; ++step)
    write_loss(self, step);
  const uint64_t kept = fm_event_file_bytes(self->file);
  fm_bytes before = content(self);
  for (int64_t step = 4; step <= 9; ++step)
    write_loss(self, step);
  reopen(self);
  assert_int_equal(fm_event_file_cut(self->file, kept), FM_OK);
  assert_int_equal(count_records(self), 1 + 3);
  write_loss(self, 4);
  assert_int_equal(count_records(self), 1 + 4);
  fm_bytes after = content(self);
  assert_memory_equal(after.data, before.data, before.size);
  free(before.data);
  free(after.data);
}

static void a_torn_or_damaged_tail_is_cut_and_the_file_goes_on(void **state) {
  fixture *self = *state;
  assert_int_equal(fm_event_file_cut(self->file, 0), FM_OK);
  write_loss(self, 1);
  write_loss(self, 2);
  const uint64_t full = fm_event_file_bytes(self->file);
  assert_int_equal(truncate(fm_event_file_path(self->file), (off_t)full - 5), 0);
  reopen(self);
  assert_int_equal(fm_event_file_cut(self->file, full + 1000), FM_OK);
  assert_int_equal(count_records(self), 1 + 1);
  write_loss(self, 2);
  assert_int_equal(fm_event_file_bytes(self->file), full);
  assert_int_equal(count_records(self), 1 + 2);
}

static void cutting_to_nothing_begins_anew(void **state) {
  fixture *self = *state;
  assert_int_equal(fm_event_file_cut(self->file, 0), FM_OK);
  write_loss(self, 1);
  reopen(self);
  assert_int_equal(fm_event_file_cut(self->file, 0), FM_OK);
  assert_int_equal(count_records(self), 1);
}

static void a_writer_that_comes_again_takes_the_same_file(void **state) {
  fixture *self = *state;
  char *path = strdup(fm_event_file_path(self->file));
  reopen(self);
  assert_string_equal(fm_event_file_path(self->file), path);
  assert_non_null(strstr(path, "/events.out.tfevents."));
  free(path);
}

static void a_folder_that_cannot_be_made_is_named(void **state) {
  const fixture *self = *state;
  fm_event_file *file;
  assert_int_equal(fm_event_file_open(&file, fm_event_file_path(self->file)), FM_ERR_IO);
  assert_null(file);
  assert_non_null(strstr(fm_error_message(), fm_event_file_path(self->file)));
}

// The pictures that were visited, as one text.
static fm_status note_picture(void *user, const fm_event_picture *picture) {
  char *text = user;
  snprintf(text + strlen(text), 256 - strlen(text), "%s@%lld:%.*s;", picture->tag,
           (long long)picture->step, (int)picture->size, (const char *)picture->data);
  return strcmp(picture->tag, "stop") == 0 ? FM_ERR_NUMERIC : FM_OK;
}

static void write_picture(const fixture *self, int64_t step, const char *tag, const char *data) {
  const fm_event_image image = {
      .tag = tag, .width = 2, .height = 1, .png = data, .png_bytes = strlen(data)};
  assert_int_equal(fm_event_file_image(self->file, step, &image), FM_OK);
}

static void pictures_are_read_back_up_to_what_is_being_written(void **state) {
  const fixture *self = *state;
  char seen[256] = "";
  assert_int_equal(fm_event_file_cut(self->file, 0), FM_OK);
  write_loss(self, 1);
  write_picture(self, 1, "a", "first");
  write_picture(self, 2, "b", "");
  write_loss(self, 2);
  write_picture(self, 3, "a", "second");
  assert_int_equal(fm_event_pictures_read(self->folder, note_picture, seen), FM_OK);
  assert_string_equal(seen, "a@1:first;b@2:;a@3:second;");
  // A record that is not whole yet, or damaged, ends the reading without a failure.
  seen[0] = 0;
  assert_int_equal(
      truncate(fm_event_file_path(self->file), (off_t)fm_event_file_bytes(self->file) - 1), 0);
  assert_int_equal(fm_event_pictures_read(self->folder, note_picture, seen), FM_OK);
  assert_string_equal(seen, "a@1:first;b@2:;");
}

static void a_visitor_that_fails_ends_the_reading(void **state) {
  const fixture *self = *state;
  char seen[256] = "";
  assert_int_equal(fm_event_file_cut(self->file, 0), FM_OK);
  write_picture(self, 1, "stop", "x");
  write_picture(self, 1, "more", "y");
  assert_int_equal(fm_event_pictures_read(self->folder, note_picture, seen), FM_ERR_NUMERIC);
  assert_string_equal(seen, "stop@1:x;");
}

static void a_folder_without_events_has_no_pictures(void **state) {
  (void)state;
  char seen[256] = "", folder[] = "/tmp/fm_event_XXXXXX";
  assert_int_equal(fm_event_pictures_read("/nonexistent", note_picture, seen), FM_END);
  assert_non_null(mkdtemp(folder));
  assert_int_equal(fm_event_pictures_read(folder, note_picture, seen), FM_END);
  rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(checksums_are_those_of_rfc_3720),
      cmocka_unit_test(a_frame_has_the_bytes_that_tensorboard_writes),
      cmocka_unit_test(a_record_that_is_damaged_anywhere_is_no_record),
      cmocka_unit_test_setup_teardown(a_scalar_is_this_message_to_the_last_byte, setup, teardown),
      cmocka_unit_test_setup_teardown(a_resumed_file_has_no_step_behind_the_cut, setup, teardown),
      cmocka_unit_test_setup_teardown(a_torn_or_damaged_tail_is_cut_and_the_file_goes_on, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(cutting_to_nothing_begins_anew, setup, teardown),
      cmocka_unit_test_setup_teardown(a_writer_that_comes_again_takes_the_same_file, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_made_is_named, setup, teardown),
      cmocka_unit_test_setup_teardown(pictures_are_read_back_up_to_what_is_being_written, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(a_visitor_that_fails_ends_the_reading, setup, teardown),
      cmocka_unit_test(a_folder_without_events_has_no_pictures),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
