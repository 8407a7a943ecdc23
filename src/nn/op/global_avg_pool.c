// Mean over the whole picture: (n,c,h,w) -> (n,c,1,1).
#include "nn/op/pooling.h"

static fm_status global_avg_pool_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  (void)node;
  *y = (fm_shape){x->n, x->c, 1, 1};
  return FM_OK;
}

static fm_status global_avg_pool_prepare(fm_op_context *context) {
  const int window[2] = {context->x[0].shape.h, context->x[0].shape.w};
  return fm_pooling_prepare(context, dnnl_pooling_avg_exclude_padding, window, 1, 0);
}

extern const fm_op fm_op_global_avg_pool;

fm_value fm_global_avg_pool(fm_graph *graph, fm_value x) {
  return fm_graph_add_node(graph, &fm_op_global_avg_pool, &x, 1, NULL, 0, NULL, 0,
                           fm_graph_channels(graph, x));
}

static fm_value global_avg_pool_build(fm_graph *graph, const fm_value *inputs) {
  return fm_global_avg_pool(graph, inputs[0]);
}

static void global_avg_pool_expect(const fm_shape *s, const double *const *x,
                                   const double *const *params, double *y) {
  (void)params;
  const int area = s->h * s->w;
  for (int plane = 0; plane < s->n * s->c; ++plane) {
    y[plane] = 0;
    for (int i = 0; i < area; ++i)
      y[plane] += x[0][plane * area + i] / area;
  }
}

static const fm_op_case global_avg_pool_cases[] = {
    {.name = "global_avg_pool takes the mean of each channel",
     .input_count = 1,
     .inputs = {{2, 19, 9, 8}},
     .build = global_avg_pool_build,
     .reference = global_avg_pool_expect},
    {.name = NULL},
};

const fm_op fm_op_global_avg_pool = {
    .name = "global_avg_pool",
    .state_bytes = sizeof(pooling_state),
    .infer = global_avg_pool_infer,
    .prepare = global_avg_pool_prepare,
    .forward = fm_pooling_forward,
    .backward = fm_pooling_backward,
    .release = fm_pooling_release,
    .cases = global_avg_pool_cases,
};
