// The trunk of each backbone in whole numbers and in bf16: every output stays near fp32's. What the
// random values of the layers come to does not matter, as errors are relative.
#include "detect/model/model.h"
#include "nn/chunk.h"
#include "nn/library.h"
#include "nn/plan.h"
#include "support.h"

enum { HEIGHT = 96, WIDTH = 128 };

typedef struct run {
  fm_workspace *workspace;
  fm_plan *plan;
} run;

static run run_trunk(const fm_model *model, fm_ranges *ranges, fm_dtype precision, float *pixels) {
  const fm_tensor picture = {.dtype = FM_F32, .shape = {1, 3, HEIGHT, WIDTH}, .block = 1};
  run r;
  assert_int_equal(fm_workspace_new(&r.workspace), FM_OK);
  const fm_plan_options options = {.purpose = FM_INFER,
                                   .precision = precision,
                                   .inputs = &picture,
                                   .input_count = 1,
                                   .workspace = r.workspace,
                                   .ranges = ranges,
                                   .observes = precision == FM_F32};
  if (fm_plan_new(&r.plan, model->trunk, &options) < 0)
    fail_msg("%s", fm_error_message());
  fm_plan_bind(r.plan, 0, pixels, NULL);
  assert_int_equal(fm_plan_forward(r.plan), FM_OK);
  return r;
}

static void run_release(run *r) {
  fm_plan_free(r->plan);
  fm_workspace_free(r->workspace);
}

static float *plain_output(const run *r, int output, size_t *count) {
  const fm_tensor out = fm_plan_output(r->plan, output);
  *count = (size_t)out.shape.n * (size_t)out.shape.c * (size_t)out.shape.h * (size_t)out.shape.w;
  float *values = test_alloc(*count, sizeof *values);
  const fm_tensor plain = {.dtype = FM_F32, .shape = out.shape, .block = 1, .data = values};
  fm_tensor_copy(&plain, &out);
  return values;
}

// The root of the mean square of the difference, over that of fp32's deviation
// from its mean.
static double relative_error(const run *wide, const run *narrow, int output) {
  size_t count;
  float *a = plain_output(wide, output, &count), *b = plain_output(narrow, output, &count);
  double mean = 0, error = 0, spread = 0;
  for (size_t i = 0; i < count; i++)
    mean += (double)a[i] / (double)count;
  for (size_t i = 0; i < count; i++) {
    error += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    spread += ((double)a[i] - mean) * ((double)a[i] - mean);
  }
  free(a);
  free(b);
  return sqrt(error / spread);
}

// Without VNNI weights have a bit less, which some layers feel.
static double bound_of(double with_vnni) {
  return fm_nn_has_vnni() ? with_vnni : with_vnni * 1.25;
}

// With the fpn_conv and rpn_conv of the models that are made to be small.
static void check_backbone(fm_arch arch, fm_dtype precision, double tolerance) {
  fm_model_config config;
  fm_model_config_preset(&config, arch);
  config.fpn_channels = 48;
  if (arch == FM_ARCH_MOBILENET_V2_FPN || arch == FM_ARCH_EFFICIENTNET_LITE0_FPN)
    config.fpn_conv = config.rpn_conv = FM_CONFIG_CONV_SEPARABLE;
  fm_params *params;
  fm_model model;
  fm_ranges *ranges;
  assert_int_equal(fm_params_new(&params), FM_OK);
  assert_int_equal(fm_model_build(&model, params, &config, 3), FM_OK);
  assert_int_equal(fm_params_initialise(params, 3), FM_OK);
  assert_int_equal(fm_ranges_new(&ranges, model.trunk), FM_OK);
  fm_random random = fm_random_make(5, 0, 0);
  float *pixels = test_alloc(3 * HEIGHT * WIDTH, sizeof *pixels);
  for (size_t i = 0; i < 3 * HEIGHT * WIDTH; i++)
    pixels[i] = (float)((i / 7 % 11 + i / (7 * WIDTH) % 5) % 7) / 2 - 1.5f +
                (float)fm_random_below(&random, 256) / 256;
  run wide = run_trunk(&model, ranges, FM_F32, pixels);
  assert_true(fm_ranges_complete(ranges));
  run narrow = run_trunk(&model, ranges, precision, pixels);
  for (int level = 0; level < model.roi_level_count; level++)
    assert_int_equal(fm_dtype_is_int8(fm_plan_output(narrow.plan, level).dtype),
                     precision == FM_S8);
  const int outputs = model.roi_level_count + 2 * model.rpn_level_count;
  for (int i = 0; i < outputs; i++) {
    const double error = relative_error(&wide, &narrow, i);
    if (!(error < tolerance))
      fail_msg("architecture %d: output %d differs by %g of its spread", arch, i, error);
  }
  run_release(&wide);
  run_release(&narrow);
  free(pixels);
  fm_ranges_free(ranges);
  fm_model_release(&model);
  fm_params_free(params);
}

static void test_every_backbone_in_whole_numbers_is_near_fp32(void **unused) {
  (void)unused;
  check_backbone(FM_ARCH_RESNET50_FPN, FM_S8, bound_of(0.15));
  check_backbone(FM_ARCH_MOBILENET_V3_LARGE_320_FPN, FM_S8, bound_of(0.13));
  check_backbone(FM_ARCH_MOBILENET_V2_FPN, FM_S8, bound_of(0.16));
  check_backbone(FM_ARCH_MOBILENET_V1_FPN, FM_S8, bound_of(0.11));
  check_backbone(FM_ARCH_EFFICIENTNET_LITE0_FPN, FM_S8, bound_of(0.3));
}

static void test_every_backbone_in_bf16_is_near_fp32(void **unused) {
  (void)unused;
  if (!fm_nn_knows_bf16())
    skip();
  check_backbone(FM_ARCH_RESNET50_FPN, FM_BF16, 0.05);
  check_backbone(FM_ARCH_MOBILENET_V3_LARGE_320_FPN, FM_BF16, 0.04);
  check_backbone(FM_ARCH_MOBILENET_V2_FPN, FM_BF16, 0.05);
  check_backbone(FM_ARCH_MOBILENET_V1_FPN, FM_BF16, 0.05);
  check_backbone(FM_ARCH_EFFICIENTNET_LITE0_FPN, FM_BF16, 0.09);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_backbone_in_whole_numbers_is_near_fp32),
      cmocka_unit_test(test_every_backbone_in_bf16_is_near_fp32),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
