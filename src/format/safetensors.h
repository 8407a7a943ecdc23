// safetensors: named tensors in one file (https://github.com/huggingface/safetensors). The reader
// takes files from anywhere.
#ifndef FM_FORMAT_SAFETENSORS_H
#define FM_FORMAT_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum fm_st_dtype {
  FM_ST_F32,
  FM_ST_F16,
  FM_ST_BF16,
  FM_ST_F64,
  FM_ST_I64,
  FM_ST_I32,
  FM_ST_I16,
  FM_ST_I8,
  FM_ST_U8,
  FM_ST_BOOL,
} fm_st_dtype;

size_t fm_st_dtype_bytes(fm_st_dtype dtype); // of one number

enum { FM_ST_RANK_MAX = 8 };
typedef struct fm_st_tensor {
  const char *name;
  fm_st_dtype dtype;
  int rank;
  int64_t dims[FM_ST_RANK_MAX];
  const void *data; // row-major; reading: inside the mapping, not necessarily aligned
  size_t bytes;
} fm_st_tensor;

typedef struct fm_safetensors fm_safetensors; // an open file, memory-mapped
// Every name, offset, size and overlap is checked before it is used, and every byte of the data
// must belong to a tensor (as the reference reader demands); FM_ERR_FORMAT says which tensor and
// why. Whoever cuts the file short while it is open ends the program: it is mapped.
FM_MUST_USE fm_status fm_safetensors_open(fm_safetensors **out, const char *path);
void fm_safetensors_free(fm_safetensors *file);
size_t fm_safetensors_count(const fm_safetensors *file);
const fm_st_tensor *fm_safetensors_tensor(const fm_safetensors *file,
                                          size_t index); // sorted by name
const fm_st_tensor *fm_safetensors_find(const fm_safetensors *file,
                                        const char *name); // NULL when absent
const char *fm_safetensors_metadata(const fm_safetensors *file,
                                    const char *key); // NULL when absent
// The nearest number of FM_ST_F16, the even one of two; beyond 65504 infinity, NaN stays NaN.
uint16_t fm_st_half(float value);
// Converts any floating or integer tensor to fp32; out has room for the element count.
FM_MUST_USE fm_status fm_st_tensor_to_f32(const fm_st_tensor *tensor, float *out);

typedef struct fm_st_metadata {
  const char *key, *value;
} fm_st_metadata;
// FM_ERR_FORMAT when two tensors have one name or a name is not UTF-8. Writes atomically; tensors
// in the order given, data 64-byte aligned (header padded with spaces); same input, same bytes.
FM_MUST_USE fm_status fm_safetensors_write(const char *path, const fm_st_tensor *tensors,
                                           size_t count, const fm_st_metadata *metadata,
                                           size_t metadata_count);

#endif
