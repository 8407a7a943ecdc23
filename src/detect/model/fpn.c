// Feature pyramid (Lin et al. 2017): torchvision's FeaturePyramidNetwork and LastLevelMaxPool.
#include "detect/model/parts.h"

#include <stdio.h>

static fm_value fpn_conv(fm_graph *graph, fm_value x, const char *kind, int index, int kernel) {
  char name[64];
  snprintf(name, sizeof name, "backbone.fpn.%s.%d.0", kind, index);
  return fm_conv2d(graph, x,
                   &(fm_conv2d_options){.name = name,
                                        .out_channels = FM_MODEL_CHANNELS,
                                        .kernel = kernel,
                                        .padding = kernel / 2,
                                        .bias = true,
                                        .init = FM_INIT_KAIMING_UNIFORM,
                                        .init_scale = 1});
}

fm_backbone_maps fm_fpn(fm_graph *graph, const fm_backbone_maps *maps) {
  fm_backbone_maps levels = {.count = maps->count + 1};
  fm_value inner = {0};
  for (int i = maps->count - 1; i >= 0; i--) {
    fm_value lateral = fpn_conv(graph, maps->values[i], "inner_blocks", i, 1);
    inner = i == maps->count - 1 ? lateral : fm_upsample_add(graph, lateral, inner);
    levels.values[i] = fpn_conv(graph, inner, "layer_blocks", i, 3);
    levels.strides[i] = maps->strides[i];
  }
  int last = maps->count;
  levels.values[last] =
      fm_max_pool2d(graph, levels.values[last - 1], &(fm_pool2d_options){.kernel = 1, .stride = 2});
  levels.strides[last] = 2 * levels.strides[last - 1];
  return levels;
}
