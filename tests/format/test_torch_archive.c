// PyTorch's files around their pickles: what is written is read again, and what lies is refused.
// Files that torch writes are tests/parity/torch_files.py's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/archive.h"
#include "base/file.h"
#include "format/torch_archive.h"

static char path[] = "/tmp/facemask-test-XXXXXX";

// {"w": a tensor of six numbers from storage "7", in 2 rows of 3}
#define STORAGE(type) "(X\7\0\0\0storagectorch\n" type "\nX\1\0\0\0007X\3\0\0\0cpuK\6tQ"
#define TENSOR(type) \
  "ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE(type) "K\0K\2K\3\x86K\3K\1\x86tR"
static const char one_tensor[] = "\x80\2}X\1\0\0\0w" TENSOR("FloatStorage") "s.";
static const float six[6] = {1, 2, 3, 4, 5, 6};

static void put(const char *pickle, size_t pickle_size, const void *data, size_t size) {
  const fm_archive_entry entries[] = {{"x/data.pkl", pickle, pickle_size},
                                      {"x/data/7", data, size}};
  assert_int_equal(fm_archive_write(path, entries, data ? 2 : 1), FM_OK);
}

static void assert_refused(fm_status expected, const char *words) {
  fm_torch_archive *archive;
  const fm_status status = fm_torch_archive_open(&archive, path);
  if (status != expected || !strstr(fm_error_message(), words))
    fail_msg("status %d, \"%s\" is not in \"%s\"", status, words, fm_error_message());
  assert_null(archive);
  assert_non_null(strstr(fm_error_message(), path));
}

static void reads_a_tensor_from_a_zip(void **state) {
  (void)state;
  fm_torch_archive *archive;
  put(one_tensor, sizeof one_tensor - 1, six, sizeof six);
  assert_true(fm_torch_archive_is(path));
  assert_int_equal(fm_torch_archive_open(&archive, path), FM_OK);
  assert_int_equal(fm_torch_archive_count(archive), 1);
  const fm_st_tensor *tensor = fm_torch_archive_tensor(archive, 0);
  assert_string_equal(tensor->name, "w");
  assert_int_equal(tensor->rank, 2);
  assert_int_equal(tensor->dims[1], 3);
  assert_int_equal(tensor->bytes, sizeof six);
  assert_memory_equal(tensor->data, six, sizeof six);
  fm_torch_archive_free(archive);
}

static void turns_strides_into_rows(void **state) {
  (void)state;
  static const char turned[] = "}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(" STORAGE(
      "FloatStorage") "K\0K\3K\2\x86K\1K\3\x86tRs.";
  static const float expected[6] = {1, 4, 2, 5, 3, 6};
  fm_torch_archive *archive;
  put(turned, sizeof turned - 1, six, sizeof six);
  assert_int_equal(fm_torch_archive_open(&archive, path), FM_OK);
  assert_memory_equal(fm_torch_archive_tensor(archive, 0)->data, expected, sizeof expected);
  fm_torch_archive_free(archive);
}

static void reads_back_what_it_writes_in_the_same_bytes_each_time(void **state) {
  (void)state;
  static const int64_t count = -5;
  static const uint8_t flags[3] = {1, 0, 1};
  const fm_st_tensor tensors[] = {
      {.name = "b.w", .dtype = FM_ST_F32, .rank = 2, .dims = {3, 2}, .data = six, .bytes = 24},
      {.name = "n", .dtype = FM_ST_I64, .data = &count, .bytes = 8},
      {.name = "none", .dtype = FM_ST_F16, .rank = 2, .dims = {0, 4}, .data = six},
      {.name = "f", .dtype = FM_ST_BOOL, .rank = 1, .dims = {3}, .data = flags, .bytes = 3}};
  fm_bytes first, second;
  fm_torch_archive *archive;
  assert_int_equal(fm_torch_archive_write(path, tensors, 4), FM_OK);
  assert_int_equal(fm_file_read(&first, path, 1 << 20), FM_OK);
  assert_int_equal(fm_torch_archive_open(&archive, path), FM_OK);
  assert_int_equal(fm_torch_archive_count(archive), 4);
  for (size_t i = 0; i < 4; i++) {
    const fm_st_tensor *read = fm_torch_archive_tensor(archive, i);
    assert_string_equal(read->name, tensors[i].name);
    assert_int_equal(read->dtype, tensors[i].dtype);
    assert_int_equal(read->rank, tensors[i].rank);
    assert_memory_equal(read->dims, tensors[i].dims, sizeof read->dims);
    assert_int_equal(read->bytes, tensors[i].bytes);
    assert_memory_equal(read->data, tensors[i].data, read->bytes);
  }
  fm_torch_archive_free(archive);
  assert_int_equal(fm_torch_archive_write(path, tensors, 4), FM_OK);
  assert_int_equal(fm_file_read(&second, path, 1 << 20), FM_OK);
  assert_int_equal(first.size, second.size);
  assert_memory_equal(first.data, second.data, first.size);
  free(first.data);
  free(second.data);
}

static void refuses_storages_of_another_size_or_none(void **state) {
  (void)state;
  put(one_tensor, sizeof one_tensor - 1, six, 20);
  assert_refused(FM_ERR_FORMAT, "x/data/7 has 20 bytes, its storage 24");
  put(one_tensor, sizeof one_tensor - 1, six, sizeof six - 4);
  assert_refused(FM_ERR_FORMAT, "its storage 24");
  put(one_tensor, sizeof one_tensor - 1, NULL, 0);
  assert_refused(FM_ERR_FORMAT, "the numbers of a storage are missing");
  static const char large[] = "}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n("
                              "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0007X\3\0\0\0cpu"
                              "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7ftQK\0K\1\x85K\1\x85tRs.";
  put(large, sizeof large - 1, six, sizeof six);
  assert_refused(FM_ERR_FORMAT, "bytes of tensors");
}

static void refuses_one_storage_of_two_types(void **state) {
  (void)state;
  static const char twice[] =
      "}X\1\0\0\0a" TENSOR("FloatStorage") "sX\1\0\0\0b" TENSOR("IntStorage") "s.";
  put(twice, sizeof twice - 1, six, sizeof six);
  assert_refused(FM_ERR_FORMAT, "one storage with two types");
}

static void refuses_a_small_storage_spread_over_a_large_tensor(void **state) {
  (void)state;
  // 2^31 x 2^31 times the first number: strides of 0 need no room in the storage.
  static const char spread[] = "}X\1\0\0\0wctorch._utils\n_rebuild_tensor_v2\n(" STORAGE(
      "FloatStorage") "K\0\x8a\5\0\0\0\x80\0\x8a\5\0\0\0\x80\0\x86K\0K\0\x86tRs.";
  put(spread, sizeof spread - 1, six, sizeof six);
  assert_refused(FM_ERR_FORMAT, "tensor w is too large");
}

static void refuses_dicts_without_end(void **state) {
  (void)state;
  static const char circle[] = "}q\0X\1\0\0\0ch\0s.";
  put(circle, sizeof circle - 1, six, sizeof six);
  assert_refused(FM_ERR_FORMAT, "nested too deeply");
  // Five dicts, each 64 times in the one before: a billion names of one tensor.
  char *pickle = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&pickle, &size);
  fwrite("}X\1\0\0\0w" TENSOR("FloatStorage") "sq", 1,
         sizeof("}X\1\0\0\0w" TENSOR("FloatStorage") "sq") - 1, out);
  fputc(0, out);
  for (int level = 1; level <= 5; level++) {
    fputs("0}(", out);
    for (int i = 0; i < 64; i++)
      fprintf(out, "K%ch%c", i + 1, level - 1 ? level - 1 : 0);
    fprintf(out, "uq%c", level);
  }
  fputc('.', out);
  fclose(out);
  put(pickle, size, six, sizeof six);
  free(pickle);
  assert_refused(FM_ERR_FORMAT, "more than");
}

static void refuses_what_is_no_state_dict(void **state) {
  (void)state;
  put("K\1.", 3, six, sizeof six);
  assert_refused(FM_ERR_FORMAT, "no dict");
  put("}K\1K\2s.", 7, six, sizeof six);
  assert_refused(FM_ERR_FORMAT, "no tensors");
  const fm_archive_entry other = {"readme.txt", "hello, hello, hello", 19};
  assert_int_equal(fm_archive_write(path, &other, 1), FM_OK);
  assert_refused(FM_ERR_FORMAT, "without PyTorch's data.pkl");
  assert_int_equal(fm_file_write(path, "hello, hello, hello", 19), FM_OK);
  assert_false(fm_torch_archive_is(path));
  assert_refused(FM_ERR_FORMAT, "not a PyTorch file");
  fm_torch_archive *archive;
  assert_int_equal(fm_torch_archive_open(&archive, "/nowhere/a.pth"), FM_ERR_IO);
}

static void refuses_numbers_in_the_other_byte_order(void **state) {
  (void)state;
  const fm_archive_entry entries[] = {{"x/data.pkl", one_tensor, sizeof one_tensor - 1},
                                      {"x/byteorder", "big", 3},
                                      {"x/data/7", six, sizeof six}};
  assert_int_equal(fm_archive_write(path, entries, 3), FM_OK);
  assert_refused(FM_ERR_UNSUPPORTED, "big-endian");
}

// The layout before the zip: magic number, protocol, facts, the pickle, the keys, then the numbers.
#define OLD_MAGIC "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define OLD_HEAD OLD_MAGIC "M\xe9\3.}X\x0d\0\0\0little_endian\x88s."
static void put_old(const char *head, size_t head_size, const char *keys, size_t keys_size,
                    int64_t count) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  fwrite(head, 1, head_size, file);
  fwrite(one_tensor, 1, sizeof one_tensor - 1, file);
  fwrite(keys, 1, keys_size, file);
  fwrite(&count, sizeof count, 1, file);
  fwrite(six, sizeof six, 1, file);
  assert_int_equal(fclose(file), 0);
}

static void reads_the_old_layout(void **state) {
  (void)state;
  fm_torch_archive *archive;
  put_old(OLD_HEAD, sizeof OLD_HEAD - 1, "]X\1\0\0\0007a.", 9, 6);
  if (fm_torch_archive_open(&archive, path) < 0)
    fail_msg("%s", fm_error_message());
  assert_memory_equal(fm_torch_archive_tensor(archive, 0)->data, six, sizeof six);
  fm_torch_archive_free(archive);
}

static void refuses_old_files_that_lie(void **state) {
  (void)state;
#define OLD_BIG OLD_MAGIC "M\xe9\3.}X\x0d\0\0\0little_endian\x89s."
#define OLD_LATER OLD_MAGIC "M\xea\3."
  put_old(OLD_BIG, sizeof OLD_BIG - 1, "]X\1\0\0\0007a.", 9, 6);
  assert_refused(FM_ERR_FORMAT, "not little-endian");
  put_old(OLD_LATER, sizeof OLD_LATER - 1, "]X\1\0\0\0007a.", 9, 6);
  assert_refused(FM_ERR_FORMAT, "unknown version");
  put_old(OLD_HEAD, sizeof OLD_HEAD - 1, "]X\1\0\0\0008a.", 9, 6);
  assert_refused(FM_ERR_FORMAT, "a storage that the pickle does not name");
  put_old(OLD_HEAD, sizeof OLD_HEAD - 1, "].", 2, 6);
  assert_refused(FM_ERR_FORMAT, "no list of its 1 storages");
  put_old(OLD_HEAD, sizeof OLD_HEAD - 1, "]X\1\0\0\0007a.", 9, 5);
  assert_refused(FM_ERR_FORMAT, "5 numbers where 6 are expected");
  assert_int_equal(truncate(path, sizeof OLD_HEAD - 1 + sizeof one_tensor - 1 + 9 + 8 + 23), 0);
  assert_refused(FM_ERR_FORMAT, "cut short");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_a_tensor_from_a_zip),
      cmocka_unit_test(turns_strides_into_rows),
      cmocka_unit_test(reads_back_what_it_writes_in_the_same_bytes_each_time),
      cmocka_unit_test(refuses_storages_of_another_size_or_none),
      cmocka_unit_test(refuses_one_storage_of_two_types),
      cmocka_unit_test(refuses_a_small_storage_spread_over_a_large_tensor),
      cmocka_unit_test(refuses_dicts_without_end),
      cmocka_unit_test(refuses_what_is_no_state_dict),
      cmocka_unit_test(refuses_numbers_in_the_other_byte_order),
      cmocka_unit_test(reads_the_old_layout),
      cmocka_unit_test(refuses_old_files_that_lie),
  };
  const int descriptor = mkstemp(path);
  if (descriptor < 0 || close(descriptor) != 0)
    return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
