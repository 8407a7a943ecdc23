// The second stage: torchvision's MultiScaleRoIAlign, TwoMLPHead and FastRCNNPredictor (Girshick
// 2015).
#include <stdio.h>

#include "detect/model/parts.h"

enum { BOX_NAME_BYTES = 64 };

// Of a layer PART.LAYER of one stage of the cascade.
static void box_name(char *out, int stage, const char *part, const char *layer) {
  if (stage == 0)
    snprintf(out, BOX_NAME_BYTES, "roi_heads.%s.%s", part, layer);
  else
    snprintf(out, BOX_NAME_BYTES, "roi_heads.%s_%d.%s", part, stage + 1, layer);
}

static fm_value box_linear(fm_graph *graph, fm_value x, int stage, const char *part,
                           const char *layer, fm_linear_options options) {
  char name[BOX_NAME_BYTES];
  box_name(name, stage, part, layer);
  options.name = name;
  options.init = FM_INIT_UNIFORM; // with scale 0: torch.nn.Linear's own start values
  return fm_linear(graph, x, &options);
}

// Pooling and the first layer.
static fm_value box_first(fm_graph *graph, const fm_value *levels, fm_value rois,
                          const fm_box_stage *stage, const fm_model_config *config) {
  const fm_roi_align_options pooling = {.level_count = stage->level_count,
                                        .output_size = config->roi_size,
                                        .sampling_ratio = FM_MODEL_SAMPLING_RATIO,
                                        .plain = true};
  char name[BOX_NAME_BYTES];
  box_name(name, stage->number, "box_head", "fc6");
  const fm_linear_options layer = {.name = name,
                                   .out_features = config->box_head_features,
                                   .in_height = config->roi_size,
                                   .in_width = config->roi_size,
                                   .act = FM_ACT_RELU,
                                   .init = FM_INIT_UNIFORM};
  if (stage->on_maps)
    return fm_roi_linear(graph, levels, rois, &pooling, &layer);
  return fm_linear(graph, fm_roi_align(graph, levels, rois, &pooling), &layer);
}

fm_box_outputs fm_box_head(fm_graph *graph, const fm_value *levels, fm_value rois,
                           const fm_box_stage *stage, const fm_model_config *config) {
  fm_value x = box_first(graph, levels, rois, stage, config);
  x = box_linear(
      graph, x, stage->number, "box_head", "fc7",
      (fm_linear_options){.out_features = config->box_head_features, .act = FM_ACT_RELU});
  fm_value logits = box_linear(graph, x, stage->number, "box_predictor", "cls_score",
                               (fm_linear_options){.out_features = stage->class_count});
  fm_value deltas = box_linear(graph, x, stage->number, "box_predictor", "bbox_pred",
                               (fm_linear_options){.out_features = 4 * stage->class_count});
  return (fm_box_outputs){logits, deltas};
}
