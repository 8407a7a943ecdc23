// Test cases of roi_linear: a naive linear layer over roi_align's naive pooling.
#include <math.h>
#include <stdlib.h>

#include "nn/op/roi_cases.h"

extern const fm_op_case fm_roi_linear_cases[];

static fm_value linear_case_build(fm_graph *graph, const fm_value *inputs, int levels, int size,
                                  int outputs, fm_activation act) {
  return fm_roi_linear(
      graph, inputs, inputs[levels],
      &(fm_roi_align_options){.level_count = levels, .output_size = size},
      &(fm_linear_options){
          .name = "fc", .out_features = outputs, .act = act, .init = FM_INIT_UNIFORM});
}

static fm_value linear_case_build_two(fm_graph *graph, const fm_value *inputs) {
  return linear_case_build(graph, inputs, 2, 3, 21, FM_ACT_RELU);
}

static fm_value linear_case_build_one(fm_graph *graph, const fm_value *inputs) {
  return linear_case_build(graph, inputs, 1, 7, 128, FM_ACT_NONE);
}

static void linear_case_expect(const fm_shape *shape, const double *const *x,
                               const double *const *params, int levels, int size, int outputs,
                               double *y) {
  const int inputs = shape[0].c * size * size, rois = shape[levels].n;
  double *pooled = calloc((size_t)rois * (size_t)inputs, sizeof *pooled);
  FM_ASSERT(pooled);
  fm_roi_case_expect(shape, x, levels, size, pooled);
  for (int r = 0; r < rois; r++)
    for (int o = 0; o < outputs; o++) {
      double sum = params[1][o];
      for (int i = 0; i < inputs; i++)
        sum += pooled[(size_t)r * (size_t)inputs + (size_t)i] *
               params[0][(size_t)o * (size_t)inputs + (size_t)i];
      y[r * outputs + o] = sum;
    }
  free(pooled);
}

static void linear_case_expect_two(const fm_shape *shape, const double *const *x,
                                   const double *const *params, double *y) {
  linear_case_expect(shape, x, params, 2, 3, 21, y);
  for (int i = 0; i < shape[2].n * 21; i++)
    y[i] = fmax(y[i], 0);
}

static void linear_case_expect_one(const fm_shape *shape, const double *const *x,
                                   const double *const *params, double *y) {
  linear_case_expect(shape, x, params, 1, 7, 128, y);
}

const fm_op_case fm_roi_linear_cases[] = {
    {.name = "roi_linear equals a linear layer with ReLU over pooled regions of two levels",
     .input_count = 3,
     .inputs = {{2, 19, 8, 10}, {2, 19, 4, 5}, {9, 7, 1, 1}},
     .build = linear_case_build_two,
     .reference = linear_case_expect_two,
     .fill = fm_roi_case_fill_two,
     .no_gradient = {false, false, true}},
    {.name = "roi_linear works in several groups of outputs",
     .input_count = 2,
     .inputs = {{2, 16, 8, 10}, {2, 7, 1, 1}},
     .build = linear_case_build_one,
     .reference = linear_case_expect_one,
     .fill = fm_roi_case_fill_one,
     .no_gradient = {false, true}},
    {.name = NULL},
};
