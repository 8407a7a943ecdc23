// A plan's memory, for plan.c, plan_run.c and plan_cache.c.
#ifndef FM_NN_PLAN_PRIVATE_H
#define FM_NN_PLAN_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "nn/arena.h"
#include "nn/graph_private.h"
#include "nn/op.h"
#include "nn/plan.h"

enum { PLAN_PARTS_MAX = 4, PLAN_BOUND = -2 };

// A value: its memory, and where the readers leave their contributions to its gradient (buffers of
// the arena).
typedef struct plan_value {
  fm_tensor tensor;
  int buffer; // -1 for inputs: the caller's memory
  bool wants_gradient;
  int parts[PLAN_PARTS_MAX], part_count;
} plan_value;

typedef struct plan_node {
  fm_op_context context;
  int forward_scratch, backward_scratch, saved, dx[FM_NODE_INPUTS_MAX]; // buffers, -1 for none
  bool prepared, runs_backward;
} plan_node;

struct fm_plan {
  const fm_graph *graph;
  fm_plan_options options;
  fm_tensor inputs[FM_GRAPH_INPUTS_MAX];
  void *bound[FM_GRAPH_INPUTS_MAX], *bound_gradient[FM_GRAPH_INPUTS_MAX];
  plan_node *nodes;
  plan_value *values;
  bool *reached; // by a gradient
  int seeds[FM_GRAPH_OUTPUTS_MAX];
  fm_arena arena;
  uint8_t *base;                           // of the workspace when the pointers were set
  bool rebound;                            // an input has moved since
  uint64_t params_version, ranges_version; // when it was made
};

#endif
