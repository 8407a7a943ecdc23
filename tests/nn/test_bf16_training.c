// An expanding, a depthwise and a projecting convolution trained in bf16: near what fp32 gives, and
// without oneDNN's reference loops and its general ones for depthwise weights, ten to a hundred
// times slower, which it has for gradients between two layouts and for interleaved channels.
#include <math.h>
#include <string.h>

#include "nn/chunk.h"
#include "nn/graph.h"
#include "nn/library.h"
#include "nn/plan.h"
#include "nn/profile.h"
#include "support.h"

enum { SIDE = 14, NARROW = 32 };

typedef struct trained_case {
  int wide, kernel, stride;
  bool residual, batch_norm;
} trained_case;

typedef struct trained {
  float *dx;
  size_t elements;
  bool slowly;
} trained;

static fm_value trained_conv(fm_graph *graph, fm_value x, const fm_conv2d_options *options) {
  fm_conv2d_options o = *options;
  o.init = FM_INIT_KAIMING_UNIFORM;
  o.init_scale = 2;
  return fm_conv2d(graph, x, &o);
}

static void trained_build(fm_graph *graph, const trained_case *c) {
  const fm_value x =
      trained_conv(graph, fm_graph_input(graph, "x", NARROW, true),
                   &(fm_conv2d_options){.name = "first", .out_channels = NARROW, .kernel = 1});
  fm_value value = trained_conv(
      graph, x,
      &(fm_conv2d_options){
          .name = "expand", .out_channels = c->wide, .kernel = 1, .act = FM_ACT_RELU6});
  value = trained_conv(graph, value,
                       &(fm_conv2d_options){.name = "depthwise",
                                            .norm = c->batch_norm ? FM_NORM_BATCH : FM_NORM_NONE,
                                            .norm_name = "norm",
                                            .out_channels = c->wide,
                                            .kernel = c->kernel,
                                            .padding = c->kernel / 2,
                                            .stride = c->stride,
                                            .groups = c->wide,
                                            .act = FM_ACT_RELU6});
  fm_conv2d_options project = {.name = "project", .out_channels = NARROW, .kernel = 1};
  if (c->residual)
    project.residual = x;
  fm_graph_output(graph, "y", trained_conv(graph, value, &project));
}

static bool trained_slowly(fm_profile *profile) {
  size_t count;
  const fm_profile_row *rows = fm_profile_rows(profile, &count);
  bool found = false;
  for (size_t i = 0; i < count; i++)
    found = found || strstr(rows[i].name, ", ref") ||
            (strstr(rows[i].name, "depthwise") && strstr(rows[i].name, "backward") &&
             !strstr(rows[i].name, "own loops"));
  return found;
}

static void trained_fill(const fm_tensor *t, unsigned seed) {
  float *values = test_memory(test_count(t->shape) * sizeof *values);
  for (size_t i = 0; i < test_count(t->shape); i++) {
    seed = seed * 1664525u + 1013904223u;
    values[i] = (float)(seed >> 8) / (float)(1 << 23) - 1;
  }
  fm_tensor_copy(t, &(fm_tensor){.dtype = FM_F32, .shape = t->shape, .block = 1, .data = values});
  free(values);
}

static void trained_run(trained *out, const trained_case *c, fm_dtype precision) {
  fm_params *params;
  fm_graph *graph;
  fm_workspace *workspace;
  fm_plan *plan;
  fm_profile *profile;
  test_check(fm_params_new(&params));
  test_check(fm_graph_new(&graph, params));
  test_check(fm_workspace_new(&workspace));
  test_check(fm_profile_new(&profile, false));
  trained_build(graph, c);
  test_check(fm_params_initialise(params, 7));
  fm_tensor x = {.dtype = FM_F32, .shape = {2, NARROW, SIDE, SIDE}, .block = 1};
  out->elements = test_count(x.shape);
  x.data = test_memory(fm_tensor_bytes(&x));
  out->dx = test_memory(fm_tensor_bytes(&x));
  trained_fill(&x, 1);
  const fm_plan_options options = {.purpose = FM_TRAIN,
                                   .precision = precision,
                                   .inputs = &x,
                                   .input_count = 1,
                                   .workspace = workspace};
  test_check(fm_plan_new(&plan, graph, &options));
  fm_plan_bind(plan, 0, x.data, out->dx);
  fm_params_zero_gradients(params);
  fm_profile_use(profile);
  test_check(fm_plan_forward(plan));
  const fm_tensor seed = fm_plan_output_gradient(plan, 0);
  trained_fill(&seed, 2);
  test_check(fm_plan_backward(plan));
  fm_profile_use(NULL);
  out->slowly = trained_slowly(profile);
  fm_profile_free(profile);
  fm_plan_free(plan);
  fm_workspace_free(workspace);
  fm_graph_free(graph);
  fm_params_free(params);
  free(x.data);
}

static void test_bf16_gradients_are_near_and_not_slow(void **unused) {
  (void)unused;
  if (!fm_nn_knows_bf16())
    skip();
  static const trained_case cases[] = {
      {96, 3, 1, true, false},  {96, 3, 1, false, false},   {96, 3, 2, false, false},
      {96, 5, 2, false, false}, {1152, 5, 1, false, false}, {1152, 3, 1, true, true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    trained fp32, bf16;
    trained_run(&fp32, &cases[i], FM_F32);
    trained_run(&bf16, &cases[i], FM_BF16);
    double error = 0, size = 0;
    for (size_t k = 0; k < fp32.elements; k++) {
      error += pow((double)bf16.dx[k] - (double)fp32.dx[k], 2);
      size += pow((double)fp32.dx[k], 2);
    }
    assert_true(size > 0);
    // Units near a bend of the activation fall on its other side.
    if (!(error <= 0.15 * 0.15 * size))
      fail_msg("case %zu: dx is off by %g of itself", i, sqrt(error / size));
    assert_false(bf16.slowly);
    free(fp32.dx);
    free(bf16.dx);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_bf16_gradients_are_near_and_not_slow),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
