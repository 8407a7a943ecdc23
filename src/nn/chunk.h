// Runs of a tensor's memory as fp32 numbers, whatever its number type and layout: what element-wise
// ops are written in. A run is `count` elements from `start`, in the memory order of `layout`;
// where the tensor is fp32 and lies so itself, no copy is made.
#ifndef FM_NN_CHUNK_H
#define FM_NN_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/tensor.h"

enum {
  FM_CHUNK = 2048
}; // elements an element-wise loop handles at a time: three buffers fit the first-level cache

// The elements: a pointer into t, or `buffer` filled. Positions that are padding in `layout` read
// as 0 when the layouts differ.
const float *fm_chunk_read(const fm_tensor *t, const fm_tensor *layout, size_t start, size_t count,
                           float *buffer);
// Where to write the elements before fm_chunk_write: a pointer into t, or `buffer`.
float *fm_chunk_target(const fm_tensor *t, const fm_tensor *layout, size_t start, float *buffer);
// Stores what fm_chunk_target's pointer now holds. Where the layouts differ, t's own padding is
// left alone.
void fm_chunk_write(const fm_tensor *t, const fm_tensor *layout, size_t start, size_t count,
                    const float *values);

// The part of image (or row) n, in place: shape.n is 1.
fm_tensor fm_tensor_image(const fm_tensor *t, int n);
bool fm_tensor_padded(const fm_tensor *t);
// Zeroes the channels behind shape.c; fm_tensor_clear zeroes everything.
void fm_tensor_zero_padding(const fm_tensor *t);
void fm_tensor_clear(const fm_tensor *t);
// to = from, in parallel; shapes agree, layouts and number types may differ. Writes to's padding
// too.
void fm_tensor_copy(const fm_tensor *to, const fm_tensor *from);

// to += from, in parallel; the same shape, layout and number type.
void fm_tensor_add(const fm_tensor *to, const fm_tensor *from);

void fm_bf16_unpack(float *to, const uint16_t *from, size_t count);
void fm_bf16_pack(uint16_t *to, const float *from, size_t count);

#endif
