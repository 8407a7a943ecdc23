// The settings of a detector and its losses: torchvision's argument names and meaning. One table
// describes them (config.c).
#ifndef FM_DETECT_CONFIG_H
#define FM_DETECT_CONFIG_H

#include <stdbool.h>

#include "base/options.h"
#include "base/status.h"

typedef enum fm_arch {
  FM_ARCH_RESNET50_FPN,
  FM_ARCH_MOBILENET_V3_LARGE_FPN,
  FM_ARCH_MOBILENET_V3_LARGE_320_FPN,
  FM_ARCH_EFFICIENTNET_LITE0_FPN,
  FM_ARCH_EFFICIENTNET_LITE1_FPN,
  FM_ARCH_EFFICIENTNET_LITE2_FPN,
  FM_ARCH_MOBILENET_V1_FPN,
  FM_ARCH_MOBILENET_V2_FPN,
  FM_ARCH_FACE_CLASSIFIER, // no detector: classes of faces that others found (face_classifier.c)
  FM_ARCH_COUNT,
} fm_arch;

typedef enum fm_box_loss { FM_BOX_LOSS_SMOOTH_L1, FM_BOX_LOSS_GIOU } fm_box_loss;
typedef enum fm_class_loss { FM_CLASS_LOSS_CROSS_ENTROPY, FM_CLASS_LOSS_FOCAL } fm_class_loss;

typedef enum fm_score { FM_SCORE_CLASS, FM_SCORE_OVERLAP } fm_score;

enum { FM_CASCADE_STAGES_MAX = 3, FM_CONFIG_SIDE_MAX = 8192, FM_VIEWS_MAX = 8 };
// With inclusive_boxes the detector itself works on edges; who trains it takes this from x1 and y1,
// who shows its detections adds it.
#define FM_INCLUSIVE_BEYOND 1.0f

typedef struct fm_model_config {
  int arch; // fm_arch; the words are torchvision's: "fasterrcnn_resnet50_fpn" and so on
  int min_size, max_size;
  fm_float_list image_mean, image_std;
  int trainable_backbone_layers; // 0..5, for MobileNetV3 0..6
  int norm;                      // fm_config_norm: frozen|batch
  float frozen_bn_eps;
  bool same_padding;             // as TensorFlow pads convolutions of stride 2 over even sizes
  bool inclusive_boxes;          // x1 and y1 of the data lie a pixel beyond the edge
  fm_float_list backbone_levels; // strides of the backbone's maps that enter the pyramid, rising
  int fpn_channels, fpn_extra_levels;
  int fpn_conv, rpn_conv; // fm_config_conv: full|separable
  int roi_size, box_head_features;
  fm_float_table rpn_anchor_sizes, rpn_anchor_aspect_ratios; // a row a pyramid level
  int rpn_pre_nms_top_n_train, rpn_pre_nms_top_n_test, rpn_post_nms_top_n_train,
      rpn_post_nms_top_n_test;
  float rpn_nms_thresh, rpn_fg_iou_thresh, rpn_bg_iou_thresh;
  int rpn_batch_size_per_image;
  float rpn_positive_fraction, rpn_score_thresh, rpn_score_thresh_test;
  float box_score_thresh, box_nms_thresh;
  int box_detections_per_img;
  float box_fg_iou_thresh, box_bg_iou_thresh;
  int box_batch_size_per_image;
  float box_positive_fraction;
  int cascade_stages;
  float cascade_score_thresh, box_vote_thresh;
  fm_float_list views; // factors of min_size and max_size; a negative one is seen in a mirror
  int focus;           // pixels that later views show the smallest face in at most; 0: they see all
  int score;           // fm_score: class|overlap
  int crop_size;       // of a face's cut-out that the classifier sees, in pixels
  int crop_size_train; // the same in training; 0: crop_size
  fm_float_list crops; // cut-outs of a face: side as a factor of the face's; < 0: mirrored
  fm_float_list crop_context; // the same in training, [low, high]
  float size_context;         // of the odds of faces smaller than the picture's others; 0: none
  bool whole_pixels;          // of the corners of detections, as who shows them names pixels
  int loss_box;               // fm_box_loss,   key loss.box
  float box_weight;           // of the second stage's boxes, key loss.box_weight
  int loss_class;             // fm_class_loss, key loss.class
  float label_smoothing;      // of faces' classes, key loss.label_smoothing
} fm_model_config;

// FM_INCLUSIVE_BEYOND with inclusive_boxes, else 0.
float fm_model_config_beyond(const fm_model_config *config);
// What detection asks of a proposal's objectness.
float fm_model_config_rpn_score_thresh(const fm_model_config *config);

typedef enum fm_config_norm { FM_CONFIG_NORM_FROZEN, FM_CONFIG_NORM_BATCH } fm_config_norm;
typedef enum fm_config_conv { FM_CONFIG_CONV_FULL, FM_CONFIG_CONV_SEPARABLE } fm_config_conv;

// The rows "model.*" and "loss.*", offsets into fm_model_config; ends with name NULL.
extern const fm_option fm_model_options[];

// Sets every field to what torchvision's builder of this architecture uses when it is given no
// argument (min_size 320 for the 320 model …). Keys that the user sets come after.
void fm_model_config_preset(fm_model_config *config, fm_arch arch);
static inline bool fm_arch_is_mobilenet_v3(int arch) {
  return arch == FM_ARCH_MOBILENET_V3_LARGE_FPN || arch == FM_ARCH_MOBILENET_V3_LARGE_320_FPN;
}
static inline bool fm_arch_is_efficientnet_lite(int arch) {
  return arch >= FM_ARCH_EFFICIENTNET_LITE0_FPN && arch <= FM_ARCH_EFFICIENTNET_LITE2_FPN;
}
static inline bool fm_arch_detects(int arch) {
  return arch != FM_ARCH_FACE_CLASSIFIER;
}
// Contradictions between fields (anchor rows against levels …); FM_ERR_ARGUMENT names the key.
FM_MUST_USE fm_status fm_model_config_check(const fm_model_config *config);

#endif
