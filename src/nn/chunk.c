// Reads and writes runs of a tensor as fp32, through bf16 and layouts.
#include "nn/chunk.h"

#include <string.h>

#include "base/clones.h"

FM_KERNEL void fm_bf16_unpack(float *restrict to, const uint16_t *restrict from, size_t count) {
  for (size_t i = 0; i < count; i++)
    to[i] = fm_bf16_to_f32(from[i]);
}

// fm_f32_to_bf16 without branches, so that it becomes vector code.
FM_KERNEL void fm_bf16_pack(uint16_t *restrict to, const float *restrict from, size_t count) {
  for (size_t i = 0; i < count; i++) {
    union {
      float f;
      uint32_t u;
    } v = {.f = from[i]};
    uint32_t nearest = (v.u + 0x7fffu + ((v.u >> 16) & 1u)) >> 16;
    uint32_t quiet = (v.u >> 16) | 0x40u;
    uint32_t nan = (v.u & 0x7fffffffu) > 0x7f800000u ? 0xffffffffu : 0u;
    to[i] = (uint16_t)((nearest & ~nan) | (quiet & nan));
  }
}

// The layouts have the same memory order.
static bool chunk_same(const fm_tensor *t, const fm_tensor *layout) {
  return t->block == layout->block;
}

// Where element `at` of `layout`'s memory lies in t; false in the padding.
static bool chunk_place(const fm_tensor *t, const fm_tensor *layout, size_t at, size_t *place) {
  size_t from = (size_t)layout->block, to = (size_t)t->block;
  size_t area = (size_t)t->shape.h * (size_t)t->shape.w;
  size_t blocks = (size_t)fm_tensor_blocks(layout);
  size_t pixel = at / from % area, row = at / from / area;
  size_t n = row / blocks, c = row % blocks * from + at % from;
  if (c >= (size_t)t->shape.c)
    return false;
  *place = ((n * (size_t)fm_tensor_blocks(t) + c / to) * area + pixel) * to + c % to;
  return true;
}

const float *fm_chunk_read(const fm_tensor *t, const fm_tensor *layout, size_t start, size_t count,
                           float *buffer) {
  const float *wide = t->data;
  const uint16_t *narrow = t->data;
  if (chunk_same(t, layout)) {
    if (t->dtype == FM_F32)
      return wide + start;
    fm_bf16_unpack(buffer, narrow + start, count);
    return buffer;
  }
  for (size_t i = 0; i < count; i++) {
    size_t place;
    if (!chunk_place(t, layout, start + i, &place))
      buffer[i] = 0;
    else
      buffer[i] = t->dtype == FM_F32 ? wide[place] : fm_bf16_to_f32(narrow[place]);
  }
  return buffer;
}

float *fm_chunk_target(const fm_tensor *t, const fm_tensor *layout, size_t start, float *buffer) {
  return t->dtype == FM_F32 && chunk_same(t, layout) ? (float *)t->data + start : buffer;
}

void fm_chunk_write(const fm_tensor *t, const fm_tensor *layout, size_t start, size_t count,
                    const float *values) {
  float *wide = t->data;
  uint16_t *narrow = t->data;
  if (chunk_same(t, layout)) {
    if (t->dtype == FM_BF16)
      fm_bf16_pack(narrow + start, values, count);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    size_t place;
    if (!chunk_place(t, layout, start + i, &place))
      continue;
    if (t->dtype == FM_F32)
      wide[place] = values[i];
    else
      narrow[place] = fm_f32_to_bf16(values[i]);
  }
}

fm_tensor fm_tensor_image(const fm_tensor *t, int n) {
  fm_tensor image = *t;
  image.shape.n = 1;
  image.data = (char *)t->data + (size_t)n * fm_tensor_bytes(&image);
  return image;
}

bool fm_tensor_padded(const fm_tensor *t) {
  return t->shape.c % t->block != 0;
}

void fm_tensor_zero_padding(const fm_tensor *t) {
  if (!fm_tensor_padded(t))
    return;
  size_t size = fm_dtype_size(t->dtype), block = (size_t)t->block;
  size_t area = (size_t)t->shape.h * (size_t)t->shape.w, used = (size_t)(t->shape.c % t->block);
  for (int n = 0; n < t->shape.n; n++) {
    fm_tensor image = fm_tensor_image(t, n);
    char *last = (char *)image.data + (size_t)(fm_tensor_blocks(t) - 1) * area * block * size;
    for (size_t pixel = 0; pixel < area; pixel++)
      memset(last + (pixel * block + used) * size, 0, (block - used) * size);
  }
}

void fm_tensor_clear(const fm_tensor *t) {
  size_t bytes = fm_tensor_bytes(t);
  const size_t piece = 1u << 18;
#pragma omp parallel for schedule(static) if (bytes > piece)
  for (size_t start = 0; start < bytes; start += piece)
    memset((char *)t->data + start, 0, bytes - start < piece ? bytes - start : piece);
}

void fm_tensor_copy(const fm_tensor *to, const fm_tensor *from) {
  if (!chunk_same(to, from))
    fm_tensor_zero_padding(to);
  size_t total = fm_tensor_elements(from);
#pragma omp parallel for schedule(static) if (total > FM_CHUNK)
  for (size_t start = 0; start < total; start += FM_CHUNK) {
    float a[FM_CHUNK], b[FM_CHUNK];
    size_t count = total - start < FM_CHUNK ? total - start : FM_CHUNK;
    float *target = fm_chunk_target(to, from, start, b);
    const float *values = fm_chunk_read(from, from, start, count, a);
    if (target != b)
      memcpy(target, values, count * sizeof(float));
    fm_chunk_write(to, from, start, count, values);
  }
}

void fm_tensor_add(const fm_tensor *to, const fm_tensor *from) {
  size_t elements = fm_tensor_elements(to);
#pragma omp parallel for schedule(static)
  for (size_t start = 0; start < elements; start += FM_CHUNK) {
    size_t count = elements - start < FM_CHUNK ? elements - start : FM_CHUNK;
    float to_buffer[FM_CHUNK], from_buffer[FM_CHUNK];
    const float *was = fm_chunk_read(to, to, start, count, to_buffer);
    const float *more = fm_chunk_read(from, from, start, count, from_buffer);
    float *sum = fm_chunk_target(to, to, start, to_buffer);
    for (size_t i = 0; i < count; i++)
      sum[i] = was[i] + more[i];
    fm_chunk_write(to, to, start, count, sum);
  }
}
