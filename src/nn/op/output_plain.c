// The same numbers as fp32 NHWC, for plain C outside the engine; backward turns the gradient back
// into x's layout.
#include "nn/chunk.h"
#include "nn/op.h"

static fm_status output_plain_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  (void)node;
  *y = x[0];
  return FM_OK;
}

static fm_status output_plain_prepare(fm_op_context *context) {
  context->y.dtype = FM_F32;
  context->y.block = context->y.shape.c;
  return FM_OK;
}

static fm_status output_plain_forward(fm_op_context *context) {
  fm_tensor_copy(&context->y, &context->x[0]);
  return FM_OK;
}

static fm_status output_plain_backward(fm_op_context *context) {
  if (context->wants_dx[0])
    fm_tensor_copy(&context->dx[0], &context->dy);
  return FM_OK;
}

extern const fm_op fm_op_output_plain;

void fm_graph_output_plain(fm_graph *graph, const char *name, fm_value value) {
  fm_graph_output(graph, name,
                  fm_graph_add_node(graph, &fm_op_output_plain, &value, 1, NULL, 0, NULL, 0,
                                    fm_graph_channels(graph, value)));
}

static fm_value output_plain_build(fm_graph *graph, const fm_value *inputs) {
  return fm_graph_add_node(graph, &fm_op_output_plain, inputs, 1, NULL, 0, NULL, 0,
                           fm_graph_channels(graph, inputs[0]));
}

static void output_plain_expect(const fm_shape *s, const double *const *x,
                                const double *const *params, double *y) {
  (void)params;
  for (int i = 0; i < s->n * s->c * s->h * s->w; ++i)
    y[i] = x[0][i];
}

static const fm_op_case output_plain_cases[] = {
    {.name = "output_plain changes the layout and no number",
     .input_count = 1,
     .inputs = {{2, 19, 3, 5}},
     .build = output_plain_build,
     .reference = output_plain_expect},
    {.name = NULL},
};

const fm_op fm_op_output_plain = {
    .name = "output_plain",
    .exact = true,
    .infer = output_plain_infer,
    .prepare = output_plain_prepare,
    .forward = output_plain_forward,
    .backward = output_plain_backward,
    .cases = output_plain_cases,
};
