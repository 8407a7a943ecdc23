// Files: whole reads with limits, writes that are never half done, folders, paths.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

static char folder[64];

static int make_folder(void **state) {
  (void)state;
  strcpy(folder, "/tmp/facemask-file-XXXXXX");
  return mkdtemp(folder) && chdir(folder) == 0 ? 0 : 1;
}

static int remove_folder(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return chdir("/") || system(command);
}

// Files of the working folder; "." separates.
static size_t file_count(void) {
  fm_name_list list;
  assert_int_equal(fm_folder_list(&list, "."), FM_OK);
  const size_t count = list.count;
  fm_name_list_release(&list);
  return count;
}

static void assert_content(const char *path, const char *expected) {
  fm_bytes bytes;
  assert_int_equal(fm_file_read(&bytes, path, 1 << 20), FM_OK);
  assert_int_equal(bytes.size, strlen(expected));
  assert_string_equal((const char *)bytes.data, expected);
  free(bytes.data);
}

static void what_is_written_is_read(void **state) {
  (void)state;
  const size_t size = 200001; // more than one buffer
  uint8_t *data = malloc(size);
  assert_non_null(data);
  for (size_t i = 0; i < size; ++i)
    data[i] = (uint8_t)(i * 31 + i / 255);
  assert_int_equal(fm_file_write("big", data, size), FM_OK);
  fm_bytes bytes;
  assert_int_equal(fm_file_read(&bytes, "big", size), FM_OK);
  assert_int_equal(bytes.size, size);
  assert_memory_equal(bytes.data, data, size);
  assert_int_equal(bytes.data[size], 0);
  free(bytes.data);
  fm_mapping mapping;
  assert_int_equal(fm_mapping_open(&mapping, "big"), FM_OK);
  assert_int_equal(mapping.size, size);
  assert_memory_equal(mapping.data, data, size);
  fm_mapping_release(&mapping);
  assert_null(mapping.data);
  free(data);
}

static void a_file_above_the_limit_is_refused(void **state) {
  (void)state;
  assert_int_equal(fm_file_write("ten", "0123456789", 10), FM_OK);
  fm_bytes bytes;
  assert_int_equal(fm_file_read(&bytes, "ten", 9), FM_ERR_FORMAT);
  assert_null(bytes.data);
  assert_non_null(strstr(fm_error_message(), "ten: larger than 9 bytes"));
  assert_int_equal(fm_file_read(&bytes, "/dev/zero", 1 << 20), FM_ERR_FORMAT); // it never ends
}

static void what_cannot_be_read_is_named(void **state) {
  (void)state;
  fm_bytes bytes;
  fm_mapping mapping;
  assert_int_equal(fm_file_read(&bytes, "gone", 10), FM_ERR_IO);
  assert_string_equal(fm_error_message(), "gone: No such file or directory");
  assert_int_equal(fm_file_read(&bytes, ".", 10), FM_ERR_IO);
  assert_int_equal(fm_mapping_open(&mapping, "gone"), FM_ERR_IO);
  assert_int_equal(fm_mapping_open(&mapping, "."), FM_ERR_IO);
  assert_int_equal(fm_mapping_open(&mapping, "/dev/zero"), FM_ERR_IO);
}

static void an_empty_file_is_fine(void **state) {
  (void)state;
  assert_int_equal(fm_file_write("empty", "", 0), FM_OK);
  assert_content("empty", "");
  fm_mapping mapping;
  assert_int_equal(fm_mapping_open(&mapping, "empty"), FM_OK);
  assert_int_equal(mapping.size, 0);
  fm_mapping_release(&mapping);
}

static void the_old_content_stands_until_commit(void **state) {
  (void)state;
  assert_int_equal(fm_file_write("kept", "old", 3), FM_OK);
  const size_t before = file_count();
  fm_atomic_file file;
  assert_int_equal(fm_atomic_file_open(&file, "kept"), FM_OK);
  fputs("new text", file.stream);
  fflush(file.stream);
  assert_content("kept", "old");
  assert_int_equal(fm_atomic_file_commit(&file), FM_OK);
  assert_content("kept", "new text");
  assert_int_equal(file_count(), before);
}

static void a_discarded_file_leaves_nothing(void **state) {
  (void)state;
  const size_t before = file_count();
  fm_atomic_file file;
  assert_int_equal(fm_atomic_file_open(&file, "never"), FM_OK);
  fputs("text", file.stream);
  fm_atomic_file_discard(&file);
  assert_false(fm_path_exists("never"));
  assert_int_equal(file_count(), before);
  fm_atomic_file_discard(&file);
}

// As on a full disk: the second half of the bytes finds no room.
static void write_without_room(void) {
  signal(SIGXFSZ, SIG_IGN);
  const struct rlimit limit = {5000, 5000};
  static char data[10000];
  _exit(setrlimit(RLIMIT_FSIZE, &limit) == 0 && fm_file_write("kept", data, sizeof data) < 0 &&
                strstr(fm_error_message(), "kept: cannot be written: File too large")
            ? 0
            : 1);
}

static void a_write_that_fails_keeps_the_old_content(void **state) {
  (void)state;
  assert_int_equal(fm_file_write("kept", "old", 3), FM_OK);
  const size_t before = file_count();
  const pid_t child = fork();
  if (child == 0)
    write_without_room();
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  assert_content("kept", "old");
  assert_int_equal(file_count(), before);
}

static void a_target_that_cannot_be_is_named(void **state) {
  (void)state;
  assert_int_equal(fm_file_write("no/such/folder/file", "x", 1), FM_ERR_IO);
  assert_non_null(strstr(fm_error_message(), "no/such/folder/file: No such file"));
  assert_int_equal(fm_folder_make("taken"), FM_OK);
  const size_t before = file_count();
  assert_int_equal(fm_file_write("taken", "x", 1), FM_ERR_IO); // a folder has the name
  assert_int_equal(file_count(), before);
}

static void folders_are_made_with_their_parents(void **state) {
  (void)state;
  assert_int_equal(fm_folder_make("a/b//c/"), FM_OK);
  assert_true(fm_path_is_folder("a/b/c"));
  assert_int_equal(fm_folder_make("a/b/c"), FM_OK);
  assert_int_equal(fm_file_write("a/file", "x", 1), FM_OK);
  assert_false(fm_path_is_folder("a/file"));
  assert_int_equal(fm_folder_make("a/file/d"), FM_ERR_IO);
  assert_non_null(strstr(fm_error_message(), "a/file"));
  char absolute[128];
  snprintf(absolute, sizeof absolute, "%s/e/f", folder);
  assert_int_equal(fm_folder_make(absolute), FM_OK);
  assert_true(fm_path_is_folder("e/f"));
}

static void names_come_sorted_by_bytes(void **state) {
  (void)state;
  static const char *const sorted[] = {".hidden", "10", "2", "B", "a", "\xc3\xa9"};
  static const size_t order[] = {3, 5, 0, 4, 1, 2};
  assert_int_equal(fm_folder_make("list"), FM_OK);
  for (size_t i = 0; i < 6; ++i) {
    char *path = fm_path_join("list", sorted[order[i]]);
    assert_int_equal(fm_file_write(path, "", 0), FM_OK);
    free(path);
  }
  fm_name_list list;
  assert_int_equal(fm_folder_list(&list, "list"), FM_OK);
  assert_int_equal(list.count, 6);
  for (size_t i = 0; i < 6; ++i)
    assert_string_equal(list.names[i], sorted[i]);
  fm_name_list_release(&list);
  assert_int_equal(fm_folder_list(&list, "nowhere"), FM_ERR_IO);
  assert_int_equal(list.count, 0);
}

static void paths_are_taken_apart_and_joined(void **state) {
  (void)state;
  static const char *const joined[][3] = {
      {"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}};
  for (size_t i = 0; i < 4; ++i) {
    char *path = fm_path_join(joined[i][0], joined[i][1]);
    assert_string_equal(path, joined[i][2]);
    free(path);
  }
  assert_string_equal(fm_path_name("a/b.png"), "b.png");
  assert_string_equal(fm_path_name("b.png"), "b.png");
  assert_string_equal(fm_path_name("a/"), "");
  assert_string_equal(fm_path_extension("a.b/c.tar.gz"), "gz");
  assert_string_equal(fm_path_extension("a.b/c"), "");
  assert_string_equal(fm_path_extension("a/.hidden"), "");
  assert_string_equal(fm_path_extension("a/c."), "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_written_is_read),
      cmocka_unit_test(a_file_above_the_limit_is_refused),
      cmocka_unit_test(what_cannot_be_read_is_named),
      cmocka_unit_test(an_empty_file_is_fine),
      cmocka_unit_test(the_old_content_stands_until_commit),
      cmocka_unit_test(a_discarded_file_leaves_nothing),
      cmocka_unit_test(a_write_that_fails_keeps_the_old_content),
      cmocka_unit_test(a_target_that_cannot_be_is_named),
      cmocka_unit_test(folders_are_made_with_their_parents),
      cmocka_unit_test(names_come_sorted_by_bytes),
      cmocka_unit_test(paths_are_taken_apart_and_joined),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
