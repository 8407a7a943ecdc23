// Weights files: what is saved is loaded, and what does not fit is said.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "detect/model/model.h"
#include "detect/weights.h"
#include "format/safetensors.h"

// The parameters of a detector are all that weights.c touches of it.
struct fm_detector {
  fm_model_config config;
  fm_params *params;
};

fm_params *fm_detector_params(fm_detector *detector) {
  return detector->params;
}

const fm_model_config *fm_detector_config(const fm_detector *detector) {
  return &detector->config;
}

fm_ranges *fm_detector_ranges(const fm_detector *detector, int part) {
  (void)detector;
  (void)part;
  return NULL;
}

static char path[] = "/tmp/facemask-test-XXXXXX";
static const char *const names[] = {"without_mask", "with_mask", "mask_weared_incorrect"};
#define CLS_SCORE "roi_heads.box_predictor.cls_score.weight"
#define FC7 "roi_heads.box_head.fc7.bias"

static void detector_init(fm_detector *self, int class_count, fm_config_norm norm, uint64_t seed) {
  fm_model model;
  fm_model_config_preset(&self->config, FM_ARCH_MOBILENET_V3_LARGE_320_FPN);
  self->config.norm = norm;
  assert_int_equal(fm_params_new(&self->params), FM_OK);
  assert_int_equal(fm_model_build(&model, self->params, &self->config, class_count), FM_OK);
  fm_model_release(&model);
  assert_int_equal(fm_params_initialise(self->params, seed), FM_OK);
}

static void detector_release(fm_detector *self) {
  fm_params_free(self->params);
}

static float *values_of(const fm_detector *self, const char *name) {
  const int id = fm_params_find(self->params, name);
  assert_true(id >= 0);
  float *values = malloc(fm_params_elements(self->params, id) * sizeof *values);
  assert_non_null(values);
  fm_params_get(self->params, id, values);
  return values;
}

static bool same_values(const fm_detector *a, const fm_detector *b, const char *name) {
  float *x = values_of(a, name), *y = values_of(b, name);
  const size_t count = fm_params_elements(a->params, fm_params_find(a->params, name));
  const bool same = memcmp(x, y, count * sizeof *x) == 0;
  free(x);
  free(y);
  return same;
}

static void fill(fm_detector *self, const char *name, float value) {
  const int id = fm_params_find(self->params, name);
  const size_t count = fm_params_elements(self->params, id);
  float *values = malloc(count * sizeof *values);
  for (size_t i = 0; i < count; i++)
    values[i] = value;
  fm_params_set(self->params, id, values);
  free(values);
}

static void save(fm_detector *self, int class_count) {
  assert_int_equal(fm_weights_save(self, path, names, class_count, FM_MOMENT_NONE), FM_OK);
}

static void what_is_saved_is_loaded_to_the_last_bit(void **state) {
  (void)state;
  fm_detector saved, loaded;
  fm_weights_report report;
  detector_init(&saved, 3, FM_CONFIG_NORM_BATCH, 1);
  detector_init(&loaded, 3, FM_CONFIG_NORM_BATCH, 2);
  fill(&saved, "backbone.body.0.1.num_batches_tracked", 70000);
  save(&saved, 3);
  assert_int_equal(fm_weights_load(&loaded, path, &report), FM_OK);
  assert_int_equal(report.missing_count, 0);
  assert_int_equal(report.superfluous_count, 0);
  assert_string_equal(report.missing, "");
  assert_false(report.predictor_replaced);
  for (int id = 0; id < fm_params_count(saved.params); id++)
    assert_true(same_values(&saved, &loaded, fm_params_spec(saved.params, id)->name));
  fm_weights_report_release(&report);
  detector_release(&saved);
  detector_release(&loaded);
}

static void counters_are_whole_numbers_as_torch_keeps_them(void **state) {
  (void)state;
  fm_detector detector;
  detector_init(&detector, 3, FM_CONFIG_NORM_BATCH, 1);
  fill(&detector, "backbone.body.0.1.num_batches_tracked", 70000);
  save(&detector, 3);
  fm_safetensors *file;
  assert_int_equal(fm_safetensors_open(&file, path), FM_OK);
  const fm_st_tensor *counter = fm_safetensors_find(file, "backbone.body.0.1.num_batches_tracked");
  assert_int_equal(counter->dtype, FM_ST_I64);
  assert_int_equal(counter->rank, 0);
  int64_t value;
  memcpy(&value, counter->data, sizeof value);
  assert_int_equal(value, 70000);
  fm_safetensors_free(file);
  detector_release(&detector);
}

static void a_file_knows_its_settings_and_classes(void **state) {
  (void)state;
  fm_detector detector;
  fm_weights_info info;
  detector_init(&detector, 3, FM_CONFIG_NORM_FROZEN, 1);
  detector.config.box_score_thresh = 0.1f;
  detector.config.min_size = 417;
  detector.config.loss_box = FM_BOX_LOSS_GIOU;
  save(&detector, 3);
  assert_int_equal(fm_weights_info_read(&info, path), FM_OK);
  assert_true(info.has_config);
  for (const fm_option *row = fm_model_options; row->name; row++) {
    char *saved = fm_options_format(row, &detector.config);
    char *read = fm_options_format(row, &info.config);
    assert_string_equal(read, saved);
    free(saved);
    free(read);
  }
  assert_int_equal(info.class_count, 3);
  for (int i = 0; i < 3; i++)
    assert_string_equal(info.class_names[i], names[i]);
  fm_weights_info_release(&info);
  detector_release(&detector);
}

static void the_average_is_saved_of_all_that_has_one(void **state) {
  (void)state;
  static const char frozen[] = "backbone.body.0.0.weight", trained[] = "rpn.head.cls_logits.bias";
  fm_detector detector;
  detector_init(&detector, 3, FM_CONFIG_NORM_FROZEN, 1);
  fm_params_freeze(detector.params, frozen, true);
  const int id = fm_params_find(detector.params, trained);
  float average[64] = {0.5f, -3};
  assert_in_range(fm_params_elements(detector.params, id), 2, 64);
  assert_int_equal(fm_params_set_moment(detector.params, 2, id, average), FM_OK);
  assert_int_equal(fm_weights_save(&detector, path, names, 3, FM_MOMENT_AVERAGE), FM_OK);
  fm_safetensors *file;
  assert_int_equal(fm_safetensors_open(&file, path), FM_OK);
  const fm_st_tensor *tensor = fm_safetensors_find(file, trained);
  assert_memory_equal(tensor->data, average, tensor->bytes);
  float *weight = values_of(&detector, frozen);
  tensor = fm_safetensors_find(file, frozen);
  assert_memory_equal(tensor->data, weight, tensor->bytes);
  free(weight);
  fm_safetensors_free(file);
  detector_release(&detector);
}

static void another_number_of_classes_leaves_the_predictor_at_its_start(void **state) {
  (void)state;
  fm_detector saved, loaded, start;
  fm_weights_report report;
  detector_init(&saved, 2, FM_CONFIG_NORM_FROZEN, 1);
  detector_init(&loaded, 3, FM_CONFIG_NORM_FROZEN, 2);
  detector_init(&start, 3, FM_CONFIG_NORM_FROZEN, 2);
  save(&saved, 2);
  assert_int_equal(fm_weights_load(&loaded, path, &report), FM_OK);
  assert_true(report.predictor_replaced);
  assert_int_equal(report.missing_count, 0);
  assert_true(same_values(&loaded, &start, CLS_SCORE));
  assert_true(same_values(&loaded, &start, "roi_heads.box_predictor.bbox_pred.weight"));
  assert_true(same_values(&loaded, &saved, "roi_heads.box_head.fc6.weight"));
  fm_weights_report_release(&report);
  detector_release(&saved);
  detector_release(&loaded);
  detector_release(&start);
}

// A file of three tensors by hand.
static void put(const fm_st_tensor *tensors, size_t count, const char *config) {
  const fm_st_metadata metadata = {"config", config};
  assert_int_equal(fm_safetensors_write(path, tensors, count, &metadata, config ? 1 : 0), FM_OK);
}

static const float zeros[4096];
static const int64_t batches = 7;
static const fm_st_tensor fc7 = {
    .name = FC7, .dtype = FM_ST_F32, .rank = 1, .dims = {1024}, .data = zeros, .bytes = 4096};

static void a_foreign_file_loads_by_name_and_the_rest_is_listed(void **state) {
  (void)state;
  const fm_st_tensor tensors[] = {fc7,
                                  {.name = "classifier.0.weight",
                                   .dtype = FM_ST_F32,
                                   .rank = 1,
                                   .dims = {4},
                                   .data = zeros,
                                   .bytes = 16},
                                  {.name = "backbone.body.0.1.num_batches_tracked",
                                   .dtype = FM_ST_I64,
                                   .data = &batches,
                                   .bytes = 8}};
  put(tensors, 3, NULL);
  fm_detector detector;
  fm_weights_report report;
  fm_weights_info info;
  assert_int_equal(fm_weights_info_read(&info, path), FM_OK);
  assert_false(info.has_config);
  assert_null(info.class_names);
  // Frozen norms have no counter: the one in the file is not worth a word.
  detector_init(&detector, 3, FM_CONFIG_NORM_FROZEN, 1);
  fill(&detector, FC7, 5);
  assert_int_equal(fm_weights_load(&detector, path, &report), FM_OK);
  assert_int_equal(report.superfluous_count, 1);
  assert_string_equal(report.superfluous, "classifier.0.weight");
  assert_int_equal(report.missing_count, fm_params_count(detector.params) - 1);
  assert_int_equal(report.taken_count, 1);
  assert_non_null(strstr(report.missing, "\nrpn.head.conv.0.0.weight\n"));
  assert_null(strstr(report.missing, FC7));
  float *bias = values_of(&detector, FC7);
  assert_true(bias[0] == 0 && bias[1023] == 0);
  free(bias);
  fm_weights_report_release(&report);
  detector_release(&detector);
}

static void assert_described(const char *expected, const fm_weights_report *report) {
  char *text = fm_weights_report_describe(report);
  assert_string_equal(text, expected);
  free(text);
}

static void a_report_is_said_in_a_line(void **state) {
  (void)state;
  char missing[] = "backbone.fpn.a\nbackbone.fpn.b\nrpn.head.c", superfluous[] = "fc.w\nfc.b";
  fm_weights_report report = {.missing = missing, .superfluous = superfluous, .taken_count = 7};
  assert_described("7 tensors taken", &report);
  report.missing_count = 3;
  assert_described("7 tensors taken; 2 of backbone.fpn, 1 of rpn keep their random values",
                   &report);
  report.predictor_replaced = true;
  report.superfluous_count = 2;
  assert_described(
      "7 tensors taken; 2 of backbone.fpn, 1 of rpn, the box predictor (another number "
      "of classes) keep their random values; not used: 2 (fc.w, ...)",
      &report);
}

static void names_of_older_torchvision_are_known(void **state) {
  (void)state;
  float bias[256];
  for (int i = 0; i < 256; i++)
    bias[i] = (float)i;
  fm_st_tensor tensors[] = {{.name = "backbone.fpn.inner_blocks.1.bias"},
                            {.name = "backbone.fpn.layer_blocks.0.bias"},
                            {.name = "rpn.head.conv.bias"}};
  for (int i = 0; i < 3; i++)
    tensors[i] = (fm_st_tensor){.name = tensors[i].name,
                                .dtype = FM_ST_F32,
                                .rank = 1,
                                .dims = {256},
                                .data = bias,
                                .bytes = sizeof bias};
  put(tensors, 3, NULL);
  fm_detector detector;
  fm_weights_report report;
  detector_init(&detector, 3, FM_CONFIG_NORM_FROZEN, 1);
  assert_int_equal(fm_weights_load(&detector, path, &report), FM_OK);
  assert_int_equal(report.superfluous_count, 0);
  static const char *const known[] = {"backbone.fpn.inner_blocks.1.0.bias",
                                      "backbone.fpn.layer_blocks.0.0.bias",
                                      "rpn.head.conv.0.0.bias"};
  for (int i = 0; i < 3; i++) {
    float *values = values_of(&detector, known[i]);
    assert_memory_equal(values, bias, sizeof bias);
    free(values);
  }
  fm_weights_report_release(&report);
  detector_release(&detector);
}

static void assert_load_refused(fm_status expected, const char *words) {
  fm_detector detector, start;
  fm_weights_report report;
  detector_init(&detector, 3, FM_CONFIG_NORM_FROZEN, 1);
  detector_init(&start, 3, FM_CONFIG_NORM_FROZEN, 1);
  fill(&detector, FC7, 5);
  fill(&start, FC7, 5);
  assert_int_equal(fm_weights_load(&detector, path, &report), expected);
  if (!strstr(fm_error_message(), words) || !strstr(fm_error_message(), path))
    fail_msg("\"%s\" is not in \"%s\"", words, fm_error_message());
  assert_true(same_values(&detector, &start, FC7));
  detector_release(&detector);
  detector_release(&start);
}

static void another_shape_is_refused_with_both_named(void **state) {
  (void)state;
  const fm_st_tensor tensors[] = {fc7,
                                  {.name = "roi_heads.box_head.fc6.weight",
                                   .dtype = FM_ST_F32,
                                   .rank = 2,
                                   .dims = {2, 3},
                                   .data = zeros,
                                   .bytes = 24}};
  put(tensors, 2, NULL);
  assert_load_refused(FM_ERR_SHAPE, "roi_heads.box_head.fc6.weight has shape (2,3), "
                                    "the model's is (1024,12544)");
  // A predictor is replaced for its number of classes alone.
  const fm_st_tensor narrow[] = {{.name = CLS_SCORE,
                                  .dtype = FM_ST_F32,
                                  .rank = 2,
                                  .dims = {4, 512},
                                  .data = zeros,
                                  .bytes = 8192}};
  put(narrow, 1, NULL);
  assert_load_refused(FM_ERR_SHAPE, "has shape (4,512), the model's is (4,1024)");
}

static void files_of_nothing_or_nonsense_are_refused(void **state) {
  (void)state;
  const float wild[2] = {0, NAN};
  fm_st_tensor tensor = {.name = "rpn.head.cls_logits.bias",
                         .dtype = FM_ST_F32,
                         .rank = 1,
                         .dims = {15},
                         .data = zeros,
                         .bytes = 60};
  float values[15] = {0};
  values[7] = wild[1];
  tensor.data = values;
  put(&tensor, 1, NULL);
  assert_load_refused(FM_ERR_NUMERIC, "rpn.head.cls_logits.bias has a value that is not finite");
  tensor.name = "fc.bias";
  put(&tensor, 1, NULL);
  assert_load_refused(FM_ERR_FORMAT, "none of its tensors");
}

static void assert_info_refused(const char *config, const char *words) {
  fm_weights_info info;
  put(&fc7, 1, config);
  assert_int_equal(fm_weights_info_read(&info, path), FM_ERR_FORMAT);
  if (!strstr(fm_error_message(), words) || !strstr(fm_error_message(), path))
    fail_msg("\"%s\" is not in \"%s\"", words, fm_error_message());
  assert_null(info.class_names);
}

static void a_wrong_configuration_in_a_file_is_an_error_of_the_file(void **state) {
  (void)state;
  assert_info_refused("model: {min_size: many}", "model.min_size");
  assert_info_refused("model: {mim_size: 3}", "model.min_size");
  assert_info_refused("model: {min_size: 900, max_size: 800}", "model.min_size");
  assert_info_refused("model: [", "configuration:");
  const char *const wrong[] = {"", "{}", "[]", "[1]", "[\"\"]", "[\"a\",null]"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const fm_st_metadata metadata = {"classes", wrong[i]};
    fm_weights_info info;
    assert_int_equal(fm_safetensors_write(path, &fc7, 1, &metadata, 1), FM_OK);
    assert_int_equal(fm_weights_info_read(&info, path), FM_ERR_FORMAT);
  }
}

static void a_short_configuration_stands_on_the_preset_of_its_architecture(void **state) {
  (void)state;
  fm_weights_info info;
  put(&fc7, 1, "model: {arch: fasterrcnn_mobilenet_v3_large_320_fpn, box_nms_thresh: 0.25}");
  assert_int_equal(fm_weights_info_read(&info, path), FM_OK);
  assert_int_equal(info.config.min_size, 320);
  assert_int_equal(info.config.rpn_anchor_sizes.count, 3);
  assert_true(info.config.box_nms_thresh == 0.25f);
  fm_weights_info_release(&info);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_saved_is_loaded_to_the_last_bit),
      cmocka_unit_test(counters_are_whole_numbers_as_torch_keeps_them),
      cmocka_unit_test(a_file_knows_its_settings_and_classes),
      cmocka_unit_test(the_average_is_saved_of_all_that_has_one),
      cmocka_unit_test(another_number_of_classes_leaves_the_predictor_at_its_start),
      cmocka_unit_test(a_foreign_file_loads_by_name_and_the_rest_is_listed),
      cmocka_unit_test(a_report_is_said_in_a_line),
      cmocka_unit_test(names_of_older_torchvision_are_known),
      cmocka_unit_test(another_shape_is_refused_with_both_named),
      cmocka_unit_test(files_of_nothing_or_nonsense_are_refused),
      cmocka_unit_test(a_wrong_configuration_in_a_file_is_an_error_of_the_file),
      cmocka_unit_test(a_short_configuration_stands_on_the_preset_of_its_architecture),
  };
  const int descriptor = mkstemp(path);
  if (descriptor < 0 || close(descriptor) != 0)
    return 1;
  const int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink(path);
  return failed;
}
