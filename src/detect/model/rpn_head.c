// torchvision's RPNHead (Ren et al. 2015): one convolution, then objectness and box deltas of each
// anchor at each place.
#include "detect/model/parts.h"

fm_rpn_outputs fm_rpn_head(fm_graph *graph, fm_value level, int anchors_per_place,
                           const fm_model_config *config) {
  fm_value features =
      fm_model_conv2d(graph, level,
                      &(fm_model_conv){.name = "rpn.head.conv.0.0",
                                       .out_channels = config->fpn_channels,
                                       .separable = config->rpn_conv == FM_CONFIG_CONV_SEPARABLE,
                                       .act = FM_ACT_RELU,
                                       .init = FM_INIT_NORMAL,
                                       .init_scale = 0.01f});
  fm_conv2d_options options = {.name = "rpn.head.cls_logits",
                               .out_channels = anchors_per_place,
                               .kernel = 1,
                               .bias = true,
                               .init = FM_INIT_NORMAL,
                               .init_scale = 0.01f};
  fm_value objectness = fm_conv2d(graph, features, &options);
  options.name = "rpn.head.bbox_pred";
  options.out_channels = 4 * anchors_per_place;
  return (fm_rpn_outputs){objectness, fm_conv2d(graph, features, &options)};
}
