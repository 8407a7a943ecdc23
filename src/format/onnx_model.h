// ONNX files (https://onnx.ai, operator set 16): a model under construction, and writing it. Like
// the builders of nn/graph.h these never fail visibly: the first failure marks the model, later
// calls do nothing, and writing reports it.
#ifndef FM_FORMAT_ONNX_MODEL_H
#define FM_FORMAT_ONNX_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct fm_onnx fm_onnx;

// A value by its number; 0 is none, and stands for an optional input that is left out.
typedef struct fm_onnx_value {
  int id;
} fm_onnx_value;

typedef enum fm_onnx_type { FM_ONNX_F32 = 1, FM_ONNX_I64 = 7 } fm_onnx_type;

enum { FM_ONNX_RANK_MAX = 5, FM_ONNX_INPUTS_MAX = 8, FM_ONNX_ATTRIBUTES_MAX = 8 };
typedef struct fm_onnx_shape {
  int rank;
  int64_t dims[FM_ONNX_RANK_MAX]; // of inputs and outputs: < 0 for one that is not fixed
} fm_onnx_shape;

typedef enum fm_onnx_kind {
  FM_ONNX_REAL = 1,
  FM_ONNX_INTEGER = 2,
  FM_ONNX_TEXT = 3,
  FM_ONNX_INTEGERS = 7
} fm_onnx_kind;
typedef struct fm_onnx_attribute {
  const char *name;
  fm_onnx_kind kind;
  double number;      // of REAL and INTEGER
  const char *text;   // of TEXT
  int64_t numbers[6]; // of INTEGERS
  size_t count;
} fm_onnx_attribute;

// Everything is copied.
typedef struct fm_onnx_node {
  const char *op;                                       // ONNX's name of the operator
  fm_onnx_value inputs[FM_ONNX_INPUTS_MAX];             // up to the last that is not none
  fm_onnx_attribute attributes[FM_ONNX_ATTRIBUTES_MAX]; // up to the first without a name
  int output_count;                                     // 0 means 1
} fm_onnx_node;

FM_MUST_USE fm_status fm_onnx_new(fm_onnx **out);
void fm_onnx_free(fm_onnx *onnx);
fm_onnx_value fm_onnx_input(fm_onnx *onnx, const char *name, fm_onnx_type type,
                            fm_onnx_shape shape);
void fm_onnx_output(fm_onnx *onnx, const char *name, fm_onnx_value value, fm_onnx_type type,
                    fm_onnx_shape shape);
// The first output of a new node; the others have the numbers behind its.
fm_onnx_value fm_onnx_add(fm_onnx *onnx, const fm_onnx_node *node);
// Constants. `name` may be NULL; data of the shape's product, copied.
fm_onnx_value fm_onnx_floats(fm_onnx *onnx, const char *name, const float *data,
                             fm_onnx_shape shape);
fm_onnx_value fm_onnx_ints(fm_onnx *onnx, const int64_t *data, fm_onnx_shape shape);
void fm_onnx_metadata(fm_onnx *onnx, const char *key, const char *value);
FM_MUST_USE fm_status fm_onnx_write(const fm_onnx *onnx,
                                    const char *path); // atomic; same model, same bytes

#endif
