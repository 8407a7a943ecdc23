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
  return fm_conv2d(graph, x,
                   &(fm_conv2d_options){.name = conv->name,
                                        .norm_name = conv->norm,
                                        .norm = frozen ? FM_NORM_FROZEN : FM_NORM_BATCH,
                                        .norm_eps = frozen ? frozen_eps : 0,
                                        .out_channels = conv->out_channels,
                                        .kernel = conv->kernel,
                                        .stride = conv->stride,
                                        .padding = conv->kernel / 2,
                                        .groups = conv->groups,
                                        .act = conv->act,
                                        .residual = conv->residual,
                                        .init = FM_INIT_KAIMING_NORMAL_FAN_OUT});
}

static fm_status model_build_trunk(fm_model *model, const fm_backbone *backbone,
                                   const fm_model_config *config) {
  fm_graph *graph = model->trunk;
  fm_value picture = fm_graph_input(graph, "picture", 3, false);
  fm_backbone_maps maps = backbone->build(graph, picture, config);
  fm_backbone_maps levels = fm_fpn(graph, &maps);
  model->roi_level_count = maps.count;
  model->rpn_level_count = levels.count;
  char name[32];
  for (int i = 0; i < model->roi_level_count; i++) {
    snprintf(name, sizeof name, "pyramid.%d", i);
    fm_graph_output(graph, name, levels.values[i]);
  }
  for (int i = 0; i < model->rpn_level_count; i++) {
    model->strides[i] = levels.strides[i];
    fm_rpn_outputs rpn = fm_rpn_head(graph, levels.values[i], model->anchors_per_place);
    snprintf(name, sizeof name, "objectness.%d", i);
    fm_graph_output_plain(graph, name, rpn.objectness);
    snprintf(name, sizeof name, "deltas.%d", i);
    fm_graph_output_plain(graph, name, rpn.deltas);
  }
  return fm_graph_status(graph);
}

static fm_status model_build_head(fm_model *model, int class_count) {
  fm_graph *graph = model->head;
  fm_value levels[FM_MODEL_LEVELS_MAX] = {{0}};
  for (int i = 0; i < model->roi_level_count; i++) {
    char name[32];
    snprintf(name, sizeof name, "pyramid.%d", i);
    levels[i] = fm_graph_input(graph, name, FM_MODEL_CHANNELS, true);
  }
  fm_value rois = fm_graph_input(graph, "rois", FM_ROI_COLUMNS, false);
  fm_box_outputs boxes = fm_box_head(graph, levels, model->roi_level_count, rois, class_count + 1);
  fm_graph_output_plain(graph, "class_logits", boxes.logits);
  fm_graph_output_plain(graph, "box_deltas", boxes.deltas);
  return fm_graph_status(graph);
}

fm_status fm_model_build(fm_model *out, fm_params *params, const fm_model_config *config,
                         int class_count) {
  *out = (fm_model){0};
  FM_TRY(fm_model_config_check(config));
  if (class_count < 1 || class_count > SHRT_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "a detector of %d classes; 1 to %d are possible", class_count,
                   SHRT_MAX);
  const fm_backbone *backbone = config->arch == FM_ARCH_RESNET50_FPN
                                    ? &fm_backbone_resnet50
                                    : &fm_backbone_mobilenet_v3_large;
  fm_status status;
  out->anchors_per_place =
      config->rpn_anchor_sizes.rows[0].count * config->rpn_anchor_aspect_ratios.rows[0].count;
  FM_TRY_OUT(fm_graph_new(&out->trunk, params));
  FM_TRY_OUT(fm_graph_new(&out->head, params));
  FM_TRY_OUT(model_build_trunk(out, backbone, config));
  FM_TRY_OUT(model_build_head(out, class_count));
  backbone->freeze(params, config->trainable_backbone_layers);
  return FM_OK;
out:
  fm_model_release(out);
  return status;
}

void fm_model_release(fm_model *model) {
  fm_graph_free(model->trunk);
  fm_graph_free(model->head);
  *model = (fm_model){0};
}
