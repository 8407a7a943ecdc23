// The head that multiplies maps against the head that pools: the same outputs and gradients of
// the same parameters.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detect/model/model.h"
#include "nn/chunk.h"
#include "nn/library.h"
#include "nn/plan.h"
#include "support.h"

enum { PICTURES = 2, SIDE = 6, ROIS = 96, CHANNELS = 256, CLASSES = 4 };

typedef struct head_run {
  float *logits, *deltas, *dpyramid, *dweight;
} head_run;

static const fm_shape pyramid_shape = {PICTURES, CHANNELS, SIDE, SIDE};

static float random_of(uint32_t *seed) {
  *seed = *seed * 1664525u + 1013904223u;
  return (float)(*seed >> 8) / (float)(1 << 24);
}

static void fill_rois(float *rois, uint32_t seed) {
  for (int r = 0; r < ROIS; r++) {
    const float x = 160 * random_of(&seed), y = 160 * random_of(&seed);
    const float row[FM_ROI_COLUMNS] = {(float)(r % PICTURES),
                                       x,
                                       y,
                                       x + 150 * random_of(&seed),
                                       y + 150 * random_of(&seed),
                                       r % 17 == 16 ? -1.0f : 0.0f, // masked
                                       1.0f / 32};
    memcpy(rois + r * FM_ROI_COLUMNS, row, sizeof row);
  }
}

static float *random_values(size_t count, uint32_t seed) {
  float *values = malloc(count * sizeof *values);
  assert_non_null(values);
  for (size_t i = 0; i < count; i++)
    values[i] = random_of(&seed) - 0.5f;
  return values;
}

static float *copy_of(const fm_tensor *tensor) {
  float *out = malloc(fm_tensor_elements(tensor) * sizeof *out);
  assert_non_null(out);
  const fm_tensor plain = {.dtype = FM_F32, .shape = tensor->shape, .block = 1, .data = out};
  fm_tensor_copy(&plain, tensor);
  return out;
}

static void seed_gradient(fm_plan *plan, int output, uint32_t seed) {
  const fm_tensor gradient = fm_plan_output_gradient(plan, output);
  float *values = random_values(fm_tensor_elements(&gradient), seed);
  memcpy(gradient.data, values, fm_tensor_bytes(&gradient));
  free(values);
}

static head_run run_head(fm_params *params, const fm_graph *graph, float *pyramid, float *rois) {
  fm_workspace *workspace;
  fm_plan *plan;
  head_run run;
  const fm_tensor inputs[] = {
      {.dtype = FM_F32, .shape = pyramid_shape, .block = 16},
      {.dtype = FM_F32, .shape = {ROIS, FM_ROI_COLUMNS, 1, 1}, .block = FM_ROI_COLUMNS}};
  assert_int_equal(fm_workspace_new(&workspace), FM_OK);
  const fm_plan_options options = {.purpose = FM_TRAIN,
                                   .precision = FM_F32,
                                   .inputs = inputs,
                                   .input_count = 2,
                                   .workspace = workspace};
  assert_int_equal(fm_plan_new(&plan, graph, &options), FM_OK);
  fm_tensor dpyramid = inputs[0];
  dpyramid.data = calloc(1, fm_tensor_bytes(&dpyramid));
  assert_non_null(dpyramid.data);
  fm_plan_bind(plan, 0, pyramid, dpyramid.data);
  fm_plan_bind(plan, 1, rois, NULL);
  fm_params_zero_gradients(params);
  assert_int_equal(fm_plan_forward(plan), FM_OK);
  const fm_tensor logits = fm_plan_output(plan, FM_MODEL_LOGITS);
  const fm_tensor deltas = fm_plan_output(plan, FM_MODEL_BOXES);
  run.logits = copy_of(&logits);
  run.deltas = copy_of(&deltas);
  seed_gradient(plan, FM_MODEL_LOGITS, 5);
  seed_gradient(plan, FM_MODEL_BOXES, 6);
  assert_int_equal(fm_plan_backward(plan), FM_OK);
  run.dpyramid = copy_of(&dpyramid);
  const int weight = fm_params_find(params, "roi_heads.box_head.fc6.weight");
  run.dweight = malloc(fm_params_elements(params, weight) * sizeof *run.dweight);
  assert_non_null(run.dweight);
  fm_params_get_gradient(params, weight, run.dweight);
  free(dpyramid.data);
  fm_plan_free(plan);
  fm_workspace_free(workspace);
  return run;
}

static void free_run(head_run *run) {
  free(run->logits);
  free(run->deltas);
  free(run->dpyramid);
  free(run->dweight);
}

// Within some roundings of the largest.
static void check_close(const float *a, const float *b, size_t count, const char *what) {
  float most = 0, worst = 0;
  for (size_t i = 0; i < count; i++) {
    most = fmaxf(most, fabsf(b[i]));
    worst = fmaxf(worst, fabsf(a[i] - b[i]));
  }
  if (!(most > 0 && worst <= 1e-5f * most))
    fail_msg("%s: off by %g of %g", what, (double)worst, (double)most);
}

static void a_head_on_maps_equals_the_head_that_pools(void **state) {
  (void)state;
  fm_model_config config;
  fm_params *params;
  fm_model model;
  fm_model_config_preset(&config, FM_ARCH_MOBILENET_V3_LARGE_320_FPN);
  assert_int_equal(fm_params_new(&params), FM_OK);
  assert_int_equal(fm_model_build(&model, params, &config, CLASSES - 1), FM_OK);
  assert_int_equal(model.roi_level_count, 1); // both maps have stride 32
  assert_int_equal(fm_params_initialise(params, 3), FM_OK);
  float rois[ROIS * FM_ROI_COLUMNS];
  fill_rois(rois, 1);
  float *pyramid = random_values((size_t)PICTURES * CHANNELS * SIDE * SIDE, 2);
  head_run pooled = run_head(params, model.heads[0], pyramid, rois);
  head_run mapped = run_head(params, model.map_heads[0], pyramid, rois);
  check_close(mapped.logits, pooled.logits, (size_t)ROIS * CLASSES, "logits");
  check_close(mapped.deltas, pooled.deltas, (size_t)ROIS * 4 * CLASSES, "deltas");
  check_close(mapped.dpyramid, pooled.dpyramid, (size_t)PICTURES * CHANNELS * SIDE * SIDE,
              "the pyramid's gradient");
  check_close(mapped.dweight, pooled.dweight, (size_t)config.box_head_features * CHANNELS * 49,
              "the weights' gradient");
  free_run(&pooled);
  free_run(&mapped);
  free(pyramid);
  fm_model_release(&model);
  fm_params_free(params);
}

// Class logits in detection, `observed` being measured in fp32 or, for whole numbers, read.
static float *detect_logits(const fm_graph *graph, const fm_tensor *pyramid, float *rois,
                            fm_ranges *ranges) {
  const bool int8 = fm_dtype_is_int8(pyramid->dtype);
  fm_workspace *workspace;
  fm_plan *plan;
  const fm_tensor inputs[] = {
      *pyramid, {.dtype = FM_F32, .shape = {ROIS, FM_ROI_COLUMNS, 1, 1}, .block = FM_ROI_COLUMNS}};
  assert_int_equal(fm_workspace_new(&workspace), FM_OK);
  const fm_plan_options options = {.purpose = FM_INFER,
                                   .precision = int8 ? FM_S8 : FM_F32,
                                   .inputs = inputs,
                                   .input_count = 2,
                                   .workspace = workspace,
                                   .ranges = ranges,
                                   .observes = !int8};
  assert_int_equal(fm_plan_new(&plan, graph, &options), FM_OK);
  fm_plan_bind(plan, 0, pyramid->data, NULL);
  fm_plan_bind(plan, 1, rois, NULL);
  assert_int_equal(fm_plan_forward(plan), FM_OK);
  const fm_tensor logits = fm_plan_output(plan, FM_MODEL_LOGITS);
  float *out = copy_of(&logits);
  fm_plan_free(plan);
  fm_workspace_free(workspace);
  return out;
}

static void a_head_on_maps_works_in_whole_numbers(void **state) {
  (void)state;
  fm_model_config config;
  fm_params *params;
  fm_model model;
  fm_ranges *ranges, *view;
  if (!fm_nn_has_vnni())
    skip();
  fm_model_config_preset(&config, FM_ARCH_MOBILENET_V3_LARGE_320_FPN);
  assert_int_equal(fm_params_new(&params), FM_OK);
  assert_int_equal(fm_model_build(&model, params, &config, CLASSES - 1), FM_OK);
  assert_int_equal(fm_params_initialise(params, 3), FM_OK);
  assert_int_equal(fm_ranges_new(&ranges, model.heads[0]), FM_OK);
  assert_int_equal(fm_ranges_view(&view, model.map_heads[0], ranges), FM_OK);
  float rois[ROIS * FM_ROI_COLUMNS];
  fill_rois(rois, 1);
  fm_tensor wide = {.dtype = FM_F32, .shape = pyramid_shape, .block = CHANNELS};
  wide.data = random_values(fm_tensor_elements(&wide), 2);
  float *expected = detect_logits(model.heads[0], &wide, rois, ranges);
  fm_tensor narrow = wide;
  fm_range_quantise(&(fm_range){-0.5f, 0.5f, true}, &narrow);
  narrow.data = malloc(fm_tensor_bytes(&narrow));
  assert_non_null(narrow.data);
  fm_tensor_copy(&narrow, &wide);
  float *found = detect_logits(model.map_heads[0], &narrow, rois, view);
  float most = 0, worst = 0;
  for (int i = 0; i < ROIS * CLASSES; i++) {
    most = fmaxf(most, fabsf(expected[i]));
    worst = fmaxf(worst, fabsf(found[i] - expected[i]));
  }
  if (!(worst < 0.03f * most))
    fail_msg("whole numbers are off by %g of %g", (double)worst, (double)most);
  free(found);
  free(expected);
  free(wide.data);
  free(narrow.data);
  fm_ranges_free(view);
  fm_ranges_free(ranges);
  fm_model_release(&model);
  fm_params_free(params);
}

static void few_pixels_and_many_regions_pay(void **state) {
  (void)state;
  const fm_tensor levels[] = {{.shape = {2, 256, 10, 10}}, {.shape = {2, 256, 5, 5}}};
  assert_true(fm_roi_linear_pays(levels, 2, 1024));
  assert_false(fm_roi_linear_pays(levels, 2, 250));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_head_on_maps_equals_the_head_that_pools),
      cmocka_unit_test(a_head_on_maps_works_in_whole_numbers),
      cmocka_unit_test(few_pixels_and_many_regions_pay),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
