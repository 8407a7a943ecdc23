// MobileNetV2 (Sandler et al. 2018, table 2) without its classifier: torchvision's
// mobilenet_v2().features.
#include "detect/model/parts.h"

#include <stdio.h>

typedef struct mobilenet_v2_stage {
  int expansion, out_channels, repeats, stride;
} mobilenet_v2_stage;

// Features 1 to 17; 0 is the first convolution, 18 the last.
static const mobilenet_v2_stage mobilenet_v2_stages[] = {
    {1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2},  {6, 64, 4, 2},
    {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
};
enum {
  MOBILENET_V2_STAGES = sizeof mobilenet_v2_stages / sizeof mobilenet_v2_stages[0],
  MOBILENET_V2_FIRST_CHANNELS = 32,
  MOBILENET_V2_LAST_CHANNELS = 1280,
  MOBILENET_V2_LAST = 18,
  MOBILENET_V2_PARTS = 5, // that train together: what works at strides 2, 4, 8, 16, 32
  MOBILENET_V2_NAME_BYTES = 80,
};

// Convolution backbone.body.INDEX.CONV with its norm backbone.body.INDEX.NORM.
static fm_value mobilenet_v2_conv(fm_graph *graph, fm_value x, int index,
                                  const char *const names[2], fm_backbone_conv options,
                                  const fm_model_config *config) {
  char name[MOBILENET_V2_NAME_BYTES], norm[MOBILENET_V2_NAME_BYTES];
  snprintf(name, sizeof name, "backbone.body.%d.%s", index, names[0]);
  snprintf(norm, sizeof norm, "backbone.body.%d.%s", index, names[1]);
  options.name = name;
  options.norm = norm;
  return fm_backbone_conv2d(graph, x, &options, config);
}

// torchvision's InvertedResidual with `groups` channels inside; without expansion its sequence is
// shorter by one.
static fm_value mobilenet_v2_residual(fm_graph *graph, fm_value x, int index,
                                      fm_backbone_conv options, const fm_model_config *config) {
  static const char *const expand[] = {"conv.0.0", "conv.0.1"};
  static const char *const second[] = {"conv.1.0", "conv.1.1"};
  static const char *const project[] = {"conv.2", "conv.3"};
  static const char *const project_early[] = {"conv.1", "conv.2"};
  const int in_channels = fm_graph_channels(graph, x), expanded = options.groups;
  const bool expands = expanded != in_channels;
  fm_value y = x;
  if (expands)
    y = mobilenet_v2_conv(
        graph, y, index, expand,
        (fm_backbone_conv){.out_channels = expanded, .kernel = 1, .act = FM_ACT_RELU6}, config);
  y = mobilenet_v2_conv(graph, y, index, expands ? second : expand,
                        (fm_backbone_conv){.out_channels = expanded,
                                           .kernel = 3,
                                           .stride = options.stride,
                                           .groups = expanded,
                                           .act = FM_ACT_RELU6},
                        config);
  const bool residual = options.stride == 1 && in_channels == options.out_channels;
  return mobilenet_v2_conv(graph, y, index, expands ? project : project_early,
                           (fm_backbone_conv){.out_channels = options.out_channels,
                                              .kernel = 1,
                                              .residual = residual ? x : (fm_value){0}},
                           config);
}

static fm_backbone_maps mobilenet_v2_build(fm_graph *graph, fm_value picture,
                                           const fm_model_config *config) {
  static const char *const plain[] = {"0", "1"};
  fm_value x = mobilenet_v2_conv(graph, picture, 0, plain,
                                 (fm_backbone_conv){.out_channels = MOBILENET_V2_FIRST_CHANNELS,
                                                    .kernel = 3,
                                                    .stride = 2,
                                                    .act = FM_ACT_RELU6},
                                 config);
  fm_backbone_maps maps = {0};
  int total_stride = 2, index = 1;
  for (int i = 0; i < MOBILENET_V2_STAGES; i++) {
    const mobilenet_v2_stage *stage = &mobilenet_v2_stages[i];
    total_stride *= stage->stride;
    if (total_stride > fm_backbone_last_stride(config))
      return maps;
    for (int repeat = 0; repeat < stage->repeats; repeat++)
      x = mobilenet_v2_residual(
          graph, x, index++,
          (fm_backbone_conv){.out_channels = stage->out_channels,
                             .stride = repeat == 0 ? stage->stride : 1,
                             .groups = stage->expansion * fm_graph_channels(graph, x)},
          config);
    if (total_stride > 2)
      fm_backbone_maps_put(&maps, total_stride, x);
  }
  x = mobilenet_v2_conv(graph, x, MOBILENET_V2_LAST, plain,
                        (fm_backbone_conv){.out_channels = MOBILENET_V2_LAST_CHANNELS,
                                           .kernel = 1,
                                           .act = FM_ACT_RELU6},
                        config);
  fm_backbone_maps_put(&maps, total_stride, x);
  return maps;
}

static void mobilenet_v2_freeze(fm_params *params, const fm_model_config *config) {
  // The first feature of each part.
  static const int parts[MOBILENET_V2_PARTS + 1] = {0, 2, 4, 7, 14, MOBILENET_V2_LAST + 1};
  const int first_trained = parts[MOBILENET_V2_PARTS - config->trainable_backbone_layers];
  for (int index = 0; index < first_trained; index++) {
    char prefix[MOBILENET_V2_NAME_BYTES];
    snprintf(prefix, sizeof prefix, "backbone.body.%d.", index);
    fm_params_freeze(params, prefix, true);
  }
}

const fm_backbone fm_backbone_mobilenet_v2 = {mobilenet_v2_build, mobilenet_v2_freeze};
