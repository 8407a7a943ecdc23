// ResNet-50 (He et al. 2015; the stride on the 3x3 convolution as torchvision has it) without its
// classifier.
#include "detect/model/parts.h"

#include <stdio.h>

typedef struct resnet_stage {
  int width, blocks, stride;
} resnet_stage;

enum { RESNET_STAGES = 4, RESNET_EXPANSION = 4, RESNET_PREFIX_BYTES = 64, RESNET_NAME_BYTES = 96 };
static const resnet_stage resnet50_stages[RESNET_STAGES] = {
    {64, 3, 1}, {128, 4, 2}, {256, 6, 2}, {512, 3, 2}};

typedef struct resnet_builder {
  fm_graph *graph;
  const fm_model_config *config;
} resnet_builder;

// Convolution PREFIX.CONV with its norm PREFIX.NORM.
static fm_value resnet_conv(const resnet_builder *builder, fm_value x, const char *prefix,
                            const char *conv, const char *norm, fm_backbone_conv options) {
  char name[RESNET_NAME_BYTES], norm_name[RESNET_NAME_BYTES];
  snprintf(name, sizeof name, "%s.%s", prefix, conv);
  snprintf(norm_name, sizeof norm_name, "%s.%s", prefix, norm);
  options.name = name;
  options.norm = norm_name;
  return fm_backbone_conv2d(builder->graph, x, &options, builder->config);
}

// torchvision's Bottleneck.
static fm_value resnet_block(const resnet_builder *builder, fm_value x, const char *prefix,
                             int width, int stride) {
  int out_channels = width * RESNET_EXPANSION;
  fm_value identity = x;
  if (stride != 1 || fm_graph_channels(builder->graph, x) != out_channels)
    identity = resnet_conv(
        builder, x, prefix, "downsample.0", "downsample.1",
        (fm_backbone_conv){.out_channels = out_channels, .kernel = 1, .stride = stride});
  fm_value y =
      resnet_conv(builder, x, prefix, "conv1", "bn1",
                  (fm_backbone_conv){.out_channels = width, .kernel = 1, .act = FM_ACT_RELU});
  y = resnet_conv(
      builder, y, prefix, "conv2", "bn2",
      (fm_backbone_conv){.out_channels = width, .kernel = 3, .stride = stride, .act = FM_ACT_RELU});
  return resnet_conv(
      builder, y, prefix, "conv3", "bn3",
      (fm_backbone_conv){
          .out_channels = out_channels, .kernel = 1, .residual = identity, .act = FM_ACT_RELU});
}

static fm_backbone_maps resnet50_build(fm_graph *graph, fm_value picture,
                                       const fm_model_config *config) {
  const resnet_builder builder = {graph, config};
  fm_value x = resnet_conv(
      &builder, picture, "backbone.body", "conv1", "bn1",
      (fm_backbone_conv){.out_channels = 64, .kernel = 7, .stride = 2, .act = FM_ACT_RELU});
  x = fm_max_pool2d(graph, x, &(fm_pool2d_options){.kernel = 3, .stride = 2, .padding = 1});
  fm_backbone_maps maps = {0};
  int total_stride = 4;
  for (int stage = 0; stage < RESNET_STAGES; stage++) {
    const resnet_stage *s = &resnet50_stages[stage];
    total_stride *= s->stride;
    if (total_stride > fm_backbone_last_stride(config))
      break;
    for (int block = 0; block < s->blocks; block++) {
      char prefix[RESNET_PREFIX_BYTES];
      snprintf(prefix, sizeof prefix, "backbone.body.layer%d.%d", stage + 1, block);
      x = resnet_block(&builder, x, prefix, s->width, block == 0 ? s->stride : 1);
    }
    maps.values[stage] = x;
    maps.strides[stage] = total_stride;
    maps.count++;
  }
  return maps;
}

// torchvision's _resnet_fpn_extractor: layer4, layer3, layer2, layer1, conv1 train, in this order;
// bn1 only when all do.
static void resnet50_freeze(fm_params *params, const fm_model_config *config) {
  const int trained = config->trainable_backbone_layers;
  static const char *const prefixes[] = {"backbone.body.layer4.", "backbone.body.layer3.",
                                         "backbone.body.layer2.", "backbone.body.layer1.",
                                         "backbone.body.conv1."};
  for (int i = trained; i < RESNET_STAGES + 1; i++)
    fm_params_freeze(params, prefixes[i], true);
  if (trained < RESNET_STAGES + 1)
    fm_params_freeze(params, "backbone.body.bn1.", true);
}

const fm_backbone fm_backbone_resnet50 = {resnet50_build, resnet50_freeze};
