// What lies between two ops: a shape, a number type and one of a small family of memory layouts.
#ifndef FM_NN_TENSOR_H
#define FM_NN_TENSOR_H

#include <stddef.h>
#include <stdint.h>

// FM_U8 and FM_S8 hold whole numbers, each of which stands for itself times the tensor's scale.
typedef enum fm_dtype { FM_F32, FM_BF16, FM_U8, FM_S8 } fm_dtype;

typedef struct fm_shape {
  int n, c, h, w; // rows of a matrix are n, its columns c, with h = w = 1
} fm_shape;

// Element (n, c, h, w) lies at ((n * blocks + c / block) * h_count * w_count + h * w_count + w) *
// block + c % block, with blocks = ceil(c_count / block): block 1 is NCHW, block c_count is NHWC, 8
// and 16 are oneDNN's nChw8c and nChw16c. Channels behind c_count that fill the last block are
// always zero.
typedef struct fm_tensor {
  fm_dtype dtype;
  fm_shape shape;
  int block;
  void *data;
  float scale; // of FM_U8 and FM_S8
} fm_tensor;

static inline size_t fm_dtype_size(fm_dtype dtype) {
  return dtype == FM_F32 ? 4 : dtype == FM_BF16 ? 2 : 1;
}
static inline int fm_dtype_is_int8(fm_dtype dtype) {
  return dtype == FM_U8 || dtype == FM_S8;
}
static inline int fm_tensor_blocks(const fm_tensor *t) {
  return (t->shape.c + t->block - 1) / t->block;
}
// Elements with the padding of the last block.
static inline size_t fm_tensor_elements(const fm_tensor *t) {
  return (size_t)t->shape.n * (size_t)fm_tensor_blocks(t) * (size_t)t->block * (size_t)t->shape.h *
         (size_t)t->shape.w;
}
static inline size_t fm_tensor_bytes(const fm_tensor *t) {
  return fm_tensor_elements(t) * fm_dtype_size(t->dtype);
}

static inline float fm_bf16_to_f32(uint16_t bits) {
  union {
    uint32_t u;
    float f;
  } v = {.u = (uint32_t)bits << 16};
  return v.f;
}
// Round to nearest even; NaN stays NaN.
static inline uint16_t fm_f32_to_bf16(float value) {
  union {
    float f;
    uint32_t u;
  } v = {.f = value};
  if ((v.u & 0x7fffffffu) > 0x7f800000u)
    return (uint16_t)((v.u >> 16) | 0x40u);
  return (uint16_t)((v.u + 0x7fffu + ((v.u >> 16) & 1u)) >> 16);
}

#endif
