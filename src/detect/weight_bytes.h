// Weights in 8 bits a number: a tensor NAME of whole numbers from -127 to 127 (FM_ST_I8), and
// beside it NAME.scale (FM_ST_F32), what each row (of the first dimension) is multiplied by.
#ifndef FM_DETECT_WEIGHT_BYTES_H
#define FM_DETECT_WEIGHT_BYTES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "format/safetensors.h"

#define FM_WEIGHT_SCALES ".scale"

// The scales of `tensor` in `file`, NULL where it has none; FM_ERR_FORMAT, with `path`, where they
// are not one of FM_ST_F32 a row.
FM_MUST_USE fm_status fm_weight_scales(const fm_st_tensor **out, const fm_safetensors *file,
                                       const fm_st_tensor *tensor, const char *path);
// Whether `tensor` is another one's scales.
bool fm_weight_is_scales(const fm_safetensors *file, const fm_st_tensor *tensor);
// To fp32, by `scales` where they are not NULL; out has room for the element count.
FM_MUST_USE fm_status fm_weight_to_f32(const fm_st_tensor *tensor, const fm_st_tensor *scales,
                                       float *out);
// Each row's scale is its largest number over 127, 1 for a row of zeros. `values` are finite.
void fm_weight_to_bytes(const float *values, size_t rows, size_t columns, int8_t *out,
                        float *scales);

#endif
