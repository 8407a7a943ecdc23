// Zip archives: limits, damage, and reading from several threads at once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "base/archive.h"
#include "support.h"

enum { ENTRY_COUNT = 40, ENTRY_BYTES = 50000, THREAD_COUNT = 4 };

static uint8_t *entry_bytes(int index) {
  uint8_t *bytes = malloc(ENTRY_BYTES);
  for (size_t i = 0; i < ENTRY_BYTES; i++)
    bytes[i] = (uint8_t)(i * (size_t)(index + 3) >> 4);
  return bytes;
}

static char *make_archive(const char *folder) {
  char *path = fm_path_join(folder, "a.zip");
  zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
  for (int i = 0; i < ENTRY_COUNT; i++) {
    char name[32];
    snprintf(name, sizeof name, "entry%d", i);
    zip_source_t *source = zip_source_buffer(zip, entry_bytes(i), ENTRY_BYTES, 1);
    assert_true(zip_file_add(zip, name, source, 0) >= 0);
  }
  assert_int_equal(zip_close(zip), 0);
  return path;
}

static void *read_all(void *user) {
  fm_archive *archive = user;
  for (int round = 0; round < 5; round++)
    for (int i = 0; i < ENTRY_COUNT; i++) {
      fm_bytes bytes;
      uint8_t *expected = entry_bytes(i);
      int same = fm_archive_read(archive, (size_t)i, ENTRY_BYTES, &bytes) == FM_OK &&
                 bytes.size == ENTRY_BYTES && memcmp(bytes.data, expected, ENTRY_BYTES) == 0;
      free(bytes.data);
      free(expected);
      if (!same)
        return user;
    }
  return NULL;
}

static void several_threads_read_the_right_bytes_at_once(void **state) {
  (void)state;
  char *folder = support_folder_make(), *path = make_archive(folder);
  fm_archive *archive;
  assert_int_equal(fm_archive_open(&archive, path), FM_OK);
  assert_int_equal(fm_archive_count(archive), ENTRY_COUNT);
  assert_string_equal(fm_archive_name(archive, 7), "entry7");
  pthread_t threads[THREAD_COUNT];
  for (int i = 0; i < THREAD_COUNT; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, read_all, archive), 0);
  for (int i = 0; i < THREAD_COUNT; i++) {
    void *failed;
    pthread_join(threads[i], &failed);
    assert_null(failed);
  }
  fm_archive_free(archive);
  free(path);
  support_folder_remove(folder);
}

static void entries_over_the_limit_are_refused_and_heads_are_cut(void **state) {
  (void)state;
  char *folder = support_folder_make(), *path = make_archive(folder);
  fm_archive *archive;
  fm_bytes bytes;
  assert_int_equal(fm_archive_open(&archive, path), FM_OK);
  assert_int_equal(fm_archive_read(archive, 0, ENTRY_BYTES - 1, &bytes), FM_ERR_FORMAT);
  assert_null(bytes.data);
  assert_int_equal(fm_archive_head(archive, 0, 100, &bytes), FM_OK);
  assert_int_equal(bytes.size, 100);
  free(bytes.data);
  assert_int_equal(fm_archive_head(archive, 0, 1 << 20, &bytes), FM_OK);
  assert_int_equal(bytes.size, ENTRY_BYTES);
  free(bytes.data);
  fm_archive_free(archive);
  free(path);
  support_folder_remove(folder);
}

static void a_changed_byte_in_an_entry_is_found_by_its_sum(void **state) {
  (void)state;
  char *folder = support_folder_make(), *path = make_archive(folder);
  fm_bytes file, bytes;
  assert_int_equal(fm_file_read(&file, path, 1 << 24), FM_OK);
  file.data[200] ^= 0x10; // inside the compressed data of the first entry
  support_write(folder, "a.zip", file.data, file.size);
  free(file.data);
  fm_archive *archive;
  assert_int_equal(fm_archive_open(&archive, path), FM_OK);
  assert_int_equal(fm_archive_read(archive, 0, ENTRY_BYTES, &bytes), FM_ERR_FORMAT);
  assert_int_equal(fm_archive_read(archive, 1, ENTRY_BYTES, &bytes), FM_OK);
  free(bytes.data);
  fm_archive_free(archive);
  free(path);
  support_folder_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(several_threads_read_the_right_bytes_at_once),
      cmocka_unit_test(entries_over_the_limit_are_refused_and_heads_are_cut),
      cmocka_unit_test(a_changed_byte_in_an_entry_is_found_by_its_sum),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
