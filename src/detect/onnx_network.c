// Each op of nn in ONNX's operators.
#include "detect/onnx_network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "nn/graph_view.h"

typedef struct network_exporter {
  const fm_onnx_network *network;
  fm_onnx *onnx;
  const fm_params *params;
  fm_onnx_value *values;           // by number in the graph
  fm_onnx_value *weights, *biases; // by parameter id of the weight: levels share their layers
} network_exporter;

fm_onnx_value fm_onnx_op1(fm_onnx *onnx, const char *op, fm_onnx_value a) {
  return fm_onnx_add(onnx, &(fm_onnx_node){.op = op, .inputs = {a}});
}

fm_onnx_value fm_onnx_op2(fm_onnx *onnx, const char *op, fm_onnx_value a, fm_onnx_value b) {
  return fm_onnx_add(onnx, &(fm_onnx_node){.op = op, .inputs = {a, b}});
}

fm_onnx_value fm_onnx_op3(fm_onnx *onnx, const char *op, fm_onnx_value a, fm_onnx_value b,
                          fm_onnx_value c) {
  return fm_onnx_add(onnx, &(fm_onnx_node){.op = op, .inputs = {a, b, c}});
}

fm_onnx_value fm_onnx_float(fm_onnx *onnx, float value) {
  return fm_onnx_floats(onnx, NULL, &value, (fm_onnx_shape){0});
}

fm_onnx_value fm_onnx_list(fm_onnx *onnx, const int64_t *values, int count) {
  return fm_onnx_ints(onnx, values, (fm_onnx_shape){1, {count}});
}

fm_onnx_value fm_onnx_index(fm_onnx *onnx, int64_t value) {
  return fm_onnx_list(onnx, &value, 1);
}

fm_onnx_value fm_onnx_normalise(fm_onnx *onnx, fm_onnx_value pictures,
                                const fm_model_config *config) {
  const fm_onnx_shape channels = {4, {1, 3, 1, 1}};
  const fm_onnx_value mean = fm_onnx_floats(onnx, NULL, config->image_mean.values, channels);
  const fm_onnx_value deviation = fm_onnx_floats(onnx, NULL, config->image_std.values, channels);
  return fm_onnx_op2(onnx, "Div", fm_onnx_op2(onnx, "Sub", pictures, mean), deviation);
}

// --- parameters

// Values of a parameter; of one that is not there, `count` times `otherwise`. Heap.
static float *network_values(const network_exporter *self, int id, size_t count, float otherwise) {
  float *values = malloc((count + 1) * sizeof *values);
  if (values && id >= 0)
    fm_params_get(self->params, id, values);
  for (size_t i = 0; values && id < 0 && i < count; i++)
    values[i] = otherwise;
  return values;
}

// Scales the rows of the weight and moves the bias by what the norm does.
static fm_status network_fold(const network_exporter *self, const fm_node_settings *s,
                              float *weight, float *bias, size_t row) {
  const size_t channels = fm_params_elements(self->params, s->norm_weight);
  float *gamma = network_values(self, s->norm_weight, channels, 1);
  float *beta = network_values(self, s->norm_bias, channels, 0);
  float *mean = network_values(self, s->norm_mean, channels, 0);
  float *variance = network_values(self, s->norm_variance, channels, 1);
  const bool there = gamma && beta && mean && variance;
  for (size_t c = 0; there && c < channels; c++) {
    const float scale = gamma[c] / sqrtf(variance[c] + s->norm_eps);
    for (size_t i = 0; i < row; i++)
      weight[c * row + i] *= scale;
    bias[c] = (bias[c] - mean[c]) * scale + beta[c];
  }
  free(gamma);
  free(beta);
  free(mean);
  free(variance);
  return there ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
}

// Adds weight and bias of a convolution or a linear layer as constants, once.
static fm_status network_add_weights(network_exporter *self, const fm_node_settings *s) {
  if (self->weights[s->weight].id)
    return FM_OK;
  const fm_param_spec *spec = fm_params_spec(self->params, s->weight);
  const size_t elements = fm_params_elements(self->params, s->weight);
  const size_t channels = (size_t)spec->dims[0];
  float *weight = network_values(self, s->weight, elements, 0);
  float *bias = network_values(self, s->bias, channels, 0);
  fm_status status = weight && bias ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status >= 0 && s->norm != FM_NORM_NONE)
    status = network_fold(self, s, weight, bias, elements / channels);
  fm_onnx_shape shape = {.rank = spec->rank};
  for (int i = 0; i < spec->rank; i++)
    shape.dims[i] = spec->dims[i];
  if (status >= 0) {
    self->weights[s->weight] = fm_onnx_floats(self->onnx, spec->name, weight, shape);
    self->biases[s->weight] =
        fm_onnx_floats(self->onnx, NULL, bias, (fm_onnx_shape){1, {(int64_t)channels}});
  }
  free(weight);
  free(bias);
  return status;
}

// --- ops

static fm_onnx_value network_activate(const network_exporter *self, fm_onnx_value x,
                                      fm_activation act) {
  fm_onnx *onnx = self->onnx;
  switch (act) {
  case FM_ACT_NONE:
    return x;
  case FM_ACT_RELU:
    return fm_onnx_op1(onnx, "Relu", x);
  case FM_ACT_RELU6:
    return fm_onnx_op3(onnx, "Clip", x, fm_onnx_float(onnx, 0), fm_onnx_float(onnx, 6));
  case FM_ACT_HARD_SWISH:
    return fm_onnx_op1(onnx, "HardSwish", x);
  case FM_ACT_HARD_SIGMOID:
    return fm_onnx_add(
        onnx,
        &(fm_onnx_node){.op = "HardSigmoid",
                        .inputs = {x},
                        .attributes = {{.name = "alpha", .kind = FM_ONNX_REAL, .number = 1.0 / 6},
                                       {.name = "beta", .kind = FM_ONNX_REAL, .number = 0.5}}});
  }
  return x;
}

#define NETWORK_INTEGERS(key, n, ...) \
  { .name = (key), .kind = FM_ONNX_INTEGERS, .numbers = {__VA_ARGS__}, .count = (n) }
#define NETWORK_INTEGER(key, value) \
  { .name = (key), .kind = FM_ONNX_INTEGER, .number = (value) }

static fm_status network_conv2d(network_exporter *self, const fm_node_view *node,
                                const fm_onnx_value *x, fm_onnx_value *y) {
  const fm_node_settings *s = &node->settings;
  FM_TRY(network_add_weights(self, s));
  *y = fm_onnx_add(
      self->onnx,
      &(fm_onnx_node){.op = "Conv",
                      .inputs = {x[0], self->weights[s->weight], self->biases[s->weight]},
                      .attributes = {NETWORK_INTEGERS("kernel_shape", 2, s->kernel, s->kernel),
                                     NETWORK_INTEGERS("strides", 2, s->stride, s->stride),
                                     NETWORK_INTEGERS("dilations", 2, s->dilation, s->dilation),
                                     NETWORK_INTEGERS("pads", 4, s->padding, s->padding,
                                                      s->padding_end, s->padding_end),
                                     NETWORK_INTEGER("group", s->groups)}});
  if (node->input_count > 1)
    *y = fm_onnx_op2(self->onnx, "Add", *y, x[1]);
  *y = network_activate(self, *y, s->act);
  return FM_OK;
}

static fm_status network_linear(network_exporter *self, const fm_node_view *node,
                                const fm_onnx_value *x, fm_onnx_value *y) {
  const fm_node_settings *s = &node->settings;
  FM_TRY(network_add_weights(self, s));
  const fm_onnx_value rows = fm_onnx_op1(self->onnx, "Flatten", x[0]);
  *y = fm_onnx_add(self->onnx, &(fm_onnx_node){.op = "Gemm",
                                               .inputs = {rows, self->weights[s->weight],
                                                          self->biases[s->weight]},
                                               .attributes = {NETWORK_INTEGER("transB", 1)}});
  *y = network_activate(self, *y, s->act);
  return FM_OK;
}

static fm_status network_pool(network_exporter *self, const fm_node_view *node,
                              const fm_onnx_value *x, fm_onnx_value *y) {
  const fm_node_settings *s = &node->settings;
  const bool average = strcmp(node->op, "avg_pool2d") == 0;
  fm_onnx_node pool = {
      .op = average ? "AveragePool" : "MaxPool",
      .inputs = {x[0]},
      .attributes = {NETWORK_INTEGERS("kernel_shape", 2, s->kernel, s->kernel),
                     NETWORK_INTEGERS("strides", 2, s->stride, s->stride),
                     NETWORK_INTEGERS("pads", 4, s->padding, s->padding, s->padding, s->padding)}};
  if (average)
    pool.attributes[3] = (fm_onnx_attribute)NETWORK_INTEGER("count_include_pad", 1);
  *y = fm_onnx_add(self->onnx, &pool);
  return FM_OK;
}

// lateral + nearest(top) at lateral's size, by whole-number division of the places.
static fm_status network_upsample_add(network_exporter *self, const fm_node_view *node,
                                      const fm_onnx_value *x, fm_onnx_value *y) {
  (void)node;
  const fm_onnx_value size = fm_onnx_op1(self->onnx, "Shape", x[0]);
  const fm_onnx_value top = fm_onnx_add(
      self->onnx,
      &(fm_onnx_node){
          .op = "Resize",
          .inputs = {x[1], {0}, {0}, size},
          .attributes = {{.name = "coordinate_transformation_mode",
                          .kind = FM_ONNX_TEXT,
                          .text = "asymmetric"},
                         {.name = "mode", .kind = FM_ONNX_TEXT, .text = "nearest"},
                         {.name = "nearest_mode", .kind = FM_ONNX_TEXT, .text = "floor"}}});
  *y = fm_onnx_op2(self->onnx, "Add", x[0], top);
  return FM_OK;
}

static fm_status network_plain(network_exporter *self, const fm_node_view *node,
                               const fm_onnx_value *x, fm_onnx_value *y) {
  static const char *const names[][2] = {
      {"add", "Add"}, {"scale_channels", "Mul"}, {"global_avg_pool", "GlobalAveragePool"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(node->op, names[i][0]) == 0)
      *y = fm_onnx_add(
          self->onnx,
          &(fm_onnx_node){.op = names[i][1],
                          .inputs = {x[0], node->input_count > 1 ? x[1] : (fm_onnx_value){0}}});
  return FM_OK;
}

static fm_status network_activation(network_exporter *self, const fm_node_view *node,
                                    const fm_onnx_value *x, fm_onnx_value *y) {
  *y = network_activate(self, x[0], node->settings.act);
  return FM_OK;
}

static fm_status network_pass(network_exporter *self, const fm_node_view *node,
                              const fm_onnx_value *x, fm_onnx_value *y) {
  (void)self;
  (void)node;
  *y = x[0];
  return FM_OK;
}

static fm_onnx_value network_pool_rois(const network_exporter *self, fm_onnx_value level, int index,
                                       const fm_node_settings *s) {
  fm_onnx *onnx = self->onnx;
  const fm_onnx_value rois = self->network->level_rois[index];
  // One picture: every RoI is of number 0.
  const fm_onnx_value counts = fm_onnx_op3(onnx, "Slice", fm_onnx_op1(onnx, "Shape", rois),
                                           fm_onnx_index(onnx, 0), fm_onnx_index(onnx, 1));
  const fm_onnx_value zeros = fm_onnx_op2(
      onnx, "Expand", fm_onnx_ints(onnx, (const int64_t[]){0}, (fm_onnx_shape){1, {1}}), counts);
  return fm_onnx_add(
      onnx, &(fm_onnx_node){.op = "RoiAlign",
                            .inputs = {level, rois, zeros},
                            .attributes = {{.name = "coordinate_transformation_mode",
                                            .kind = FM_ONNX_TEXT,
                                            .text = "output_half_pixel"},
                                           NETWORK_INTEGER("output_height", s->output_size),
                                           NETWORK_INTEGER("output_width", s->output_size),
                                           NETWORK_INTEGER("sampling_ratio", s->sampling_ratio),
                                           {.name = "spatial_scale",
                                            .kind = FM_ONNX_REAL,
                                            .number = 1.0 / self->network->strides[index]}}});
}

static fm_status network_roi_align(network_exporter *self, const fm_node_view *node,
                                   const fm_onnx_value *x, fm_onnx_value *y) {
  fm_onnx_node concat = {.op = "Concat", .attributes = {NETWORK_INTEGER("axis", 0)}};
  for (int i = 0; i < node->input_count - 1; i++) // the last input are the RoIs, known otherwise
    concat.inputs[i] = network_pool_rois(self, x[i], i, &node->settings);
  *y = fm_onnx_add(self->onnx, &concat);
  return FM_OK;
}

static const struct {
  const char *op;
  fm_status (*add)(network_exporter *, const fm_node_view *, const fm_onnx_value *x,
                   fm_onnx_value *y);
} network_ops[] = {
    {"conv2d", network_conv2d},
    {"linear", network_linear},
    {"max_pool2d", network_pool},
    {"avg_pool2d", network_pool},
    {"upsample_add", network_upsample_add},
    {"add", network_plain},
    {"scale_channels", network_plain},
    {"global_avg_pool", network_plain},
    {"activate", network_activation},
    {"output_plain", network_pass},
    {"roi_align", network_roi_align},
};

static fm_status network_add_node(network_exporter *self, const fm_node_view *node) {
  fm_onnx_value x[FM_NODE_VIEW_INPUTS_MAX] = {{0}};
  for (int i = 0; i < node->input_count; i++)
    x[i] = self->values[node->inputs[i]];
  for (size_t i = 0; i < sizeof network_ops / sizeof *network_ops; i++)
    if (strcmp(node->op, network_ops[i].op) == 0)
      return network_ops[i].add(self, node, x, &self->values[node->output]);
  return fm_fail(FM_ERR_UNSUPPORTED, "the op %s has no form in ONNX here", node->op);
}

fm_status fm_onnx_network_add(const fm_onnx_network *network, const fm_graph *graph,
                              const fm_onnx_value *inputs, int input_count, fm_onnx_value *outputs,
                              int output_count) {
  const size_t params = (size_t)fm_params_count(network->params) + 1;
  network_exporter self = {.network = network, .onnx = network->onnx, .params = network->params};
  self.values = calloc((size_t)(fm_graph_node_count(graph) + input_count) + 1, sizeof *self.values);
  self.weights = calloc(params, sizeof *self.weights);
  self.biases = calloc(params, sizeof *self.biases);
  fm_status status =
      self.values && self.weights && self.biases ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  for (int i = 0; status >= 0 && i < input_count; i++)
    self.values[fm_graph_input_value(graph, i)] = inputs[i];
  for (int i = 0; status >= 0 && i < fm_graph_node_count(graph); i++) {
    fm_node_view node;
    fm_graph_view_node(graph, i, &node);
    status = network_add_node(&self, &node);
  }
  for (int i = 0; status >= 0 && i < output_count; i++)
    outputs[i] = self.values[fm_graph_output_value(graph, i)];
  free(self.values);
  free(self.weights);
  free(self.biases);
  return status;
}
