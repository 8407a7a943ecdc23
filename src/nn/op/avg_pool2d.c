// Mean over windows, padding counted as zeros (torch's count_include_pad=True).
#include "nn/op/pooling.h"

static const pooling_options *avg_pool2d_options(const fm_node *node) {
  return (const pooling_options *)(const void *)node->options;
}

static fm_status avg_pool2d_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  return fm_pooling_infer("avg_pool2d", avg_pool2d_options(node), x, y);
}

static fm_status avg_pool2d_prepare(fm_op_context *context) {
  const pooling_options *o = avg_pool2d_options(context->node);
  const int window[2] = {o->kernel, o->kernel};
  return fm_pooling_prepare(context, dnnl_pooling_avg_include_padding, window, o->stride,
                            o->padding);
}

extern const fm_op fm_op_avg_pool2d;

fm_value fm_avg_pool2d(fm_graph *graph, fm_value x, const fm_pool2d_options *options) {
  const pooling_options o = {options->kernel, options->stride ? options->stride : options->kernel,
                             options->padding};
  if (o.kernel <= 0 || o.stride <= 0 || o.padding < 0 || o.padding * 2 > o.kernel)
    fm_graph_fail(graph, "avg_pool2d: kernel %d, stride %d, padding %d", o.kernel, o.stride,
                  o.padding);
  return fm_graph_add_node(graph, &fm_op_avg_pool2d, &x, 1, &o, sizeof o, NULL, 0,
                           fm_graph_channels(graph, x));
}

static fm_value avg_pool2d_build(fm_graph *graph, const fm_value *inputs) {
  return fm_avg_pool2d(graph, inputs[0],
                       &(fm_pool2d_options){.kernel = 3, .stride = 2, .padding = 1});
}

static void avg_pool2d_expect(const fm_shape *s, const double *const *x,
                              const double *const *params, double *y) {
  (void)params;
  const int oh = (s->h - 1) / 2 + 1, ow = (s->w - 1) / 2 + 1;
  for (int plane = 0; plane < s->n * s->c; ++plane)
    for (int i = 0; i < oh; ++i)
      for (int j = 0; j < ow; ++j) {
        double sum = 0;
        for (int k = 0; k < 9; ++k) {
          const int r = i * 2 - 1 + k / 3, q = j * 2 - 1 + k % 3;
          if (r >= 0 && r < s->h && q >= 0 && q < s->w)
            sum += x[0][(plane * s->h + r) * s->w + q];
        }
        y[(plane * oh + i) * ow + j] = sum / 9;
      }
}

static const fm_op_case avg_pool2d_cases[] = {
    {.name = "avg_pool2d of 3 x 3 with stride 2 and padding takes the mean",
     .input_count = 1,
     .inputs = {{2, 19, 9, 8}},
     .build = avg_pool2d_build,
     .reference = avg_pool2d_expect},
    {.name = NULL},
};

const fm_op fm_op_avg_pool2d = {
    .name = "avg_pool2d",
    .state_bytes = sizeof(pooling_state),
    .infer = avg_pool2d_infer,
    .prepare = avg_pool2d_prepare,
    .forward = fm_pooling_forward,
    .backward = fm_pooling_backward,
    .release = fm_pooling_release,
    .describe = fm_pooling_describe,
    .cases = avg_pool2d_cases,
};
