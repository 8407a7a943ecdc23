// Turning patches and weights there and back, and the products between, in registers.
#include "nn/winograd_tile.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#define TILE_AVX2 __attribute__((target("avx2,fma")))
#define TILE_INLINE static inline __attribute__((always_inline)) TILE_AVX2

// The points' powers and what they make of polynomials.
#define A 0.625f
#define B 1.5f
#define A2 (A * A)
#define B2 (B * B)
#define A3 (A2 * A)
#define B3 (B2 * B)

TILE_INLINE __m256 tile_times(float factor, __m256 x, __m256 plus) {
  return _mm256_fmadd_ps(_mm256_set1_ps(factor), x, plus);
}

// Six numbers of a row or column of x, `step` apart, as values at the points.
TILE_INLINE void tile_evaluate(__m256 out[WINOGRAD_IN], const float *in, size_t step) {
  __m256 d[WINOGRAD_IN];
#pragma GCC unroll 6
  for (size_t i = 0; i < WINOGRAD_IN; ++i)
    d[i] = _mm256_loadu_ps(in + i * step);
  const __m256 even_a = tile_times(-B2, d[2], d[4]), even_b = tile_times(-A2, d[2], d[4]);
  const __m256 odd_a = tile_times(-B2, d[1], d[3]), odd_b = tile_times(-A2, d[1], d[3]);
  out[0] = tile_times(A2 * B2, d[0], tile_times(-(A2 + B2), d[2], d[4]));
  out[1] = tile_times(A, odd_a, even_a);
  out[2] = tile_times(-A, odd_a, even_a);
  out[3] = tile_times(B, odd_b, even_b);
  out[4] = tile_times(-B, odd_b, even_b);
  out[5] = tile_times(A2 * B2, d[1], tile_times(-(A2 + B2), d[3], d[5]));
}

TILE_AVX2 static void tile_turn_in(float *out, size_t stride, const float *pixels, size_t row) {
  float turned[WINOGRAD_PRODUCTS * WINOGRAD_LANES];
  __m256 values[WINOGRAD_IN];
  for (size_t column = 0; column < WINOGRAD_IN; ++column) {
    tile_evaluate(values, pixels + column * WINOGRAD_LANES, row);
#pragma GCC unroll 6
    for (size_t i = 0; i < WINOGRAD_IN; ++i)
      _mm256_storeu_ps(turned + (i * WINOGRAD_IN + column) * WINOGRAD_LANES, values[i]);
  }
  for (size_t i = 0; i < WINOGRAD_IN; ++i) {
    tile_evaluate(values, turned + i * (size_t)(WINOGRAD_IN * WINOGRAD_LANES), WINOGRAD_LANES);
#pragma GCC unroll 6
    for (size_t j = 0; j < WINOGRAD_IN; ++j)
      _mm256_storeu_ps(out + (i * WINOGRAD_IN + j) * stride, values[j]);
  }
}

void fm_winograd_turn_in(float *out, const float *plane, const winograd_patch *patch) {
  const size_t width = (size_t)patch->width * WINOGRAD_LANES;
  const int bottom = patch->top + WINOGRAD_IN, right = patch->left + WINOGRAD_IN;
  if (patch->top >= 0 && patch->left >= 0 && bottom <= patch->height && right <= patch->width) {
    const float *first = plane + (size_t)patch->top * width + (size_t)patch->left * WINOGRAD_LANES;
    tile_turn_in(out, patch->stride, first, width);
    return;
  }
  float pixels[WINOGRAD_PRODUCTS * WINOGRAD_LANES] = {0};
  const int begin = patch->left < 0 ? 0 : patch->left;
  const int end = right < patch->width ? right : patch->width;
  for (int y = patch->top < 0 ? 0 : patch->top; y < bottom && y < patch->height && begin < end;
       ++y) {
    const size_t at = (size_t)((y - patch->top) * WINOGRAD_IN + begin - patch->left);
    memcpy(pixels + at * WINOGRAD_LANES, plane + (size_t)y * width + (size_t)begin * WINOGRAD_LANES,
           (size_t)(end - begin) * WINOGRAD_LANES * sizeof *pixels);
  }
  tile_turn_in(out, patch->stride, pixels, (size_t)WINOGRAD_IN * WINOGRAD_LANES);
}

// 8 whole numbers.
TILE_INLINE __m256 tile_bytes(const uint8_t *bytes, bool has_sign) {
  const __m128i eight = _mm_loadl_epi64((const __m128i *)(const void *)bytes);
  return _mm256_cvtepi32_ps(has_sign ? _mm256_cvtepi8_epi32(eight) : _mm256_cvtepu8_epi32(eight));
}

// `has_sign` is a constant to each caller.
TILE_INLINE void tile_read_bytes(float *pixels, const uint8_t *plane, const winograd_patch *patch,
                                 bool has_sign) {
  for (int i = 0; i < WINOGRAD_IN; ++i)
    for (int j = 0; j < WINOGRAD_IN; ++j) {
      const int y = patch->top + i, x = patch->left + j;
      const bool inside = y >= 0 && y < patch->height && x >= 0 && x < patch->width;
      const size_t at = inside ? (size_t)y * (size_t)patch->width + (size_t)x : 0;
      const __m256 v =
          inside ? tile_bytes(plane + at * patch->pixel, has_sign) : _mm256_setzero_ps();
      _mm256_storeu_ps(pixels + ((size_t)i * WINOGRAD_IN + (size_t)j) * WINOGRAD_LANES, v);
    }
}

TILE_AVX2 void fm_winograd_turn_in_bytes(float *out, const void *plane, fm_dtype dtype,
                                         const winograd_patch *patch) {
  float pixels[WINOGRAD_PRODUCTS * WINOGRAD_LANES];
  if (dtype == FM_S8)
    tile_read_bytes(pixels, plane, patch, true);
  else
    tile_read_bytes(pixels, plane, patch, false);
  tile_turn_in(out, patch->stride, pixels, (size_t)WINOGRAD_IN * WINOGRAD_LANES);
}

// Six values at the points, `step` apart, as four pixels.
TILE_INLINE void tile_interpolate(__m256 out[WINOGRAD_OUT], const float *in, size_t step) {
  __m256 m[WINOGRAD_IN];
#pragma GCC unroll 6
  for (size_t i = 0; i < WINOGRAD_IN; ++i)
    m[i] = _mm256_loadu_ps(in + i * step);
  const __m256 even_a = _mm256_add_ps(m[1], m[2]), odd_a = _mm256_sub_ps(m[1], m[2]);
  const __m256 even_b = _mm256_add_ps(m[3], m[4]), odd_b = _mm256_sub_ps(m[3], m[4]);
  const __m256 zero = _mm256_setzero_ps();
  out[0] = _mm256_add_ps(m[0], _mm256_add_ps(even_a, even_b));
  out[1] = tile_times(A, odd_a, tile_times(B, odd_b, zero));
  out[2] = tile_times(A2, even_a, tile_times(B2, even_b, zero));
  out[3] = tile_times(A3, odd_a, tile_times(B3, odd_b, m[5]));
}

// NaN stays NaN: of two numbers that do not compare, min and max give the second.
TILE_INLINE __m256 tile_act(__m256 x, fm_activation act) {
  const __m256 zero = _mm256_setzero_ps(), six = _mm256_set1_ps(6);
  switch (act) {
  case FM_ACT_RELU:
    return _mm256_max_ps(zero, x);
  case FM_ACT_RELU6:
    return _mm256_min_ps(six, _mm256_max_ps(zero, x));
  case FM_ACT_HARD_SWISH: {
    const __m256 moved = _mm256_add_ps(x, _mm256_set1_ps(3));
    const __m256 part = _mm256_min_ps(six, _mm256_max_ps(zero, moved));
    return _mm256_mul_ps(x, _mm256_mul_ps(part, _mm256_set1_ps(1.0f / 6)));
  }
  default:
    return x;
  }
}

// Pixels of a patch of y that are there, of which `left` remain in the plane.
static size_t tile_there(int left) {
  return left < WINOGRAD_OUT ? (size_t)left : WINOGRAD_OUT;
}

// 8 numbers, rounded to nearest even and cut to what `dtype` holds.
TILE_INLINE void tile_store(void *to, fm_dtype dtype, __m256 v) {
  if (dtype == FM_F32) {
    _mm256_storeu_ps(to, v);
    return;
  }
  // What is too large for 32 bits would become the least.
  const __m256i whole = _mm256_cvtps_epi32(_mm256_min_ps(v, _mm256_set1_ps(255)));
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storel_epi64(to,
                   dtype == FM_U8 ? _mm_packus_epi16(words, words) : _mm_packs_epi16(words, words));
}

// `dtype` is a constant to each caller.
TILE_INLINE void tile_turn_out(uint8_t *plane, const float *in, const winograd_patch *patch,
                               const winograd_end *end, fm_dtype dtype) {
  float turned[WINOGRAD_OUT * WINOGRAD_IN * WINOGRAD_LANES];
  __m256 pixels[WINOGRAD_OUT];
  for (size_t column = 0; column < WINOGRAD_IN; ++column) {
    tile_interpolate(pixels, in + column * patch->stride, WINOGRAD_IN * patch->stride);
#pragma GCC unroll 4
    for (size_t i = 0; i < WINOGRAD_OUT; ++i)
      _mm256_storeu_ps(turned + (i * WINOGRAD_IN + column) * WINOGRAD_LANES, pixels[i]);
  }
  const __m256 bias = end->bias ? _mm256_loadu_ps(end->bias) : _mm256_setzero_ps();
  const __m256 scale = _mm256_set1_ps(end->scale), unit = _mm256_set1_ps(end->unit);
  const size_t rows = tile_there(patch->height - patch->top);
  const size_t columns = tile_there(patch->width - patch->left);
  for (size_t i = 0; i < rows; ++i) {
    tile_interpolate(pixels, turned + i * (size_t)(WINOGRAD_IN * WINOGRAD_LANES), WINOGRAD_LANES);
    const size_t first =
        (((size_t)patch->top + i) * (size_t)patch->width + (size_t)patch->left) * patch->pixel;
#pragma GCC unroll 4
    for (size_t j = 0; j < (size_t)WINOGRAD_OUT; ++j) {
      if (j >= columns)
        break;
      const size_t at = first + j * patch->pixel;
      __m256 value = _mm256_fmadd_ps(pixels[j], scale, bias);
      if (end->residual)
        value = _mm256_add_ps(value, _mm256_loadu_ps(end->residual + at));
      value = _mm256_mul_ps(tile_act(value, end->act), unit);
      tile_store(plane + at * fm_dtype_size(dtype), dtype, value);
    }
  }
}

TILE_AVX2 void fm_winograd_turn_out(void *plane, const float *in, const winograd_patch *patch,
                                    const winograd_end *end) {
  if (end->dtype == FM_F32)
    tile_turn_out(plane, in, patch, end, FM_F32);
  else if (end->dtype == FM_U8)
    tile_turn_out(plane, in, patch, end, FM_U8);
  else
    tile_turn_out(plane, in, patch, end, FM_S8);
}

// Fetches a part of `ahead` meanwhile, a line for each group of channels.
TILE_AVX2 static void tile_multiply(float *out, const float *left, const float *right,
                                    const float *ahead, const winograd_product *product) {
  __m256 sum[WINOGRAD_ROWS][2];
#pragma GCC unroll 6
  for (size_t r = 0; r < WINOGRAD_ROWS; ++r)
    sum[r][0] = sum[r][1] = _mm256_setzero_ps();
  for (size_t k = 0; k < product->depth; k += WINOGRAD_LANES, ahead += WINOGRAD_PANEL) {
    _mm_prefetch((const char *)ahead, _MM_HINT_T1);
#pragma GCC unroll 8
    for (size_t i = 0; i < WINOGRAD_LANES; ++i) {
      const float *row = right + i * WINOGRAD_PANEL;
      const __m256 first = _mm256_loadu_ps(row), second = _mm256_loadu_ps(row + WINOGRAD_LANES);
#pragma GCC unroll 6
      for (size_t r = 0; r < WINOGRAD_ROWS; ++r) {
        const __m256 x = _mm256_broadcast_ss(left + r * WINOGRAD_LANES + i);
        sum[r][0] = _mm256_fmadd_ps(x, first, sum[r][0]);
        sum[r][1] = _mm256_fmadd_ps(x, second, sum[r][1]);
      }
    }
    left += (size_t)(WINOGRAD_ROWS * WINOGRAD_LANES);
    right += (size_t)(WINOGRAD_LANES * WINOGRAD_PANEL);
  }
#pragma GCC unroll 6
  for (size_t r = 0; r < WINOGRAD_ROWS; ++r) {
    _mm256_storeu_ps(out + r * WINOGRAD_LANES, sum[r][0]);
    _mm256_storeu_ps(out + r * WINOGRAD_LANES + product->group, sum[r][1]);
  }
}

void fm_winograd_multiply(float *out, const float *left, const float *right,
                          const winograd_product *product) {
  const float *ahead = right + product->depth * WINOGRAD_PANEL;
  for (size_t row = 0; row < product->rows; row += WINOGRAD_ROWS) {
    tile_multiply(out + row * WINOGRAD_LANES, left + row * product->depth, right, ahead, product);
    ahead += product->depth * WINOGRAD_PANEL / WINOGRAD_LANES;
  }
}

// The three weights of a row or column, as values at the points.
TILE_INLINE void tile_weigh(__m256 out[WINOGRAD_IN], __m256 w0, __m256 w1, __m256 w2) {
  const float at_a = 1 / (2 * A2 * (A2 - B2)), at_b = 1 / (2 * B2 * (B2 - A2));
  const __m256 zero = _mm256_setzero_ps();
  const __m256 even_a = tile_times(at_a, w0, tile_times(at_a * A2, w2, zero));
  const __m256 even_b = tile_times(at_b, w0, tile_times(at_b * B2, w2, zero));
  out[0] = tile_times(1 / (A2 * B2), w0, zero);
  out[1] = tile_times(at_a * A, w1, even_a);
  out[2] = tile_times(-at_a * A, w1, even_a);
  out[3] = tile_times(at_b * B, w1, even_b);
  out[4] = tile_times(-at_b * B, w1, even_b);
  out[5] = w2;
}

TILE_AVX2 static void tile_turn_weights(float *out, size_t stride, const float *kernels,
                                        size_t output, bool turned) {
  float taps[WINOGRAD_TAPS * WINOGRAD_LANES];
  for (size_t o = 0; o < WINOGRAD_LANES; ++o)
    for (size_t t = 0; t < WINOGRAD_TAPS; ++t)
      taps[(turned ? WINOGRAD_TAPS - 1 - t : t) * WINOGRAD_LANES + o] = kernels[o * output + t];
  __m256 columns[3][WINOGRAD_IN], values[WINOGRAD_IN];
#pragma GCC unroll 3
  for (size_t j = 0; j < 3; ++j)
    tile_weigh(columns[j], _mm256_loadu_ps(taps + j * WINOGRAD_LANES),
               _mm256_loadu_ps(taps + (j + 3) * WINOGRAD_LANES),
               _mm256_loadu_ps(taps + (j + 6) * WINOGRAD_LANES));
#pragma GCC unroll 6
  for (size_t i = 0; i < WINOGRAD_IN; ++i) {
    tile_weigh(values, columns[0][i], columns[1][i], columns[2][i]);
#pragma GCC unroll 6
    for (size_t j = 0; j < WINOGRAD_IN; ++j)
      _mm256_storeu_ps(out + (i * WINOGRAD_IN + j) * stride, values[j]);
  }
}

void fm_winograd_turn_weights(float *out, size_t stride, const float *kernels, size_t output,
                              bool turned) {
  tile_turn_weights(out, stride, kernels, output, turned);
  tile_turn_weights(out + WINOGRAD_LANES, stride, kernels + WINOGRAD_LANES * output, output,
                    turned);
}

// Four pixels, `step` apart, as values at the points.
TILE_INLINE void tile_extend(__m256 out[WINOGRAD_IN], const float *in, size_t step) {
  __m256 y[WINOGRAD_OUT];
#pragma GCC unroll 4
  for (size_t i = 0; i < WINOGRAD_OUT; ++i)
    y[i] = _mm256_loadu_ps(in + i * step);
  const __m256 even_a = tile_times(A2, y[2], y[0]), even_b = tile_times(B2, y[2], y[0]);
  const __m256 odd_a = tile_times(A2, y[3], y[1]), odd_b = tile_times(B2, y[3], y[1]);
  out[0] = y[0];
  out[1] = tile_times(A, odd_a, even_a);
  out[2] = tile_times(-A, odd_a, even_a);
  out[3] = tile_times(B, odd_b, even_b);
  out[4] = tile_times(-B, odd_b, even_b);
  out[5] = y[3];
}

TILE_AVX2 static void tile_turn_dy(float *out, size_t stride, const float *pixels, size_t row) {
  float turned[WINOGRAD_IN * WINOGRAD_OUT * WINOGRAD_LANES];
  __m256 values[WINOGRAD_IN];
  for (size_t column = 0; column < WINOGRAD_OUT; ++column) {
    tile_extend(values, pixels + column * WINOGRAD_LANES, row);
#pragma GCC unroll 6
    for (size_t i = 0; i < WINOGRAD_IN; ++i)
      _mm256_storeu_ps(turned + (i * WINOGRAD_OUT + column) * WINOGRAD_LANES, values[i]);
  }
  for (size_t i = 0; i < WINOGRAD_IN; ++i) {
    tile_extend(values, turned + i * (size_t)(WINOGRAD_OUT * WINOGRAD_LANES), WINOGRAD_LANES);
#pragma GCC unroll 6
    for (size_t j = 0; j < WINOGRAD_IN; ++j)
      _mm256_storeu_ps(out + (i * WINOGRAD_IN + j) * stride, values[j]);
  }
}

void fm_winograd_turn_dy(float *out, const float *plane, const winograd_patch *patch) {
  const size_t width = (size_t)patch->width * WINOGRAD_LANES;
  const float *first = plane + (size_t)patch->top * width + (size_t)patch->left * WINOGRAD_LANES;
  const size_t rows = tile_there(patch->height - patch->top);
  const size_t columns = tile_there(patch->width - patch->left);
  if (rows == WINOGRAD_OUT && columns == WINOGRAD_OUT) {
    tile_turn_dy(out, patch->stride, first, width);
    return;
  }
  float pixels[WINOGRAD_OUT * WINOGRAD_OUT * WINOGRAD_LANES] = {0};
  for (size_t y = 0; y < rows; ++y)
    memcpy(pixels + y * (size_t)(WINOGRAD_OUT * WINOGRAD_LANES), first + y * width,
           columns * (size_t)WINOGRAD_LANES * sizeof *pixels);
  tile_turn_dy(out, patch->stride, pixels, (size_t)WINOGRAD_OUT * WINOGRAD_LANES);
}

TILE_AVX2 void fm_winograd_correlate(float *out, const float *left, const float *right,
                                     const winograd_correlation *correlation) {
  __m256 sum[WINOGRAD_ROWS][2];
  const float *rows[WINOGRAD_ROWS];
#pragma GCC unroll 6
  for (size_t r = 0; r < WINOGRAD_ROWS; ++r) {
    // Rows that are not there are the last one again.
    const size_t own = r < correlation->count ? r : correlation->count - 1;
    const size_t channel = correlation->channel + own;
    rows[r] = left + channel / WINOGRAD_LANES * correlation->left_group + channel % WINOGRAD_LANES;

    sum[r][0] = sum[r][1] = _mm256_setzero_ps();
  }
  for (size_t patch = 0; patch < correlation->patches; ++patch) {
    const float *at = right + patch * WINOGRAD_PANEL;
    const __m256 first = _mm256_loadu_ps(at), second = _mm256_loadu_ps(at + WINOGRAD_LANES);
#pragma GCC unroll 6
    for (size_t r = 0; r < WINOGRAD_ROWS; ++r) {
      const __m256 x = _mm256_broadcast_ss(rows[r] + patch * WINOGRAD_LANES);
      sum[r][0] = _mm256_fmadd_ps(x, first, sum[r][0]);
      sum[r][1] = _mm256_fmadd_ps(x, second, sum[r][1]);
    }
  }
#pragma GCC unroll 6
  for (size_t r = 0; r < WINOGRAD_ROWS; ++r) {
    if (r >= correlation->count)
      break;
    float *to = out + r * correlation->stride;
    if (correlation->adds) {
      sum[r][0] = _mm256_add_ps(sum[r][0], _mm256_loadu_ps(to));
      sum[r][1] = _mm256_add_ps(sum[r][1], _mm256_loadu_ps(to + WINOGRAD_LANES));
    }
    _mm256_storeu_ps(to, sum[r][0]);
    _mm256_storeu_ps(to + WINOGRAD_LANES, sum[r][1]);
  }
}

// Six sums as three weights.
TILE_INLINE void tile_gather(__m256 out[3], const __m256 u[WINOGRAD_IN]) {
  const float at_a = 1 / (2 * A2 * (A2 - B2)), at_b = 1 / (2 * B2 * (B2 - A2));
  const __m256 zero = _mm256_setzero_ps();
  const __m256 even_a = _mm256_add_ps(u[1], u[2]), odd_a = _mm256_sub_ps(u[1], u[2]);
  const __m256 even_b = _mm256_add_ps(u[3], u[4]), odd_b = _mm256_sub_ps(u[3], u[4]);
  out[0] =
      tile_times(1 / (A2 * B2), u[0], tile_times(at_a, even_a, tile_times(at_b, even_b, zero)));
  out[1] = tile_times(at_a * A, odd_a, tile_times(at_b * B, odd_b, zero));
  out[2] = tile_times(at_a * A2, even_a, tile_times(at_b * B2, even_b, u[5]));
}

TILE_AVX2 void fm_winograd_turn_gradient(float *kernels, size_t output, const float *in,
                                         size_t stride) {
  __m256 rows[WINOGRAD_IN][3], column[WINOGRAD_IN], weights[3];
  float taps[WINOGRAD_TAPS * WINOGRAD_LANES];
  for (size_t i = 0; i < WINOGRAD_IN; ++i) {
#pragma GCC unroll 6
    for (size_t j = 0; j < WINOGRAD_IN; ++j)
      column[j] = _mm256_loadu_ps(in + (i * WINOGRAD_IN + j) * stride);
    tile_gather(rows[i], column);
  }
  for (size_t j = 0; j < 3; ++j) {
#pragma GCC unroll 6
    for (size_t i = 0; i < WINOGRAD_IN; ++i)
      column[i] = rows[i][j];
    tile_gather(weights, column);
#pragma GCC unroll 3
    for (size_t i = 0; i < 3; ++i)
      _mm256_storeu_ps(taps + (i * 3 + j) * WINOGRAD_LANES, weights[i]);
  }
  for (size_t o = 0; o < WINOGRAD_LANES; ++o)
    for (size_t t = 0; t < WINOGRAD_TAPS; ++t)
      kernels[o * output + t] = taps[t * WINOGRAD_LANES + o];
}

TILE_AVX2 void fm_winograd_add_pixels(float *sum, const float *plane, size_t pixels) {
  __m256 even = _mm256_loadu_ps(sum), odd = _mm256_setzero_ps();
  size_t p = 0;
  for (; p + 2 <= pixels; p += 2) {
    even = _mm256_add_ps(even, _mm256_loadu_ps(plane + p * WINOGRAD_LANES));
    odd = _mm256_add_ps(odd, _mm256_loadu_ps(plane + (p + 1) * WINOGRAD_LANES));
  }
  if (p < pixels)
    even = _mm256_add_ps(even, _mm256_loadu_ps(plane + p * WINOGRAD_LANES));
  _mm256_storeu_ps(sum, _mm256_add_ps(even, odd));
}

#else // never called: fm_nn_has_8_lanes says no

void fm_winograd_turn_in(float *out, const float *plane, const winograd_patch *patch) {
  (void)out, (void)plane, (void)patch;
}

void fm_winograd_turn_in_bytes(float *out, const void *plane, fm_dtype dtype,
                               const winograd_patch *patch) {
  (void)out, (void)plane, (void)dtype, (void)patch;
}

void fm_winograd_turn_out(void *plane, const float *in, const winograd_patch *patch,
                          const winograd_end *end) {
  (void)plane, (void)in, (void)patch, (void)end;
}

void fm_winograd_multiply(float *out, const float *left, const float *right,
                          const winograd_product *product) {
  (void)out, (void)left, (void)right, (void)product;
}

void fm_winograd_turn_weights(float *out, size_t stride, const float *kernels, size_t output,
                              bool turned) {
  (void)out, (void)stride, (void)kernels, (void)output, (void)turned;
}

void fm_winograd_turn_dy(float *out, const float *plane, const winograd_patch *patch) {
  (void)out, (void)plane, (void)patch;
}

void fm_winograd_correlate(float *out, const float *left, const float *right,
                           const winograd_correlation *correlation) {
  (void)out, (void)left, (void)right, (void)correlation;
}

void fm_winograd_turn_gradient(float *kernels, size_t output, const float *in, size_t stride) {
  (void)kernels, (void)output, (void)in, (void)stride;
}

void fm_winograd_add_pixels(float *sum, const float *plane, size_t pixels) {
  (void)sum, (void)plane, (void)pixels;
}

#endif
