// Weights files in the forms of other programs.
#ifndef FM_DETECT_EXPORT_H
#define FM_DETECT_EXPORT_H

#include "base/status.h"

typedef enum fm_export_format {
  FM_EXPORT_ONNX,        // the whole detector, from a picture to boxes, labels and scores
  FM_EXPORT_TORCH,       // a state_dict for torch.load
  FM_EXPORT_SAFETENSORS, // the tensors alone
  FM_EXPORT_FP16,        // the weights file with 16 bits a number in its matrices and kernels
  FM_EXPORT_INT8,        // the same with 8 bits (detect/weight_bytes.h)
  FM_EXPORT_FORMATS,
} fm_export_format;

typedef struct fm_export_options {
  fm_export_format format;
  int width,
      height; // of the pictures that the ONNX model takes; 0: model.min_size, in multiples of 32
} fm_export_options;

// `weights` is a weights file; the ONNX form needs its configuration in it.
FM_MUST_USE fm_status fm_weights_export(const char *weights, const char *path,
                                        const fm_export_options *options);

#endif
