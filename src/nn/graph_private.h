// The graph's memory, for plan.c and graph.c only.
#ifndef FM_NN_GRAPH_PRIVATE_H
#define FM_NN_GRAPH_PRIVATE_H

#include "nn/graph.h"
#include "nn/op.h"

typedef struct fm_graph_value {
  int channels;
  int input;    // index among the graph's inputs, -1 when a node makes it
  int producer; // node index, -1 for inputs
} fm_graph_value;

typedef struct fm_graph_input_info {
  char name[64];
  int value;
  bool wants_gradient;
} fm_graph_input_info;

typedef struct fm_graph_output_info {
  char name[64];
  int value;
} fm_graph_output_info;

enum { FM_GRAPH_INPUTS_MAX = 8, FM_GRAPH_OUTPUTS_MAX = 24 };

struct fm_graph {
  fm_params *params;
  fm_node *nodes;
  int node_count, node_capacity;
  fm_graph_value *values; // index 0 is "none"
  int value_count, value_capacity;
  fm_graph_input_info inputs[FM_GRAPH_INPUTS_MAX];
  int input_count;
  fm_graph_output_info outputs[FM_GRAPH_OUTPUTS_MAX];
  int output_count;
  bool failed;
  fm_status failure;
  char message[512];
};

#endif
