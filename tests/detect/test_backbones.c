// Which levels, parameters and trained parts the settings of a model give. That the numbers are
// right is tests/parity/backbones.py's to say.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "detect/model/model.h"

#define BODY "backbone.body."

typedef struct built {
  fm_model_config config;
  fm_params *params;
  fm_model model;
} built;

static void preset(built *self, fm_arch arch) {
  fm_model_config_preset(&self->config, arch);
}

static void set(built *self, const char *assignment) {
  assert_int_equal(fm_options_assign(fm_model_options, &self->config, assignment), FM_OK);
}

static void build(built *self) {
  assert_int_equal(fm_params_new(&self->params), FM_OK);
  const fm_status status = fm_model_build(&self->model, self->params, &self->config, 3);
  if (status != FM_OK)
    fail_msg("%s", fm_error_message());
}

static void release(built *self) {
  fm_model_release(&self->model);
  fm_params_free(self->params);
}

static bool has(const built *self, const char *name) {
  return fm_params_find(self->params, name) >= 0;
}

static bool trains(const built *self, const char *name) {
  const int id = fm_params_find(self->params, name);
  assert_true(id >= 0);
  return fm_params_spec(self->params, id)->kind == FM_PARAM_TRAINED;
}

static void assert_dims(const built *self, const char *name, int a, int b, int c, int d) {
  const int id = fm_params_find(self->params, name), expected[] = {a, b, c, d};
  assert_true(id >= 0);
  const fm_param_spec *spec = fm_params_spec(self->params, id);
  for (int i = 0; i < spec->rank; i++)
    assert_int_equal(spec->dims[i], expected[i]);
}

static void assert_refused(const built *self, const char *words) {
  assert_int_equal(fm_model_config_check(&self->config), FM_ERR_ARGUMENT);
  if (!strstr(fm_error_message(), words))
    fail_msg("\"%s\" is not in \"%s\"", words, fm_error_message());
}

static void every_preset_can_be_built(void **state) {
  (void)state;
  for (int arch = 0; arch < FM_ARCH_COUNT; arch++) {
    built self;
    preset(&self, (fm_arch)arch);
    build(&self);
    const bool detects = fm_arch_detects(arch);
    assert_int_equal(self.model.rpn_level_count,
                     detects ? self.config.backbone_levels.count + self.config.fpn_extra_levels
                             : 0);
    release(&self);
  }
}

static void wider_and_deeper_lites_have_the_published_blocks(void **state) {
  (void)state;
  static const struct {
    fm_arch arch;
    const char *last, *none;
    int expanded, out;
  } lites[] = {
      {FM_ARCH_EFFICIENTNET_LITE0_FPN, BODY "_blocks.15._project_conv.weight",
       BODY "_blocks.16._project_conv.weight", 1152, 320},
      {FM_ARCH_EFFICIENTNET_LITE1_FPN, BODY "_blocks.20._project_conv.weight",
       BODY "_blocks.21._project_conv.weight", 1152, 320},
      {FM_ARCH_EFFICIENTNET_LITE2_FPN, BODY "_blocks.20._project_conv.weight",
       BODY "_blocks.21._project_conv.weight", 1248, 352},
  };
  for (size_t i = 0; i < sizeof lites / sizeof *lites; i++) {
    built self;
    preset(&self, lites[i].arch);
    build(&self);
    assert_dims(&self, lites[i].last, lites[i].out, lites[i].expanded, 1, 1);
    assert_false(has(&self, lites[i].none));
    assert_false(has(&self, BODY "_conv_head.weight"));
    release(&self);
  }
}

static void levels_follow_the_strides_that_are_asked_for(void **state) {
  (void)state;
  built self;
  preset(&self, FM_ARCH_EFFICIENTNET_LITE0_FPN);
  set(&self, "model.backbone_levels=[4, 8, 16]");
  set(&self, "model.fpn_extra_levels=0");
  set(&self, "model.rpn_anchor_sizes=[[8, 12], [16, 24], [32, 64]]");
  set(&self, "model.rpn_anchor_aspect_ratios=[[1, 1.5], [1, 1.5], [1, 1.5]]");
  build(&self);
  assert_int_equal(self.model.roi_level_count, 3);
  assert_int_equal(self.model.rpn_level_count, 3);
  assert_int_equal(self.model.anchors_per_place, 4);
  for (int i = 0; i < 3; i++)
    assert_int_equal(self.model.strides[i], 4 << i);
  assert_true(has(&self, BODY "_blocks.10._bn2.bias"));
  assert_false(has(&self, BODY "_blocks.11._bn2.bias")); // works at stride 32
  assert_dims(&self, "backbone.fpn.inner_blocks.2.0.weight", 256, 112, 1, 1);
  release(&self);
}

static void extra_levels_double_the_stride(void **state) {
  (void)state;
  built self;
  preset(&self, FM_ARCH_RESNET50_FPN);
  set(&self, "model.backbone_levels=[8, 16]");
  set(&self, "model.fpn_extra_levels=2");
  set(&self, "model.rpn_anchor_sizes=[[8], [16], [32], [64]]");
  set(&self, "model.rpn_anchor_aspect_ratios=[[1], [1], [1], [1]]");
  build(&self);
  assert_int_equal(self.model.roi_level_count, 2);
  assert_int_equal(self.model.rpn_level_count, 4);
  assert_int_equal(self.model.strides[3], 64);
  assert_false(has(&self, BODY "layer4.0.conv1.weight"));
  release(&self);
}

static void a_mobilenet_gives_maps_at_every_stride(void **state) {
  (void)state;
  built self;
  preset(&self, FM_ARCH_MOBILENET_V3_LARGE_FPN);
  set(&self, "model.backbone_levels=[4, 8, 16, 32]");
  set(&self, "model.fpn_extra_levels=0");
  set(&self, "model.rpn_anchor_sizes=[[8], [16], [32], [64]]");
  set(&self, "model.rpn_anchor_aspect_ratios=[[1], [1], [1], [1]]");
  build(&self);
  static const int channels[] = {24, 40, 112, 960};
  for (int i = 0; i < 4; i++) {
    char name[64];
    snprintf(name, sizeof name, "backbone.fpn.inner_blocks.%d.0.weight", i);
    assert_dims(&self, name, 256, channels[i], 1, 1);
  }
  release(&self);
}

static void light_parts_have_the_sizes_that_are_asked_for(void **state) {
  (void)state;
  built self;
  preset(&self, FM_ARCH_EFFICIENTNET_LITE0_FPN);
  set(&self, "model.fpn_channels=64");
  set(&self, "model.fpn_conv=separable");
  set(&self, "model.rpn_conv=separable");
  set(&self, "model.roi_size=5");
  set(&self, "model.box_head_features=128");
  build(&self);
  assert_dims(&self, "backbone.fpn.layer_blocks.3.0.0.weight", 64, 1, 3, 3);
  assert_dims(&self, "backbone.fpn.layer_blocks.3.0.1.weight", 64, 64, 1, 1);
  assert_dims(&self, "rpn.head.conv.0.0.0.weight", 64, 1, 3, 3);
  assert_dims(&self, "rpn.head.conv.0.0.1.bias", 64, 0, 0, 0);
  assert_false(has(&self, "rpn.head.conv.0.0.weight"));
  assert_dims(&self, "roi_heads.box_head.fc6.weight", 128, 64 * 5 * 5, 0, 0);
  assert_dims(&self, "roi_heads.box_predictor.bbox_pred.weight", 16, 128, 0, 0);
  release(&self);
}

static void a_mobilenet_v1_freezes_by_stride(void **state) {
  (void)state;
  built self;
  preset(&self, FM_ARCH_MOBILENET_V1_FPN);
  self.config.norm = FM_CONFIG_NORM_BATCH;
  self.config.trainable_backbone_layers = 2;
  build(&self);
  assert_false(trains(&self, BODY "conv_0.pointwise.weight"));
  assert_false(trains(&self, BODY "conv_5.pointwise_norm.bias"));
  assert_true(trains(&self, BODY "conv_6.depthwise.weight")); // the first at stride 16
  assert_dims(&self, BODY "conv_13.pointwise.weight", 1024, 1024, 1, 1);
  release(&self);
}

static void a_mobilenet_v2_has_torchvisions_names_and_freezes_by_stride(void **state) {
  (void)state;
  built self;
  preset(&self, FM_ARCH_MOBILENET_V2_FPN);
  self.config.norm = FM_CONFIG_NORM_BATCH;
  self.config.trainable_backbone_layers = 3;
  build(&self);
  assert_dims(&self, BODY "1.conv.0.0.weight", 32, 1, 3, 3);
  assert_dims(&self, BODY "1.conv.2.running_mean", 16, 0, 0, 0);
  assert_dims(&self, BODY "17.conv.2.weight", 320, 960, 1, 1);
  assert_dims(&self, BODY "18.0.weight", 1280, 320, 1, 1);
  assert_dims(&self, "backbone.fpn.inner_blocks.2.0.weight", 256, 96, 1, 1);
  assert_false(trains(&self, BODY "3.conv.3.bias"));
  assert_true(trains(&self, BODY "4.conv.0.0.weight")); // the first at stride 8
  release(&self);
}

static void parts_freeze_from_the_picture_on(void **state) {
  (void)state;
  // The first block of each part, by trainable_backbone_layers from which it trains.
  static const struct {
    const char *name;
    int layers;
  } parts[] = {{BODY "_conv_stem.weight", 5},
               {BODY "_blocks.0._depthwise_conv.weight", 5},
               {BODY "_blocks.1._expand_conv.weight", 4},
               {BODY "_blocks.2._project_conv.weight", 4},
               {BODY "_blocks.3._expand_conv.weight", 3},
               {BODY "_blocks.5._expand_conv.weight", 2},
               {BODY "_blocks.10._expand_conv.weight", 2},
               {BODY "_blocks.11._expand_conv.weight", 1},
               {BODY "_blocks.15._bn2.weight", 1},
               {"backbone.fpn.inner_blocks.0.0.weight", 0}};
  for (int layers = 0; layers <= 5; layers++) {
    built self;
    preset(&self, FM_ARCH_EFFICIENTNET_LITE0_FPN);
    self.config.norm = FM_CONFIG_NORM_BATCH;
    self.config.trainable_backbone_layers = layers;
    build(&self);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
      assert_int_equal(trains(&self, parts[i].name), layers >= parts[i].layers);
    release(&self);
  }
}

static void levels_that_make_no_pyramid_are_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {"[]",         "[4, 16]",  "[8, 4]", "[8, 8]",
                                      "[4, 8, 12]", "[32, 32]", "[5]",    "[4, 8, 16, 32, 32]"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    built self;
    preset(&self, FM_ARCH_EFFICIENTNET_LITE0_FPN);
    char assignment[64];
    snprintf(assignment, sizeof assignment, "model.backbone_levels=%s", wrong[i]);
    set(&self, assignment);
    assert_refused(&self, "model.backbone_levels");
  }
}

static void anchor_rows_are_counted_against_the_levels(void **state) {
  (void)state;
  built self;
  preset(&self, FM_ARCH_EFFICIENTNET_LITE0_FPN);
  set(&self, "model.fpn_extra_levels=0");
  assert_refused(&self, "model.rpn_anchor_sizes has 5 rows, the pyramid 4 levels");
  set(&self, "model.rpn_anchor_sizes=[[8], [16], [32], [64]]");
  assert_refused(&self, "model.rpn_anchor_aspect_ratios has 5 rows, the pyramid 4 levels");
  set(&self, "model.rpn_anchor_aspect_ratios=[[1], [1], [1], [1, 2]]");
  assert_refused(&self, "level 3 has 2 anchors a place, level 0 has 1");
  self.config.trainable_backbone_layers = 6;
  assert_refused(&self, "model.trainable_backbone_layers: 6 is not in 0 to 5");
}

static void faces_cut_out_too_small_are_refused(void **state) {
  (void)state;
  built self;
  preset(&self, FM_ARCH_FACE_CLASSIFIER);
  set(&self, "model.crop_size_train=31");
  assert_refused(&self, "model.crop_size_train: 31 is neither 0 nor 32 to 512");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_preset_can_be_built),
      cmocka_unit_test(wider_and_deeper_lites_have_the_published_blocks),
      cmocka_unit_test(levels_follow_the_strides_that_are_asked_for),
      cmocka_unit_test(extra_levels_double_the_stride),
      cmocka_unit_test(a_mobilenet_gives_maps_at_every_stride),
      cmocka_unit_test(light_parts_have_the_sizes_that_are_asked_for),
      cmocka_unit_test(a_mobilenet_v1_freezes_by_stride),
      cmocka_unit_test(a_mobilenet_v2_has_torchvisions_names_and_freezes_by_stride),
      cmocka_unit_test(parts_freeze_from_the_picture_on),
      cmocka_unit_test(levels_that_make_no_pyramid_are_refused),
      cmocka_unit_test(anchor_rows_are_counted_against_the_levels),
      cmocka_unit_test(faces_cut_out_too_small_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
