// A face classifier as an ONNX model of cut-outs. For export.c.
#ifndef FM_DETECT_ONNX_CLASSIFIER_H
#define FM_DETECT_ONNX_CLASSIFIER_H

#include "base/status.h"
#include "detect/config.h"
#include "format/onnx_model.h"
#include "nn/params.h"

// Input "faces": float (n,3,crop_size,crop_size), RGB from 0 to 1, not normalised. Output
// "probabilities" float (n,class_count). The metadata "crops" are the factors of model.crops.
FM_MUST_USE fm_status fm_onnx_classifier_add(fm_onnx *onnx, const fm_model_config *config,
                                             fm_params *params, int class_count);

#endif
