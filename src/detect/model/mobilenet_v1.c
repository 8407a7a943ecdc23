// MobileNetV1 (Howard et al. 2017, table 1) without its classifier, as TensorFlow builds it: ReLU6,
// 'same' padding. conv_0 is a full convolution, conv_1 to conv_13 are a depthwise and a pointwise
// one each.
#include "detect/model/parts.h"

#include <stdio.h>

typedef struct mobilenet_v1_pair {
  int stride, out_channels;
} mobilenet_v1_pair;

static const mobilenet_v1_pair mobilenet_v1_pairs[] = {
    {1, 64},  {2, 128}, {1, 128}, {2, 256}, {1, 256},  {2, 512},  {1, 512},
    {1, 512}, {1, 512}, {1, 512}, {1, 512}, {2, 1024}, {1, 1024},
};
enum {
  MOBILENET_V1_PAIRS = sizeof mobilenet_v1_pairs / sizeof mobilenet_v1_pairs[0],
  MOBILENET_V1_FIRST_CHANNELS = 32,
  MOBILENET_V1_PARTS = 5, // that train together: what works at strides 2, 4, 8, 16, 32
  MOBILENET_V1_NAME_BYTES = 80,
};

// backbone.body.conv_INDEX.KIND with its norm, KIND_norm.
static fm_value mobilenet_v1_conv(fm_graph *graph, fm_value x, int index, const char *kind,
                                  fm_backbone_conv options, const fm_model_config *config) {
  char name[MOBILENET_V1_NAME_BYTES], norm[MOBILENET_V1_NAME_BYTES];
  snprintf(name, sizeof name, "backbone.body.conv_%d.%s", index, kind);
  snprintf(norm, sizeof norm, "backbone.body.conv_%d.%s_norm", index, kind);
  options.name = name;
  options.norm = norm;
  options.norm_eps = 1e-3f;
  options.norm_momentum = 0.01f;
  options.act = FM_ACT_RELU6;
  return fm_backbone_conv2d(graph, x, &options, config);
}

static fm_backbone_maps mobilenet_v1_build(fm_graph *graph, fm_value picture,
                                           const fm_model_config *config) {
  fm_value x = mobilenet_v1_conv(
      graph, picture, 0, "pointwise",
      (fm_backbone_conv){.out_channels = MOBILENET_V1_FIRST_CHANNELS, .kernel = 3, .stride = 2},
      config);
  fm_backbone_maps maps = {0};
  int total_stride = 2;
  for (int i = 0; i < MOBILENET_V1_PAIRS; i++) {
    const mobilenet_v1_pair *pair = &mobilenet_v1_pairs[i];
    const int channels = fm_graph_channels(graph, x);
    total_stride *= pair->stride;
    if (total_stride > fm_backbone_last_stride(config))
      break;
    x = mobilenet_v1_conv(
        graph, x, i + 1, "depthwise",
        (fm_backbone_conv){
            .out_channels = channels, .kernel = 3, .stride = pair->stride, .groups = channels},
        config);
    x = mobilenet_v1_conv(graph, x, i + 1, "pointwise",
                          (fm_backbone_conv){.out_channels = pair->out_channels, .kernel = 1},
                          config);
    if (total_stride > 2)
      fm_backbone_maps_put(&maps, total_stride, x);
  }
  return maps;
}

static void mobilenet_v1_freeze(fm_params *params, const fm_model_config *config) {
  const int frozen_parts = MOBILENET_V1_PARTS - config->trainable_backbone_layers;
  int part = 1;
  for (int index = 0; index <= MOBILENET_V1_PAIRS; index++) {
    part += index > 0 && mobilenet_v1_pairs[index - 1].stride == 2;
    char prefix[MOBILENET_V1_NAME_BYTES];
    snprintf(prefix, sizeof prefix, "backbone.body.conv_%d.", index);
    if (part <= frozen_parts)
      fm_params_freeze(params, prefix, true);
  }
}

const fm_backbone fm_backbone_mobilenet_v1 = {mobilenet_v1_build, mobilenet_v1_freeze};
