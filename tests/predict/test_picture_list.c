// What the words behind `facemask detect` stand for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "predict/picture_list.h"

static char folder[] = "/tmp/facemask-test-XXXXXX";
static const char *const files[] = {"b.png",   "a.JPG",     "c.jpeg", "notes.txt",
                                    "[x].png", "sub/a.png", "d.WebP"};
enum { FILES = sizeof files / sizeof *files };

static char *join(const char *name) {
  char *path = fm_path_join(folder, name);
  assert_non_null(path);
  return path;
}

static int make_files(void **state) {
  (void)state;
  if (!mkdtemp(folder))
    return 1;
  char *sub = join("sub");
  fm_status status = fm_folder_make(sub);
  free(sub);
  for (int i = 0; status == FM_OK && i < FILES; ++i) {
    char *path = join(files[i]);
    status = fm_file_write(path, "x", 1);
    free(path);
  }
  return status;
}

static int remove_files(void **state) {
  (void)state;
  for (int i = 0; i < FILES; ++i) {
    char *path = join(files[i]);
    unlink(path);
    free(path);
  }
  char *sub = join("sub");
  rmdir(sub);
  free(sub);
  return rmdir(folder);
}

// Opens one word below the folder and compares the stems, "a b c".
static void assert_stems(const char *const *words, int count, const char *expected) {
  const char *paths[8];
  for (int i = 0; i < count; ++i)
    paths[i] = words[i][0] == '-' ? words[i] : join(words[i]);
  fm_picture_list list;
  assert_int_equal(fm_picture_list_make(&list, paths, count), FM_OK);
  char stems[256] = "";
  for (size_t i = 0; i < list.count; ++i)
    snprintf(stems + strlen(stems), sizeof stems - strlen(stems), "%s%s", i ? " " : "",
             list.items[i].stem);
  assert_string_equal(stems, expected);
  fm_picture_list_release(&list);
  for (int i = 0; i < count; ++i)
    if (words[i][0] != '-')
      free((void *)(uintptr_t)paths[i]);
}

static void a_folder_stands_for_its_pictures_by_name(void **state) {
  (void)state;
  assert_stems((const char *[]){""}, 1, "[x] a b c d");
}

static void a_glob_stands_for_what_it_matches(void **state) {
  (void)state;
  assert_stems((const char *[]){"?.*p*g"}, 1, "b c");
  assert_stems((const char *[]){"*/*.png"}, 1, "a");
}

static void a_file_with_the_letters_of_a_glob_is_itself(void **state) {
  (void)state;
  assert_stems((const char *[]){"[x].png"}, 1, "[x]");
}

static void what_matches_nothing_stays_to_be_complained_about(void **state) {
  (void)state;
  assert_stems((const char *[]){"none*.png", "gone.png"}, 2, "none* gone");
}

static void pictures_of_one_name_get_different_stems(void **state) {
  (void)state;
  assert_stems((const char *[]){"a.JPG", "sub/a.png", "a.JPG", "-", "b.png"}, 5,
               "a a-2 a-3 stdin b");
}

static void videos_and_cameras_are_not_supported(void **state) {
  (void)state;
  static const char *const words[] = {"clip.MP4", "/dev/video0", "rtsp://camera/1"};
  for (size_t i = 0; i < sizeof words / sizeof *words; ++i) {
    fm_picture_list list;
    assert_int_equal(fm_picture_list_make(&list, &words[i], 1), FM_ERR_UNSUPPORTED);
    assert_non_null(strstr(fm_error_message(), words[i]));
  }
}

static void a_folder_without_pictures_is_an_error(void **state) {
  (void)state;
  const char *const word = "/proc/self/fdinfo";
  fm_picture_list list;
  assert_int_equal(fm_picture_list_make(&list, &word, 1), FM_ERR_IO);
  assert_int_equal(list.count, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_folder_stands_for_its_pictures_by_name),
      cmocka_unit_test(a_glob_stands_for_what_it_matches),
      cmocka_unit_test(a_file_with_the_letters_of_a_glob_is_itself),
      cmocka_unit_test(what_matches_nothing_stays_to_be_complained_about),
      cmocka_unit_test(pictures_of_one_name_get_different_stems),
      cmocka_unit_test(videos_and_cameras_are_not_supported),
      cmocka_unit_test(a_folder_without_pictures_is_an_error),
  };
  return cmocka_run_group_tests(tests, make_files, remove_files);
}
