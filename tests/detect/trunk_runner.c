// Runs a backbone and the whole trunk on one batch of pictures; tests/parity/backbones.py compares
// the results with torch.
//   trunk_runner WEIGHTS.safetensors N,H,W KEY=VALUE...
// KEY is one of the model's settings ("model.arch" first, whose preset the others change) or
// "precision" (fp32, bf16). Standard input: the normalised batch, N*3*H*W floats. Standard output:
// rows "NAME N C H W\n" followed by as many floats in plain order: map.0, map.1, ... (the
// backbone's), pyramid.I, objectness.I, deltas.I; of a face classifier logits.0.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/model/model.h"
#include "detect/model/parts.h"
#include "format/safetensors.h"
#include "nn/chunk.h"
#include "nn/plan.h"

typedef struct runner {
  fm_model_config config;
  fm_dtype precision;
  fm_params *params;
  fm_workspace *workspace;
  fm_tensor picture;
} runner;

static void runner_check(fm_status status, const char *what) {
  if (status >= 0)
    return;
  fprintf(stderr, "trunk_runner: %s: %s\n", what, fm_error_message());
  exit(1);
}

static void runner_set(runner *self, const char *assignment) {
  static const char arch[] = "model.arch=";
  if (strcmp(assignment, "precision=bf16") == 0) {
    self->precision = FM_BF16;
    return;
  }
  if (strcmp(assignment, "precision=fp32") == 0)
    return;
  runner_check(fm_options_assign(fm_model_options, &self->config, assignment), "setting");
  if (strncmp(assignment, arch, sizeof arch - 1) == 0)
    fm_model_config_preset(&self->config, (fm_arch)self->config.arch);
}

// Every parameter of the trunk must be in the file.
static void runner_load(runner *self, const char *path) {
  fm_safetensors *file;
  runner_check(fm_safetensors_open(&file, path), "weights");
  for (int id = 0; id < fm_params_count(self->params); id++) {
    const char *name = fm_params_spec(self->params, id)->name;
    const size_t elements = fm_params_elements(self->params, id);
    const fm_st_tensor *tensor = fm_safetensors_find(file, name);
    if (!tensor && (strncmp(name, "roi_heads.", 10) == 0 || strstr(name, ".num_batches_tracked")))
      continue;
    if (!tensor || tensor->bytes < elements * sizeof(float))
      runner_check(fm_fail(FM_ERR_FORMAT, "tensor %s is missing or small", name), "weights");
    float *values = malloc(elements * sizeof *values);
    runner_check(fm_st_tensor_to_f32(tensor, values), "weights");
    fm_params_set(self->params, id, values);
    free(values);
  }
  fm_safetensors_free(file);
}

static void runner_write(const char *name, const fm_tensor *value) {
  fm_tensor plain = {.dtype = FM_F32, .shape = value->shape, .block = 1};
  plain.data = aligned_alloc(64, fm_tensor_bytes(&plain) / 64 * 64 + 64);
  if (!plain.data)
    exit(1);
  fm_tensor_copy(&plain, value);
  const fm_shape s = value->shape;
  printf("%s %d %d %d %d\n", name, s.n, s.c, s.h, s.w);
  fwrite(plain.data, sizeof(float), fm_tensor_elements(&plain), stdout);
  free(plain.data);
}

static fm_plan *runner_run(const runner *self, const fm_graph *graph) {
  const fm_plan_options options = {.purpose = FM_INFER,
                                   .precision = self->precision,
                                   .inputs = &self->picture,
                                   .input_count = 1,
                                   .workspace = self->workspace};
  fm_plan *plan;
  runner_check(fm_plan_new(&plan, graph, &options), "plan");
  fm_plan_bind(plan, 0, self->picture.data, NULL);
  runner_check(fm_plan_forward(plan), "forward");
  return plan;
}

static void runner_backbone(runner *self) {
  const fm_backbone *backbone = fm_backbone_of(&self->config);
  fm_graph *graph;
  runner_check(fm_graph_new(&graph, self->params), "graph");
  const fm_backbone_maps maps =
      backbone->build(graph, fm_graph_input(graph, "picture", 3, false), &self->config);
  char name[32];
  for (int i = 0; i < maps.count; i++) {
    snprintf(name, sizeof name, "map.%d", i);
    fm_graph_output(graph, name, maps.values[i]);
  }
  runner_check(fm_graph_status(graph), "graph");
  fm_plan *plan = runner_run(self, graph);
  for (int i = 0; i < maps.count; i++) {
    const fm_tensor value = fm_plan_output(plan, i);
    snprintf(name, sizeof name, "map.%d", i);
    runner_write(name, &value);
  }
  fm_plan_free(plan);
  fm_graph_free(graph);
}

static void runner_write_output(const fm_plan *plan, int output, const char *what, int level) {
  char name[32];
  snprintf(name, sizeof name, "%s.%d", what, level);
  const fm_tensor value = fm_plan_output(plan, output);
  runner_write(name, &value);
}

static void runner_trunk(runner *self, const fm_model *model) {
  fm_plan *plan = runner_run(self, model->trunk);
  for (int i = 0; i < model->roi_level_count; i++)
    runner_write_output(plan, i, "pyramid", i);
  for (int i = 0; i < model->rpn_level_count; i++) {
    runner_write_output(plan, fm_model_objectness(model, i), "objectness", i);
    runner_write_output(plan, fm_model_deltas(model, i), "deltas", i);
  }
  if (!fm_arch_detects(self->config.arch))
    runner_write_output(plan, 0, "logits", 0);
  fm_plan_free(plan);
}

int main(int argc, char **argv) {
  runner self = {.precision = FM_F32};
  fm_shape shape = {.c = 3};
  if (argc < 4 || sscanf(argv[2], "%d,%d,%d", &shape.n, &shape.h, &shape.w) != 3) {
    fprintf(stderr, "usage: trunk_runner WEIGHTS.safetensors N,H,W KEY=VALUE...\n");
    return 2;
  }
  for (int i = 3; i < argc; i++)
    runner_set(&self, argv[i]);
  self.picture = (fm_tensor){.dtype = FM_F32, .shape = shape, .block = 1};
  self.picture.data = aligned_alloc(64, fm_tensor_bytes(&self.picture) / 64 * 64 + 64);
  const size_t floats = fm_tensor_elements(&self.picture);
  if (!self.picture.data || fread(self.picture.data, sizeof(float), floats, stdin) != floats)
    return 1;
  fm_model model;
  runner_check(fm_params_new(&self.params), "parameters");
  runner_check(fm_workspace_new(&self.workspace), "workspace");
  runner_check(fm_model_build(&model, self.params, &self.config, 3), "model");
  runner_check(fm_params_initialise(self.params, 1), "parameters");
  runner_load(&self, argv[1]);
  runner_backbone(&self);
  runner_trunk(&self, &model);
  fm_model_release(&model);
  fm_workspace_free(self.workspace);
  fm_params_free(self.params);
  free(self.picture.data);
  return 0;
}
