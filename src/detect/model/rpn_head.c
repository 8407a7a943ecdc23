// torchvision's RPNHead (Ren et al. 2015): one convolution, then objectness and box deltas of each
// anchor at each place.
#include "detect/model/parts.h"

fm_rpn_outputs fm_rpn_head(fm_graph *graph, fm_value level, int anchors_per_place) {
  fm_conv2d_options options = {.name = "rpn.head.conv.0.0",
                               .out_channels = FM_MODEL_CHANNELS,
                               .kernel = 3,
                               .padding = 1,
                               .bias = true,
                               .act = FM_ACT_RELU,
                               .init = FM_INIT_NORMAL,
                               .init_scale = 0.01f};
  fm_value features = fm_conv2d(graph, level, &options);
  options.kernel = 1;
  options.padding = 0;
  options.act = FM_ACT_NONE;
  options.name = "rpn.head.cls_logits";
  options.out_channels = anchors_per_place;
  fm_value objectness = fm_conv2d(graph, features, &options);
  options.name = "rpn.head.bbox_pred";
  options.out_channels = 4 * anchors_per_place;
  return (fm_rpn_outputs){objectness, fm_conv2d(graph, features, &options)};
}
