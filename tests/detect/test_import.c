// Importing weights: names and what is said of them. torchvision's own files are
// tests/parity/imports.py's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "detect/import.h"
#include "detect/model/model.h"
#include "detect/weight_names.h"
#include "detect/weights.h"
#include "format/torch_archive.h"

static char source[] = "/tmp/facemask-test-XXXXXX", target[] = "/tmp/facemask-test-XXXXXX";

static void assert_modern(const char *old, const char *expected) {
  char name[FM_PARAM_NAME_BYTES];
  const bool renamed = fm_weight_name_modernise(name, old);
  assert_int_equal(renamed, expected != NULL);
  if (expected)
    assert_string_equal(name, expected);
}

static void old_names_of_torchvision_get_their_sequence_and_others_stay(void **state) {
  (void)state;
  assert_modern("backbone.fpn.inner_blocks.3.weight", "backbone.fpn.inner_blocks.3.0.weight");
  assert_modern("backbone.fpn.layer_blocks.0.bias", "backbone.fpn.layer_blocks.0.0.bias");
  assert_modern("rpn.head.conv.weight", "rpn.head.conv.0.0.weight");
  assert_modern("backbone.fpn.inner_blocks.3.0.weight", NULL);
  assert_modern("rpn.head.conv.0.0.weight", NULL);
  assert_modern("rpn.head.cls_logits.weight", NULL);
  assert_modern("weight", NULL);
}

// Lite0's backbone as its package names it, every number that of its place, beside three tensors of
// the classifier. The counters are left out, as files of frozen norms have none.
static void put_lite0(const char *prefix) {
  fm_model_config config;
  fm_params *params;
  fm_model model;
  fm_model_config_preset(&config, FM_ARCH_EFFICIENTNET_LITE0_FPN);
  assert_int_equal(fm_params_new(&params), FM_OK);
  assert_int_equal(fm_model_build(&model, params, &config, 1), FM_OK);
  fm_model_release(&model);
  static const char body[] = "backbone.body.";
  static const char *const classifier[] = {"_conv_head.weight", "_bn1.bias", "_fc.bias"};
  static float numbers[1 << 20];
  for (int i = 0; i < 1 << 20; i++)
    numbers[i] = (float)i;
  fm_st_tensor tensors[512];
  static char names[512][FM_PARAM_NAME_BYTES];
  size_t count = 0;
  for (int id = 0; id < fm_params_count(params); id++) {
    const fm_param_spec *spec = fm_params_spec(params, id);
    if (strncmp(spec->name, body, sizeof body - 1) != 0)
      continue;
    assert_in_range(count, 0, 500);
    assert_in_range(fm_params_elements(params, id), 1, 1 << 20);
    snprintf(names[count], sizeof names[count], "%s%s", prefix, spec->name + sizeof body - 1);
    tensors[count] = (fm_st_tensor){.name = names[count],
                                    .rank = spec->rank,
                                    .data = numbers,
                                    .bytes = 4 * fm_params_elements(params, id)};
    for (int axis = 0; axis < spec->rank; axis++)
      tensors[count].dims[axis] = spec->dims[axis];
    count++;
  }
  for (int i = 0; i < 3; i++) {
    snprintf(names[count], sizeof names[count], "%s%s", prefix, classifier[i]);
    tensors[count] =
        (fm_st_tensor){.name = names[count], .rank = 1, .dims = {4}, .data = numbers, .bytes = 16};
    count++;
  }
  assert_int_equal(fm_torch_archive_write(source, tensors, count), FM_OK);
  fm_params_free(params);
}

static void assert_lite0_imported(void) {
  fm_import_report report;
  fm_weights_info info;
  fm_safetensors *file;
  if (fm_weights_import(source, target, &report) < 0)
    fail_msg("%s", fm_error_message());
  assert_string_equal(report.archs, "fasterrcnn_efficientnet_lite0_fpn");
  assert_false(report.complete);
  assert_int_equal(report.dropped_count, 3);
  assert_non_null(strstr(report.dropped, "_conv_head.weight\n"));
  assert_int_equal(fm_weights_info_read(&info, target), FM_OK);
  assert_true(info.has_config);
  assert_int_equal(info.config.arch, FM_ARCH_EFFICIENTNET_LITE0_FPN);
  assert_null(info.class_names);
  assert_int_equal(fm_safetensors_open(&file, target), FM_OK);
  assert_int_equal(fm_safetensors_count(file), report.tensor_count);
  const fm_st_tensor *bias = fm_safetensors_find(file, "backbone.body._blocks.2._bn1.bias");
  assert_non_null(bias);
  assert_int_equal(bias->dims[0], 144);
  assert_memory_equal(bias->data, ((const float[]){0, 1, 2, 3}), 16);
  fm_safetensors_free(file);
  fm_weights_info_release(&info);
  fm_import_report_release(&report);
}

static void a_lite0_is_known_by_its_names_and_shapes(void **state) {
  (void)state;
  put_lite0("");
  assert_lite0_imported();
  put_lite0("model.module.");
  assert_lite0_imported();
}

static void what_was_imported_can_be_imported_again(void **state) {
  (void)state;
  fm_import_report report;
  put_lite0("");
  assert_int_equal(fm_weights_import(source, target, &report), FM_OK);
  const size_t count = report.tensor_count;
  fm_import_report_release(&report);
  assert_int_equal(fm_weights_import(target, source, &report), FM_OK);
  assert_int_equal(report.tensor_count, count);
  assert_int_equal(report.dropped_count, 0);
  assert_string_equal(report.archs, "fasterrcnn_efficientnet_lite0_fpn");
  fm_import_report_release(&report);
}

static void settings_that_a_file_brings_along_stay(void **state) {
  (void)state;
  static const float number = 1;
  const fm_st_tensor tensor = {
      .name = "backbone.body.0.1.bias", .dtype = FM_ST_F32, .data = &number, .bytes = 4};
  const fm_st_metadata settings = {
      "config", "model: {arch: fasterrcnn_mobilenet_v2_fpn, same_padding: true}"};
  fm_import_report report;
  fm_weights_info info;
  assert_int_equal(fm_safetensors_write(source, &tensor, 1, &settings, 1), FM_OK);
  assert_int_equal(fm_weights_import(source, target, &report), FM_OK);
  assert_int_equal(fm_weights_info_read(&info, target), FM_OK);
  assert_true(info.has_config && info.config.same_padding);
  assert_int_equal(info.config.arch, FM_ARCH_MOBILENET_V2_FPN);
  fm_import_report_release(&report);
}

static void an_unknown_backbone_is_imported_without_a_model(void **state) {
  (void)state;
  static const double numbers[2] = {1, -2};
  const fm_st_tensor tensor = {.name = "backbone.body.strange.weight",
                               .dtype = FM_ST_F64,
                               .rank = 1,
                               .dims = {2},
                               .data = numbers,
                               .bytes = 16};
  fm_import_report report;
  fm_weights_info info;
  assert_int_equal(fm_torch_archive_write(source, &tensor, 1), FM_OK);
  assert_int_equal(fm_weights_import(source, target, &report), FM_OK);
  assert_string_equal(report.archs, "");
  assert_int_equal(fm_weights_info_read(&info, target), FM_OK);
  assert_false(info.has_config);
  fm_safetensors *file;
  assert_int_equal(fm_safetensors_open(&file, target), FM_OK);
  const fm_st_tensor *read = fm_safetensors_tensor(file, 0);
  assert_int_equal(read->dtype, FM_ST_F32);
  assert_memory_equal(read->data, ((const float[]){1, -2}), 8);
  fm_safetensors_free(file);
  fm_import_report_release(&report);
}

static void names_of_no_known_kind_are_refused(void **state) {
  (void)state;
  static const float number = 1;
  const fm_st_tensor tensor = {.name = "encoder.weight", .data = &number, .bytes = 4};
  fm_import_report report;
  assert_int_equal(fm_torch_archive_write(source, &tensor, 1), FM_OK);
  assert_int_equal(fm_weights_import(source, target, &report), FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "encoder.weight"));
  assert_non_null(strstr(fm_error_message(), source));
  assert_null(report.dropped);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(old_names_of_torchvision_get_their_sequence_and_others_stay),
      cmocka_unit_test(a_lite0_is_known_by_its_names_and_shapes),
      cmocka_unit_test(what_was_imported_can_be_imported_again),
      cmocka_unit_test(settings_that_a_file_brings_along_stay),
      cmocka_unit_test(an_unknown_backbone_is_imported_without_a_model),
      cmocka_unit_test(names_of_no_known_kind_are_refused),
  };
  const int first = mkstemp(source), second = mkstemp(target);
  if (first < 0 || second < 0 || close(first) != 0 || close(second) != 0)
    return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(source);
  unlink(target);
  return failed;
}
