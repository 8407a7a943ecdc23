// Test cases of the convolution op, against naive loops in double.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/op/conv2d.h"

typedef struct conv2d_case {
  int oc, kernel, stride, padding, padding_end, dilation, groups;
  bool bias, residual;
  fm_norm norm;
  fm_activation act;
} conv2d_case;

static fm_value conv2d_case_build(fm_graph *graph, const fm_value *inputs, conv2d_case c) {
  return fm_conv2d(graph, inputs[0],
                   &(fm_conv2d_options){.name = "conv",
                                        .norm_name = "norm",
                                        .norm = c.norm,
                                        .out_channels = c.oc,
                                        .kernel = c.kernel,
                                        .stride = c.stride,
                                        .padding = c.padding,
                                        .padding_end = c.padding_end,
                                        .dilation = c.dilation,
                                        .groups = c.groups,
                                        .bias = c.bias,
                                        .act = c.act,
                                        .residual = c.residual ? inputs[1] : (fm_value){0},
                                        .init = FM_INIT_KAIMING_UNIFORM});
}

static double conv2d_case_pixel(const fm_shape *s, const double *x, const double *w,
                                const conv2d_case *c, const int at[4]) {
  const int icg = s->c / c->groups, ocg = c->oc / c->groups;
  const int first = at[1] / ocg * icg;
  double sum = 0;
  for (int i = 0; i < icg; ++i)
    for (int r = 0; r < c->kernel; ++r)
      for (int q = 0; q < c->kernel; ++q) {
        const int h = at[2] * c->stride - c->padding + r * c->dilation;
        const int v = at[3] * c->stride - c->padding + q * c->dilation;
        if (h >= 0 && h < s->h && v >= 0 && v < s->w)
          sum += x[((at[0] * s->c + first + i) * s->h + h) * s->w + v] *
                 w[((at[1] * icg + i) * c->kernel + r) * c->kernel + q];
      }
  return sum;
}

static double conv2d_case_activate(double v, fm_activation act) {
  const double low = v > 0 ? v : 0;
  switch (act) {
  case FM_ACT_RELU:
    return low;
  case FM_ACT_RELU6:
    return low < 6 ? low : 6;
  case FM_ACT_HARD_SWISH:
    return v * fmin(fmax(v + 3, 0), 6) / 6;
  default:
    return v;
  }
}

// Mean and variance of one output channel over the batch; noa: pictures, channels, pixels.
static void conv2d_case_statistics(const double *y, const int noa[3], int channel, double *mean,
                                   double *variance) {
  *mean = *variance = 0;
  const int n = noa[0], oc = noa[1], area = noa[2];
  const double count = (double)n * area;
  for (int i = 0; i < n * area; ++i)
    *mean += y[(i / area * oc + channel) * area + i % area] / count;
  for (int i = 0; i < n * area; ++i) {
    const double d = y[(i / area * oc + channel) * area + i % area] - *mean;
    *variance += d * d / count;
  }
}

static void conv2d_case_expect(const fm_shape *s, const double *const *x,
                               const double *const *params, double *y, conv2d_case c) {
  const int reach = c.dilation * (c.kernel - 1) + 1;
  const int padding = c.padding + c.padding_end;
  const int oh = (s->h + padding - reach) / c.stride + 1;
  const int ow = (s->w + padding - reach) / c.stride + 1, area = oh * ow;
  for (int i = 0; i < s->n * c.oc * area; ++i) {
    const int at[4] = {i / area / c.oc, i / area % c.oc, i % area / ow, i % ow};
    y[i] = conv2d_case_pixel(s, x[0], params[CONV_WEIGHT], &c, at) +
           (c.bias ? params[CONV_BIAS][at[1]] : 0);
  }
  double *mean = calloc((size_t)c.oc * 2, sizeof *mean), *variance = mean + c.oc;
  FM_ASSERT(mean);
  for (int o = 0; o < c.oc; ++o) {
    if (c.norm == FM_NORM_BATCH)
      conv2d_case_statistics(y, (int[3]){s->n, c.oc, area}, o, &mean[o], &variance[o]);
    else if (c.norm == FM_NORM_FROZEN) {
      mean[o] = params[CONV_MEAN][o];
      variance[o] = params[CONV_VARIANCE][o];
    }
  }
  for (int i = 0; i < s->n * c.oc * area; ++i) {
    const int o = i / area % c.oc;
    double v = y[i];
    if (c.norm != FM_NORM_NONE)
      v = (v - mean[o]) / sqrt(variance[o] + 1e-5) * params[CONV_GAMMA][o] + params[CONV_BETA][o];
    y[i] = conv2d_case_activate(v + (c.residual ? x[1][i] : 0), c.act);
  }
  free(mean);
}

// One case: its sentence, its settings, its input shapes.
#define CONV_CASES(CASE)                                                                          \
  CASE(plain, "conv2d of 3 x 3 with bias equals the naive loop", 1,                               \
       ((conv2d_case){24, 3, 1, 1, 1, 1, 1, true, false, FM_NORM_NONE, FM_ACT_NONE}),             \
       {2, 19, 9, 8})                                                                             \
  CASE(stride, "conv2d with stride 2, padding 1 and ReLU equals the naive loop", 1,               \
       ((conv2d_case){17, 3, 2, 1, 1, 1, 1, true, false, FM_NORM_NONE, FM_ACT_RELU}),             \
       {2, 16, 9, 7})                                                                             \
  CASE(picture, "conv2d of 7 x 7 on a picture of three channels equals the naive loop", 1,        \
       ((conv2d_case){16, 7, 2, 3, 3, 1, 1, false, false, FM_NORM_FROZEN, FM_ACT_RELU}),          \
       {1, 3, 15, 13})                                                                            \
  CASE(dilated, "conv2d with dilation 2 equals the naive loop", 1,                                \
       ((conv2d_case){16, 3, 1, 2, 2, 2, 1, true, false, FM_NORM_NONE, FM_ACT_NONE}),             \
       {1, 16, 9, 8})                                                                             \
  CASE(depthwise, "a depthwise conv2d of 5 x 5 with stride 2 and ReLU6 equals the naive loop", 1, \
       ((conv2d_case){24, 5, 2, 2, 2, 1, 24, true, false, FM_NORM_NONE, FM_ACT_RELU6}),           \
       {2, 24, 9, 8})                                                                             \
  CASE(same, "conv2d of a picture padded at its end alone equals the naive loop", 1,              \
       ((conv2d_case){24, 3, 2, 0, 1, 1, 1, true, false, FM_NORM_NONE, FM_ACT_RELU6}),            \
       {2, 3, 10, 12})                                                                            \
  CASE(same_depthwise, "a depthwise conv2d of 5 x 5 padded by 1 and 2 equals the naive loop", 1,  \
       ((conv2d_case){24, 5, 2, 1, 2, 1, 24, true, false, FM_NORM_NONE, FM_ACT_RELU6}),           \
       {2, 24, 10, 12})                                                                           \
  CASE(wide_depthwise, "a depthwise conv2d of 5 x 5 over two blocks equals the naive loop", 1,    \
       ((conv2d_case){40, 5, 1, 2, 2, 1, 40, true, false, FM_NORM_NONE, FM_ACT_NONE}),            \
       {3, 40, 7, 11})                                                                            \
  CASE(dilated_depthwise, "a depthwise conv2d of 3 x 3 with dilation 2 equals the naive loop", 1, \
       ((conv2d_case){24, 3, 1, 2, 2, 2, 24, true, false, FM_NORM_NONE, FM_ACT_NONE}),            \
       {2, 24, 6, 9})                                                                             \
  CASE(large_depthwise, "a depthwise conv2d of 7 x 7 with stride 3 equals the naive loop", 1,     \
       ((conv2d_case){16, 7, 3, 3, 1, 1, 16, true, false, FM_NORM_NONE, FM_ACT_NONE}),            \
       {2, 16, 9, 10})                                                                            \
  CASE(unpadded_depthwise, "a depthwise conv2d that leaves the last pixels out", 1,               \
       ((conv2d_case){16, 3, 2, 0, 0, 1, 16, false, false, FM_NORM_NONE, FM_ACT_NONE}),           \
       {1, 16, 8, 10})                                                                            \
  CASE(light_depthwise, "a depthwise conv2d of 3 x 3 with frozen norm and ReLU6", 1,              \
       ((conv2d_case){24, 3, 1, 1, 1, 1, 24, false, false, FM_NORM_FROZEN, FM_ACT_RELU6}),        \
       {2, 24, 7, 19})                                                                            \
  CASE(down_depthwise, "a depthwise conv2d of 3 x 3 padded at its end alone, frozen, ReLU6", 1,   \
       ((conv2d_case){40, 3, 2, 0, 1, 1, 40, false, false, FM_NORM_FROZEN, FM_ACT_RELU6}),        \
       {2, 40, 10, 14})                                                                           \
  CASE(swish_depthwise, "a depthwise conv2d of 5 x 5 with frozen norm and hard-swish", 1,         \
       ((conv2d_case){24, 5, 2, 2, 2, 1, 24, false, false, FM_NORM_FROZEN, FM_ACT_HARD_SWISH}),   \
       {2, 24, 9, 8})                                                                             \
  CASE(residual_depthwise, "a depthwise conv2d with residual and ReLU equals the naive loop", 2,  \
       ((conv2d_case){24, 3, 1, 1, 1, 1, 24, true, true, FM_NORM_NONE, FM_ACT_RELU}),             \
       {2, 24, 6, 5})                                                                             \
  CASE(groups, "conv2d in four groups equals the naive loop", 1,                                  \
       ((conv2d_case){64, 3, 1, 1, 1, 1, 4, true, false, FM_NORM_NONE, FM_ACT_NONE}),             \
       {1, 64, 6, 5})                                                                             \
  CASE(frozen_swish, "conv2d with frozen norm and hard-swish equals the naive loop", 1,           \
       ((conv2d_case){40, 1, 1, 0, 0, 1, 1, false, false, FM_NORM_FROZEN, FM_ACT_HARD_SWISH}),    \
       {2, 24, 6, 5})                                                                             \
  CASE(frozen_bias, "conv2d with bias, frozen norm and ReLU equals the naive loop", 1,            \
       ((conv2d_case){24, 3, 1, 1, 1, 1, 1, true, false, FM_NORM_FROZEN, FM_ACT_RELU}),           \
       {2, 16, 6, 5})                                                                             \
  CASE(tiny, "conv2d of 3 x 3 on fewer pixels equals the naive loop", 1,                          \
       ((conv2d_case){32, 3, 1, 1, 1, 1, 1, true, false, FM_NORM_NONE, FM_ACT_RELU}),             \
       {3, 16, 1, 2})                                                                             \
  CASE(frozen_residual, "conv2d with frozen norm, residual and ReLU equals the naive loop", 2,    \
       ((conv2d_case){24, 1, 1, 0, 0, 1, 1, false, true, FM_NORM_FROZEN, FM_ACT_RELU}),           \
       {2, 40, 6, 5})                                                                             \
  CASE(batch, "conv2d with batch norm and ReLU equals the naive loop", 1,                         \
       ((conv2d_case){24, 3, 1, 1, 1, 1, 1, false, false, FM_NORM_BATCH, FM_ACT_RELU}),           \
       {3, 19, 6, 5})                                                                             \
  CASE(batch_swish, "a depthwise conv2d with batch norm and hard-swish equals the naive loop", 1, \
       ((conv2d_case){24, 3, 1, 1, 1, 1, 24, false, false, FM_NORM_BATCH, FM_ACT_HARD_SWISH}),    \
       {3, 24, 6, 5})                                                                             \
  CASE(batch_residual, "conv2d with batch norm, residual and ReLU equals the naive loop", 2,      \
       ((conv2d_case){24, 1, 1, 0, 0, 1, 1, false, true, FM_NORM_BATCH, FM_ACT_RELU}),            \
       {2, 16, 6, 5})

#define CONV_CASE_FUNCTIONS(noun, sentence, inputs_used, settings, ...)          \
  static fm_value conv2d_build_##noun(fm_graph *graph, const fm_value *inputs) { \
    return conv2d_case_build(graph, inputs, settings);                           \
  }                                                                              \
  static void conv2d_expect_##noun(const fm_shape *s, const double *const *x,    \
                                   const double *const *params, double *y) {     \
    conv2d_case_expect(s, x, params, y, settings);                               \
  }
CONV_CASES(CONV_CASE_FUNCTIONS)

// A residual has the shape of y: these cases keep n = 2, 6 x 5 pixels, 24 channels.
#define CONV_CASE_ROW(noun, sentence, inputs_used, settings, ...) \
  {.name = sentence,                                              \
   .input_count = inputs_used,                                    \
   .inputs = {__VA_ARGS__, {2, 24, 6, 5}},                        \
   .build = conv2d_build_##noun,                                  \
   .reference = conv2d_expect_##noun},

const fm_op_case fm_conv2d_cases[] = {CONV_CASES(CONV_CASE_ROW){.name = NULL}};
