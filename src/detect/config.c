// The table of the detector's settings, their presets by architecture, and the checks across
// fields. Reading them from YAML or the command line is base/options.c.
#include "detect/config.h"

#include <limits.h>
#include <stddef.h>

#define CONFIG_ARCHS                                           \
  "fasterrcnn_resnet50_fpn|fasterrcnn_mobilenet_v3_large_fpn|" \
  "fasterrcnn_mobilenet_v3_large_320_fpn"

// Rows name the key, its field, the range, the default (that of fasterrcnn_resnet50_fpn) and a help
// line.
#define ROW_INT(key, field, low, high, initial, help) \
  { key, FM_OPTION_INT, offsetof(fm_model_config, field), low, high, initial, NULL, help }
#define ROW_FLOAT(key, field, low, high, initial, help) \
  { key, FM_OPTION_FLOAT, offsetof(fm_model_config, field), low, high, initial, NULL, help }
#define ROW_FLOATS(key, field, low, high, initial, help) \
  { key, FM_OPTION_FLOATS, offsetof(fm_model_config, field), low, high, initial, NULL, help }
#define ROW_TABLE(key, field, low, high, initial, help) \
  { key, FM_OPTION_TABLE, offsetof(fm_model_config, field), low, high, initial, NULL, help }
#define ROW_ENUM(key, field, words, initial, help) \
  { key, FM_OPTION_ENUM, offsetof(fm_model_config, field), 0, 0, initial, words, help }

enum { CONFIG_SIDE_MAX = 8192, CONFIG_TOP_N_MAX = 1000000 };

const fm_option fm_model_options[] = {
    ROW_ENUM("model.arch", arch, CONFIG_ARCHS, "fasterrcnn_resnet50_fpn",
             "architecture, by torchvision's name"),
    ROW_INT("model.min_size", min_size, 1, CONFIG_SIDE_MAX, "800",
            "shorter side of the resized picture in pixels"),
    ROW_INT("model.max_size", max_size, 1, CONFIG_SIDE_MAX, "1333",
            "longer side of the resized picture is at most this"),
    ROW_FLOATS("model.image_mean", image_mean, -1e3, 1e3, "[0.485, 0.456, 0.406]",
               "mean of red, green, blue (0 to 1), subtracted"),
    ROW_FLOATS("model.image_std", image_std, 1e-6, 1e3, "[0.229, 0.224, 0.225]",
               "deviation of red, green, blue, divided by"),
    ROW_INT("model.trainable_backbone_layers", trainable_backbone_layers, 0, 6, "3",
            "stages of the backbone that train, from its end (ResNet 0 to 5, MobileNet 0 to 6)"),
    ROW_ENUM("model.norm", norm, "frozen|batch", "frozen",
             "backbone norm: frozen statistics, or batch norm that trains"),
    ROW_FLOAT("model.frozen_bn_eps", frozen_bn_eps, 0, 1, "1e-05",
              "epsilon of the frozen norm (torchvision's COCO ResNet weights want 0)"),
    ROW_TABLE("model.rpn_anchor_sizes", rpn_anchor_sizes, 1, 1e5,
              "[[32], [64], [128], [256], [512]]", "anchor sizes in pixels, a row a level"),
    ROW_TABLE("model.rpn_anchor_aspect_ratios", rpn_anchor_aspect_ratios, 1e-3, 1e3,
              "[[0.5, 1, 2], [0.5, 1, 2], [0.5, 1, 2], [0.5, 1, 2], [0.5, 1, 2]]",
              "anchor height / width, a row a level"),
    ROW_INT("model.rpn_pre_nms_top_n_train", rpn_pre_nms_top_n_train, 1, CONFIG_TOP_N_MAX, "2000",
            "proposals a level that enter NMS in training"),
    ROW_INT("model.rpn_pre_nms_top_n_test", rpn_pre_nms_top_n_test, 1, CONFIG_TOP_N_MAX, "1000",
            "proposals a level that enter NMS in detection"),
    ROW_INT("model.rpn_post_nms_top_n_train", rpn_post_nms_top_n_train, 1, CONFIG_TOP_N_MAX, "2000",
            "proposals a picture that NMS leaves in training"),
    ROW_INT("model.rpn_post_nms_top_n_test", rpn_post_nms_top_n_test, 1, CONFIG_TOP_N_MAX, "1000",
            "proposals a picture that NMS leaves in detection"),
    ROW_FLOAT("model.rpn_nms_thresh", rpn_nms_thresh, 0, 1, "0.7",
              "IoU above which the weaker of two proposals is dropped"),
    ROW_FLOAT("model.rpn_fg_iou_thresh", rpn_fg_iou_thresh, 0, 1, "0.7",
              "IoU from which an anchor is a face"),
    ROW_FLOAT("model.rpn_bg_iou_thresh", rpn_bg_iou_thresh, 0, 1, "0.3",
              "IoU under which an anchor is background"),
    ROW_INT("model.rpn_batch_size_per_image", rpn_batch_size_per_image, 1, INT_MAX, "256",
            "anchors a picture sampled for the losses"),
    ROW_FLOAT("model.rpn_positive_fraction", rpn_positive_fraction, 0, 1, "0.5",
              "faces among them, at most this part"),
    ROW_FLOAT("model.rpn_score_thresh", rpn_score_thresh, 0, 1, "0",
              "proposals need at least this objectness"),
    ROW_FLOAT("model.box_score_thresh", box_score_thresh, 0, 1, "0.05",
              "detections need more than this score"),
    ROW_FLOAT("model.box_nms_thresh", box_nms_thresh, 0, 1, "0.5",
              "IoU above which the weaker of two detections of a class is dropped"),
    ROW_INT("model.box_detections_per_img", box_detections_per_img, 1, CONFIG_TOP_N_MAX, "100",
            "detections a picture at most"),
    ROW_FLOAT("model.box_fg_iou_thresh", box_fg_iou_thresh, 0, 1, "0.5",
              "IoU from which a proposal is a face"),
    ROW_FLOAT("model.box_bg_iou_thresh", box_bg_iou_thresh, 0, 1, "0.5",
              "IoU under which a proposal is background"),
    ROW_INT("model.box_batch_size_per_image", box_batch_size_per_image, 1, INT_MAX, "512",
            "proposals a picture sampled for the losses"),
    ROW_FLOAT("model.box_positive_fraction", box_positive_fraction, 0, 1, "0.25",
              "faces among them, at most this part"),
    ROW_ENUM("loss.box", loss_box, "smooth_l1|giou", "smooth_l1",
             "loss of the boxes, of proposals and of detections"),
    ROW_ENUM("loss.class", loss_class, "cross_entropy|focal", "cross_entropy",
             "loss of the classes, and of the proposals' objectness"),
    {.name = NULL},
};

// MobileNet's pyramid has three levels, each with every size (torchvision's
// _fasterrcnn_mobilenet_v3_large_fpn).
static void config_preset_mobilenet(fm_model_config *config) {
  static const float sizes[] = {32, 64, 128, 256, 512};
  config->rpn_anchor_sizes = (fm_float_table){.count = 3};
  config->rpn_anchor_aspect_ratios.count = 3;
  for (int level = 0; level < 3; level++) {
    fm_float_list *row = &config->rpn_anchor_sizes.rows[level];
    row->count = 5;
    for (int i = 0; i < 5; i++)
      row->values[i] = sizes[i];
  }
  for (int level = 3; level < FM_TABLE_ROWS_MAX; level++)
    config->rpn_anchor_aspect_ratios.rows[level] = (fm_float_list){0};
  config->rpn_score_thresh = 0.05f;
}

void fm_model_config_preset(fm_model_config *config, fm_arch arch) {
  *config = (fm_model_config){0};
  fm_status status = fm_options_defaults(fm_model_options, config);
  FM_ASSERT(status == FM_OK); // the table's own text
  config->arch = arch;
  if (arch != FM_ARCH_RESNET50_FPN)
    config_preset_mobilenet(config);
  if (arch == FM_ARCH_MOBILENET_V3_LARGE_320_FPN) {
    config->min_size = 320;
    config->max_size = 640;
    config->rpn_pre_nms_top_n_test = 150;
    config->rpn_post_nms_top_n_test = 150;
  }
}

static fm_status config_check_anchors(const fm_model_config *config) {
  const fm_float_table *sizes = &config->rpn_anchor_sizes;
  const fm_float_table *ratios = &config->rpn_anchor_aspect_ratios;
  int levels = config->arch == FM_ARCH_RESNET50_FPN ? 5 : 3;
  if (sizes->count != levels)
    return fm_fail(FM_ERR_ARGUMENT, "model.rpn_anchor_sizes has %d rows, the pyramid %d levels",
                   sizes->count, levels);
  if (ratios->count != levels)
    return fm_fail(FM_ERR_ARGUMENT,
                   "model.rpn_anchor_aspect_ratios has %d rows, the pyramid %d levels",
                   ratios->count, levels);
  int first = sizes->rows[0].count * ratios->rows[0].count;
  for (int level = 0; level < levels; level++) {
    int count = sizes->rows[level].count * ratios->rows[level].count;
    // One RPN head serves all levels, so each has the same number of anchors a place.
    if (count == 0 || count != first)
      return fm_fail(FM_ERR_ARGUMENT,
                     "model.rpn_anchor_sizes x model.rpn_anchor_aspect_ratios: level %d has %d "
                     "anchors a place, level 0 has %d",
                     level, count, first);
  }
  return FM_OK;
}

fm_status fm_model_config_check(const fm_model_config *config) {
  if (config->arch < 0 || config->arch >= FM_ARCH_COUNT)
    return fm_fail(FM_ERR_ARGUMENT, "model.arch: no architecture has number %d", config->arch);
  if (config->min_size > config->max_size)
    return fm_fail(FM_ERR_ARGUMENT, "model.min_size (%d) is greater than model.max_size (%d)",
                   config->min_size, config->max_size);
  if (config->image_mean.count != 3)
    return fm_fail(FM_ERR_ARGUMENT, "model.image_mean needs 3 numbers, not %d",
                   config->image_mean.count);
  if (config->image_std.count != 3)
    return fm_fail(FM_ERR_ARGUMENT, "model.image_std needs 3 numbers, not %d",
                   config->image_std.count);
  int layers = config->arch == FM_ARCH_RESNET50_FPN ? 5 : 6;
  if (config->trainable_backbone_layers < 0 || config->trainable_backbone_layers > layers)
    return fm_fail(FM_ERR_ARGUMENT, "model.trainable_backbone_layers: %d is not in 0 to %d",
                   config->trainable_backbone_layers, layers);
  if (config->rpn_bg_iou_thresh > config->rpn_fg_iou_thresh)
    return fm_fail(FM_ERR_ARGUMENT,
                   "model.rpn_bg_iou_thresh (%g) is greater than model.rpn_fg_iou_thresh (%g)",
                   (double)config->rpn_bg_iou_thresh, (double)config->rpn_fg_iou_thresh);
  if (config->box_bg_iou_thresh > config->box_fg_iou_thresh)
    return fm_fail(FM_ERR_ARGUMENT,
                   "model.box_bg_iou_thresh (%g) is greater than model.box_fg_iou_thresh (%g)",
                   (double)config->box_bg_iou_thresh, (double)config->box_fg_iou_thresh);
  return config_check_anchors(config);
}
