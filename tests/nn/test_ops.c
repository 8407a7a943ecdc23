// Every op of the table, through graph and plan: forward against its cases' naive loops in double,
// backward against central differences of those, the same bytes twice, and another shape between.
#include <math.h>

#include "nn/chunk.h"
#include "nn/graph_private.h"
#include "nn/library.h"
#include "nn/op.h"
#include "nn/plan.h"
#include "support.h"

enum { OPS_PROBES = 48 }; // elements of each tensor whose gradient is checked

typedef struct ops_array {
  size_t count;
  double *value;   // plain order, exact in the plan's number type
  float *gradient; // plain order, what backward gave
  bool probed;     // has a gradient
} ops_array;

typedef struct ops_run {
  const fm_op_case *test;
  fm_params *params;
  fm_graph *graph;
  fm_plan_cache *cache;
  fm_workspace *workspace;
  fm_dtype precision;
  int block; // of the inputs; 0: all channels
  fm_shape shape[FM_NODE_INPUTS_MAX];
  ops_array x[FM_NODE_INPUTS_MAX], param[FM_NODE_PARAMS_MAX];
  fm_tensor in[FM_NODE_INPUTS_MAX], din[FM_NODE_INPUTS_MAX];
  size_t y_count;
  float *y;   // plain order
  double *dy; // plain order
} ops_run;

static unsigned ops_seed;

// Steps of 1/16 in [-4, 4): bf16 holds them exactly, and every kink of the activations is reached.
static float ops_random(void) {
  ops_seed = ops_seed * 1664525u + 1013904223u;
  return (float)(ops_seed >> 25) / 16 - 4;
}

static void ops_array_new(ops_array *array, size_t count, bool probed) {
  *array = (ops_array){count, test_memory(count * sizeof(double)), NULL, probed};
  array->gradient = test_memory(count * sizeof(float));
}

static void ops_array_free(ops_array *array) {
  free(array->value);
  free(array->gradient);
  *array = (ops_array){0};
}

static float ops_exact(fm_dtype precision, float value) {
  return precision == FM_F32 ? value : fm_bf16_to_f32(fm_f32_to_bf16(value));
}

static void ops_fill_inputs(ops_run *run) {
  for (int i = 0; i < run->test->input_count; ++i) {
    const size_t count = test_count(run->shape[i]);
    const bool probed = !run->test->no_gradient[i];
    float *values = test_memory(count * sizeof *values);
    ops_array_new(&run->x[i], count, probed);
    if (run->test->fill) { // what is larger than the case begins again
      const size_t own = test_count(run->test->inputs[i]);
      run->test->fill(i, run->test->inputs[i], values);
      for (size_t k = own; k < count; ++k)
        values[k] = values[k - own];
    }
    for (size_t k = 0; k < count; ++k) {
      const float value = run->test->fill ? values[k] : ops_random();
      run->x[i].value[k] = (double)(probed ? ops_exact(run->precision, value) : value);
    }
    fm_tensor *in = &run->in[i];
    *in =
        (fm_tensor){.dtype = probed ? run->precision : FM_F32, .shape = run->shape[i], .block = 1};
    if (probed)
      in->block = run->block ? run->block : in->shape.c;
    run->din[i] = *in;
    in->data = test_memory(fm_tensor_bytes(in));
    run->din[i].data = probed ? test_memory(fm_tensor_bytes(in)) : NULL;
    for (size_t k = 0; k < count; ++k)
      values[k] = (float)run->x[i].value[k];
    const fm_tensor plain = {.dtype = FM_F32, .shape = run->shape[i], .block = 1, .data = values};
    fm_tensor_copy(in, &plain);
    free(values);
  }
}

static void ops_free_inputs(ops_run *run) {
  for (int i = 0; i < run->test->input_count; ++i) {
    ops_array_free(&run->x[i]);
    free(run->in[i].data);
    free(run->din[i].data);
  }
  free(run->y);
  free(run->dy);
  run->y = NULL;
  run->dy = NULL;
}

static bool ops_ends(const char *name, const char *end) {
  return strlen(name) >= strlen(end) && strcmp(name + strlen(name) - strlen(end), end) == 0;
}

// Weights small enough that sums stay near one; scales and variances around one.
static void ops_fill_params(ops_run *run) {
  const fm_node *node = &run->graph->nodes[0];
  for (int j = 0; j < FM_NODE_PARAMS_MAX; ++j) {
    if (node->params[j] < 0)
      continue;
    const fm_param_spec *spec = fm_params_spec(run->params, node->params[j]);
    const size_t count = fm_params_elements(run->params, node->params[j]);
    const double fan_in = (double)count / (spec->rank ? spec->dims[0] : 1);
    ops_array_new(&run->param[j], count, spec->kind == FM_PARAM_TRAINED);
    float *values = test_memory(count * sizeof *values);
    for (size_t k = 0; k < count; ++k) {
      const float random = ops_random();
      float value = random / 4;
      if (spec->rank > 1)
        value = random / 2 / (float)sqrt(fan_in);
      else if (ops_ends(spec->name, ".running_var") || ops_ends(spec->name, "norm.weight"))
        value = 1 + random / 8;
      values[k] = ops_exact(run->precision, value);
      run->param[j].value[k] = (double)values[k];
    }
    fm_params_set(run->params, node->params[j], values);
    free(values);
  }
}

static fm_plan *ops_plan(ops_run *run, fm_purpose purpose) {
  fm_plan *plan = NULL;
  const fm_plan_options options = {.purpose = purpose,
                                   .precision = run->precision,
                                   .inputs = run->in,
                                   .input_count = run->test->input_count,
                                   .workspace = run->workspace};
  test_check(fm_plan_cache_get(run->cache, &options, &plan));
  for (int i = 0; i < run->test->input_count; ++i)
    fm_plan_bind(plan, i, run->in[i].data, purpose == FM_TRAIN ? run->din[i].data : NULL);
  return plan;
}

static void ops_get_plain(const fm_tensor *t, float *out) {
  const fm_tensor plain = {.dtype = FM_F32, .shape = t->shape, .block = 1, .data = out};
  fm_tensor_copy(&plain, t);
}

static void ops_forward(ops_run *run, fm_plan *plan) {
  test_check(fm_plan_forward(plan));
  const fm_tensor y = fm_plan_output(plan, 0);
  run->y_count = test_count(y.shape);
  if (!run->y)
    run->y = test_memory(run->y_count * sizeof *run->y);
  ops_get_plain(&y, run->y);
}

static void ops_backward(ops_run *run, fm_plan *plan) {
  const fm_tensor seed = fm_plan_output_gradient(plan, 0);
  float *values = test_memory(run->y_count * sizeof *values);
  if (!run->dy) {
    run->dy = test_memory(run->y_count * sizeof *run->dy);
    for (size_t k = 0; k < run->y_count; ++k)
      run->dy[k] = (double)ops_random();
  }
  for (size_t k = 0; k < run->y_count; ++k)
    values[k] = (float)run->dy[k];
  const fm_tensor plain = {.dtype = FM_F32, .shape = seed.shape, .block = 1, .data = values};
  fm_tensor_copy(&seed, &plain);
  free(values);
  fm_params_zero_gradients(run->params);
  test_check(fm_plan_backward(plan));
  for (int i = 0; i < run->test->input_count; ++i)
    if (run->x[i].probed)
      ops_get_plain(&run->din[i], run->x[i].gradient);
  for (int j = 0; j < FM_NODE_PARAMS_MAX; ++j)
    if (run->param[j].probed)
      fm_params_get_gradient(run->params, run->graph->nodes[0].params[j], run->param[j].gradient);
}

static void ops_reference(const ops_run *run, double *y) {
  const double *x[FM_NODE_INPUTS_MAX], *params[FM_NODE_PARAMS_MAX];
  for (int i = 0; i < FM_NODE_INPUTS_MAX; ++i)
    x[i] = run->x[i].value;
  for (int j = 0; j < FM_NODE_PARAMS_MAX; ++j)
    params[j] = run->param[j].value;
  run->test->reference(run->shape, x, params, y);
}

static double ops_loss(const ops_run *run, double *y) {
  double sum = 0;
  ops_reference(run, y);
  for (size_t k = 0; k < run->y_count; ++k)
    sum += y[k] * run->dy[k];
  return sum;
}

// |a - b| over |b|, each as a length.
static double ops_distance(const float *a, const double *b, size_t count) {
  double difference = 0, size = 0;
  for (size_t k = 0; k < count; ++k) {
    difference += ((double)a[k] - b[k]) * ((double)a[k] - b[k]);
    size += b[k] * b[k];
  }
  return sqrt(difference / (size > 1e-12 ? size : 1e-12));
}

static void ops_compare_forward(const ops_run *run, double tolerance) {
  double *y = test_memory(run->y_count * sizeof *y);
  ops_reference(run, y);
  const double distance = ops_distance(run->y, y, run->y_count);
  free(y);
  if (!(distance <= tolerance))
    fail_msg("%s: forward is off by %g", run->test->name, distance);
}

// Central differences of a spread of elements of one array.
static void ops_compare_gradient(const ops_run *run, ops_array *array, const char *what, int index,
                                 double tolerance) {
  if (!array->probed)
    return;
  const double h = 1e-5;
  double *y = test_memory(run->y_count * sizeof *y), expected[OPS_PROBES];
  float given[OPS_PROBES];
  size_t probes = 0;
  for (size_t p = 0; p < OPS_PROBES && p < array->count; ++p) {
    const size_t at = array->count <= OPS_PROBES ? p : (p * 7919 + 13) % array->count;
    const double kept = array->value[at];
    array->value[at] = kept + h;
    const double high = ops_loss(run, y);
    array->value[at] = kept - h;
    const double low = ops_loss(run, y);
    array->value[at] = kept;
    given[probes] = array->gradient[at];
    expected[probes++] = (high - low) / (2 * h);
  }
  free(y);
  const double distance = ops_distance(given, expected, probes);
  if (!(distance <= tolerance))
    fail_msg("%s: the gradient of %s %d is off by %g", run->test->name, what, index, distance);
}

static void ops_compare_gradients(ops_run *run, double tolerance) {
  for (int i = 0; i < run->test->input_count; ++i)
    ops_compare_gradient(run, &run->x[i], "input", i, tolerance);
  for (int j = 0; j < FM_NODE_PARAMS_MAX; ++j)
    ops_compare_gradient(run, &run->param[j], "parameter", j, tolerance);
}

// A second run gives the same bytes, whatever ran between.
static void ops_compare_again(ops_run *run, fm_plan *plan) {
  float *y = test_memory(run->y_count * sizeof *y), *dx[FM_NODE_INPUTS_MAX] = {NULL};
  float *dparam[FM_NODE_PARAMS_MAX] = {NULL};
  memcpy(y, run->y, run->y_count * sizeof *y);
  for (int i = 0; i < run->test->input_count; ++i) {
    dx[i] = run->x[i].gradient;
    run->x[i].gradient = test_memory(run->x[i].count * sizeof(float));
  }
  for (int j = 0; j < FM_NODE_PARAMS_MAX; ++j) {
    dparam[j] = run->param[j].gradient;
    run->param[j].gradient = dparam[j] ? test_memory(run->param[j].count * sizeof(float)) : NULL;
  }
  ops_forward(run, plan);
  ops_backward(run, plan);
  assert_memory_equal(y, run->y, run->y_count * sizeof *y);
  free(y);
  for (int i = 0; i < run->test->input_count; ++i) {
    assert_memory_equal(dx[i], run->x[i].gradient, run->x[i].count * sizeof(float));
    free(dx[i]);
  }
  for (int j = 0; j < FM_NODE_PARAMS_MAX; ++j) {
    if (dparam[j])
      assert_memory_equal(dparam[j], run->param[j].gradient, run->param[j].count * sizeof(float));
    free(dparam[j]);
  }
}

static bool ops_uses_batch(const ops_run *run) {
  for (int i = 0; i < fm_params_count(run->params); ++i)
    if (ops_ends(fm_params_spec(run->params, i)->name, ".num_batches_tracked"))
      return true;
  return false;
}

// The same graph on one image or row more, for training and for inference.
static void ops_run_larger(ops_run *run, double tolerance) {
  ops_run larger = *run;
  larger.y = NULL;
  larger.dy = NULL;
  for (int i = 0; i < run->test->input_count; ++i)
    ++larger.shape[i].n;
  ops_fill_inputs(&larger);
  ops_forward(&larger, ops_plan(&larger, FM_TRAIN));
  ops_compare_forward(&larger, tolerance);
  if (!ops_uses_batch(run)) { // at inference it means something else
    ops_forward(&larger, ops_plan(&larger, FM_INFER));
    ops_compare_forward(&larger, tolerance);
  }
  ops_free_inputs(&larger);
}

static void ops_run_case(const fm_op_case *test, fm_dtype precision, int block) {
  ops_run run = {.test = test, .precision = precision, .block = block};
  memcpy(run.shape, test->inputs, sizeof run.shape);
  ops_seed = 11;
  fm_value inputs[FM_NODE_INPUTS_MAX];
  test_check(fm_params_new(&run.params));
  test_check(fm_graph_new(&run.graph, run.params));
  test_check(fm_workspace_new(&run.workspace));
  for (int i = 0; i < test->input_count; ++i)
    inputs[i] = fm_graph_input(run.graph, "x", run.shape[i].c, !test->no_gradient[i]);
  fm_graph_output(run.graph, "y", test->build(run.graph, inputs));
  test_check(fm_graph_status(run.graph));
  test_check(fm_plan_cache_new(&run.cache, run.graph, 4));
  ops_fill_inputs(&run);
  ops_fill_params(&run);
  const double tolerance = precision == FM_F32 ? 1e-5 : 1e-2;
  fm_plan *plan = ops_plan(&run, FM_TRAIN);
  ops_forward(&run, plan);
  ops_compare_forward(&run, tolerance);
  ops_backward(&run, plan);
  // In bf16 some values fall on the other side of an activation's kink than in the reference.
  ops_compare_gradients(&run, precision == FM_F32 ? 1e-4 : 1e-1);
  ops_run_larger(&run, tolerance);
  assert_ptr_equal(plan, ops_plan(&run, FM_TRAIN));
  ops_compare_again(&run, plan);
  ops_free_inputs(&run);
  for (int j = 0; j < FM_NODE_PARAMS_MAX; ++j)
    ops_array_free(&run.param[j]);
  fm_plan_cache_free(run.cache);
  fm_workspace_free(run.workspace);
  fm_graph_free(run.graph);
  fm_params_free(run.params);
}

static void ops_run_all(fm_dtype precision, int block) {
  for (int i = 0; i < fm_op_count; ++i) {
    if (!fm_ops[i]->cases || !fm_ops[i]->cases[0].name)
      fail_msg("%s has no test cases", fm_ops[i]->name);
    for (const fm_op_case *test = fm_ops[i]->cases; test->name; ++test)
      ops_run_case(test, precision, block);
  }
}

static void test_every_op_equals_its_loop_on_blocks_of_16(void **unused) {
  (void)unused;
  ops_run_all(FM_F32, 16);
}

static void test_every_op_equals_its_loop_on_plain_inputs(void **unused) {
  (void)unused;
  ops_run_all(FM_F32, 1);
}

static void test_every_op_equals_its_loop_on_interleaved_channels(void **unused) {
  (void)unused;
  ops_run_all(FM_F32, 0);
}

static void test_every_op_is_near_its_loop_in_bf16(void **unused) {
  (void)unused;
  if (!fm_nn_has_bf16())
    skip(); // oneDNN does not compute in bf16 on this processor
  ops_run_all(FM_BF16, 16);
  ops_run_all(FM_BF16, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_op_equals_its_loop_on_blocks_of_16),
      cmocka_unit_test(test_every_op_equals_its_loop_on_plain_inputs),
      cmocka_unit_test(test_every_op_equals_its_loop_on_interleaved_channels),
      cmocka_unit_test(test_every_op_is_near_its_loop_in_bf16),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
