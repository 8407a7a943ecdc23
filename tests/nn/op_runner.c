// Runs one op forward and backward on numbers from standard input; tests/parity/ops.py compares the
// results with torch.
//   op_runner OP KEY=VALUE...
// Keys: precision (fp32, bf16), block (of the inputs; 0: all channels), x0, x1, … (shapes
// "n,c,h,w"), plain (inputs that are fp32 in block 1 and get no gradient), and the op's options.
// Both streams are rows "NAME COUNT\n" followed by COUNT floats in plain order: in x0, x1, …, the
// parameters, dy; out y, dx0, …, gradient.NAME for trained parameters, value.NAME for buffers.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn/chunk.h"
#include "nn/graph.h"
#include "nn/params.h"
#include "nn/plan.h"

enum { RUNNER_INPUTS = 8 };

typedef struct runner {
  int argc;
  char **argv;
  int inputs;
  fm_dtype precision;
  fm_tensor x[RUNNER_INPUTS], plain[RUNNER_INPUTS], dx[RUNNER_INPUTS];
  fm_value values[RUNNER_INPUTS];
  float *dy;
} runner;

static _Noreturn void runner_die(const char *what) {
  fprintf(stderr, "op_runner: %s: %s\n", what, fm_error_message());
  exit(1);
}

static void runner_check(fm_status status, const char *what) {
  if (status < 0)
    runner_die(what);
}

static const char *runner_text(const runner *self, const char *key, const char *initial) {
  size_t length = strlen(key);
  for (int i = 2; i < self->argc; i++)
    if (strncmp(self->argv[i], key, length) == 0 && self->argv[i][length] == '=')
      return self->argv[i] + length + 1;
  return initial;
}

static int runner_int(const runner *self, const char *key, int initial) {
  const char *text = runner_text(self, key, NULL);
  return text ? atoi(text) : initial;
}

static int runner_word(const runner *self, const char *key, const char *const *words, int count) {
  const char *text = runner_text(self, key, words[0]);
  for (int i = 0; i < count; i++)
    if (strcmp(text, words[i]) == 0)
      return i;
  runner_die(key);
}

static fm_activation runner_act(const runner *self) {
  static const char *const words[] = {"none", "relu", "relu6", "hard_swish", "hard_sigmoid"};
  return (fm_activation)runner_word(self, "act", words, 5);
}

static void *runner_memory(size_t bytes) {
  void *memory = aligned_alloc(64, bytes / 64 * 64 + 64);
  if (!memory)
    runner_die("memory");
  memset(memory, 0, bytes / 64 * 64 + 64);
  return memory;
}

static void runner_make_inputs(runner *self) {
  for (int i = 0; i < RUNNER_INPUTS; i++) {
    char key[16];
    snprintf(key, sizeof key, "x%d", i);
    const char *text = runner_text(self, key, NULL);
    if (!text)
      break;
    fm_shape s;
    if (sscanf(text, "%d,%d,%d,%d", &s.n, &s.c, &s.h, &s.w) != 4)
      runner_die(key);
    bool plain = runner_int(self, "plain", -1) == i;
    int block = runner_int(self, "block", 16);
    self->plain[i] = (fm_tensor){.dtype = FM_F32, .shape = s, .block = 1};
    self->x[i] = (fm_tensor){.dtype = plain ? FM_F32 : self->precision,
                             .shape = s,
                             .block = plain   ? 1
                                      : block ? block
                                              : s.c};
    self->plain[i].data = runner_memory(fm_tensor_bytes(&self->plain[i]));
    self->x[i].data = runner_memory(fm_tensor_bytes(&self->x[i]));
    self->dx[i] = self->x[i];
    self->dx[i].data = plain ? NULL : runner_memory(fm_tensor_bytes(&self->x[i]));
    self->inputs++;
  }
}

static fm_value runner_conv2d(const runner *self, fm_graph *graph) {
  static const char *const norms[] = {"none", "frozen", "batch"};
  return fm_conv2d(graph, self->values[0],
                   &(fm_conv2d_options){
                       .name = "conv",
                       .norm_name = "norm",
                       .norm = (fm_norm)runner_word(self, "norm", norms, 3),
                       .out_channels = runner_int(self, "out", 1),
                       .kernel = runner_int(self, "kernel", 1),
                       .stride = runner_int(self, "stride", 1),
                       .padding = runner_int(self, "padding", 0),
                       .dilation = runner_int(self, "dilation", 1),
                       .groups = runner_int(self, "groups", 1),
                       .bias = runner_int(self, "bias", 0) != 0,
                       .act = runner_act(self),
                       .residual = self->inputs > 1 ? self->values[1] : (fm_value){0},
                   });
}

static fm_value runner_build(const runner *self, fm_graph *graph) {
  const char *op = self->argv[1];
  const fm_value *x = self->values;
  const fm_pool2d_options pool = {.kernel = runner_int(self, "kernel", 2),
                                  .stride = runner_int(self, "stride", 0),
                                  .padding = runner_int(self, "padding", 0)};
  if (strcmp(op, "conv2d") == 0)
    return runner_conv2d(self, graph);
  if (strcmp(op, "max_pool2d") == 0)
    return fm_max_pool2d(graph, x[0], &pool);
  if (strcmp(op, "avg_pool2d") == 0)
    return fm_avg_pool2d(graph, x[0], &pool);
  if (strcmp(op, "global_avg_pool") == 0)
    return fm_global_avg_pool(graph, x[0]);
  if (strcmp(op, "linear") == 0)
    return fm_linear(graph, x[0],
                     &(fm_linear_options){.name = "linear",
                                          .out_features = runner_int(self, "out", 1),
                                          .in_height = self->x[0].shape.h,
                                          .in_width = self->x[0].shape.w,
                                          .act = runner_act(self)});
  if (strcmp(op, "activate") == 0)
    return fm_activate(graph, x[0], runner_act(self));
  if (strcmp(op, "add") == 0)
    return fm_add(graph, x[0], x[1]);
  if (strcmp(op, "scale_channels") == 0)
    return fm_scale_channels(graph, x[0], x[1]);
  if (strcmp(op, "upsample_add") == 0)
    return fm_upsample_add(graph, x[0], x[1]);
  if (strcmp(op, "roi_align") == 0)
    return fm_roi_align(graph, x, x[self->inputs - 1],
                        &(fm_roi_align_options){.level_count = self->inputs - 1,
                                                .output_size = runner_int(self, "size", 7),
                                                .sampling_ratio = runner_int(self, "ratio", 2)});
  runner_die("no such op");
}

static float *runner_place(runner *self, fm_params *params, const char *name, size_t count,
                           int *param) {
  *param = -1;
  if (name[0] == 'x' && name[1] >= '0' && name[1] < '0' + self->inputs && !name[2])
    return self->plain[name[1] - '0'].data;
  if (strcmp(name, "dy") == 0)
    return self->dy = runner_memory(count * sizeof(float));
  *param = fm_params_find(params, name);
  if (*param < 0 || fm_params_elements(params, *param) != count)
    runner_die(name);
  return runner_memory(count * sizeof(float));
}

static void runner_read(runner *self, fm_params *params) {
  char name[64];
  size_t count;
  while (scanf("%63s %zu", name, &count) == 2 && getchar() == '\n') {
    int param;
    float *to = runner_place(self, params, name, count, &param);
    if (fread(to, sizeof(float), count, stdin) != count)
      runner_die(name);
    if (param >= 0) {
      fm_params_set(params, param, to);
      free(to);
    }
  }
}

static void runner_write(const char *prefix, const char *name, const float *values, size_t count) {
  printf("%s%s %zu\n", prefix, name, count);
  fwrite(values, sizeof(float), count, stdout);
}

static void runner_write_tensor(const char *name, const fm_tensor *t) {
  fm_tensor plain = {.dtype = FM_F32, .shape = t->shape, .block = 1};
  plain.data = runner_memory(fm_tensor_bytes(&plain));
  fm_tensor_copy(&plain, t);
  runner_write("", name, plain.data, fm_tensor_elements(&plain));
  free(plain.data);
}

static void runner_write_params(const fm_params *params) {
  for (int i = 0; i < fm_params_count(params); i++) {
    const fm_param_spec *spec = fm_params_spec(params, i);
    size_t count = fm_params_elements(params, i);
    float *values = runner_memory(count * sizeof(float));
    if (spec->kind == FM_PARAM_TRAINED) {
      fm_params_get_gradient(params, i, values);
      runner_write("gradient.", spec->name, values, count);
    } else {
      fm_params_get(params, i, values);
      runner_write("value.", spec->name, values, count);
    }
    free(values);
  }
}

static void runner_run(runner *self, fm_plan *plan, fm_params *params) {
  for (int i = 0; i < self->inputs; i++) {
    fm_tensor_copy(&self->x[i], &self->plain[i]);
    fm_plan_bind(plan, i, self->x[i].data, self->dx[i].data);
  }
  fm_params_zero_gradients(params);
  runner_check(fm_plan_forward(plan), "forward");
  fm_tensor y = fm_plan_output(plan, 0), dy = fm_plan_output_gradient(plan, 0);
  runner_write_tensor("y", &y);
  fm_tensor plain = {.dtype = FM_F32, .shape = dy.shape, .block = 1, .data = self->dy};
  if (!self->dy)
    runner_die("no dy");
  fm_tensor_copy(&dy, &plain);
  runner_check(fm_plan_backward(plan), "backward");
  for (int i = 0; i < self->inputs; i++) {
    char name[16];
    snprintf(name, sizeof name, "dx%d", i);
    if (self->dx[i].data)
      runner_write_tensor(name, &self->dx[i]);
  }
  runner_write_params(params);
}

int main(int argc, char **argv) {
  runner self = {.argc = argc, .argv = argv};
  if (argc < 2)
    runner_die("usage: op_runner OP KEY=VALUE...");
  static const char *const precisions[] = {"fp32", "bf16"};
  self.precision = (fm_dtype)runner_word(&self, "precision", precisions, 2);
  runner_make_inputs(&self);
  fm_params *params;
  fm_graph *graph;
  fm_workspace *workspace;
  fm_plan *plan;
  runner_check(fm_params_new(&params), "parameters");
  runner_check(fm_graph_new(&graph, params), "graph");
  for (int i = 0; i < self.inputs; i++)
    self.values[i] = fm_graph_input(graph, "x", self.x[i].shape.c, self.dx[i].data != NULL);
  fm_graph_output(graph, "y", runner_build(&self, graph));
  runner_check(fm_graph_status(graph), "graph");
  runner_check(fm_params_initialise(params, 1), "parameters");
  runner_read(&self, params);
  runner_check(fm_workspace_new(&workspace), "workspace");
  const fm_plan_options options = {.purpose = FM_TRAIN,
                                   .precision = self.precision,
                                   .inputs = self.x,
                                   .input_count = self.inputs,
                                   .workspace = workspace};
  runner_check(fm_plan_new(&plan, graph, &options), "plan");
  runner_run(&self, plan, params);
  fm_plan_free(plan);
  fm_workspace_free(workspace);
  fm_graph_free(graph);
  fm_params_free(params);
  for (int i = 0; i < self.inputs; i++) {
    free(self.x[i].data);
    free(self.plain[i].data);
    free(self.dx[i].data);
  }
  free(self.dy);
  return 0;
}
