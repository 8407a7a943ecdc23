// The second stage: torchvision's MultiScaleRoIAlign, TwoMLPHead and FastRCNNPredictor (Girshick
// 2015).
#include <stdio.h>

#include "detect/model/parts.h"

// A layer PART.LAYER of one stage of the cascade.
static fm_value box_linear(fm_graph *graph, fm_value x, int stage, const char *part,
                           const char *layer, fm_linear_options options) {
  char name[64];
  if (stage == 0)
    snprintf(name, sizeof name, "roi_heads.%s.%s", part, layer);
  else
    snprintf(name, sizeof name, "roi_heads.%s_%d.%s", part, stage + 1, layer);
  options.name = name;
  options.init = FM_INIT_UNIFORM; // with scale 0: torch.nn.Linear's own start values
  return fm_linear(graph, x, &options);
}

fm_box_outputs fm_box_head(fm_graph *graph, const fm_value *levels, fm_value rois, int stage,
                           int class_count, const fm_model_config *config) {
  fm_value x = fm_roi_align(graph, levels, rois,
                            &(fm_roi_align_options){.level_count = config->backbone_levels.count,
                                                    .output_size = config->roi_size,
                                                    .sampling_ratio = FM_MODEL_SAMPLING_RATIO,
                                                    .plain = true});
  x = box_linear(graph, x, stage, "box_head", "fc6",
                 (fm_linear_options){.out_features = config->box_head_features,
                                     .in_height = config->roi_size,
                                     .in_width = config->roi_size,
                                     .act = FM_ACT_RELU});
  x = box_linear(
      graph, x, stage, "box_head", "fc7",
      (fm_linear_options){.out_features = config->box_head_features, .act = FM_ACT_RELU});
  fm_value logits = box_linear(graph, x, stage, "box_predictor", "cls_score",
                               (fm_linear_options){.out_features = class_count});
  fm_value deltas = box_linear(graph, x, stage, "box_predictor", "bbox_pred",
                               (fm_linear_options){.out_features = 4 * class_count});
  return (fm_box_outputs){logits, deltas};
}
