// torchvision's Faster R-CNN as two graphs over one set of parameters: the trunk (picture ->
// pyramid, RPN outputs) and the head (RoIs -> class logits, box deltas). What happens between them
// is plain C in src/detect. Names and shapes of the parameters are those of torchvision's
// state_dict.
#ifndef FM_DETECT_MODEL_H
#define FM_DETECT_MODEL_H

#include "base/status.h"
#include "detect/config.h"
#include "nn/graph.h"
#include "nn/params.h"

enum {
  FM_MODEL_LEVELS_MAX = FM_ROI_LEVELS_MAX,
  FM_MODEL_SAMPLING_RATIO = 2,
};

// Trunk: input 0 is the picture batch (n,3,h,w), h and w multiples of 32. Outputs, by position:
//   0 .. roi_level_count-1         pyramid levels RoIAlign pools from, highest resolution first,
//   native layout (n,fpn_channels,h_l,w_l)
//   fm_model_objectness(m, level)  objectness logits (n,a,h_l,w_l), plain; level 0 ..
//   rpn_level_count-1, the pooled ones last
//   fm_model_deltas(m, level)      box deltas (n,4a,h_l,w_l), plain; channel 4*anchor +
//   (dx,dy,dw,dh)
// with a = anchors_per_place. The face classifier has only a trunk: input 0 cut-outs of faces
// (n,3,s,s), output 0 the class logits (n,classes,1,1), plain, and no heads. Each head: inputs 0 ..
// roi_level_count-1 are those pyramid levels, input roi_level_count the RoIs (r,7,1,1) of
// fm_roi_align; output 0 the class logits (r,classes+1,1,1), 1 the box deltas
// (r,4*(classes+1),1,1), both plain.
typedef struct fm_model {
  fm_graph *trunk, *heads[FM_CASCADE_STAGES_MAX];
  fm_graph *map_heads[FM_CASCADE_STAGES_MAX]; // the same by fm_roi_linear, for maps of few pixels
  int stage_count;                            // of heads: config->cascade_stages
  int roi_level_count; // that RoIs of some size are pooled from: not several of one stride
  int rpn_level_count;
  int anchors_per_place;            // the same on every level
  int strides[FM_MODEL_LEVELS_MAX]; // of the RPN levels, in input pixels
} fm_model;

enum { FM_MODEL_LOGITS, FM_MODEL_BOXES }; // outputs of the head

static inline int fm_model_objectness(const fm_model *model, int level) {
  return model->roi_level_count + 2 * level;
}
static inline int fm_model_deltas(const fm_model *model, int level) {
  return model->roi_level_count + 2 * level + 1;
}

// The number of a level as the pyramid's papers count, 2 for stride 4.
static inline int fm_model_stride_log2(const fm_model *model, int level) {
  int log = 0;
  while (model->strides[level] >> (log + 1))
    log++;
  return log;
}

// Adds the parameters of config->arch to params (which the model borrows) and freezes the
// backbone's stages before the last config->trainable_backbone_layers. class_count is without the
// background. *out need not be initialised; after a failure it holds nothing.
FM_MUST_USE fm_status fm_model_build(fm_model *out, fm_params *params,
                                     const fm_model_config *config, int class_count);
void fm_model_release(fm_model *model);

#endif
