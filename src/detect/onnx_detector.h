// A detector as an ONNX model of one picture. For export.c.
#ifndef FM_DETECT_ONNX_DETECTOR_H
#define FM_DETECT_ONNX_DETECTOR_H

#include "base/status.h"
#include "detect/config.h"
#include "format/onnx_model.h"
#include "nn/params.h"

typedef struct fm_onnx_detector {
  const fm_model_config *config;
  fm_params *params; // gets nothing new
  int class_count;   // without background
  int width, height; // multiples of 32
} fm_onnx_detector;

// Input "image": float (1,3,height,width), RGB from 0 to 1, not normalised. Outputs, by falling
// score: "boxes" float (n,4), x1, y1, x2, y2 in pixels of that picture; "labels" int64 (n), from 1;
// "scores" float (n).
FM_MUST_USE fm_status fm_onnx_detector_add(fm_onnx *onnx, const fm_onnx_detector *detector);

#endif
