// EfficientNet-Lite 0 to 2 (Tan and Le 2019, in the variant for small devices: ReLU6, no
// squeeze-excitation, stem and head not scaled) without its head and classifier. Layers are named
// as in the PyPI package efficientnet-lite-pytorch, behind backbone.body.
#include "detect/model/parts.h"

#include <math.h>
#include <stdio.h>

typedef struct efficientnet_stage {
  int repeats, kernel, stride, expansion, out_channels;
} efficientnet_stage;

// efficientnet_lite_builder.py's blocks_args, those of Lite0.
static const efficientnet_stage efficientnet_stages[] = {
    {1, 3, 1, 1, 16},  {2, 3, 2, 6, 24},  {2, 5, 2, 6, 40},  {3, 3, 2, 6, 80},
    {3, 5, 1, 6, 112}, {4, 5, 2, 6, 192}, {1, 3, 1, 6, 320},
};
enum {
  EFFICIENTNET_STAGES = sizeof efficientnet_stages / sizeof efficientnet_stages[0],
  EFFICIENTNET_STEM_CHANNELS = 32,
  EFFICIENTNET_NAME_BYTES = 80,
};

// Width and depth by number; compound scaling.
static const struct {
  double width, depth;
} efficientnet_scales[] = {{1.0, 1.0}, {1.0, 1.1}, {1.1, 1.2}};

// Of a detector's backbone, or of the face classifier's.
static int efficientnet_lite(const fm_model_config *config) {
  return fm_arch_is_efficientnet_lite(config->arch) ? config->arch - FM_ARCH_EFFICIENTNET_LITE0_FPN
                                                    : 0;
}

typedef struct efficientnet_builder {
  fm_graph *graph;
  const fm_model_config *config;
  int block; // number of the next one
} efficientnet_builder;

static int efficientnet_channels(int lite, int channels) {
  const double scaled = channels * efficientnet_scales[lite].width;
  const int rounded = (int)(scaled + 4) / 8 * 8;
  const int least = rounded < 8 ? 8 : rounded;
  return least < 0.9 * scaled ? least + 8 : least;
}

// The first and the last stage keep their depth.
static int efficientnet_repeats(int lite, int stage) {
  const int repeats = efficientnet_stages[stage].repeats;
  if (stage == 0 || stage == EFFICIENTNET_STAGES - 1)
    return repeats;
  return (int)ceil(repeats * efficientnet_scales[lite].depth);
}

// Convolution PREFIX.CONV with its norm PREFIX.NORM.
static fm_value efficientnet_conv(const efficientnet_builder *self, fm_value x, const char *prefix,
                                  const char *conv, const char *norm, fm_backbone_conv options) {
  char name[EFFICIENTNET_NAME_BYTES], norm_name[EFFICIENTNET_NAME_BYTES];
  snprintf(name, sizeof name, "%s.%s", prefix, conv);
  snprintf(norm_name, sizeof norm_name, "%s.%s", prefix, norm);
  options.name = name;
  options.norm = norm_name;
  options.norm_eps = 1e-3f;
  options.norm_momentum = 0.01f;
  return fm_backbone_conv2d(self->graph, x, &options, self->config);
}

// The package's MBConvBlock.
static fm_value efficientnet_block(efficientnet_builder *self, fm_value x,
                                   const efficientnet_stage *stage, int out_channels, int stride) {
  const int in_channels = fm_graph_channels(self->graph, x);
  const int expanded = in_channels * stage->expansion;
  const bool residual = stride == 1 && in_channels == out_channels;
  char prefix[EFFICIENTNET_NAME_BYTES / 2];
  snprintf(prefix, sizeof prefix, "backbone.body._blocks.%d", self->block++);
  fm_value y = x;
  if (expanded != in_channels)
    y = efficientnet_conv(
        self, y, prefix, "_expand_conv", "_bn0",
        (fm_backbone_conv){.out_channels = expanded, .kernel = 1, .act = FM_ACT_RELU6});
  y = efficientnet_conv(self, y, prefix, "_depthwise_conv", "_bn1",
                        (fm_backbone_conv){.out_channels = expanded,
                                           .kernel = stage->kernel,
                                           .stride = stride,
                                           .groups = expanded,
                                           .act = FM_ACT_RELU6});
  return efficientnet_conv(self, y, prefix, "_project_conv", "_bn2",
                           (fm_backbone_conv){.out_channels = out_channels,
                                              .kernel = 1,
                                              .residual = residual ? x : (fm_value){0}});
}

static fm_backbone_maps efficientnet_build(fm_graph *graph, fm_value picture,
                                           const fm_model_config *config) {
  efficientnet_builder self = {graph, config, 0};
  const int lite = efficientnet_lite(config);
  fm_value x = efficientnet_conv(&self, picture, "backbone.body", "_conv_stem", "_bn0",
                                 (fm_backbone_conv){.out_channels = EFFICIENTNET_STEM_CHANNELS,
                                                    .kernel = 3,
                                                    .stride = 2,
                                                    .act = FM_ACT_RELU6});
  fm_backbone_maps maps = {0};
  int total_stride = 2;
  for (int i = 0; i < EFFICIENTNET_STAGES; i++) {
    const efficientnet_stage *stage = &efficientnet_stages[i];
    total_stride *= stage->stride;
    if (total_stride > fm_backbone_last_stride(config))
      break;
    for (int repeat = 0; repeat < efficientnet_repeats(lite, i); repeat++)
      x = efficientnet_block(&self, x, stage, efficientnet_channels(lite, stage->out_channels),
                             repeat == 0 ? stage->stride : 1);
    if (total_stride > 2)
      fm_backbone_maps_put(&maps, total_stride, x);
  }
  return maps;
}

// The parts that train together: what works at strides 2 (with the stem), 4, 8, 16 and 32.
static void efficientnet_freeze(fm_params *params, const fm_model_config *config) {
  const int lite = efficientnet_lite(config);
  int frozen_parts = 5 - config->trainable_backbone_layers, part = 1, block = 0;
  if (frozen_parts > 0) {
    fm_params_freeze(params, "backbone.body._conv_stem.", true);
    fm_params_freeze(params, "backbone.body._bn0.", true);
  }
  for (int i = 0; i < EFFICIENTNET_STAGES; i++) {
    part += efficientnet_stages[i].stride == 2;
    for (int repeat = 0; repeat < efficientnet_repeats(lite, i); repeat++, block++) {
      char prefix[EFFICIENTNET_NAME_BYTES];
      snprintf(prefix, sizeof prefix, "backbone.body._blocks.%d.", block);
      if (part <= frozen_parts)
        fm_params_freeze(params, prefix, true);
    }
  }
}

const fm_backbone fm_backbone_efficientnet_lite = {efficientnet_build, efficientnet_freeze};
