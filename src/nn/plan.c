// Compiling a graph: shapes, layouts, lifetimes, one arena. Running it is in plan_run.c.
#include "nn/plan.h"

#include <stdlib.h>
#include <string.h>

#include "nn/params_layout.h"
#include "nn/plan_private.h"
#include "nn/plan_view.h"
#include "nn/primitive.h"

static int plan_backward_time(const fm_plan *plan, int node) {
  return 2 * plan->graph->node_count - node;
}

// Whether some trained parameter, or an input that wants it, lies at or below each value.
static void plan_mark_gradients(fm_plan *plan) {
  const fm_graph *graph = plan->graph;
  if (plan->options.purpose != FM_TRAIN)
    return;
  for (int i = 0; i < graph->input_count; ++i)
    plan->values[graph->inputs[i].value].wants_gradient = graph->inputs[i].wants_gradient;
  for (int n = 0; n < graph->node_count; ++n) {
    const fm_node *node = &graph->nodes[n];
    fm_op_context *context = &plan->nodes[n].context;
    for (int i = 0; i < FM_NODE_PARAMS_MAX; ++i)
      if (node->params[i] >= 0 &&
          fm_params_spec(graph->params, node->params[i])->kind == FM_PARAM_TRAINED)
        context->trains = true;
    bool below = false;
    for (int i = 0; i < node->input_count; ++i) {
      context->wants_dx[i] = plan->values[node->inputs[i]].wants_gradient;
      below = below || context->wants_dx[i];
    }
    plan->values[node->output].wants_gradient = below || context->trains;
  }
}

// The node that alone reads it, -1 where several do, or the caller.
static int plan_only_reader(const fm_graph *graph, int value) {
  int readers = 0, reader = -1;
  for (int i = 0; i < graph->output_count; ++i)
    readers += graph->outputs[i].value == value;
  for (int n = 0; n < graph->node_count; ++n)
    for (int i = 0; i < graph->nodes[n].input_count; ++i)
      if (graph->nodes[n].inputs[i] == value) {
        ++readers;
        reader = n;
      }
  return readers == 1 ? reader : -1;
}

const fm_node *fm_plan_only_reader(const fm_plan *plan, const fm_node *node) {
  const int reader = plan_only_reader(plan->graph, node->output);
  return reader < 0 ? NULL : &plan->graph->nodes[reader];
}

// The node in whose run a node's work is done.
static int plan_runs_within(const fm_plan *plan, int n) {
  while (plan->nodes[n].context.defers)
    n = plan_only_reader(plan->graph, plan->graph->nodes[n].output);
  return n;
}

// Activations of inputs whose slope this node may apply to its dx.
static void plan_offer_slopes(fm_plan *plan, int n) {
  const fm_graph *graph = plan->graph;
  fm_op_context *context = &plan->nodes[n].context;
  for (int i = 0; i < graph->nodes[n].input_count; ++i) {
    const int value = graph->nodes[n].inputs[i], maker = graph->values[value].producer;
    if (maker >= 0 && context->wants_dx[i] && plan_only_reader(graph, value) >= 0)
      context->x_act[i] = plan->nodes[maker].context.y_act;
  }
}

static void plan_take_slopes(fm_plan *plan, int n) {
  const fm_node *node = &plan->graph->nodes[n];
  for (int i = 0; i < node->input_count; ++i) {
    if (!plan->nodes[n].context.slopes_dx[i])
      continue;
    const int maker = plan->graph->values[node->inputs[i]].producer;
    plan->nodes[maker].context.dy_has_slope = true;
    plan->nodes[maker].context.reads_y_in_backward = false;
  }
}

// What is only brought out stays exact; everything else of a known range is kept in whole numbers.
void fm_plan_wish(const fm_plan *plan, int value, fm_tensor *y) {
  const fm_graph *graph = plan->graph;
  const fm_range range = fm_ranges_of(plan->options.ranges, value);
  bool exact = !range.known;
  for (int n = 0; n < graph->node_count && !exact; ++n)
    for (int i = 0; i < graph->nodes[n].input_count; ++i)
      exact = exact || (graph->nodes[n].op->exact && graph->nodes[n].inputs[i] == value);
  if (!exact)
    fm_range_quantise(&range, y);
}

static fm_status plan_prepare_node(fm_plan *plan, int n) {
  const fm_graph *graph = plan->graph;
  const fm_node *node = &graph->nodes[n];
  plan_node *planned = &plan->nodes[n];
  fm_op_context *context = &planned->context;
  context->node = node;
  context->plan = plan;
  context->params = graph->params;
  context->purpose = plan->options.purpose;
  const bool int8 = plan->options.precision == FM_S8;
  context->precision = int8 ? FM_F32 : plan->options.precision;
  fm_shape shapes[FM_NODE_INPUTS_MAX];
  for (int i = 0; i < node->input_count; ++i) {
    context->x[i] = plan->values[node->inputs[i]].tensor;
    shapes[i] = context->x[i].shape;
    const int maker = graph->values[node->inputs[i]].producer;
    if (maker >= 0 && plan->nodes[maker].context.defers)
      context->deferred[i] = &plan->nodes[maker].context;
    if (int8)
      context->x_range[i] = fm_ranges_of(plan->options.ranges, node->inputs[i]);
  }
  context->y.dtype = context->precision;
  if (int8)
    fm_plan_wish(plan, node->output, &context->y);
  FM_TRY(node->op->infer(node, shapes, &context->y.shape));
  if (context->y.shape.c != graph->values[node->output].channels || context->y.shape.h <= 0 ||
      context->y.shape.w <= 0 || context->y.shape.n <= 0)
    return fm_fail(FM_ERR_SHAPE, "%s: the picture is too small for this network", node->op->name);
  context->state = calloc(1, node->op->state_bytes ? node->op->state_bytes : 1);
  FM_CHECK_ALLOC(context->state);
  planned->prepared = true;
  plan_offer_slopes(plan, n);
  const fm_status status = node->op->prepare(context);
  if (status < 0)
    return fm_fail_within(status, "%s", node->op->name);
  plan_take_slopes(plan, n);
  plan->values[node->output].tensor = context->y;
  return FM_OK;
}

static fm_status plan_prepare_nodes(fm_plan *plan) {
  // In training an op takes another algorithm when the code of one cannot be written, and has to
  // know at once.
  const bool together = plan->options.purpose != FM_TRAIN;
  if (together)
    fm_primitives_begin();
  fm_status status = FM_OK;
  for (int n = 0; status >= 0 && n < plan->graph->node_count; ++n)
    status = plan_prepare_node(plan, n);
  if (together && status >= 0)
    return fm_primitives_build();
  fm_primitives_abandon();
  return status;
}

// Buffers of the forward pass; what backward reads lives until then.
static fm_status plan_lay_forward(fm_plan *plan) {
  const fm_graph *graph = plan->graph;
  for (int n = 0; n < graph->node_count; ++n) {
    plan_node *planned = &plan->nodes[n];
    const fm_op_context *context = &planned->context;
    const fm_node *node = &graph->nodes[n];
    plan_value *y = &plan->values[node->output];
    const int end = plan_runs_within(plan, n);
    if (end == n)
      FM_TRY(fm_arena_add(&plan->arena, fm_tensor_bytes(&y->tensor), n, n, &y->buffer));
    FM_TRY(fm_arena_add(&plan->arena, context->forward_scratch_bytes, n, n,
                        &planned->forward_scratch));
    const int backward = planned->runs_backward ? plan_backward_time(plan, n) : n;
    FM_TRY(fm_arena_add(&plan->arena, context->saved_bytes, n, backward, &planned->saved));
    for (int i = 0; i < node->input_count; ++i)
      fm_arena_extend(&plan->arena, plan->values[node->inputs[i]].buffer,
                      planned->runs_backward && context->reads_x_in_backward[i] ? backward : end);
    if (planned->runs_backward && context->reads_y_in_backward)
      fm_arena_extend(&plan->arena, y->buffer, backward);
  }
  // Outputs stay until the next forward.
  for (int i = 0; i < graph->output_count; ++i)
    fm_arena_extend(&plan->arena, plan->values[graph->outputs[i].value].buffer,
                    plan_backward_time(plan, 0) + 1);
  return FM_OK;
}

static fm_status plan_add_part(fm_plan *plan, int value, int first, int *part) {
  plan_value *v = &plan->values[value];
  const int producer = plan->graph->values[value].producer;
  if (v->part_count == PLAN_PARTS_MAX)
    return fm_fail(FM_ERR_SHAPE, "a value has more than %d readers", PLAN_PARTS_MAX);
  if (producer < 0 && v->part_count == 0)
    *part = PLAN_BOUND; // the first reader of an input writes straight into the caller's memory
  else
    FM_TRY(fm_arena_add(&plan->arena, fm_tensor_bytes(&v->tensor), first,
                        producer >= 0 ? plan_backward_time(plan, producer)
                                      : plan_backward_time(plan, 0) + 1,
                        part));
  v->parts[v->part_count++] = *part;
  return FM_OK;
}

// Buffers of the backward pass: one contribution for each reader of a value that wants a gradient.
static fm_status plan_lay_backward(fm_plan *plan) {
  const fm_graph *graph = plan->graph;
  for (int i = 0; i < graph->output_count; ++i) {
    plan->seeds[i] = -1;
    if (plan->values[graph->outputs[i].value].wants_gradient)
      FM_TRY(plan_add_part(plan, graph->outputs[i].value, graph->node_count, &plan->seeds[i]));
  }
  for (int n = graph->node_count - 1; n >= 0; --n) {
    plan_node *planned = &plan->nodes[n];
    const fm_node *node = &graph->nodes[n];
    if (!planned->runs_backward)
      continue;
    const int now = plan_backward_time(plan, n);
    FM_TRY(fm_arena_add(&plan->arena, planned->context.backward_scratch_bytes, now, now,
                        &planned->backward_scratch));
    for (int i = 0; i < node->input_count; ++i)
      if (planned->context.wants_dx[i])
        FM_TRY(plan_add_part(plan, node->inputs[i], now, &planned->dx[i]));
  }
  return FM_OK;
}

// A node runs backward when its output wants a gradient and something behind it can give one.
static void plan_mark_backward(fm_plan *plan) {
  const fm_graph *graph = plan->graph;
  bool *reached = plan->reached;
  for (int i = 0; i < graph->output_count; ++i)
    reached[graph->outputs[i].value] = true;
  for (int n = graph->node_count - 1; n >= 0; --n) {
    const fm_node *node = &graph->nodes[n];
    plan_node *planned = &plan->nodes[n];
    planned->runs_backward = reached[node->output] && plan->values[node->output].wants_gradient;
    for (int i = 0; planned->runs_backward && i < node->input_count; ++i)
      reached[node->inputs[i]] = reached[node->inputs[i]] || planned->context.wants_dx[i];
  }
}

static fm_status plan_compile(fm_plan *plan) {
  const fm_graph *graph = plan->graph;
  FM_TRY(fm_graph_status(graph));
  if (plan->options.precision == FM_S8 && plan->options.purpose == FM_TRAIN)
    return fm_fail(FM_ERR_UNSUPPORTED, "int8 is for detection, not for training");
  if (plan->options.input_count != graph->input_count)
    return fm_fail(FM_ERR_SHAPE, "the graph has %d inputs, %d are given", graph->input_count,
                   plan->options.input_count);
  for (int i = 0; i < graph->input_count; ++i) {
    const fm_graph_value *value = &graph->values[graph->inputs[i].value];
    if (plan->inputs[i].shape.c != value->channels)
      return fm_fail(FM_ERR_SHAPE, "input %s has %d channels, not %d", graph->inputs[i].name,
                     plan->inputs[i].shape.c, value->channels);
    plan->values[graph->inputs[i].value].tensor = plan->inputs[i];
  }
  plan_mark_gradients(plan);
  plan_mark_backward(plan);
  if (plan->options.purpose == FM_TRAIN)
    FM_TRY(fm_params_need_gradients(graph->params));
  FM_TRY(plan_prepare_nodes(plan));
  FM_TRY(plan_lay_forward(plan));
  if (plan->options.purpose == FM_TRAIN)
    FM_TRY(plan_lay_backward(plan));
  return fm_arena_place(&plan->arena);
}

fm_status fm_plan_new(fm_plan **out, const fm_graph *graph, const fm_plan_options *options) {
  *out = NULL;
  fm_plan *plan = calloc(1, sizeof *plan);
  FM_CHECK_ALLOC(plan);
  plan->graph = graph;
  plan->options = *options;
  plan->options.inputs = plan->inputs;
  memcpy(plan->inputs, options->inputs, (size_t)options->input_count * sizeof *plan->inputs);
  FM_ASSERT(options->ranges || (options->precision != FM_S8 && !options->observes));
  plan->params_version = fm_params_version(graph->params);
  plan->ranges_version = options->ranges ? fm_ranges_version(options->ranges) : 0;
  plan->nodes = calloc((size_t)graph->node_count + 1, sizeof *plan->nodes);
  plan->values = calloc((size_t)graph->value_count + 1, sizeof *plan->values);
  plan->reached = calloc((size_t)graph->value_count + 1, sizeof *plan->reached);
  if (!plan->nodes || !plan->values || !plan->reached) {
    fm_plan_free(plan);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  for (int n = 0; n < graph->node_count; ++n) {
    plan_node *planned = &plan->nodes[n];
    planned->forward_scratch = planned->backward_scratch = planned->saved = -1;
    for (int i = 0; i < FM_NODE_INPUTS_MAX; ++i)
      planned->dx[i] = -1;
  }
  for (int v = 0; v < graph->value_count; ++v)
    plan->values[v].buffer = -1;
  const fm_status status = plan_compile(plan);
  if (status < 0) {
    fm_plan_free(plan);
    return status;
  }
  *out = plan;
  return FM_OK;
}

void fm_plan_free(fm_plan *plan) {
  if (!plan)
    return;
  for (int n = 0; plan->nodes && n < plan->graph->node_count; ++n) {
    plan_node *planned = &plan->nodes[n];
    if (planned->prepared && planned->context.node->op->release)
      planned->context.node->op->release(&planned->context);
    free(planned->context.state);
  }
  fm_arena_release(&plan->arena);
  free(plan->nodes);
  free(plan->values);
  free(plan->reached);
  free(plan);
}

size_t fm_plan_bytes(const fm_plan *plan) {
  return plan->arena.bytes;
}
