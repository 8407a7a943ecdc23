// A finished graph, read node by node: for those who write it in another form.
#ifndef FM_NN_GRAPH_VIEW_H
#define FM_NN_GRAPH_VIEW_H

#include "nn/graph.h"

enum { FM_NODE_VIEW_INPUTS_MAX = 8 };

// What the builder of the op was told; each op fills what it has (its `describe`), the rest is 0.
typedef struct fm_node_settings {
  int kernel, stride, padding, padding_end, dilation,
      groups; // convolution; the first three: pooling
  fm_activation act;
  fm_norm norm;
  float norm_eps;
  int output_size, sampling_ratio; // roi_align
  // Ids of parameters, -1 where there is none.
  int weight, bias, norm_weight, norm_bias, norm_mean, norm_variance;
} fm_node_settings;

typedef struct fm_node_view {
  const char *op;                                           // "conv2d"
  int inputs[FM_NODE_VIEW_INPUTS_MAX], input_count, output; // numbers of values, from 1
  fm_node_settings settings;
} fm_node_view;

int fm_graph_node_count(const fm_graph *graph);
// In the order of building: inputs come before.
void fm_graph_view_node(const fm_graph *graph, int node, fm_node_view *out);
int fm_graph_input_value(const fm_graph *graph, int input);
int fm_graph_output_value(const fm_graph *graph, int output);

#endif
