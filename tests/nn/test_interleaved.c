// Pooled regions and the product over them in bf16, which detection keeps interleaved, against the
// same graph in fp32, whose layouts are others: only bf16's rounding may lie between.
#include <math.h>

#include "nn/chunk.h"
#include "nn/graph.h"
#include "nn/library.h"
#include "nn/plan.h"
#include "support.h"

enum { REGIONS = 24, SIDE = 20 };

typedef struct interleaved_case {
  int channels, out, outputs; // outputs: bins across
  int block;                  // of the pictures
} interleaved_case;

static unsigned interleaved_seed;

static float interleaved_random(void) { // in [-1, 1)
  interleaved_seed = interleaved_seed * 1664525u + 1013904223u;
  return (float)(interleaved_seed >> 8) / (float)(1 << 23) - 1;
}

// What bf16 holds exactly.
static float interleaved_exact(float value) {
  return fm_bf16_to_f32(fm_f32_to_bf16(value));
}

static void fill_regions(float *rois) {
  for (int r = 0; r < REGIONS; r++) {
    const float x = 8 * (interleaved_random() + 1), y = 8 * (interleaved_random() + 1);
    const float values[FM_ROI_COLUMNS] = {
        (float)(r % 2),      x, y, x + 2 + 6 * (interleaved_random() + 1), y + 3,
        r % 7 == 6 ? -1 : 0, 1};
    memcpy(rois + (size_t)r * FM_ROI_COLUMNS, values, sizeof values);
  }
}

static void run_graph(const interleaved_case *c, const fm_graph *graph, fm_dtype precision,
                      const float *plain, float *rois, float *out) {
  const fm_shape shape = {2, c->channels, SIDE, SIDE};
  const fm_tensor from = {
      .dtype = FM_F32, .shape = shape, .block = 1, .data = (void *)(uintptr_t)plain};
  fm_tensor inputs[2] = {{.dtype = precision, .shape = shape, .block = c->block},
                         {.dtype = FM_F32,
                          .shape = {REGIONS, FM_ROI_COLUMNS, 1, 1},
                          .block = FM_ROI_COLUMNS,
                          .data = rois}};
  inputs[0].data = test_memory(fm_tensor_bytes(&inputs[0]));
  fm_tensor_copy(&inputs[0], &from);
  fm_workspace *workspace;
  fm_plan *plan;
  test_check(fm_workspace_new(&workspace));
  const fm_plan_options options = {.purpose = FM_INFER,
                                   .precision = precision,
                                   .inputs = inputs,
                                   .input_count = 2,
                                   .workspace = workspace};
  test_check(fm_plan_new(&plan, graph, &options));
  for (int i = 0; i < 2; i++)
    fm_plan_bind(plan, i, inputs[i].data, NULL);
  test_check(fm_plan_forward(plan));
  const fm_tensor y = fm_plan_output(plan, 0);
  const fm_tensor to = {.dtype = FM_F32, .shape = y.shape, .block = 1, .data = out};
  fm_tensor_copy(&to, &y);
  fm_plan_free(plan);
  fm_workspace_free(workspace);
  free(inputs[0].data);
}

static void check_case(const interleaved_case *c) {
  interleaved_seed = 1;
  fm_params *params;
  fm_graph *graph;
  test_check(fm_params_new(&params));
  test_check(fm_graph_new(&graph, params));
  const fm_value picture = fm_graph_input(graph, "x", c->channels, false);
  const fm_value regions = fm_graph_input(graph, "rois", FM_ROI_COLUMNS, false);
  const fm_value pooled = fm_roi_align(
      graph, &picture, regions,
      &(fm_roi_align_options){.level_count = 1, .output_size = c->outputs, .sampling_ratio = 2});
  const fm_value y = fm_linear(graph, pooled,
                               &(fm_linear_options){.name = "fc",
                                                    .out_features = c->out,
                                                    .in_height = c->outputs,
                                                    .in_width = c->outputs,
                                                    .act = FM_ACT_NONE,
                                                    .init = FM_INIT_UNIFORM});
  fm_graph_output(graph, "y", y);
  test_check(fm_graph_status(graph));
  test_check(fm_params_initialise(params, 5));
  const size_t pixels = 2 * (size_t)c->channels * SIDE * SIDE, count = REGIONS * (size_t)c->out;
  float *plain = test_memory(pixels * sizeof *plain), rois[REGIONS * FM_ROI_COLUMNS];
  float *wide = test_memory(count * sizeof *wide), *narrow = test_memory(count * sizeof *narrow);
  for (size_t i = 0; i < pixels; i++)
    plain[i] = interleaved_exact(interleaved_random());
  fill_regions(rois);
  run_graph(c, graph, FM_F32, plain, rois, wide);
  run_graph(c, graph, FM_BF16, plain, rois, narrow);
  double off = 0, size = 0;
  for (size_t i = 0; i < count; i++) {
    off += pow((double)narrow[i] - (double)wide[i], 2);
    size += pow((double)wide[i], 2);
  }
  print_message("%d channels in blocks of %d, %d x %d, to %d: %.1e off\n", c->channels, c->block,
                c->outputs, c->outputs, c->out, sqrt(off / size));
  assert_true(size > 0 && sqrt(off / size) < 8e-3);
  free(plain);
  free(wide);
  free(narrow);
  fm_graph_free(graph);
  fm_params_free(params);
}

static void products_over_regions_are_the_same_in_bf16(void **state) {
  (void)state;
  if (!fm_nn_knows_bf16())
    skip();
  static const interleaved_case cases[] = {
      {32, 128, 7, 16}, // rows of weights turned in two parts
      {32, 40, 7, 16},  // in one
      {48, 64, 3, 16},  {64, 128, 1, 16}, {32, 64, 7, 1},
      {32, 64, 7, 32},  {24, 64, 7, 16}, // channels that do not fill the blocks
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    check_case(&cases[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products_over_regions_are_the_same_in_bf16),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
