// A graph: which op reads which value and which parameters. Built once per model; shapes come
// later, from the plan. Builders never fail visibly: the first mistake marks the graph, later calls
// do nothing, and fm_graph_status reports it.
#ifndef FM_NN_GRAPH_H
#define FM_NN_GRAPH_H

#include <stdbool.h>

#include "base/status.h"
#include "nn/params.h"
#include "nn/tensor.h"

typedef struct fm_graph fm_graph;

// A value of the graph; 0 means none, so that options left out stay out.
typedef struct fm_value {
  int id;
} fm_value;

FM_MUST_USE fm_status fm_graph_new(fm_graph **out, fm_params *params); // lends params
void fm_graph_free(fm_graph *graph);
FM_MUST_USE fm_status fm_graph_status(const fm_graph *graph);
int fm_graph_channels(const fm_graph *graph, fm_value value);

// An input whose memory the caller gives at each run. Number type and layout are fixed when the
// plan is made (see plan.h). `wants_gradient`: backward leaves d(input) in the memory the caller
// gives.
fm_value fm_graph_input(fm_graph *graph, const char *name, int channels, bool wants_gradient);
// Marks a value as an output: it keeps its memory until the next forward, and the caller may seed
// its gradient. Native layout and number type (for the pyramid, which another plan reads in place).
void fm_graph_output(fm_graph *graph, const char *name, fm_value value);
// The same for a value read by plain C: fp32, NHWC (block = c).
void fm_graph_output_plain(fm_graph *graph, const char *name, fm_value value);

typedef enum fm_activation {
  FM_ACT_NONE,
  FM_ACT_RELU,
  FM_ACT_RELU6,
  FM_ACT_HARD_SWISH,
  FM_ACT_HARD_SIGMOID,
} fm_activation;

typedef enum fm_norm {
  FM_NORM_NONE,
  FM_NORM_FROZEN, // folded into the convolution: scale = weight / sqrt(running_var + eps)
  FM_NORM_BATCH,  // batch statistics in training plans (running ones updated), folded in inference
                  // plans
} fm_norm;

// y = act(norm(conv(x, weight) + bias) + residual). One op, so that fusing needs no pass.
typedef struct fm_conv2d_options {
  const char *name;      // parameters NAME.weight (OC,IC/groups,KH,KW) and NAME.bias (OC)
  const char *norm_name; // parameters NORM.weight, .bias, .running_mean, .running_var (and
                         // .num_batches_tracked for batch)
  fm_norm norm;
  float norm_eps, norm_momentum; // 0 means 1e-5 and 0.1
  int out_channels, kernel, padding;
  int padding_end; // bottom and right where it differs (TensorFlow's "same"); 0 means padding
  int stride, dilation, groups; // 0 means 1
  bool bias;
  fm_activation act;
  fm_value residual; // none, or a value of y's shape, added before the activation
  fm_init init;      // of the weight
  float init_scale;
} fm_conv2d_options;
fm_value fm_conv2d(fm_graph *graph, fm_value x, const fm_conv2d_options *options);

typedef struct fm_pool2d_options {
  int kernel, stride, padding; // stride 0 means kernel
} fm_pool2d_options;
fm_value fm_max_pool2d(fm_graph *graph, fm_value x, const fm_pool2d_options *options);
// Padding is counted, torch's default.
fm_value fm_avg_pool2d(fm_graph *graph, fm_value x, const fm_pool2d_options *options);
fm_value fm_global_avg_pool(fm_graph *graph, fm_value x); // (n,c,h,w) -> (n,c,1,1)

// y = act(x weight^T + bias); x is (n,c,h,w), flattened in torch's order c,h,w: weight (OUT, c*h*w)
// in that plain order. Without a fixed h and w the graph needs the spatial size the flattening
// assumes: in_height, in_width (0 means 1).
typedef struct fm_linear_options {
  const char *name;
  int out_features, in_height, in_width;
  fm_activation act; // NONE, RELU
  fm_init init;
  float
      init_scale; // FM_INIT_UNIFORM with 0: torch.nn.Linear's default, 1/sqrt(fan_in), the bias too
} fm_linear_options;
fm_value fm_linear(fm_graph *graph, fm_value x, const fm_linear_options *options);

fm_value fm_activate(fm_graph *graph, fm_value x, fm_activation act);
fm_value fm_add(fm_graph *graph, fm_value a, fm_value b); // same shapes
fm_value fm_scale_channels(fm_graph *graph, fm_value x,
                           fm_value gate); // x (n,c,h,w) * gate (n,c,1,1): squeeze-excitation
// y = lateral + nearest(top) where top is smaller; torch.nn.functional.interpolate(mode="nearest",
// size=lateral's).
fm_value fm_upsample_add(fm_graph *graph, fm_value lateral, fm_value top);

// torchvision.ops.MultiScaleRoIAlign (aligned=False): levels (n,c,h_l,w_l), rois (r,7,1,1) fp32
// block 1, a row being batch index, x1, y1, x2, y2 in input pixels, level index (0-based; < 0 is a
// masked row: zeros, no gradient), spatial scale of that level. Gives (r, c, output_size,
// output_size).
enum { FM_ROI_LEVELS_MAX = 6, FM_ROI_COLUMNS = 7 };
typedef struct fm_roi_align_options {
  int level_count;
  int output_size;    // 7
  int sampling_ratio; // 2
  // The result in plain order instead of the levels' layout: a product over all of it then reads
  // its weights as they lie in files.
  bool plain;
} fm_roi_align_options;
fm_value fm_roi_align(fm_graph *graph, const fm_value *levels, fm_value rois,
                      const fm_roi_align_options *options);

// fm_linear over fm_roi_align, in another order: pooling is linear, too, so each bin's weights are
// multiplied with the levels' pixels, and a RoI's row is a sum of what it has shares in. The same
// parameters and, but for rounding, the same numbers; fewer products where RoIs outnumber pixels.
// The linear layer's in_height and in_width are the pooling's.
fm_value fm_roi_linear(fm_graph *graph, const fm_value *levels, fm_value rois,
                       const fm_roi_align_options *pooling, const fm_linear_options *options);
// Whether that is the faster order for so many RoIs on these levels.
bool fm_roi_linear_pays(const fm_tensor *levels, int level_count, int rois);

#endif
