// Exporting weights files: what can be and what cannot. That the exported model finds the same
// boxes is tests/parity/exports.py's to say.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "detect/detector.h"
#include "detect/export.h"
#include "detect/weights.h"
#include "format/torch_archive.h"

static char weights[] = "/tmp/facemask-test-XXXXXX", out[] = "/tmp/facemask-test-XXXXXX";

// A small detector; its file is `weights`.
static void put_detector(void **state) {
  (void)state;
  static const char *const names[] = {"a", "b"};
  fm_model_config config;
  fm_model_config_preset(&config, FM_ARCH_EFFICIENTNET_LITE0_FPN);
  config.fpn_channels = 16;
  config.box_head_features = 16;
  config.min_size = 100;
  const fm_detector_options options = {.config = &config, .class_count = 2, .precision = FM_F32};
  fm_detector *detector;
  assert_int_equal(fm_detector_new(&detector, &options), FM_OK);
  assert_int_equal(fm_weights_save(detector, weights, names, 2, FM_MOMENT_NONE), FM_OK);
  fm_detector_free(detector);
}

static void assert_refused(const fm_export_options *options, fm_status status, const char *words) {
  assert_int_equal(fm_weights_export(weights, out, options), status);
  if (!strstr(fm_error_message(), words))
    fail_msg("\"%s\" is not in \"%s\"", words, fm_error_message());
}

static bool holds(const fm_bytes *bytes, const char *text) {
  return memmem(bytes->data, bytes->size, text, strlen(text)) != NULL;
}

static void assert_same_and_free(const fm_bytes *first, const fm_bytes *second) {
  assert_int_equal(first->size, second->size);
  assert_memory_equal(first->data, second->data, first->size);
  free(first->data);
  free(second->data);
}

static void a_whole_detector_becomes_the_same_onnx_file_each_time(void **state) {
  put_detector(state);
  const fm_export_options options = {FM_EXPORT_ONNX, 64, 96};
  fm_bytes first, second;
  if (fm_weights_export(weights, out, &options) < 0)
    fail_msg("%s", fm_error_message());
  assert_int_equal(fm_file_read(&first, out, 64 << 20), FM_OK);
  static const char *const parts[] = {"NonMaxSuppression", "RoiAlign", "a\nb", "labels",
                                      "backbone.body._blocks.15._project_conv.weight"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    assert_true(holds(&first, parts[i]));
  assert_int_equal(fm_weights_export(weights, out, &options), FM_OK);
  assert_int_equal(fm_file_read(&second, out, 64 << 20), FM_OK);
  assert_same_and_free(&first, &second);
}

static void sizes_are_multiples_of_32_and_follow_the_settings(void **state) {
  put_detector(state);
  assert_int_equal(fm_weights_export(weights, out, &(fm_export_options){FM_EXPORT_ONNX, 0, 0}),
                   FM_OK);
  assert_refused(&(fm_export_options){FM_EXPORT_ONNX, 100, 0}, FM_ERR_ARGUMENT, "a width of 100");
  assert_refused(&(fm_export_options){FM_EXPORT_ONNX, 0, 16384}, FM_ERR_ARGUMENT,
                 "a height of 16384");
}

static void tensors_become_a_state_dict_and_lose_their_settings(void **state) {
  put_detector(state);
  fm_torch_archive *archive;
  fm_safetensors *file;
  fm_weights_info info;
  assert_int_equal(fm_safetensors_open(&file, weights), FM_OK);
  assert_int_equal(fm_weights_export(weights, out, &(fm_export_options){.format = FM_EXPORT_TORCH}),
                   FM_OK);
  assert_int_equal(fm_torch_archive_open(&archive, out), FM_OK);
  assert_int_equal(fm_torch_archive_count(archive), fm_safetensors_count(file));
  for (size_t i = 0; i < fm_torch_archive_count(archive); i++) {
    const fm_st_tensor *tensor = fm_torch_archive_tensor(archive, i);
    const fm_st_tensor *expected = fm_safetensors_find(file, tensor->name);
    assert_non_null(expected);
    assert_int_equal(tensor->bytes, expected->bytes);
    assert_memory_equal(tensor->data, expected->data, tensor->bytes);
  }
  fm_torch_archive_free(archive);
  fm_safetensors_free(file);
  assert_int_equal(
      fm_weights_export(weights, out, &(fm_export_options){.format = FM_EXPORT_SAFETENSORS}),
      FM_OK);
  assert_int_equal(fm_weights_info_read(&info, out), FM_OK);
  assert_false(info.has_config);
}

// Numbers within half a unit of 11 bits, the settings and names kept, and a detector that loads it.
static void half_the_bytes_hold_the_same_detector(void **state) {
  put_detector(state);
  assert_int_equal(fm_weights_export(weights, out, &(fm_export_options){.format = FM_EXPORT_FP16}),
                   FM_OK);
  fm_safetensors *file, *halves;
  assert_int_equal(fm_safetensors_open(&file, weights), FM_OK);
  assert_int_equal(fm_safetensors_open(&halves, out), FM_OK);
  assert_int_equal(fm_safetensors_count(halves), fm_safetensors_count(file));
  size_t before = 0, after = 0;
  for (size_t i = 0; i < fm_safetensors_count(file); i++) {
    const fm_st_tensor *a = fm_safetensors_tensor(file, i), *b = fm_safetensors_tensor(halves, i);
    assert_string_equal(a->name, b->name);
    before += a->bytes;
    after += b->bytes;
    assert_int_equal(b->dtype, a->rank < 2 ? a->dtype : FM_ST_F16);
    float *wide = malloc(a->bytes * 2), *narrow = malloc(a->bytes * 2);
    assert_true(wide && narrow);
    assert_int_equal(fm_st_tensor_to_f32(a, wide), FM_OK);
    assert_int_equal(fm_st_tensor_to_f32(b, narrow), FM_OK);
    for (size_t k = 0; k < a->bytes / fm_st_dtype_bytes(a->dtype); k++)
      assert_true(fabsf(wide[k] - narrow[k]) <= fabsf(wide[k]) / 2048 + 0x1p-25f);
    free(wide);
    free(narrow);
  }
  assert_true(after * 20 < before * 11);
  fm_safetensors_free(file);
  fm_safetensors_free(halves);
  fm_weights_info info;
  assert_int_equal(fm_weights_info_read(&info, out), FM_OK);
  assert_true(info.has_config && info.config.min_size == 100 && info.class_count == 2);
  assert_string_equal(info.class_names[1], "b");
  fm_weights_info_release(&info);
}

// The largest number of the row that `tensor`, of fp32, has element `k` in.
static float largest_beside(const fm_st_tensor *tensor, const float *values, size_t k) {
  const size_t columns = tensor->bytes / sizeof(float) / (size_t)tensor->dims[0];
  const size_t first = k / columns * columns;
  float most = 0;
  for (size_t i = 0; i < columns; i++)
    most = fmaxf(most, fabsf(values[first + i]));
  return most;
}

// Numbers within half a step of their row's largest over 127, the settings kept, loaded and written
// on: 8 bits that were made once stay as they are.
static void a_quarter_of_the_bytes_holds_the_same_detector(void **state) {
  put_detector(state);
  const fm_export_options bytes = {.format = FM_EXPORT_INT8};
  const fm_export_options plain = {.format = FM_EXPORT_SAFETENSORS};
  fm_bytes first, again;
  fm_safetensors *file, *back;
  fm_weights_info info;
  assert_int_equal(fm_safetensors_open(&file, weights), FM_OK);
  assert_int_equal(fm_weights_export(weights, out, &bytes), FM_OK);
  assert_int_equal(fm_file_read(&first, out, 64 << 20), FM_OK);
  assert_int_equal(fm_weights_info_read(&info, out), FM_OK);
  assert_true(info.has_config && info.config.min_size == 100 && info.class_count == 2);
  fm_detector *detector;
  const fm_detector_options options = {
      .config = &info.config, .class_count = 2, .precision = FM_F32};
  assert_int_equal(fm_detector_new(&detector, &options), FM_OK);
  fm_weights_report report;
  assert_int_equal(fm_weights_load(detector, out, &report), FM_OK);
  assert_int_equal(report.missing_count, 0);
  assert_int_equal(report.superfluous_count, 0);
  fm_weights_report_release(&report);
  // As fp32 for others, and from there in 8 bits again.
  assert_int_equal(fm_weights_export(out, weights, &plain), FM_OK);
  assert_int_equal(fm_safetensors_open(&back, weights), FM_OK);
  assert_int_equal(fm_safetensors_count(back), fm_safetensors_count(file));
  size_t total = 0;
  const fm_params *params = fm_detector_params(detector);
  for (size_t i = 0; i < fm_safetensors_count(file); i++) {
    const fm_st_tensor *a = fm_safetensors_tensor(file, i), *b = fm_safetensors_tensor(back, i);
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->dtype, b->dtype);
    total += a->bytes;
    if (a->dtype != FM_ST_F32)
      continue;
    const size_t count = a->bytes / sizeof(float);
    float *before = malloc(a->bytes), *after = malloc(a->bytes), *loaded = malloc(a->bytes);
    assert_true(before && after && loaded);
    memcpy(before, a->data, a->bytes);
    memcpy(after, b->data, b->bytes);
    fm_params_get(params, fm_params_find(params, a->name), loaded);
    assert_memory_equal(loaded, after, a->bytes);
    for (size_t k = 0; k < count; k++) {
      const float step = a->rank < 2 ? 0 : largest_beside(a, before, k) / 127;
      assert_true(fabsf(before[k] - after[k]) <= step * 0.5001f);
    }
    free(before);
    free(after);
    free(loaded);
  }
  assert_true(first.size * 3 < total);
  fm_detector_free(detector);
  fm_safetensors_free(file);
  fm_safetensors_free(back);
  assert_int_equal(fm_weights_export(out, weights, &bytes), FM_OK);
  assert_int_equal(fm_file_read(&again, weights, 64 << 20), FM_OK);
  assert_same_and_free(&first, &again);
  fm_weights_info_release(&info);
}

static void rows_in_8_bits_have_scales_of_their_own(void **state) {
  (void)state;
  static const float numbers[] = {-2, 1, 0, 0, 3e-45f, 0, 127, 63.4f};
  static const float endless[] = {1, INFINITY};
  const fm_st_tensor tensors[] = {
      {.name = "a", .rank = 2, .dims = {4, 2}, .data = numbers, .bytes = sizeof numbers},
      {.name = "b", .rank = 2, .dims = {1, 2}, .data = endless, .bytes = sizeof endless}};
  assert_int_equal(fm_weights_write(weights, tensors, 2, &(fm_weights_info){0}), FM_OK);
  assert_int_equal(fm_weights_export(weights, out, &(fm_export_options){.format = FM_EXPORT_INT8}),
                   FM_OK);
  fm_safetensors *file;
  assert_int_equal(fm_safetensors_open(&file, out), FM_OK);
  static const int8_t expected[] = {-127, 64, 0, 0, 0, 0, 127, 63};
  const float scales[] = {2.0f / 127, 1, 1, 1};
  const fm_st_tensor *a = fm_safetensors_find(file, "a");
  const fm_st_tensor *of_a = fm_safetensors_find(file, "a.scale");
  assert_true(a && a->dtype == FM_ST_I8 && of_a && of_a->bytes == sizeof scales);
  assert_memory_equal(a->data, expected, sizeof expected);
  assert_memory_equal(of_a->data, scales, sizeof scales);
  assert_int_equal(fm_safetensors_find(file, "b")->dtype, FM_ST_F32);
  assert_null(fm_safetensors_find(file, "b.scale"));
  fm_safetensors_free(file);
}

static void scales_that_are_not_one_a_row_are_refused(void **state) {
  (void)state;
  static const int8_t bytes[] = {1, 2, 3, 4};
  static const float scales[] = {1, 2, 3};
  fm_st_tensor tensors[] = {
      {.name = "a", .dtype = FM_ST_I8, .rank = 2, .dims = {2, 2}, .data = bytes, .bytes = 4},
      {.name = "a.scale", .rank = 1, .dims = {3}, .data = scales, .bytes = sizeof scales}};
  const fm_export_options plain = {.format = FM_EXPORT_SAFETENSORS};
  assert_int_equal(fm_weights_write(weights, tensors, 2, &(fm_weights_info){0}), FM_OK);
  assert_refused(&plain, FM_ERR_FORMAT, "a.scale is not one F32 for each row of a");
  tensors[1].dims[0] = 2;
  tensors[1].bytes = 2 * sizeof *scales;
  assert_int_equal(fm_weights_write(weights, tensors, 2, &(fm_weights_info){0}), FM_OK);
  assert_int_equal(fm_weights_export(weights, out, &plain), FM_OK);
  fm_safetensors *file;
  assert_int_equal(fm_safetensors_open(&file, out), FM_OK);
  static const float expected[] = {1, 2, 6, 8};
  assert_int_equal(fm_safetensors_count(file), 1);
  assert_memory_equal(fm_safetensors_tensor(file, 0)->data, expected, sizeof expected);
  fm_safetensors_free(file);
}

static void what_is_too_large_for_16_bits_keeps_32(void **state) {
  (void)state;
  static const float numbers[] = {1, 70000};
  const fm_st_tensor tensors[] = {
      {.name = "a", .rank = 2, .dims = {1, 2}, .data = numbers, .bytes = sizeof numbers},
      {.name = "b", .rank = 2, .dims = {1, 1}, .data = numbers, .bytes = sizeof *numbers}};
  const fm_weights_info info = {.ranges = (char[]){"{}"}};
  assert_int_equal(fm_weights_write(weights, tensors, 2, &info), FM_OK);
  assert_int_equal(fm_weights_export(weights, out, &(fm_export_options){.format = FM_EXPORT_FP16}),
                   FM_OK);
  fm_safetensors *file;
  assert_int_equal(fm_safetensors_open(&file, out), FM_OK);
  assert_int_equal(fm_safetensors_find(file, "a")->dtype, FM_ST_F32);
  assert_int_equal(fm_safetensors_find(file, "b")->dtype, FM_ST_F16);
  assert_string_equal(fm_safetensors_metadata(file, "ranges"), "{}");
  fm_safetensors_free(file);
}

static void what_is_no_whole_detector_is_refused_as_onnx(void **state) {
  (void)state;
  static const float number = 1;
  const fm_st_tensor tensor = {.name = "backbone.body._bn0.bias", .data = &number, .bytes = 4};
  fm_weights_info info = {.has_config = true};
  const fm_export_options options = {.format = FM_EXPORT_ONNX};
  fm_model_config_preset(&info.config, FM_ARCH_EFFICIENTNET_LITE0_FPN);
  assert_int_equal(fm_weights_write(weights, &tensor, 1, &(fm_weights_info){0}), FM_OK);
  assert_refused(&options, FM_ERR_FORMAT, "does not say what model it is");
  assert_int_equal(fm_weights_write(weights, &tensor, 1, &info), FM_OK);
  assert_refused(&options, FM_ERR_FORMAT, "not a whole detector");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_whole_detector_becomes_the_same_onnx_file_each_time),
      cmocka_unit_test(sizes_are_multiples_of_32_and_follow_the_settings),
      cmocka_unit_test(tensors_become_a_state_dict_and_lose_their_settings),
      cmocka_unit_test(half_the_bytes_hold_the_same_detector),
      cmocka_unit_test(a_quarter_of_the_bytes_holds_the_same_detector),
      cmocka_unit_test(rows_in_8_bits_have_scales_of_their_own),
      cmocka_unit_test(scales_that_are_not_one_a_row_are_refused),
      cmocka_unit_test(what_is_too_large_for_16_bits_keeps_32),
      cmocka_unit_test(what_is_no_whole_detector_is_refused_as_onnx),
  };
  const int first = mkstemp(weights), second = mkstemp(out);
  if (first < 0 || second < 0 || close(first) != 0 || close(second) != 0)
    return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(weights);
  unlink(out);
  return failed;
}
