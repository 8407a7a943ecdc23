// The linear layer against the naive product.
#include "nn/op.h"
#include "nn/op/linear.h"

static fm_value linear_build_flat(fm_graph *graph, const fm_value *inputs) {
  return fm_linear(
      graph, inputs[0],
      &(fm_linear_options){
          .name = "fc", .out_features = 21, .act = FM_ACT_RELU, .init = FM_INIT_UNIFORM});
}

static fm_value linear_build_maps(fm_graph *graph, const fm_value *inputs) {
  return fm_linear(
      graph, inputs[0],
      &(fm_linear_options){
          .name = "fc", .out_features = 5, .in_height = 3, .in_width = 2, .init = FM_INIT_UNIFORM});
}

static void linear_expect(const fm_shape *s, const double *const *x, const double *const *params,
                          int out, bool relu, double *y) {
  const int inputs = s->c * s->h * s->w;
  for (int n = 0; n < s->n; ++n)
    for (int o = 0; o < out; ++o) {
      double sum = params[1][o];
      for (int i = 0; i < inputs; ++i)
        sum += x[0][n * inputs + i] * params[0][o * inputs + i];
      y[n * out + o] = relu && sum < 0 ? 0 : sum;
    }
}

static void linear_expect_flat(const fm_shape *s, const double *const *x,
                               const double *const *params, double *y) {
  linear_expect(s, x, params, 21, true, y);
}

static void linear_expect_maps(const fm_shape *s, const double *const *x,
                               const double *const *params, double *y) {
  linear_expect(s, x, params, 5, false, y);
}

const fm_op_case fm_linear_cases[] = {
    {.name = "linear over a matrix with ReLU equals the naive product",
     .input_count = 1,
     .inputs = {{6, 19, 1, 1}},
     .build = linear_build_flat,
     .reference = linear_expect_flat},
    {.name = "linear over maps flattens them in the order c, h, w",
     .input_count = 1,
     .inputs = {{4, 18, 3, 2}},
     .build = linear_build_maps,
     .reference = linear_expect_maps},
    {.name = NULL},
};
