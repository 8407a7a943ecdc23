// The table of the detector's settings, their presets by architecture, and the checks across
// fields. Reading them from YAML or the command line is base/options.c.
#include "detect/config.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>

#include "detect/face_crop.h"

enum { CONFIG_CROP_MIN = 32 };

#define CONFIG_ARCHS                                           \
  "fasterrcnn_resnet50_fpn|fasterrcnn_mobilenet_v3_large_fpn|" \
  "fasterrcnn_mobilenet_v3_large_320_fpn|"                     \
  "fasterrcnn_efficientnet_lite0_fpn|"                         \
  "fasterrcnn_efficientnet_lite1_fpn|"                         \
  "fasterrcnn_efficientnet_lite2_fpn|"                         \
  "fasterrcnn_mobilenet_v1_fpn|"                               \
  "fasterrcnn_mobilenet_v2_fpn|"                               \
  "face_classifier_efficientnet_lite0"

// Rows name the key, its field, the range, the default (that of fasterrcnn_resnet50_fpn) and a help
// line.
#define ROW_BOOL(key, field, initial, help) \
  { key, FM_OPTION_BOOL, offsetof(fm_model_config, field), 0, 0, initial, NULL, help }
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

enum { CONFIG_TOP_N_MAX = 1000000 };

const fm_option fm_model_options[] = {
    ROW_ENUM("model.arch", arch, CONFIG_ARCHS, "fasterrcnn_resnet50_fpn",
             "architecture, by torchvision's name"),
    ROW_INT("model.min_size", min_size, 1, FM_CONFIG_SIDE_MAX, "800",
            "shorter side of the resized picture in pixels"),
    ROW_INT("model.max_size", max_size, 1, FM_CONFIG_SIDE_MAX, "1333",
            "longer side of the resized picture is at most this"),
    ROW_FLOATS("model.image_mean", image_mean, -1e3, 1e3, "[0.485, 0.456, 0.406]",
               "mean of red, green, blue (0 to 1), subtracted"),
    ROW_FLOATS("model.image_std", image_std, 1e-6, 1e3, "[0.229, 0.224, 0.225]",
               "deviation of red, green, blue, divided by"),
    ROW_INT("model.trainable_backbone_layers", trainable_backbone_layers, 0, 6, "3",
            "stages of the backbone that train, from its end (0 to 5, MobileNetV3 0 to 6)"),
    ROW_ENUM("model.norm", norm, "frozen|batch", "frozen",
             "backbone norm: frozen statistics, or batch norm that trains"),
    ROW_FLOAT("model.frozen_bn_eps", frozen_bn_eps, 0, 1, "1e-05",
              "epsilon of the frozen norm (torchvision's COCO ResNet weights want 0)"),
    ROW_BOOL("model.same_padding", same_padding, "false",
             "the backbone pads strided convolutions as TensorFlow does, for weights made there"),
    ROW_BOOL("model.inclusive_boxes", inclusive_boxes, "false",
             "boxes name the first and last pixel inside, counted from 1, as Pascal VOC does"),
    ROW_FLOATS("model.backbone_levels", backbone_levels, 4, 32, "[4, 8, 16, 32]",
               "strides of the backbone's maps that enter the pyramid"),
    ROW_INT("model.fpn_channels", fpn_channels, 8, 1024, "256", "channels of each pyramid level"),
    ROW_INT("model.fpn_extra_levels", fpn_extra_levels, 0, 2, "1",
            "levels for proposals alone, each half of the last one before"),
    ROW_ENUM("model.fpn_conv", fpn_conv, "full|separable", "full",
             "3 x 3 convolution of each pyramid level: full, or depthwise and pointwise"),
    ROW_ENUM("model.rpn_conv", rpn_conv, "full|separable", "full",
             "3 x 3 convolution before objectness and proposals: full, or depthwise and pointwise"),
    ROW_INT("model.roi_size", roi_size, 1, 28, "7",
            "height and width of the features pooled from a proposal"),
    ROW_INT("model.box_head_features", box_head_features, 8, 8192, "1024",
            "width of the two layers before the classes and boxes"),
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
    ROW_FLOAT("model.rpn_score_thresh_test", rpn_score_thresh_test, 0, 1, "0",
              "and this one in detection, where it is more"),
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
    ROW_INT("model.cascade_stages", cascade_stages, 1, FM_CASCADE_STAGES_MAX, "1",
            "box heads in a row, each on the boxes of the one before (Cascade R-CNN)"),
    ROW_FLOAT("model.cascade_score_thresh", cascade_score_thresh, 0, 1, "0",
              "detection: proposals that a stage gives less for all classes together end there"),
    ROW_FLOAT("model.box_vote_thresh", box_vote_thresh, 0, 1, "0",
              "IoU from which boxes that NMS drops share in the corners of the one kept (0: none)"),
    ROW_FLOATS("model.views", views, -4, 4, "[1]",
               "detection looks at each picture at these sizes (factors of min_size and max_size; "
               "-1 in a mirror) and fuses what it finds"),
    ROW_INT("model.focus", focus, 0, FM_CONFIG_SIDE_MAX, "0",
            "views after the first see only the part of a picture where it found faces, the "
            "smallest at most so many pixels large (0: all of it)"),
    ROW_ENUM(
        "model.score", score, "class|overlap", "class",
        "a detection's score: the probability of its class, or that times the overlap with the "
        "annotated box that is to be expected"),
    ROW_BOOL("model.whole_pixels", whole_pixels, "false",
             "corners of detections are whole pixels, as those of annotations drawn by hand"),
    ROW_INT("model.crop_size", crop_size, CONFIG_CROP_MIN, FM_CROP_SIZE_MAX, "112",
            "face classifier: pixels of a face's cut-out, across and down"),
    ROW_INT("model.crop_size_train", crop_size_train, 0, FM_CROP_SIZE_MAX, "0",
            "face classifier: the same in training; 0 for model.crop_size"),
    ROW_FLOATS("model.crops", crops, -4, 4, "[1.5, -1.85]",
               "face classifier: cut-outs that a face's classes are the mean of, as factors of its "
               "longer side (below 0 in a mirror)"),
    ROW_FLOATS("model.crop_context", crop_context, 0.5, 4, "[1.3, 2.1]",
               "face classifier: the range of such factors in training"),
    ROW_FLOAT("model.size_context", size_context, 0, 4, "0",
              "face classifier: the odds of a face smaller than the picture's others fall by this "
              "power of its size over theirs"),
    ROW_ENUM("loss.box", loss_box, "smooth_l1|giou", "smooth_l1",
             "loss of the boxes, of proposals and of detections"),
    ROW_FLOAT("loss.box_weight", box_weight, 1e-6, 1e6, "1",
              "what the loss of the detections' boxes counts beside the others"),
    ROW_ENUM("loss.class", loss_class, "cross_entropy|focal", "cross_entropy",
             "loss of the classes, and of the proposals' objectness"),
    ROW_FLOAT("loss.label_smoothing", label_smoothing, 0, 0.9, "0",
              "share of a face's label that cross entropy deals out to all classes alike"),
    {.name = NULL},
};

// MobileNet's pyramid has three levels, two of maps at stride 32, each with every size
// (torchvision's _fasterrcnn_mobilenet_v3_large_fpn).
static void config_preset_mobilenet(fm_model_config *config) {
  static const float sizes[] = {32, 64, 128, 256, 512};
  config->backbone_levels = (fm_float_list){.count = 2, .values = {32, 32}};
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

// EfficientNet-Lite was trained on pixels of -1 to 1, with this epsilon
// (efficientnet_lite_builder.py).
static void config_preset_efficientnet_lite(fm_model_config *config) {
  for (int channel = 0; channel < 3; channel++) {
    config->image_mean.values[channel] = 127.0f / 255;
    config->image_std.values[channel] = 128.0f / 255;
  }
  config->frozen_bn_eps = 1e-3f;
  config->same_padding = true;
  config->trainable_backbone_layers = 5;
}

// The MobileNetV1 of TensorFlow's detectors: pixels of -1 to 1.
static void config_preset_mobilenet_v1(fm_model_config *config) {
  for (int channel = 0; channel < 3; channel++)
    config->image_mean.values[channel] = config->image_std.values[channel] = 0.5f;
  config->frozen_bn_eps = 1e-3f;
  config->same_padding = true;
  config->trainable_backbone_layers = 5;
}

float fm_model_config_beyond(const fm_model_config *config) {
  return config->inclusive_boxes ? FM_INCLUSIVE_BEYOND : 0;
}

float fm_model_config_rpn_score_thresh(const fm_model_config *config) {
  return config->rpn_score_thresh > config->rpn_score_thresh_test ? config->rpn_score_thresh
                                                                  : config->rpn_score_thresh_test;
}

void fm_model_config_preset(fm_model_config *config, fm_arch arch) {
  *config = (fm_model_config){0};
  fm_status status = fm_options_defaults(fm_model_options, config);
  FM_ASSERT(status == FM_OK); // the table's own text
  config->arch = arch;
  if (fm_arch_is_mobilenet_v3(arch))
    config_preset_mobilenet(config);
  if (fm_arch_is_efficientnet_lite(arch) || arch == FM_ARCH_FACE_CLASSIFIER)
    config_preset_efficientnet_lite(config);
  if (arch == FM_ARCH_FACE_CLASSIFIER)
    config->box_batch_size_per_image = 3; // cut-outs: several pictures make a batch of few dozens
  if (arch == FM_ARCH_MOBILENET_V1_FPN)
    config_preset_mobilenet_v1(config);
  if (arch == FM_ARCH_MOBILENET_V2_FPN)
    config->trainable_backbone_layers = 5;
  if (arch == FM_ARCH_MOBILENET_V3_LARGE_320_FPN) {
    config->min_size = 320;
    config->max_size = 640;
    config->rpn_pre_nms_top_n_test = 150;
    config->rpn_post_nms_top_n_test = 150;
  }
}

// The strides double from level to level, since proposals are dealt out to levels by their size.
// torchvision's MobileNetV3 has two maps at stride 32.
static fm_status config_check_levels(const fm_model_config *config) {
  const fm_float_list *levels = &config->backbone_levels;
  bool fits = levels->count >= 1 && levels->count + config->fpn_extra_levels <= FM_TABLE_ROWS_MAX;
  const bool twice = fm_arch_is_mobilenet_v3(config->arch) && levels->count == 2 &&
                     levels->values[0] == 32 && levels->values[1] == 32;
  for (int i = 0; fits && !twice && i < levels->count; i++) {
    const float stride = levels->values[i];
    fits = (stride == 4 || stride == 8 || stride == 16 || stride == 32) &&
           (i == 0 || stride == 2 * levels->values[i - 1]);
  }
  if (!fits)
    return fm_fail(FM_ERR_ARGUMENT,
                   "model.backbone_levels: strides of 4 to 32 that double from one to the next "
                   "are expected, such as [8, 16, 32]");
  return FM_OK;
}

static fm_status config_check_anchors(const fm_model_config *config) {
  const fm_float_table *sizes = &config->rpn_anchor_sizes;
  const fm_float_table *ratios = &config->rpn_anchor_aspect_ratios;
  const int levels = config->backbone_levels.count + config->fpn_extra_levels;
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

static fm_status config_check_views(const fm_model_config *config) {
  const fm_float_list *views = &config->views;
  if (views->count < 1 || views->count > FM_VIEWS_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "model.views: %d views; must be 1 to %d", views->count,
                   FM_VIEWS_MAX);
  for (int i = 0; i < views->count; i++) {
    const double scale = fabs((double)views->values[i]);
    if (scale * config->min_size < 1 ||
        (scale > 1 && scale * config->max_size > FM_CONFIG_SIDE_MAX))
      return fm_fail(FM_ERR_ARGUMENT,
                     "model.views: %g times model.min_size %d and model.max_size %d is not in 1 to "
                     "%d pixels",
                     scale, config->min_size, config->max_size, FM_CONFIG_SIDE_MAX);
  }
  return FM_OK;
}

static fm_status config_check_crops(const fm_model_config *config) {
  if (config->crops.count < 1)
    return fm_fail(FM_ERR_ARGUMENT, "model.crops: at least one is needed");
  for (int i = 0; i < config->crops.count; i++)
    if (fabsf(config->crops.values[i]) < 0.5f)
      return fm_fail(FM_ERR_ARGUMENT, "model.crops: %g is less than half a face",
                     (double)config->crops.values[i]);
  const fm_float_list *context = &config->crop_context;
  if (context->count != 2 || context->values[0] > context->values[1])
    return fm_fail(FM_ERR_ARGUMENT, "model.crop_context: [low, high] is expected");
  if (config->crop_size_train > 0 && config->crop_size_train < CONFIG_CROP_MIN)
    return fm_fail(FM_ERR_ARGUMENT, "model.crop_size_train: %d is neither 0 nor %d to %d",
                   config->crop_size_train, CONFIG_CROP_MIN, FM_CROP_SIZE_MAX);
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
  int layers = fm_arch_is_mobilenet_v3(config->arch) ? 6 : 5;
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
  FM_TRY(config_check_views(config));
  FM_TRY(config_check_crops(config));
  FM_TRY(config_check_levels(config));
  return config_check_anchors(config);
}
