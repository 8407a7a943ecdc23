// What the files of this folder share; besides tests nobody else includes it.
#ifndef FM_DETECT_MODEL_PARTS_H
#define FM_DETECT_MODEL_PARTS_H

#include "base/status.h"
#include "detect/config.h"
#include "detect/model/model.h"
#include "nn/graph.h"
#include "nn/params.h"

// Feature maps of a backbone or a pyramid, highest resolution first.
typedef struct fm_backbone_maps {
  int count;
  fm_value values[FM_MODEL_LEVELS_MAX];
  int strides[FM_MODEL_LEVELS_MAX];
} fm_backbone_maps;

// The map of `stride`: a later value of the same stride takes the place of an earlier one. Strides
// come in rising order.
static inline void fm_backbone_maps_put(fm_backbone_maps *maps, int stride, fm_value value) {
  if (maps->count == 0 || maps->strides[maps->count - 1] != stride)
    maps->strides[maps->count++] = stride;
  maps->values[maps->count - 1] = value;
}

// A backbone: its layers under backbone.body, and which of them train.
typedef struct fm_backbone {
  // All maps that config->backbone_levels may choose from; nothing deeper than its last stride.
  fm_backbone_maps (*build)(fm_graph *graph, fm_value picture, const fm_model_config *config);
  // Freezes all parts but the last config->trainable_backbone_layers.
  void (*freeze)(fm_params *params, const fm_model_config *config);
} fm_backbone;
extern const fm_backbone fm_backbone_resnet50, fm_backbone_mobilenet_v3_large,
    fm_backbone_efficientnet_lite, fm_backbone_mobilenet_v1, fm_backbone_mobilenet_v2;
const fm_backbone *fm_backbone_of(const fm_model_config *config);
static inline int fm_backbone_last_stride(const fm_model_config *config) {
  return (int)config->backbone_levels.values[config->backbone_levels.count - 1];
}

// A convolution of a backbone; `norm` names its batch norm, whose kind the configuration gives, and
// its epsilon when it is frozen.
typedef struct fm_backbone_conv {
  const char *name, *norm;
  int out_channels, kernel, stride, groups;
  float norm_eps, norm_momentum; // of batch norm that trains; 0 means torch's defaults
  fm_activation act;
  fm_value residual;
} fm_backbone_conv;
fm_value fm_backbone_conv2d(fm_graph *graph, fm_value x, const fm_backbone_conv *conv,
                            const fm_model_config *config);

// A 3 x 3 convolution NAME with bias, or, separable, NAME.0 depthwise and NAME.1 pointwise.
typedef struct fm_model_conv {
  const char *name;
  int out_channels;
  bool separable;
  fm_activation act;
  fm_init init; // of the full or the pointwise convolution
  float init_scale;
} fm_model_conv;
fm_value fm_model_conv2d(fm_graph *graph, fm_value x, const fm_model_conv *conv);

// torchvision's FeaturePyramidNetwork with LastLevelMaxPool: as many levels as maps and the extra
// ones.
fm_backbone_maps fm_fpn(fm_graph *graph, const fm_backbone_maps *maps,
                        const fm_model_config *config);

typedef struct fm_rpn_outputs {
  fm_value objectness, deltas;
} fm_rpn_outputs;
// One level of torchvision's RPNHead; the parameters are shared by all levels.
fm_rpn_outputs fm_rpn_head(fm_graph *graph, fm_value level, int anchors_per_place,
                           const fm_model_config *config);

typedef struct fm_box_outputs {
  fm_value logits, deltas;
} fm_box_outputs;
typedef struct fm_box_stage {
  int number, level_count;
  int class_count; // with the background
  bool on_maps;    // pooling and first layer by fm_roi_linear
} fm_box_stage;
// torchvision's MultiScaleRoIAlign, TwoMLPHead and FastRCNNPredictor. Parameters of the cascade's
// stages behind the first have names of their own: roi_heads.box_head_2, roi_heads.box_predictor_2
// and so on.
fm_box_outputs fm_box_head(fm_graph *graph, const fm_value *levels, fm_value rois,
                           const fm_box_stage *stage, const fm_model_config *config);

#endif
