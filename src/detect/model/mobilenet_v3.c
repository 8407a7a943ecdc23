// MobileNetV3-Large (Howard et al. 2019, table 1) without its classifier: torchvision's
// mobilenet_v3_large().features.
#include "detect/model/parts.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct mobilenet_block {
  int kernel, expanded, out_channels;
  bool squeeze;
  fm_activation act;
  int stride;
} mobilenet_block;

// Features 1 to 15; 0 is the first convolution, 16 the last.
static const mobilenet_block mobilenet_blocks[] = {
    {3, 16, 16, false, FM_ACT_RELU, 1},        {3, 64, 24, false, FM_ACT_RELU, 2},
    {3, 72, 24, false, FM_ACT_RELU, 1},        {5, 72, 40, true, FM_ACT_RELU, 2},
    {5, 120, 40, true, FM_ACT_RELU, 1},        {5, 120, 40, true, FM_ACT_RELU, 1},
    {3, 240, 80, false, FM_ACT_HARD_SWISH, 2}, {3, 200, 80, false, FM_ACT_HARD_SWISH, 1},
    {3, 184, 80, false, FM_ACT_HARD_SWISH, 1}, {3, 184, 80, false, FM_ACT_HARD_SWISH, 1},
    {3, 480, 112, true, FM_ACT_HARD_SWISH, 1}, {3, 672, 112, true, FM_ACT_HARD_SWISH, 1},
    {5, 672, 160, true, FM_ACT_HARD_SWISH, 2}, {5, 960, 160, true, FM_ACT_HARD_SWISH, 1},
    {5, 960, 160, true, FM_ACT_HARD_SWISH, 1},
};
enum {
  MOBILENET_BLOCKS = sizeof mobilenet_blocks / sizeof mobilenet_blocks[0],
  MOBILENET_LAST = MOBILENET_BLOCKS + 1, // index of the last feature
  MOBILENET_FIRST_CHANNELS = 16,
  MOBILENET_LAST_CHANNELS = 960,
  MOBILENET_STAGES = 6,
  MOBILENET_NAME_BYTES = 80,
};
// Where the stages C0 to C5 begin: the first feature, the blocks with a stride, the last feature.
// torchvision feeds C4 (its first block) and C5 to the pyramid.
static const int mobilenet_stages[MOBILENET_STAGES] = {0, 2, 4, 7, 13, MOBILENET_LAST};
// The blocks that give maps: the last one at each stride, and torchvision's.
static const struct { int index, stride; } mobilenet_maps[] = {{3, 4}, {6, 8}, {12, 16}, {13, 32}};
enum { MOBILENET_MAPS = sizeof mobilenet_maps / sizeof mobilenet_maps[0] };

// torchvision's _make_divisible(channels, 8).
static int mobilenet_divisible(int channels) {
  int rounded = (channels + 4) / 8 * 8;
  if (rounded < 8)
    rounded = 8;
  return rounded * 10 < channels * 9 ? rounded + 8 : rounded;
}

// torchvision's Conv2dNormActivation: PREFIX.0 the convolution, PREFIX.1 its norm.
static fm_value mobilenet_conv(fm_graph *graph, fm_value x, const char *prefix,
                               fm_backbone_conv options, const fm_model_config *config) {
  char name[MOBILENET_NAME_BYTES], norm[MOBILENET_NAME_BYTES];
  snprintf(name, sizeof name, "%s.0", prefix);
  snprintf(norm, sizeof norm, "%s.1", prefix);
  options.name = name;
  options.norm = norm;
  return fm_backbone_conv2d(graph, x, &options, config);
}

// torchvision's SqueezeExcitation with a hard sigmoid.
static fm_value mobilenet_squeeze(fm_graph *graph, fm_value x, const char *prefix) {
  int channels = fm_graph_channels(graph, x);
  char name[MOBILENET_NAME_BYTES];
  fm_conv2d_options options = {.name = name,
                               .kernel = 1,
                               .bias = true,
                               .out_channels = mobilenet_divisible(channels / 4),
                               .act = FM_ACT_RELU,
                               .init = FM_INIT_KAIMING_NORMAL_FAN_OUT};
  snprintf(name, sizeof name, "%s.fc1", prefix);
  fm_value gate = fm_conv2d(graph, fm_global_avg_pool(graph, x), &options);
  snprintf(name, sizeof name, "%s.fc2", prefix);
  options.out_channels = channels;
  options.act = FM_ACT_NONE;
  gate = fm_activate(graph, fm_conv2d(graph, gate, &options), FM_ACT_HARD_SIGMOID);
  return fm_scale_channels(graph, x, gate);
}

// torchvision's InvertedResidual; `index` is the feature's.
static fm_value mobilenet_residual(fm_graph *graph, fm_value x, int index,
                                   const fm_model_config *config) {
  const mobilenet_block *block = &mobilenet_blocks[index - 1];
  int in_channels = fm_graph_channels(graph, x), part = 0;
  char prefix[MOBILENET_NAME_BYTES / 2];
  fm_value y = x;
#define MOBILENET_PART() snprintf(prefix, sizeof prefix, "backbone.body.%d.block.%d", index, part++)
  if (block->expanded != in_channels) {
    MOBILENET_PART();
    y = mobilenet_conv(
        graph, y, prefix,
        (fm_backbone_conv){.out_channels = block->expanded, .kernel = 1, .act = block->act},
        config);
  }
  MOBILENET_PART();
  y = mobilenet_conv(graph, y, prefix,
                     (fm_backbone_conv){.out_channels = block->expanded,
                                        .kernel = block->kernel,
                                        .stride = block->stride,
                                        .groups = block->expanded,
                                        .act = block->act},
                     config);
  if (block->squeeze) {
    MOBILENET_PART();
    y = mobilenet_squeeze(graph, y, prefix);
  }
  MOBILENET_PART();
#undef MOBILENET_PART
  bool residual = block->stride == 1 && in_channels == block->out_channels;
  return mobilenet_conv(graph, y, prefix,
                        (fm_backbone_conv){.out_channels = block->out_channels,
                                           .kernel = 1,
                                           .residual = residual ? x : (fm_value){0}},
                        config);
}

static fm_backbone_maps mobilenet_build(fm_graph *graph, fm_value picture,
                                        const fm_model_config *config) {
  fm_value x = mobilenet_conv(graph, picture, "backbone.body.0",
                              (fm_backbone_conv){.out_channels = MOBILENET_FIRST_CHANNELS,
                                                 .kernel = 3,
                                                 .stride = 2,
                                                 .act = FM_ACT_HARD_SWISH},
                              config);
  fm_backbone_maps maps = {0};
  for (int index = 1; index <= MOBILENET_BLOCKS; index++) {
    x = mobilenet_residual(graph, x, index, config);
    if (maps.count == MOBILENET_MAPS || index != mobilenet_maps[maps.count].index)
      continue;
    maps.values[maps.count] = x;
    maps.strides[maps.count] = mobilenet_maps[maps.count].stride;
    if (maps.strides[maps.count++] == fm_backbone_last_stride(config) &&
        maps.count < MOBILENET_MAPS)
      return maps;
  }
  char prefix[MOBILENET_NAME_BYTES / 2];
  snprintf(prefix, sizeof prefix, "backbone.body.%d", MOBILENET_LAST);
  maps.strides[maps.count] = 32;
  maps.values[maps.count++] = mobilenet_conv(
      graph, x, prefix,
      (fm_backbone_conv){
          .out_channels = MOBILENET_LAST_CHANNELS, .kernel = 1, .act = FM_ACT_HARD_SWISH},
      config);
  return maps;
}

// torchvision's _mobilenet_extractor: everything before the first trained stage is frozen, all of
// it when none is.
static void mobilenet_freeze(fm_params *params, const fm_model_config *config) {
  const int trained = config->trainable_backbone_layers;
  int before = trained == 0 ? MOBILENET_LAST + 1 : mobilenet_stages[MOBILENET_STAGES - trained];
  for (int index = 0; index < before; index++) {
    char prefix[MOBILENET_NAME_BYTES];
    snprintf(prefix, sizeof prefix, "backbone.body.%d.", index);
    fm_params_freeze(params, prefix, true);
  }
}

const fm_backbone fm_backbone_mobilenet_v3_large = {mobilenet_build, mobilenet_freeze};
