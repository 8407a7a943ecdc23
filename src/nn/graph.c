// Building a graph: values, nodes, inputs and outputs, and the first mistake.
#include "nn/graph.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/graph_private.h"
#include "nn/op.h"

fm_status fm_graph_new(fm_graph **out, fm_params *params) {
  *out = calloc(1, sizeof **out);
  FM_CHECK_ALLOC(*out);
  (*out)->params = params;
  (*out)->value_count = 1; // value 0 is none
  return FM_OK;
}

void fm_graph_free(fm_graph *graph) {
  if (!graph)
    return;
  free(graph->nodes);
  free(graph->values);
  free(graph);
}

fm_status fm_graph_status(const fm_graph *graph) {
  return graph->failed ? fm_fail(graph->failure, "%s", graph->message) : FM_OK;
}

void fm_graph_fail(fm_graph *graph, const char *format, ...) {
  if (graph->failed)
    return;
  graph->failed = true;
  graph->failure = FM_ERR_SHAPE;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(graph->message, sizeof graph->message, format, arguments);
  va_end(arguments);
}

fm_params *fm_graph_params(fm_graph *graph) {
  return graph->params;
}

int fm_graph_channels(const fm_graph *graph, fm_value value) {
  return value.id > 0 && value.id < graph->value_count ? graph->values[value.id].channels : 0;
}

static void *graph_grow(void *items, int count, int *capacity, size_t size) {
  if (count < *capacity)
    return items;
  const int wanted = *capacity ? *capacity * 2 : 64;
  void *grown = realloc(items, (size_t)wanted * size);
  if (grown)
    *capacity = wanted;
  return grown;
}

static fm_value graph_add_value(fm_graph *graph, int channels, int input, int producer) {
  fm_graph_value *values =
      graph_grow(graph->values, graph->value_count, &graph->value_capacity, sizeof *values);
  if (!values) {
    fm_graph_fail(graph, "out of memory");
    return (fm_value){0};
  }
  graph->values = values;
  values[graph->value_count] = (fm_graph_value){channels, input, producer};
  return (fm_value){graph->value_count++};
}

fm_value fm_graph_input(fm_graph *graph, const char *name, int channels, bool wants_gradient) {
  if (graph->failed)
    return (fm_value){0};
  if (graph->input_count == FM_GRAPH_INPUTS_MAX || channels <= 0) {
    fm_graph_fail(graph, "input %s: more than %d inputs, or no channels", name,
                  FM_GRAPH_INPUTS_MAX);
    return (fm_value){0};
  }
  const fm_value value = graph_add_value(graph, channels, graph->input_count, -1);
  fm_graph_input_info *input = &graph->inputs[graph->input_count++];
  snprintf(input->name, sizeof input->name, "%s", name);
  input->value = value.id;
  input->wants_gradient = wants_gradient;
  return value;
}

void fm_graph_output(fm_graph *graph, const char *name, fm_value value) {
  if (graph->failed)
    return;
  if (graph->output_count == FM_GRAPH_OUTPUTS_MAX || value.id <= 0 ||
      value.id >= graph->value_count || graph->values[value.id].producer < 0) {
    fm_graph_fail(graph, "output %s: not a value that a node makes, or more than %d outputs", name,
                  FM_GRAPH_OUTPUTS_MAX);
    return;
  }
  fm_graph_output_info *output = &graph->outputs[graph->output_count++];
  snprintf(output->name, sizeof output->name, "%s", name);
  output->value = value.id;
}

int fm_graph_add_param(fm_graph *graph, const char *name, const char *suffix, fm_param_spec spec) {
  int id = -1;
  const int length = snprintf(spec.name, sizeof spec.name, "%s%s", name, suffix);
  if (length < 0 || (size_t)length >= sizeof spec.name)
    fm_graph_fail(graph, "the parameter name %s%s is too long", name, suffix);
  else if (fm_params_add(fm_graph_params(graph), &spec, &id) < 0)
    fm_graph_fail(graph, "%s", fm_error_message());
  return id;
}

fm_value fm_graph_add_node(fm_graph *graph, const fm_op *op, const fm_value *inputs,
                           int input_count, const void *options, size_t options_bytes,
                           const int *params, int param_count, int output_channels) {
  if (graph->failed)
    return (fm_value){0};
  FM_ASSERT(input_count <= FM_NODE_INPUTS_MAX && param_count <= FM_NODE_PARAMS_MAX &&
            options_bytes <= FM_NODE_OPTIONS_BYTES);
  fm_node *nodes =
      graph_grow(graph->nodes, graph->node_count, &graph->node_capacity, sizeof *nodes);
  if (!nodes) {
    fm_graph_fail(graph, "out of memory");
    return (fm_value){0};
  }
  graph->nodes = nodes;
  fm_node *node = &nodes[graph->node_count];
  memset(node, 0, sizeof *node);
  node->op = op;
  node->input_count = input_count;
  for (int i = 0; i < input_count; ++i) {
    if (inputs[i].id <= 0 || inputs[i].id >= graph->value_count) {
      fm_graph_fail(graph, "%s: input %d is not a value of this graph", op->name, i);
      return (fm_value){0};
    }
    node->inputs[i] = inputs[i].id;
  }
  for (int i = 0; i < FM_NODE_PARAMS_MAX; ++i)
    node->params[i] = i < param_count ? params[i] : -1;
  if (options_bytes)
    memcpy(node->options, options, options_bytes);
  const fm_value output = graph_add_value(graph, output_channels, -1, graph->node_count);
  node->output = output.id;
  ++graph->node_count;
  return output;
}

int fm_graph_node_count(const fm_graph *graph) {
  return graph->node_count;
}

void fm_graph_view_node(const fm_graph *graph, int node, fm_node_view *out) {
  _Static_assert((int)FM_NODE_VIEW_INPUTS_MAX == (int)FM_NODE_INPUTS_MAX, "all inputs are shown");
  const fm_node *shown = &graph->nodes[node];
  *out = (fm_node_view){.op = shown->op->name,
                        .input_count = shown->input_count,
                        .output = shown->output,
                        .settings = {.weight = -1,
                                     .bias = -1,
                                     .norm_weight = -1,
                                     .norm_bias = -1,
                                     .norm_mean = -1,
                                     .norm_variance = -1}};
  memcpy(out->inputs, shown->inputs, sizeof out->inputs);
  if (shown->op->describe)
    shown->op->describe(shown, &out->settings);
}

int fm_graph_input_value(const fm_graph *graph, int input) {
  return graph->inputs[input].value;
}

int fm_graph_output_value(const fm_graph *graph, int output) {
  return graph->outputs[output].value;
}
