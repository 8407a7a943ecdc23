// safetensors files: what is written, what is read back, and what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "format/safetensors.h"

static char path[] = "/tmp/facemask-test-XXXXXX";

// A file by hand, as the format's description says: length, header, data.
static void put_sized(uint64_t length, const char *header, const void *data, size_t size) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  for (int i = 0; i < 8; ++i)
    fputc((int)(length >> (8 * i) & 0xff), file);
  fputs(header, file);
  fwrite(data, 1, size, file);
  assert_int_equal(fclose(file), 0);
}

static void put(const char *header, const void *data, size_t size) {
  put_sized(strlen(header), header, data, size);
}

static void assert_refused(const char *words) {
  fm_safetensors *file;
  assert_int_equal(fm_safetensors_open(&file, path), FM_ERR_FORMAT);
  assert_null(file);
  if (!strstr(fm_error_message(), words))
    fail_msg("\"%s\" is not in \"%s\"", words, fm_error_message());
  assert_non_null(strstr(fm_error_message(), path));
}

static void reads_a_file_made_by_hand(void **state) {
  (void)state;
  static const uint8_t data[] = {0, 0, 128, 63, 0, 0, 0, 192, 7, 255};
  put("{\"__metadata__\":{\"a\":\"b\"},\"z\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,"
      "8]}"
      ",\"m.w\":{\"dtype\":\"I8\",\"shape\":[1,2],\"data_offsets\":[8,10]}}  ",
      data, sizeof data);
  fm_safetensors *file;
  assert_int_equal(fm_safetensors_open(&file, path), FM_OK);
  assert_int_equal(fm_safetensors_count(file), 2);
  assert_string_equal(fm_safetensors_tensor(file, 0)->name, "m.w");
  assert_string_equal(fm_safetensors_metadata(file, "a"), "b");
  assert_null(fm_safetensors_metadata(file, "b"));
  assert_null(fm_safetensors_find(file, "m"));
  assert_null(fm_safetensors_find(file, "__metadata__"));
  const fm_st_tensor *z = fm_safetensors_find(file, "z"), *m = fm_safetensors_find(file, "m.w");
  float values[2];
  assert_int_equal(z->rank, 1);
  assert_int_equal(z->dims[0], 2);
  assert_int_equal(fm_st_tensor_to_f32(z, values), FM_OK);
  assert_true(values[0] == 1.0f && values[1] == -2.0f);
  assert_int_equal(m->rank, 2);
  assert_int_equal(m->bytes, 2);
  assert_int_equal(fm_st_tensor_to_f32(m, values), FM_OK);
  assert_true(values[0] == 7.0f && values[1] == -1.0f);
  fm_safetensors_free(file);
}

static void reads_back_what_it_writes_in_the_same_bytes_each_time(void **state) {
  (void)state;
  static const float weights[6] = {1, -2, 3.5f, 1e-30f, -0.0f, INFINITY};
  static const int64_t count = -5;
  const fm_st_tensor tensors[] = {
      {.name = "b", .dtype = FM_ST_F32, .rank = 2, .dims = {2, 3}, .data = weights, .bytes = 24},
      {.name = "empty", .dtype = FM_ST_F32, .rank = 1, .dims = {0}, .data = weights},
      {.name = "a", .dtype = FM_ST_I64, .rank = 0, .data = &count, .bytes = 8}};
  const fm_st_metadata notes[] = {{"config", "model: {x: 1}\n\"quoted\""}, {"classes", "á"}};
  fm_bytes first, second;
  assert_int_equal(fm_safetensors_write(path, tensors, 3, notes, 2), FM_OK);
  assert_int_equal(fm_file_read(&first, path, 1 << 20), FM_OK);
  fm_safetensors *file;
  assert_int_equal(fm_safetensors_open(&file, path), FM_OK);
  const fm_st_tensor *b = fm_safetensors_find(file, "b");
  assert_memory_equal(b->data, weights, sizeof weights);
  assert_int_equal(b->dims[1], 3);
  assert_int_equal(fm_safetensors_find(file, "empty")->bytes, 0);
  assert_memory_equal(fm_safetensors_find(file, "a")->data, &count, 8);
  assert_string_equal(fm_safetensors_metadata(file, "config"), notes[0].value);
  assert_string_equal(fm_safetensors_metadata(file, "classes"), "á");
  fm_safetensors_free(file);
  uint64_t length = 0;
  memcpy(&length, first.data, 8);
  assert_int_equal((8 + length) % 64, 0);
  assert_int_equal(first.size, 8 + length + 32);
  assert_int_equal(fm_safetensors_write(path, tensors, 3, notes, 2), FM_OK);
  assert_int_equal(fm_file_read(&second, path, 1 << 20), FM_OK);
  assert_int_equal(first.size, second.size);
  assert_memory_equal(first.data, second.data, first.size);
  free(first.data);
  free(second.data);
}

static void refuses_to_write_two_tensors_of_one_name(void **state) {
  (void)state;
  static const float one = 1;
  const fm_st_tensor tensors[] = {{.name = "a", .dtype = FM_ST_F32, .data = &one, .bytes = 4},
                                  {.name = "a", .dtype = FM_ST_F32, .data = &one, .bytes = 4}};
  assert_int_equal(fm_safetensors_write(path, tensors, 2, NULL, 0), FM_ERR_FORMAT);
}

// Every number of 16 bits comes back; what lies between two goes to the nearer, half way to the
// even one.
static void halves_are_the_nearest_numbers(void **state) {
  (void)state;
  float below = -INFINITY;
  for (uint32_t bits = 0; bits < 0x7c00; bits++) {
    const uint16_t half = (uint16_t)bits;
    const fm_st_tensor t = {.name = "h", .dtype = FM_ST_F16, .data = &half, .bytes = sizeof half};
    float value;
    assert_int_equal(fm_st_tensor_to_f32(&t, &value), FM_OK);
    assert_int_equal(fm_st_half(value), half);
    assert_int_equal(fm_st_half(-value), half | 0x8000);
    if (bits > 0) {
      const float middle = below + (value - below) / 2;
      assert_int_equal(fm_st_half(middle), bits - bits % 2);
      assert_int_equal(fm_st_half(nextafterf(middle, INFINITY)), half);
      assert_int_equal(fm_st_half(nextafterf(middle, 0)), half - 1);
    }
    below = value;
  }
  assert_int_equal(fm_st_half(65519.99f), 0x7bff);
  assert_int_equal(fm_st_half(65520), 0x7c00);
  assert_int_equal(fm_st_half(-INFINITY), 0xfc00);
  assert_true(fm_st_half(NAN) > 0x7c00);
}

static void converts_every_number_type(void **state) {
  (void)state;
  static const uint16_t half[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000, 0x03ff};
  static const float half_values[] = {1, -2, 0x1p-24f, 65504, INFINITY, -0.0f, 0x3ffp-24f};
  static const uint16_t brain[] = {0x3f80, 0xc049};
  static const double wide[] = {0.1, -1e300};
  static const int32_t whole[] = {-3, INT32_MAX};
  static const uint8_t small[] = {200, 0};
  float out[7];
  fm_st_tensor t = {.name = "h", .dtype = FM_ST_F16, .data = half, .bytes = sizeof half};
  assert_int_equal(fm_st_tensor_to_f32(&t, out), FM_OK);
  assert_memory_equal(out, half_values, sizeof half_values);
  t = (fm_st_tensor){.name = "b", .dtype = FM_ST_BF16, .data = brain, .bytes = sizeof brain};
  assert_int_equal(fm_st_tensor_to_f32(&t, out), FM_OK);
  assert_true(out[0] == 1.0f && out[1] == -3.140625f);
  t = (fm_st_tensor){.name = "d", .dtype = FM_ST_F64, .data = wide, .bytes = sizeof wide};
  assert_int_equal(fm_st_tensor_to_f32(&t, out), FM_OK);
  assert_true(out[0] == 0.1f && out[1] == -INFINITY);
  t = (fm_st_tensor){.name = "i", .dtype = FM_ST_I32, .data = whole, .bytes = sizeof whole};
  assert_int_equal(fm_st_tensor_to_f32(&t, out), FM_OK);
  assert_true(out[0] == -3 && out[1] == 2147483648.0f);
  t = (fm_st_tensor){.name = "u", .dtype = FM_ST_U8, .data = small, .bytes = sizeof small};
  assert_int_equal(fm_st_tensor_to_f32(&t, out), FM_OK);
  assert_true(out[0] == 200 && out[1] == 0);
  t.dtype = FM_ST_BOOL;
  assert_int_equal(fm_st_tensor_to_f32(&t, out), FM_OK);
  assert_true(out[0] == 1 && out[1] == 0);
}

static void refuses_headers_that_lie_about_their_size(void **state) {
  (void)state;
  put_sized(0, "", "", 0);
  assert_refused("not a JSON map");
  put_sized(UINT64_MAX, "{}", "", 0);
  assert_refused("header of 18446744073709551615 bytes");
  put_sized(3, "{}", "", 0);
  assert_refused("header of 3 bytes");
  FILE *file = fopen(path, "wb");
  fputs("1234567", file);
  fclose(file);
  assert_refused("7 bytes");
  file = fopen(path, "wb");
  fclose(file);
  assert_refused("0 bytes");
}

static void refuses_headers_that_are_no_map_of_tensors(void **state) {
  (void)state;
  static const struct {
    const char *header, *words;
  } cases[] = {
      {"[]", "not a JSON map"},
      {"{\"a\":", "not a JSON map"},
      {"{\"a\":1}", "tensor a: not an object"},
      {"{\"\xff\":{}}", "not a JSON map"},
      {"{\"a\\u0000b\":{}}", "not a JSON map"},
      {"{\"a\":{},\"a\":{}}", "duplicate"},
      {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", "tensor a: number type (none)"},
      {"{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", "F31"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", "shape"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", "shape"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "dimension"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", "dimension"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,4],\"data_offsets\":[0,4]}}",
       "tensor a: the shape is too large"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}",
       "too large"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}",
       "not a JSON map"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", "data_offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4]}}", "data_offsets"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", "lie outside"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", "lie outside"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,9223372036854775807]}}",
       "lie outside"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", "4 bytes for 2 numbers"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0,9],\"data_offsets\":[0,4]}}",
       "4 bytes for 0 numbers"},
      {"{\"__metadata__\":[]}", "__metadata__ is not a map"},
      {"{\"__metadata__\":{\"x\":1}}", "__metadata__ x is not a text"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
    put(cases[i].header, "1234", 4);
    assert_refused(cases[i].words);
  }
}

static void refuses_tensors_that_overlap_or_leave_bytes_over(void **state) {
  (void)state;
  put("{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
      "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
      "1234", 4);
  assert_refused("tensors a and b overlap");
  put("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
      "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
      "1234", 4);
  assert_refused("1 bytes before tensor b");
  put("{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}", "1234", 4);
  assert_refused("1 bytes behind the last tensor");
  put("{}", "1234", 4);
  assert_refused("4 bytes behind the last tensor");
}

static void refuses_deep_and_long_headers(void **state) {
  (void)state;
  enum { DEEP = 100000 };
  char *deep = calloc(DEEP + 1, 1);
  assert_non_null(deep);
  memset(deep, '[', DEEP);
  put(deep, "", 0);
  assert_refused("not a JSON map");
  free(deep);
  const size_t size = 20 << 20;
  char *wide = malloc(size);
  assert_non_null(wide);
  memset(wide, ' ', size);
  put_sized(size, "", wide, size);
  assert_refused("header of 20971520 bytes");
  free(wide);
}

static void a_missing_file_is_an_error_of_reading(void **state) {
  (void)state;
  fm_safetensors *file;
  assert_int_equal(fm_safetensors_open(&file, "/nowhere/a.safetensors"), FM_ERR_IO);
  assert_non_null(strstr(fm_error_message(), "/nowhere/a.safetensors"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_a_file_made_by_hand),
      cmocka_unit_test(reads_back_what_it_writes_in_the_same_bytes_each_time),
      cmocka_unit_test(refuses_to_write_two_tensors_of_one_name),
      cmocka_unit_test(halves_are_the_nearest_numbers),
      cmocka_unit_test(converts_every_number_type),
      cmocka_unit_test(refuses_headers_that_lie_about_their_size),
      cmocka_unit_test(refuses_headers_that_are_no_map_of_tensors),
      cmocka_unit_test(refuses_tensors_that_overlap_or_leave_bytes_over),
      cmocka_unit_test(refuses_deep_and_long_headers),
      cmocka_unit_test(a_missing_file_is_an_error_of_reading),
  };
  const int descriptor = mkstemp(path);
  if (descriptor < 0 || close(descriptor) != 0)
    return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
