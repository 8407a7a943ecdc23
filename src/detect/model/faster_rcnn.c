// The whole of Faster R-CNN's network: which backbone, which levels go where, what is an input and
// an output.
#include "detect/model/model.h"

#include <float.h>
#include <limits.h>
#include <stdio.h>

#include "detect/model/parts.h"

fm_value fm_backbone_conv2d(fm_graph *graph, fm_value x, const fm_backbone_conv *conv,
                            const fm_model_config *config) {
  bool frozen = config->norm == FM_CONFIG_NORM_FROZEN;
  // The op takes 0 for its default; an epsilon of 0 is meant here, which the least float is.
  float frozen_eps = config->frozen_bn_eps > 0 ? config->frozen_bn_eps : FLT_MIN;
  int padding = conv->kernel / 2, padding_end = padding;
  if (config->same_padding && conv->stride == 2 && conv->kernel > 1) {
    padding = (conv->kernel - 2) / 2; // kernel - 2 in all, the smaller half first
    padding_end = conv->kernel - 2 - padding;
  }
  return fm_conv2d(graph, x,
                   &(fm_conv2d_options){.name = conv->name,
                                        .norm_name = conv->norm,
                                        .norm = frozen ? FM_NORM_FROZEN : FM_NORM_BATCH,
                                        .norm_eps = frozen ? frozen_eps : conv->norm_eps,
                                        .norm_momentum = conv->norm_momentum,
                                        .out_channels = conv->out_channels,
                                        .kernel = conv->kernel,
                                        .stride = conv->stride,
                                        .padding = padding,
                                        .padding_end = padding_end,
                                        .groups = conv->groups,
                                        .act = conv->act,
                                        .residual = conv->residual,
                                        .init = FM_INIT_KAIMING_NORMAL_FAN_OUT});
}

const fm_backbone *fm_backbone_of(const fm_model_config *config) {
  static const fm_backbone *const backbones[FM_ARCH_COUNT] = {
      [FM_ARCH_RESNET50_FPN] = &fm_backbone_resnet50,
      [FM_ARCH_MOBILENET_V3_LARGE_FPN] = &fm_backbone_mobilenet_v3_large,
      [FM_ARCH_MOBILENET_V3_LARGE_320_FPN] = &fm_backbone_mobilenet_v3_large,
      [FM_ARCH_EFFICIENTNET_LITE0_FPN] = &fm_backbone_efficientnet_lite,
      [FM_ARCH_EFFICIENTNET_LITE1_FPN] = &fm_backbone_efficientnet_lite,
      [FM_ARCH_EFFICIENTNET_LITE2_FPN] = &fm_backbone_efficientnet_lite,
      [FM_ARCH_MOBILENET_V1_FPN] = &fm_backbone_mobilenet_v1,
      [FM_ARCH_MOBILENET_V2_FPN] = &fm_backbone_mobilenet_v2,
      [FM_ARCH_FACE_CLASSIFIER] = &fm_backbone_efficientnet_lite,
  };
  return backbones[config->arch];
}

// The maps of the wanted strides; of several at one stride the deepest.
static fm_backbone_maps model_select_maps(const fm_backbone_maps *all,
                                          const fm_float_list *levels) {
  fm_backbone_maps chosen = {.count = levels->count};
  int from = all->count;
  for (int i = levels->count - 1; i >= 0; i--) {
    const int stride = (int)levels->values[i];
    do
      FM_ASSERT(--from >= 0); // fm_model_config_check knows the strides
    while (all->strides[from] != stride);
    chosen.values[i] = all->values[from];
    chosen.strides[i] = stride;
  }
  return chosen;
}

static fm_status model_build_trunk(fm_model *model, const fm_backbone *backbone,
                                   const fm_model_config *config) {
  fm_graph *graph = model->trunk;
  fm_value picture = fm_graph_input(graph, "picture", 3, false);
  const fm_backbone_maps all = backbone->build(graph, picture, config);
  const fm_backbone_maps maps = model_select_maps(&all, &config->backbone_levels);
  const fm_backbone_maps levels = fm_fpn(graph, &maps, config);
  // torchvision's LevelMapper counts levels by their strides' logarithms.
  for (int i = 0; i < maps.count; i++)
    model->roi_level_count += i == 0 || maps.strides[i] > maps.strides[i - 1];
  model->rpn_level_count = levels.count;
  char name[32];
  for (int i = 0; i < model->roi_level_count; i++) {
    snprintf(name, sizeof name, "pyramid.%d", i);
    fm_graph_output(graph, name, levels.values[i]);
  }
  for (int i = 0; i < model->rpn_level_count; i++) {
    model->strides[i] = levels.strides[i];
    fm_rpn_outputs rpn = fm_rpn_head(graph, levels.values[i], model->anchors_per_place, config);
    snprintf(name, sizeof name, "objectness.%d", i);
    fm_graph_output_plain(graph, name, rpn.objectness);
    snprintf(name, sizeof name, "deltas.%d", i);
    fm_graph_output_plain(graph, name, rpn.deltas);
  }
  return fm_graph_status(graph);
}

static fm_status model_build_head(const fm_model *model, fm_graph *graph, const fm_box_stage *stage,
                                  const fm_model_config *config) {
  fm_value levels[FM_MODEL_LEVELS_MAX] = {{0}};
  for (int i = 0; i < model->roi_level_count; i++) {
    char name[32];
    snprintf(name, sizeof name, "pyramid.%d", i);
    levels[i] = fm_graph_input(graph, name, config->fpn_channels, true);
  }
  fm_value rois = fm_graph_input(graph, "rois", FM_ROI_COLUMNS, false);
  fm_box_outputs boxes = fm_box_head(graph, levels, rois, stage, config);
  fm_graph_output_plain(graph, "class_logits", boxes.logits);
  fm_graph_output_plain(graph, "box_deltas", boxes.deltas);
  return fm_graph_status(graph);
}

// Cut-outs of faces -> class logits.
static fm_status model_build_classifier(fm_model *model, const fm_backbone *backbone,
                                        const fm_model_config *config, int class_count) {
  fm_graph *graph = model->trunk;
  const fm_value crops = fm_graph_input(graph, "crops", 3, false);
  const fm_backbone_maps maps = backbone->build(graph, crops, config);
  const fm_value pooled = fm_global_avg_pool(graph, maps.values[maps.count - 1]);
  const fm_linear_options linear = {
      .name = "classifier", .out_features = class_count, .init = FM_INIT_UNIFORM};
  fm_graph_output_plain(graph, "class_logits", fm_linear(graph, pooled, &linear));
  return fm_graph_status(graph);
}

fm_status fm_model_build(fm_model *out, fm_params *params, const fm_model_config *config,
                         int class_count) {
  *out = (fm_model){0};
  FM_TRY(fm_model_config_check(config));
  if (class_count < 1 || class_count > SHRT_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "a detector of %d classes; 1 to %d are possible", class_count,
                   SHRT_MAX);
  const fm_backbone *backbone = fm_backbone_of(config);
  fm_status status;
  out->anchors_per_place =
      config->rpn_anchor_sizes.rows[0].count * config->rpn_anchor_aspect_ratios.rows[0].count;
  FM_TRY_OUT(fm_graph_new(&out->trunk, params));
  if (!fm_arch_detects(config->arch)) {
    FM_TRY_OUT(model_build_classifier(out, backbone, config, class_count));
    backbone->freeze(params, config);
    return FM_OK;
  }
  FM_TRY_OUT(model_build_trunk(out, backbone, config));
  for (int i = 0; i < config->cascade_stages; i++, out->stage_count++) {
    fm_box_stage stage = {i, out->roi_level_count, class_count + 1, false};
    FM_TRY_OUT(fm_graph_new(&out->heads[i], params));
    FM_TRY_OUT(model_build_head(out, out->heads[i], &stage, config));
    stage.on_maps = true;
    FM_TRY_OUT(fm_graph_new(&out->map_heads[i], params));
    FM_TRY_OUT(model_build_head(out, out->map_heads[i], &stage, config));
  }
  backbone->freeze(params, config);
  return FM_OK;
out:
  fm_model_release(out);
  return status;
}

void fm_model_release(fm_model *model) {
  fm_graph_free(model->trunk);
  for (int stage = 0; stage < FM_CASCADE_STAGES_MAX; stage++) {
    fm_graph_free(model->heads[stage]);
    fm_graph_free(model->map_heads[stage]);
  }
  *model = (fm_model){0};
}
