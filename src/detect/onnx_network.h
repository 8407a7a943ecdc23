// A graph of nn as nodes of an ONNX model. For onnx_detector.c and onnx_classifier.c.
#ifndef FM_DETECT_ONNX_NETWORK_H
#define FM_DETECT_ONNX_NETWORK_H

#include "detect/config.h"
#include "format/onnx_model.h"
#include "nn/graph.h"
#include "nn/params.h"

enum { FM_ONNX_LEVELS_MAX = FM_ROI_LEVELS_MAX };

// Short forms of what every exporting file writes often; a node of one input, two, three.
fm_onnx_value fm_onnx_op1(fm_onnx *onnx, const char *op, fm_onnx_value a);
fm_onnx_value fm_onnx_op2(fm_onnx *onnx, const char *op, fm_onnx_value a, fm_onnx_value b);
fm_onnx_value fm_onnx_op3(fm_onnx *onnx, const char *op, fm_onnx_value a, fm_onnx_value b,
                          fm_onnx_value c);
fm_onnx_value fm_onnx_float(fm_onnx *onnx, float value); // a scalar
fm_onnx_value fm_onnx_list(fm_onnx *onnx, const int64_t *values, int count);
fm_onnx_value fm_onnx_index(fm_onnx *onnx, int64_t value); // a list of one
// Pictures (n,3,h,w) of 0 to 1 as the network reads them.
fm_onnx_value fm_onnx_normalise(fm_onnx *onnx, fm_onnx_value pictures,
                                const fm_model_config *config);

typedef struct fm_onnx_network {
  fm_onnx *onnx;
  const fm_params *params;
  // What roi_align pools: the RoIs (n,4) of each level, in pixels of the picture; its output has
  // those of the first level first.
  const fm_onnx_value *level_rois;
  const int *strides; // of the levels
} fm_onnx_network;

// Adds the nodes of `graph`; inputs and outputs in the graph's order. Norms are folded into the
// convolutions.
FM_MUST_USE fm_status fm_onnx_network_add(const fm_onnx_network *network, const fm_graph *graph,
                                          const fm_onnx_value *inputs, int input_count,
                                          fm_onnx_value *outputs, int output_count);

#endif
