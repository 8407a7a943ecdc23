// Mean over the whole picture: (n,c,h,w) -> (n,c,1,1). Of whole numbers it is exact, in fp32.
#include <stdint.h>

#include "base/clones.h"
#include "nn/op/pooling.h"

enum { GLOBAL_AVG_LANES = 64 };

static fm_status global_avg_pool_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  (void)node;
  *y = (fm_shape){x->n, x->c, 1, 1};
  return FM_OK;
}

static bool global_avg_pool_is_int8(const fm_op_context *context) {
  const fm_tensor *x = &context->x[0];
  return fm_dtype_is_int8(x->dtype) && x->block == x->shape.c;
}

static fm_status global_avg_pool_prepare(fm_op_context *context) {
  const int window[2] = {context->x[0].shape.h, context->x[0].shape.w};
  if (global_avg_pool_is_int8(context)) {
    context->y.dtype = FM_F32;
    context->y.block = context->y.shape.c;
    return FM_OK;
  }
  return fm_pooling_prepare(context, dnnl_pooling_avg_exclude_padding, window, 1, 0);
}

// Some channels of interleaved pixels.
FM_KERNEL static void global_avg_sum_u8(int32_t *restrict sum, const uint8_t *restrict x,
                                        size_t pixels, size_t step, size_t lanes) {
  for (size_t p = 0; p < pixels; ++p)
    for (size_t k = 0; k < lanes; ++k)
      sum[k] += x[p * step + k];
}

FM_KERNEL static void global_avg_sum_s8(int32_t *restrict sum, const int8_t *restrict x,
                                        size_t pixels, size_t step, size_t lanes) {
  for (size_t p = 0; p < pixels; ++p)
    for (size_t k = 0; k < lanes; ++k)
      sum[k] += x[p * step + k];
}

static void global_avg_pool_tile(const fm_op_context *context, int n, size_t first) {
  const fm_tensor *x = &context->x[0];
  const size_t channels = (size_t)x->shape.c, rest = channels - first;
  const size_t lanes = rest < GLOBAL_AVG_LANES ? rest : GLOBAL_AVG_LANES;
  const size_t pixels = (size_t)x->shape.h * (size_t)x->shape.w;
  const size_t start = (size_t)n * pixels * channels + first;
  int32_t sum[GLOBAL_AVG_LANES] = {0};
  if (x->dtype == FM_U8)
    global_avg_sum_u8(sum, (const uint8_t *)x->data + start, pixels, channels, lanes);
  else
    global_avg_sum_s8(sum, (const int8_t *)x->data + start, pixels, channels, lanes);
  float *y = (float *)context->y.data + (size_t)n * channels + first;
  for (size_t k = 0; k < lanes; ++k)
    y[k] = x->scale * (float)sum[k] / (float)pixels;
}

static fm_status global_avg_pool_forward(fm_op_context *context) {
  if (!global_avg_pool_is_int8(context))
    return fm_pooling_forward(context);
  const int tiles = (context->y.shape.c + GLOBAL_AVG_LANES - 1) / GLOBAL_AVG_LANES;
#pragma omp parallel for schedule(static)
  for (int task = 0; task < context->y.shape.n * tiles; ++task)
    global_avg_pool_tile(context, task / tiles, (size_t)(task % tiles) * GLOBAL_AVG_LANES);
  return FM_OK;
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
    .forward = global_avg_pool_forward,
    .backward = fm_pooling_backward,
    .release = fm_pooling_release,
    .cases = global_avg_pool_cases,
};
