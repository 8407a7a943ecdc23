// What the files of this folder share; nobody else includes it.
#ifndef FM_DETECT_MODEL_PARTS_H
#define FM_DETECT_MODEL_PARTS_H

#include "base/status.h"
#include "detect/config.h"
#include "detect/model/model.h"
#include "nn/graph.h"
#include "nn/params.h"

// Feature maps of a backbone, highest resolution first.
typedef struct fm_backbone_maps {
  int count;
  fm_value values[FM_MODEL_LEVELS_MAX];
  int strides[FM_MODEL_LEVELS_MAX];
} fm_backbone_maps;

// A backbone: its layers under backbone.body, and which of them train.
typedef struct fm_backbone {
  fm_backbone_maps (*build)(fm_graph *graph, fm_value picture, const fm_model_config *config);
  // The prefixes of the parameters of all but the last `trained` stages become frozen.
  void (*freeze)(fm_params *params, int trained);
} fm_backbone;
extern const fm_backbone fm_backbone_resnet50, fm_backbone_mobilenet_v3_large;

// A convolution of a backbone; `norm` names its batch norm, whose kind and eps the configuration
// gives.
typedef struct fm_backbone_conv {
  const char *name, *norm;
  int out_channels, kernel, stride, groups;
  fm_activation act;
  fm_value residual;
} fm_backbone_conv;
fm_value fm_backbone_conv2d(fm_graph *graph, fm_value x, const fm_backbone_conv *conv,
                            const fm_model_config *config);

// torchvision's FeaturePyramidNetwork with LastLevelMaxPool: as many levels as maps and one more.
fm_backbone_maps fm_fpn(fm_graph *graph, const fm_backbone_maps *maps);

typedef struct fm_rpn_outputs {
  fm_value objectness, deltas;
} fm_rpn_outputs;
// One level of torchvision's RPNHead; the parameters are shared by all levels.
fm_rpn_outputs fm_rpn_head(fm_graph *graph, fm_value level, int anchors_per_place);

typedef struct fm_box_outputs {
  fm_value logits, deltas;
} fm_box_outputs;
// torchvision's MultiScaleRoIAlign, TwoMLPHead and FastRCNNPredictor; class_count with the
// background.
fm_box_outputs fm_box_head(fm_graph *graph, const fm_value *levels, int level_count, fm_value rois,
                           int class_count);

#endif
