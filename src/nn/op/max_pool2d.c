// Maximum over windows: y[n,c,i,j] = max of x[n,c, i stride - padding + 0..kernel-1, …]; padding
// never wins.
#include <float.h>

#include "nn/op/pooling.h"

static const pooling_options *max_pool2d_options(const fm_node *node) {
  return (const pooling_options *)(const void *)node->options;
}

static fm_status max_pool2d_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  return fm_pooling_infer("max_pool2d", max_pool2d_options(node), x, y);
}

static fm_status max_pool2d_prepare(fm_op_context *context) {
  const pooling_options *o = max_pool2d_options(context->node);
  const int window[2] = {o->kernel, o->kernel};
  return fm_pooling_prepare(context, dnnl_pooling_max, window, o->stride, o->padding);
}

extern const fm_op fm_op_max_pool2d;

fm_value fm_max_pool2d(fm_graph *graph, fm_value x, const fm_pool2d_options *options) {
  const pooling_options o = {options->kernel, options->stride ? options->stride : options->kernel,
                             options->padding};
  if (o.kernel <= 0 || o.stride <= 0 || o.padding < 0 || o.padding * 2 > o.kernel)
    fm_graph_fail(graph, "max_pool2d: kernel %d, stride %d, padding %d", o.kernel, o.stride,
                  o.padding);
  return fm_graph_add_node(graph, &fm_op_max_pool2d, &x, 1, &o, sizeof o, NULL, 0,
                           fm_graph_channels(graph, x));
}

static fm_value max_pool2d_build_3(fm_graph *graph, const fm_value *inputs) {
  return fm_max_pool2d(graph, inputs[0],
                       &(fm_pool2d_options){.kernel = 3, .stride = 2, .padding = 1});
}

static fm_value max_pool2d_build_1(fm_graph *graph, const fm_value *inputs) {
  return fm_max_pool2d(graph, inputs[0], &(fm_pool2d_options){.kernel = 1, .stride = 2});
}

static void max_pool2d_expect(const fm_shape *s, const double *x, int kernel, int padding,
                              double *y) {
  const int oh = (s->h + 2 * padding - kernel) / 2 + 1, ow = (s->w + 2 * padding - kernel) / 2 + 1;
  for (int plane = 0; plane < s->n * s->c; ++plane)
    for (int i = 0; i < oh; ++i)
      for (int j = 0; j < ow; ++j) {
        double best = -DBL_MAX;
        for (int k = 0; k < kernel * kernel; ++k) {
          const int r = i * 2 - padding + k / kernel, q = j * 2 - padding + k % kernel;
          if (r >= 0 && r < s->h && q >= 0 && q < s->w && x[(plane * s->h + r) * s->w + q] > best)
            best = x[(plane * s->h + r) * s->w + q];
        }
        y[(plane * oh + i) * ow + j] = best;
      }
}

static void max_pool2d_expect_3(const fm_shape *shape, const double *const *x,
                                const double *const *params, double *y) {
  (void)params;
  max_pool2d_expect(shape, x[0], 3, 1, y);
}

static void max_pool2d_expect_1(const fm_shape *shape, const double *const *x,
                                const double *const *params, double *y) {
  (void)params;
  max_pool2d_expect(shape, x[0], 1, 0, y);
}

// Distinct values far apart: a finite difference must not change which one is the maximum.
static void max_pool2d_fill(int input, fm_shape shape, float *values) {
  (void)input;
  const int total = shape.n * shape.c * shape.h * shape.w;
  for (int i = 0; i < total; ++i)
    values[i] = (float)((i * 7919) % total) / (float)total * 8 - 4;
}

static const fm_op_case max_pool2d_cases[] = {
    {.name = "max_pool2d of 3 x 3 with stride 2 and padding takes the maximum",
     .input_count = 1,
     .inputs = {{2, 19, 9, 8}},
     .build = max_pool2d_build_3,
     .reference = max_pool2d_expect_3,
     .fill = max_pool2d_fill},
    {.name = "max_pool2d of one pixel with stride 2 takes every other pixel",
     .input_count = 1,
     .inputs = {{1, 16, 7, 5}},
     .build = max_pool2d_build_1,
     .reference = max_pool2d_expect_1,
     .fill = max_pool2d_fill},
    {.name = NULL},
};

const fm_op fm_op_max_pool2d = {
    .name = "max_pool2d",
    .state_bytes = sizeof(pooling_state),
    .infer = max_pool2d_infer,
    .prepare = max_pool2d_prepare,
    .forward = fm_pooling_forward,
    .backward = fm_pooling_backward,
    .release = fm_pooling_release,
    .describe = fm_pooling_describe,
    .cases = max_pool2d_cases,
};
