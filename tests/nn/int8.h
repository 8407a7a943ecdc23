// What the tests of whole numbers share: a graph of one op with given ranges, run as an int8 plan.
// The ranges are known, so inputs, outputs and weights are rounded in a known way, and products of
// them are exact; the rounding of an output, half a step, is all that may differ.
#ifndef TESTS_NN_INT8_H
#define TESTS_NN_INT8_H

#include <math.h>

#include "nn/chunk.h"
#include "nn/graph_private.h"
#include "nn/library.h"
#include "nn/op.h"
#include "nn/plan.h"
#include "support.h"

typedef struct int8_run {
  fm_params *params;
  fm_graph *graph;
  fm_ranges *ranges;
  fm_workspace *workspace;
  fm_plan *plan;
  fm_value inputs[FM_NODE_INPUTS_MAX];
  fm_tensor in[FM_NODE_INPUTS_MAX];
  int input_count;
} int8_run;

static unsigned int8_seed;

static inline double int8_random(void) { // in [-1, 1)
  int8_seed = int8_seed * 1664525u + 1013904223u;
  return (double)(int8_seed >> 8) / (1 << 23) - 1;
}

static inline void int8_init(int8_run *run, const fm_shape *shapes, int count) {
  *run = (int8_run){.input_count = count};
  int8_seed = 1;
  test_check(fm_params_new(&run->params));
  test_check(fm_graph_new(&run->graph, run->params));
  test_check(fm_workspace_new(&run->workspace));
  for (int i = 0; i < count; ++i) {
    char name[8] = {(char)('a' + i)};
    run->inputs[i] = fm_graph_input(run->graph, name, shapes[i].c, false);
  }
}

static inline void int8_release(int8_run *run) {
  for (int i = 0; i < run->input_count; ++i)
    free(run->in[i].data);
  fm_plan_free(run->plan);
  fm_ranges_free(run->ranges);
  fm_workspace_free(run->workspace);
  fm_graph_free(run->graph);
  fm_params_free(run->params);
}

// Ends the graph with `y`, and gives every value the range.
static inline void int8_finish(int8_run *run, fm_value y, float low, float high) {
  fm_graph_output(run->graph, "y", y);
  test_check(fm_ranges_new(&run->ranges, run->graph));
  for (int i = 0; i < fm_ranges_count(run->ranges); ++i)
    fm_ranges_set(run->ranges, i, low, high);
}

static inline void int8_set_range(int8_run *run, const char *name, float low, float high) {
  const int index = fm_ranges_find(run->ranges, name);
  assert_true(index >= 0);
  fm_ranges_set(run->ranges, index, low, high);
}

// Input i, of `dtype`, from plain values; they come back as the tensor holds them.
static inline void int8_fill(int8_run *run, int i, fm_tensor like, float *values) {
  fm_tensor *in = &run->in[i];
  *in = like;
  in->data = test_memory(fm_tensor_bytes(in));
  const fm_tensor plain = {.dtype = FM_F32, .shape = like.shape, .block = 1, .data = values};
  fm_tensor_copy(in, &plain);
  fm_tensor_copy(&plain, in);
}

// The output in plain order; heap.
static inline float *int8_forward(int8_run *run) {
  const fm_plan_options options = {.purpose = FM_INFER,
                                   .precision = FM_S8,
                                   .inputs = run->in,
                                   .input_count = run->input_count,
                                   .workspace = run->workspace,
                                   .ranges = run->ranges};
  test_check(fm_plan_new(&run->plan, run->graph, &options));
  for (int i = 0; i < run->input_count; ++i)
    fm_plan_bind(run->plan, i, run->in[i].data, NULL);
  test_check(fm_plan_forward(run->plan));
  const fm_tensor out = fm_plan_output(run->plan, 0);
  float *y = test_memory(test_count(out.shape) * sizeof *y);
  const fm_tensor plain = {.dtype = FM_F32, .shape = out.shape, .block = 1, .data = y};
  fm_tensor_copy(&plain, &out);
  return y;
}

static inline fm_tensor int8_like(fm_shape shape, fm_dtype dtype, float scale) {
  return (fm_tensor){.dtype = dtype,
                     .shape = shape,
                     .block = dtype == FM_F32 ? 1 : shape.c,
                     .scale = dtype == FM_F32 ? 0 : scale};
}

// What the weights `a` and `b`, which may be added in 16 bits, come to at most.
static inline double int8_pair(double a, double b) {
  return a * b > 0 ? fabs(a + b) : fmax(fabs(a), fabs(b));
}

// A row of weights of that many input channels rounded as src/nn/working.c says it does.
static inline void int8_round_row(double *row, size_t count, size_t channels) {
  const size_t taps = count / channels;
  double most = 0;
  for (size_t i = 0; i < count; ++i) {
    most = fmax(most, fabs(row[i]));
    if (channels == 1 || fm_nn_has_vnni())
      continue;
    if (i / taps % 2 == 0 && i + taps < count)
      most = fmax(most, int8_pair(row[i], row[i + taps]));
    if (i % 2 == 0 && i + 1 < count)
      most = fmax(most, int8_pair(row[i], row[i + 1]));
  }
  const double unit = most / 127;
  for (size_t i = 0; i < count && unit > 0; ++i)
    row[i] = unit * rint(row[i] / unit);
}

#endif
