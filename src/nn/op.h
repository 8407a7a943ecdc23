// What an op is to the engine: one descriptor, declared by a line in op.def, defined in op/NAME.c.
// For op files, graph.c and plan.c only.
#ifndef FM_NN_OP_H
#define FM_NN_OP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "nn/graph.h"
#include "nn/graph_view.h"
#include "nn/plan.h"
#include "nn/tensor.h"

enum { FM_NODE_INPUTS_MAX = 8, FM_NODE_PARAMS_MAX = 8, FM_NODE_OPTIONS_BYTES = 192 };

typedef struct fm_op fm_op;

typedef struct fm_node {
  const fm_op *op;
  int inputs[FM_NODE_INPUTS_MAX]; // value ids
  int input_count;
  int output;                     // one value id
  int params[FM_NODE_PARAMS_MAX]; // ids, -1 where absent; the op's own order
  _Alignas(16) unsigned char options[FM_NODE_OPTIONS_BYTES]; // the op's own struct, names removed
} fm_node;

typedef struct fm_op_context {
  const fm_node *node;
  fm_plan *plan;
  fm_params *params;
  fm_purpose purpose;
  fm_dtype precision; // FM_F32 in int8 plans, too: of what is not in whole numbers
  // In int8 plans: the range of each input, where it is known.
  fm_range x_range[FM_NODE_INPUTS_MAX];
  fm_tensor x[FM_NODE_INPUTS_MAX]; // prepare: without data
  // prepare sets the block. The number type is the plan's wish, with the scale of whole numbers; an
  // op that cannot write it sets another, which readers then see.
  fm_tensor y;
  // Backward. dy is complete (contributions of all readers summed by the plan) unless the op
  // `sums_gradients`: then dy_parts holds them, and the op sums them in the pass it makes anyway.
  // dx[i].data is NULL where no gradient is wanted; otherwise the op WRITES all of dx[i] (same
  // dtype, block and shape as x[i]), padding included.
  fm_tensor dy, dy_parts[4];
  int dy_part_count;
  fm_tensor dx[FM_NODE_INPUTS_MAX];
  bool wants_dx[FM_NODE_INPUTS_MAX]; // known in prepare
  // Who makes dy may apply the slope of an activation on its way. An op whose backward begins with
  // dy act'(y), and reads y for nothing else, says so in prepare: y_act, FM_ACT_NONE otherwise. The
  // only reader of y finds it as x_act[i] in its own prepare and may take the work over:
  // slopes_dx[i]. The maker's backward then has dy_has_slope and no y.
  fm_activation y_act, x_act[FM_NODE_INPUTS_MAX];
  bool slopes_dx[FM_NODE_INPUTS_MAX], dy_has_slope;
  // An op may leave its work to the only reader of y (see plan_view.h), if that is one it knows to
  // do so: its prepare says defers, y gets no memory and forward is not called. The reader finds it
  // as deferred[i] in its own prepare; what it reads stays until the reader has run. Not in
  // training.
  bool defers;
  const struct fm_op_context *deferred[FM_NODE_INPUTS_MAX];
  bool trains;   // in prepare: some parameter of the node is trained
  void *state;   // state_bytes, zeroed before prepare
  void *saved;   // saved_bytes, lives from forward to backward (training plans)
  void *scratch; // max of forward/backward scratch, only during the call
  size_t saved_bytes, forward_scratch_bytes, backward_scratch_bytes; // set by prepare
  bool reads_x_in_backward[FM_NODE_INPUTS_MAX],
      reads_y_in_backward; // set by prepare; others' memory may be gone by then
} fm_op_context;

struct fm_op {
  const char *name;
  size_t state_bytes;
  bool sums_gradients;
  bool quantises; // computes with whole numbers where an input's range is known
  bool exact;     // what it reads stays fp32 in int8 plans
  // Checks the input shapes and gives y's; every mistake a user can make is found here.
  fm_status (*infer)(const fm_node *node, const fm_shape *x, fm_shape *y);
  fm_status (*prepare)(fm_op_context *context);
  fm_status (*forward)(fm_op_context *context);
  fm_status (*backward)(fm_op_context *context);
  void (*release)(fm_op_context *context); // what prepare made; also after a failed prepare
  // Fills in the settings of graph_view.h; NULL for ops without any.
  void (*describe)(const fm_node *node, fm_node_settings *out);
  const struct fm_op_case *cases; // for tests/nn; ends with name NULL
};

// One test case of an op: builds a small graph on inputs of the given shapes; the harness runs
// forward against `reference` (a naive loop in double over plain NCHW arrays, params in node order)
// and backward against central differences of it.
typedef struct fm_op_case {
  const char *name; // a sentence: "conv2d with stride 2 and padding 1 equals the naive loop"
  int input_count;
  fm_shape inputs[FM_NODE_INPUTS_MAX];
  fm_value (*build)(fm_graph *graph, const fm_value *inputs);
  // y in plain order; x[i], params[j] (values by the node's params order; NULL where absent) in
  // plain order, all double.
  void (*reference)(const fm_shape *x_shape, const double *const *x, const double *const *params,
                    double *y);
  void (*fill)(int input, fm_shape shape,
               float *values);          // NULL: random normal values; else special inputs (rois)
  bool no_gradient[FM_NODE_INPUTS_MAX]; // inputs without gradient (rois)
} fm_op_case;

// Adds a node; options are copied. Returns the output value. `graph` marked as failed stays so.
fm_value fm_graph_add_node(fm_graph *graph, const fm_op *op, const fm_value *inputs,
                           int input_count, const void *options, size_t options_bytes,
                           const int *params, int param_count, int output_channels);
void fm_graph_fail(fm_graph *graph, const char *format, ...) __attribute__((format(printf, 2, 3)));
fm_params *fm_graph_params(fm_graph *graph);
// Adds a parameter called NAME and SUFFIX, by the rest of `spec`; its number, or -1 with the graph
// marked as failed.
int fm_graph_add_param(fm_graph *graph, const char *name, const char *suffix, fm_param_spec spec);

// The parameters' memory for ops: master values and gradient in the parameter's own layout, and
// working copies: see params_layout.h.

extern const fm_op *const fm_ops[];
extern const int fm_op_count;

#endif
