// 1 x 1 convolutions: tiles of some pixels by up to 64 channels, whose sums stay in registers.
#include "nn/rows.h"

#include <math.h>
#include <string.h>

#include "nn/vnni.h"

enum { PRODUCT_GROUP = 64, PRODUCT_LANES = 16, PRODUCT_TOGETHER = 4, PRODUCT_PIXELS_MAX = 12 };

// Vectors of sums of the group that begins with `channel`: 4, 2 or 1.
static int product_vectors(int out, int channel) {
  const int left = out - channel;
  if (left > PRODUCT_GROUP / 2)
    return PRODUCT_GROUP / PRODUCT_LANES;
  return left > PRODUCT_LANES ? 2 : 1;
}

int fm_rows_product_positions(int out) {
  const int whole = out / PRODUCT_GROUP * PRODUCT_GROUP;
  return whole == out ? out : whole + product_vectors(out, whole) * PRODUCT_LANES;
}

// The order is such that packing the sums puts the channels in theirs: each quarter of packed bytes
// holds 4 channels of each vector of sums.
int fm_rows_product_channel(int out, int position) {
  const int first = position / PRODUCT_GROUP * PRODUCT_GROUP, at = position - first;
  const int vector = at / PRODUCT_LANES, lane = at % PRODUCT_LANES;
  const int channel = first + lane / 4 * 4 * product_vectors(out, first) + vector * 4 + lane % 4;
  return channel < out ? channel : -1;
}

int fm_rows_product_inputs(int in) {
  return (in + PRODUCT_TOGETHER - 1) / PRODUCT_TOGETHER * PRODUCT_TOGETHER;
}

size_t fm_rows_product_bytes(int in, int out) {
  return (size_t)fm_rows_product_positions(out) *
         ((size_t)fm_rows_product_inputs(in) + sizeof(int32_t));
}

const int32_t *fm_rows_product_sums(const int8_t *packed, int in, int out) {
  return (const int32_t *)(const void *)(packed + (size_t)fm_rows_product_positions(out) *
                                                      (size_t)fm_rows_product_inputs(in));
}

// Fours of inputs of a channel, NULL for one of zeros, each `apart` bytes behind the other; the sum
// of all.
static int32_t product_pack_channel(int8_t *to, size_t apart, const float *weight, int in) {
  int32_t sum = 0;
  for (int i = 0; i < in; i += PRODUCT_TOGETHER, to += apart) {
    int8_t four[PRODUCT_TOGETHER] = {0};
    for (int k = 0; weight && k < PRODUCT_TOGETHER && i + k < in; ++k) {
      four[k] = (int8_t)lrintf(weight[i + k]);
      sum += four[k];
    }
    memcpy(to, four, sizeof four);
  }
  return sum;
}

void fm_rows_pack_product(int8_t *packed, const float *weight, int in, int out) {
  const int positions = fm_rows_product_positions(out);
  const size_t inputs = (size_t)fm_rows_product_inputs(in);
  int32_t *sums = (int32_t *)(void *)(packed + (size_t)positions * inputs);
#pragma omp parallel for schedule(static)
  for (int position = 0; position < positions; ++position) {
    const int first = position / PRODUCT_GROUP * PRODUCT_GROUP;
    const int lanes = product_vectors(out, first) * PRODUCT_LANES;
    const int channel = fm_rows_product_channel(out, position);
    int8_t *to = packed + (size_t)first * inputs + (size_t)(position - first) * PRODUCT_TOGETHER;
    sums[position] =
        product_pack_channel(to, (size_t)(lanes * PRODUCT_TOGETHER),
                             channel < 0 ? NULL : weight + (size_t)channel * (size_t)in, in);
  }
}

bool fm_rows_knows_product(int in, int out) {
  return in > 0 && out > 0 && in % PRODUCT_TOGETHER == 0;
}

#if FM_VNNI_HERE

// A tile's part of the arrays.
typedef struct product_tile {
  const uint8_t *x;
  const int8_t *weight;
  uint8_t *y;
  const uint8_t *residual; // or NULL
  const float *scale, *shift;
  int channels; // that are written
} product_tile;

VNNI_INLINE __m512i product_broadcast(const uint8_t *x) {
  int32_t four;
  memcpy(&four, x, sizeof four);
  return _mm512_set1_epi32(four);
}

// A pixel's residual is added; in each quarter of its bytes, 4 belong to each vector.
VNNI_INLINE void product_add(const fm_rows_product *self, const product_tile *tile, size_t at,
                             __m512i *values, const int vectors) {
  __m512i bytes = _mm512_maskz_loadu_epi8(vnni_mask(tile->channels), tile->residual + at);
  bytes = _mm512_xor_si512(bytes, _mm512_set1_epi8((char)self->residual_flip));
  // Quarters that hold 4 channels of each vector.
  if (vectors == 2)
    bytes = _mm512_permutexvar_epi64(_mm512_set_epi64(7, 3, 6, 2, 5, 1, 4, 0), bytes);
  else if (vectors == 1)
    bytes = _mm512_permutexvar_epi32(
        _mm512_set_epi32(15, 14, 13, 3, 11, 10, 9, 2, 7, 6, 5, 1, 12, 8, 4, 0), bytes);
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) {
    const __m512i words = vnni_words(bytes, v);
    values[v] = _mm512_castps_si512(_mm512_fmadd_ps(_mm512_cvtepi32_ps(words),
                                                    _mm512_set1_ps(self->residual_scale),
                                                    _mm512_castsi512_ps(values[v])));
  }
}

// The bytes of a pixel where 64 channels lie beside each other, of 2 pixels with 32, of 4 with 16;
// those behind the last one are of no use.
VNNI_INLINE __m512i product_bytes(const fm_rows_product *self, __m512i (*values)[VNNI_VECTORS],
                                  const int pixel, const int pixels, const int vectors) {
  const int last = pixels - 1, b = pixel + 1 < last ? pixel + 1 : last;
  const int c = pixel + 2 < last ? pixel + 2 : last, d = pixel + 3 < last ? pixel + 3 : last;
  if (vectors == 4)
    return vnni_packed(values[pixel][0], values[pixel][1], values[pixel][2], values[pixel][3],
                       &self->output);
  if (vectors == 2)
    return _mm512_permutexvar_epi64(
        _mm512_set_epi64(7, 5, 3, 1, 6, 4, 2, 0),
        vnni_packed(values[pixel][0], values[pixel][1], values[b][0], values[b][1], &self->output));
  return _mm512_permutexvar_epi32(
      _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0),
      vnni_packed(values[pixel][0], values[b][0], values[c][0], values[d][0], &self->output));
}

// A pixel's floats in the order of channels, of which each quarter of the vectors has four a
// vector.
VNNI_INLINE void product_order(__m512 *out, const __m512i *values, const int vectors) {
  const __m512 a = _mm512_castsi512_ps(values[0]);
  if (vectors == 1) {
    out[0] = a;
    return;
  }
  const __m512 b = _mm512_castsi512_ps(values[1]);
  const __m512 ab_low = _mm512_shuffle_f32x4(a, b, 0x44),
               ab_high = _mm512_shuffle_f32x4(a, b, 0xee);
  if (vectors == 2) {
    out[0] = _mm512_shuffle_f32x4(ab_low, ab_low, 0xd8);
    out[1] = _mm512_shuffle_f32x4(ab_high, ab_high, 0xd8);
    return;
  }
  const __m512 c = _mm512_castsi512_ps(values[2]), d = _mm512_castsi512_ps(values[3]);
  const __m512 cd_low = _mm512_shuffle_f32x4(c, d, 0x44),
               cd_high = _mm512_shuffle_f32x4(c, d, 0xee);
  out[0] = _mm512_shuffle_f32x4(ab_low, cd_low, 0x88);
  out[1] = _mm512_shuffle_f32x4(ab_low, cd_low, 0xdd);
  out[2] = _mm512_shuffle_f32x4(ab_high, cd_high, 0x88);
  out[3] = _mm512_shuffle_f32x4(ab_high, cd_high, 0xdd);
}

VNNI_INLINE void product_put_floats(const fm_rows_product *self, const product_tile *tile,
                                    __m512i (*values)[VNNI_VECTORS], const int pixels,
                                    const int vectors) {
  const __m512 least = _mm512_set1_ps(self->output.least);
  const __mmask64 mask = vnni_mask(tile->channels);
#pragma GCC unroll 12
  for (int p = 0; p < pixels; ++p) {
    float *y = (float *)(void *)tile->y + (size_t)p * (size_t)self->out;
    __m512 ordered[VNNI_VECTORS];
    product_order(ordered, values[p], vectors);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      _mm512_mask_storeu_ps(y + (size_t)(v * VNNI_LANES), (__mmask16)(mask >> (v * VNNI_LANES)),
                            _mm512_max_ps(ordered[v], least));
  }
}

VNNI_INLINE void product_put(const fm_rows_product *self, const product_tile *tile,
                             __m512i (*values)[VNNI_VECTORS], const int pixels, const int vectors) {
  const int together = VNNI_VECTORS / vectors; // pixels
  const __mmask64 mask = vnni_mask(tile->channels);
#pragma GCC unroll 12
  for (int p = 0; p < pixels; p += together) {
    const __m512i bytes = product_bytes(self, values, p, pixels, vectors);
    const size_t step = (size_t)self->out;
    vnni_store(tile->y + (size_t)p * step, step, pixels - p, together, mask, bytes);
  }
}

VNNI_INLINE void product_run(const fm_rows_product *self, const product_tile *tile,
                             const int pixels, const int vectors) {
  __m512i sums[PRODUCT_PIXELS_MAX][VNNI_VECTORS];
  vnni_clear(sums, pixels, vectors);
  const size_t step = (size_t)self->in;
  const int8_t *weight = tile->weight;
  for (size_t i = 0; i < step; i += PRODUCT_TOGETHER) {
    __m512i w[VNNI_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      w[v] = _mm512_loadu_si512(weight + (size_t)(v * VNNI_GROUP));
#pragma GCC unroll 12
    for (int p = 0; p < pixels; ++p) {
      const __m512i four = product_broadcast(tile->x + i + (size_t)p * step);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v)
        vnni_add(&sums[p][v], four, w[v]);
    }
    weight += (size_t)(vectors * VNNI_GROUP);
  }
  vnni_scale(sums, pixels, vectors, tile->scale, tile->shift);
  if (self->output.exact) {
    product_put_floats(self, tile, sums, pixels, vectors);
    return;
  }
  if (tile->residual)
#pragma GCC unroll 12
    for (int p = 0; p < pixels; ++p)
      product_add(self, tile, (size_t)p * (size_t)self->out, sums[p], vectors);
  product_put(self, tile, sums, pixels, vectors);
}

#define PRODUCT_KERNEL(PIXELS, VECTORS)                                             \
  VNNI_TARGET static void product_##PIXELS##x##VECTORS(const fm_rows_product *self, \
                                                       const product_tile *tile) {  \
    product_run(self, tile, PIXELS, VECTORS);                                       \
  }
#define PRODUCT_KERNELS_6(VECTORS) \
  PRODUCT_KERNEL(1, VECTORS)       \
  PRODUCT_KERNEL(2, VECTORS)       \
  PRODUCT_KERNEL(3, VECTORS)       \
  PRODUCT_KERNEL(4, VECTORS)       \
  PRODUCT_KERNEL(5, VECTORS)       \
  PRODUCT_KERNEL(6, VECTORS)
#define PRODUCT_KERNELS_12(VECTORS) \
  PRODUCT_KERNELS_6(VECTORS)        \
  PRODUCT_KERNEL(7, VECTORS)        \
  PRODUCT_KERNEL(8, VECTORS)        \
  PRODUCT_KERNEL(9, VECTORS)        \
  PRODUCT_KERNEL(10, VECTORS)       \
  PRODUCT_KERNEL(11, VECTORS)       \
  PRODUCT_KERNEL(12, VECTORS)
PRODUCT_KERNELS_12(1)
PRODUCT_KERNELS_12(2)
PRODUCT_KERNELS_6(4)

typedef void (*product_kernel)(const fm_rows_product *self, const product_tile *tile);

// By vectors, then pixels; as many pixels as registers hold the sums of.
static const product_kernel product_kernels[VNNI_VECTORS + 1][PRODUCT_PIXELS_MAX] = {
    {NULL},
    {product_1x1, product_2x1, product_3x1, product_4x1, product_5x1, product_6x1, product_7x1,
     product_8x1, product_9x1, product_10x1, product_11x1, product_12x1},
    {product_1x2, product_2x2, product_3x2, product_4x2, product_5x2, product_6x2, product_7x2,
     product_8x2, product_9x2, product_10x2, product_11x2, product_12x2},
    {NULL},
    {product_1x4, product_2x4, product_3x4, product_4x4, product_5x4, product_6x4},
};
static const int product_most[VNNI_VECTORS + 1] = {0, 12, 12, 0, 6};

void fm_rows_multiply(const fm_rows_product *self, const uint8_t *x, int pixels, void *y,
                      const uint8_t *residual) {
  const size_t bytes = self->output.exact ? sizeof(float) : 1;
  for (int first = 0; first < self->out; first += VNNI_GROUP) {
    const int vectors = product_vectors(self->out, first), most = product_most[vectors];
    const int tiles = (pixels + most - 1) / most, left = self->out - first;
    product_tile tile = {.weight = self->weight + (size_t)first * (size_t)self->in,
                         .scale = self->output.scale + first,
                         .shift = self->output.shift + first,
                         .channels = left < VNNI_GROUP ? left : VNNI_GROUP};
    for (int t = 0; t < tiles; ++t) {
      const size_t from = (size_t)pixels * (size_t)t / (size_t)tiles;
      const size_t to = (size_t)pixels * (size_t)(t + 1) / (size_t)tiles;
      const size_t at = from * (size_t)self->out + (size_t)first;
      tile.x = x + from * (size_t)self->in;
      tile.y = (uint8_t *)y + at * bytes;
      tile.residual = residual ? residual + at : NULL;
      product_kernels[vectors][to - from - 1](self, &tile);
    }
  }
}

#endif
