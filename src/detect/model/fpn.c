// Feature pyramid (Lin et al. 2017): torchvision's FeaturePyramidNetwork and LastLevelMaxPool. Its
// 3 x 3 convolutions may be depthwise and pointwise ones (Howard et al. 2017), as in EfficientDet's
// pyramid.
#include "detect/model/parts.h"

#include <stdio.h>

fm_value fm_model_conv2d(fm_graph *graph, fm_value x, const fm_model_conv *conv) {
  char name[96];
  fm_conv2d_options options = {.name = conv->name,
                               .out_channels = conv->out_channels,
                               .kernel = 3,
                               .padding = 1,
                               .bias = true,
                               .act = conv->act,
                               .init = conv->init,
                               .init_scale = conv->init_scale};
  if (conv->separable) {
    const int channels = fm_graph_channels(graph, x);
    snprintf(name, sizeof name, "%s.0", conv->name);
    x = fm_conv2d(graph, x,
                  &(fm_conv2d_options){.name = name,
                                       .out_channels = channels,
                                       .kernel = 3,
                                       .padding = 1,
                                       .groups = channels,
                                       .init = FM_INIT_KAIMING_UNIFORM,
                                       .init_scale = 1});
    snprintf(name, sizeof name, "%s.1", conv->name);
    options.name = name;
    options.kernel = 1;
    options.padding = 0;
  }
  return fm_conv2d(graph, x, &options);
}

static fm_value fpn_inner_block(fm_graph *graph, fm_value x, int index,
                                const fm_model_config *config) {
  char name[64];
  snprintf(name, sizeof name, "backbone.fpn.inner_blocks.%d.0", index);
  return fm_conv2d(graph, x,
                   &(fm_conv2d_options){.name = name,
                                        .out_channels = config->fpn_channels,
                                        .kernel = 1,
                                        .bias = true,
                                        .init = FM_INIT_KAIMING_UNIFORM,
                                        .init_scale = 1});
}

static fm_value fpn_layer_block(fm_graph *graph, fm_value x, int index,
                                const fm_model_config *config) {
  char name[64];
  snprintf(name, sizeof name, "backbone.fpn.layer_blocks.%d.0", index);
  return fm_model_conv2d(graph, x,
                         &(fm_model_conv){.name = name,
                                          .out_channels = config->fpn_channels,
                                          .separable = config->fpn_conv == FM_CONFIG_CONV_SEPARABLE,
                                          .init = FM_INIT_KAIMING_UNIFORM,
                                          .init_scale = 1});
}

fm_backbone_maps fm_fpn(fm_graph *graph, const fm_backbone_maps *maps,
                        const fm_model_config *config) {
  fm_backbone_maps levels = {.count = maps->count};
  fm_value inner = {0};
  for (int i = maps->count - 1; i >= 0; i--) {
    fm_value lateral = fpn_inner_block(graph, maps->values[i], i, config);
    inner = i == maps->count - 1 ? lateral : fm_upsample_add(graph, lateral, inner);
    levels.values[i] = fpn_layer_block(graph, inner, i, config);
    levels.strides[i] = maps->strides[i];
  }
  for (int extra = 0; extra < config->fpn_extra_levels; extra++) {
    const int last = levels.count++;
    levels.values[last] = fm_max_pool2d(graph, levels.values[last - 1],
                                        &(fm_pool2d_options){.kernel = 1, .stride = 2});
    levels.strides[last] = 2 * levels.strides[last - 1];
  }
  return levels;
}
