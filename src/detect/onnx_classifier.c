// A face classifier in ONNX's operators: normalisation, the network, softmax. Cutting faces out,
// and the mean over the cut-outs of one, are the caller's.
#include "detect/onnx_classifier.h"

#include <stdio.h>

#include "detect/model/model.h"
#include "detect/onnx_network.h"

static void classifier_describe(fm_onnx *onnx, const fm_float_list *crops) {
  char text[FM_LIST_MAX * 16] = "";
  size_t used = 0;
  for (int i = 0; i < crops->count && used < sizeof text; i++)
    used += (size_t)snprintf(text + used, sizeof text - used, "%s%g", i ? " " : "",
                             (double)crops->values[i]);
  fm_onnx_metadata(onnx, "crops", text);
}

fm_status fm_onnx_classifier_add(fm_onnx *onnx, const fm_model_config *config, fm_params *params,
                                 int class_count) {
  fm_model model;
  FM_TRY(fm_model_build(&model, params, config, class_count));
  const fm_onnx_shape shape = {4, {-1, 3, config->crop_size, config->crop_size}};
  const fm_onnx_value faces =
      fm_onnx_normalise(onnx, fm_onnx_input(onnx, "faces", FM_ONNX_F32, shape), config);
  const fm_onnx_network network = {.onnx = onnx, .params = params};
  fm_onnx_value logits;
  const fm_status status = fm_onnx_network_add(&network, model.trunk, &faces, 1, &logits, 1);
  fm_model_release(&model);
  FM_TRY(status);
  const fm_onnx_node softmax = {
      .op = "Softmax", .inputs = {logits}, .attributes = {{"axis", FM_ONNX_INTEGER, .number = 1}}};
  fm_onnx_output(onnx, "probabilities", fm_onnx_add(onnx, &softmax), FM_ONNX_F32,
                 (fm_onnx_shape){2, {-1, class_count}});
  classifier_describe(onnx, &config->crops);
  return FM_OK;
}
