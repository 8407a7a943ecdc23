// Running a plan: pointers into the workspace, forward, sums of gradients, backward.
#include <stdio.h>
#include <string.h>

#include "base/clones.h"
#include "nn/params_layout.h"
#include "nn/plan_private.h"
#include "nn/profile.h"
#include "nn/workspace.h"

enum { PLAN_CHUNK = 1 << 14 };

void fm_plan_bind(fm_plan *plan, int input, void *data, void *gradient) {
  if (plan->bound[input] == data && plan->bound_gradient[input] == gradient)
    return;
  plan->bound[input] = data;
  plan->bound_gradient[input] = gradient;
  plan->rebound = true;
}

static void *plan_pointer(const fm_plan *plan, int buffer) {
  return buffer < 0 ? NULL : plan->base + plan->arena.buffers[buffer].offset;
}

static void *plan_value_data(const fm_plan *plan, int value) {
  const int input = plan->graph->values[value].input;
  return input >= 0 ? plan->bound[input] : plan_pointer(plan, plan->values[value].buffer);
}

static void *plan_part_data(const fm_plan *plan, int value, int part) {
  return part == PLAN_BOUND ? plan->bound_gradient[plan->graph->values[value].input]
                            : plan_pointer(plan, part);
}

static void plan_point_node(fm_plan *plan, int n) {
  plan_node *planned = &plan->nodes[n];
  fm_op_context *context = &planned->context;
  const fm_node *node = &plan->graph->nodes[n];
  for (int i = 0; i < node->input_count; ++i) {
    context->x[i].data = plan_value_data(plan, node->inputs[i]);
    context->dx[i] = context->x[i];
    context->dx[i].data = plan_part_data(plan, node->inputs[i], planned->dx[i]);
  }
  context->y.data = plan_value_data(plan, node->output);
  context->saved = plan_pointer(plan, planned->saved);
  const plan_value *y = &plan->values[node->output];
  context->dy_part_count = y->part_count;
  for (int i = 0; i < y->part_count; ++i) {
    context->dy_parts[i] = context->y;
    context->dy_parts[i].data = plan_pointer(plan, y->parts[i]);
  }
  if (y->part_count)
    context->dy = context->dy_parts[0];
}

// Sets every pointer anew when the workspace or an input has moved.
static fm_status plan_point(fm_plan *plan) {
  uint8_t *base;
  FM_TRY(fm_workspace_reserve(plan->options.workspace, plan->arena.bytes, &base));
  if (base == plan->base && !plan->rebound)
    return FM_OK;
  plan->base = base;
  plan->rebound = false;
  for (int n = 0; n < plan->graph->node_count; ++n)
    plan_point_node(plan, n);
  return FM_OK;
}

// What is left of a node when its primitives are taken away: our own passes over its arrays.
static void plan_end_section(fm_section *section, const fm_op_context *context, bool backward) {
  char name[FM_PROFILE_NAME_BYTES];
  const fm_tensor *y = &context->y;
  double bytes = (double)fm_tensor_bytes(y);
  for (int i = 0; i < context->node->input_count; ++i)
    if (!backward || context->wants_dx[i])
      bytes += (double)fm_tensor_bytes(&context->x[i]);
  const int used = snprintf(name, sizeof name, "%s %s, own passes", context->node->op->name,
                            backward ? "backward" : "forward");
  if (fm_profile_is_by_layer())
    snprintf(name + used, sizeof name - (size_t)used, ", to %d x %d x %d x %d", y->shape.n,
             y->shape.c, y->shape.h, y->shape.w);
  fm_section_end(section, &(fm_work){.name = name, .bytes = bytes});
}

static void plan_observe(fm_plan *plan, int value) {
  fm_tensor tensor = plan->values[value].tensor;
  tensor.data = plan_value_data(plan, value);
  fm_ranges_observe(plan->options.ranges, value, &tensor);
}

fm_status fm_plan_forward(fm_plan *plan) {
  FM_TRY(plan_point(plan));
  for (int i = 0; plan->options.observes && i < plan->graph->input_count; ++i)
    plan_observe(plan, plan->graph->inputs[i].value);
  for (int n = 0; n < plan->graph->node_count; ++n) {
    plan_node *planned = &plan->nodes[n];
    if (planned->context.defers)
      continue;
    planned->context.scratch = plan_pointer(plan, planned->forward_scratch);
    fm_section section;
    fm_section_begin(&section);
    const fm_status status = planned->context.node->op->forward(&planned->context);
    if (fm_profile_is_on())
      plan_end_section(&section, &planned->context, false);
    if (status < 0)
      return fm_fail_within(status, "%s", planned->context.node->op->name);
    if (plan->options.observes)
      plan_observe(plan, plan->graph->nodes[n].output);
  }
  return FM_OK;
}

fm_tensor fm_plan_output(const fm_plan *plan, int output) {
  const int value = plan->graph->outputs[output].value;
  fm_tensor tensor = plan->values[value].tensor;
  tensor.data = plan_value_data(plan, value);
  return tensor;
}

fm_tensor fm_plan_output_gradient(fm_plan *plan, int output) {
  fm_tensor tensor = plan->values[plan->graph->outputs[output].value].tensor;
  tensor.data = plan_pointer(plan, plan->seeds[output]);
  return tensor;
}

FM_KERNEL static void plan_sum_f32(float *restrict out, const float *restrict part, size_t n) {
  for (size_t i = 0; i < n; ++i)
    out[i] += part[i];
}

FM_KERNEL static void plan_sum_bf16(uint16_t *restrict out, const uint16_t *restrict part,
                                    size_t n) {
  for (size_t i = 0; i < n; ++i)
    out[i] = fm_f32_to_bf16(fm_bf16_to_f32(out[i]) + fm_bf16_to_f32(part[i]));
}

// first += part, both of `tensor`'s layout.
static void plan_sum(const fm_tensor *tensor, void *first, const void *part) {
  const size_t elements = fm_tensor_elements(tensor);
  const ptrdiff_t chunks = (ptrdiff_t)((elements + PLAN_CHUNK - 1) / PLAN_CHUNK);
#pragma omp parallel for schedule(static)
  for (ptrdiff_t chunk = 0; chunk < chunks; ++chunk) {
    const size_t from = (size_t)chunk * PLAN_CHUNK;
    const size_t n = elements - from < PLAN_CHUNK ? elements - from : PLAN_CHUNK;
    if (tensor->dtype == FM_F32)
      plan_sum_f32((float *)first + from, (const float *)part + from, n);
    else
      plan_sum_bf16((uint16_t *)first + from, (const uint16_t *)part + from, n);
  }
}

fm_status fm_plan_backward(fm_plan *plan) {
  FM_ASSERT(plan->options.purpose == FM_TRAIN && plan->base);
  const fm_graph *graph = plan->graph;
  for (int n = graph->node_count - 1; n >= 0; --n) {
    plan_node *planned = &plan->nodes[n];
    fm_op_context *context = &planned->context;
    if (!planned->runs_backward)
      continue;
    context->scratch = plan_pointer(plan, planned->backward_scratch);
    fm_section section;
    fm_section_begin(&section);
    if (!context->node->op->sums_gradients)
      for (int i = 1; i < context->dy_part_count; ++i)
        plan_sum(&context->y, context->dy.data, context->dy_parts[i].data);
    const fm_status status = context->node->op->backward(context);
    if (fm_profile_is_on())
      plan_end_section(&section, context, true);
    if (status < 0)
      return fm_fail_within(status, "%s, backward", context->node->op->name);
  }
  for (int i = 0; i < graph->input_count; ++i) {
    const plan_value *value = &plan->values[graph->inputs[i].value];
    for (int part = 1; part < value->part_count; ++part)
      plan_sum(&value->tensor, plan->bound_gradient[i], plan_pointer(plan, value->parts[part]));
  }
  return FM_OK;
}
