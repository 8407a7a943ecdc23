// The inner loops of depthwise.c for blocks of LANES channels; included once for 8 and once for 16,
// hence no guard. Arrays of LANES-wide vectors with constant bounds stay in registers.
#define LANES_PASTE(noun, lanes) noun##_##lanes
#define LANES_NAME(noun, lanes) LANES_PASTE(noun, lanes)
#define LANES_OF(noun) LANES_NAME(noun, LANES)

typedef float LANES_OF(lanes) __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

// sum[k] += x[p stride + k dilation] dy[p] over the row's pixels p. Even and odd pixels have sums
// of their own: one chain of additions each would wait for the one before.
static inline __attribute__((always_inline)) void LANES_OF(correlate)(float *sum, const float *x,
                                                                      const float *dy,
                                                                      const depthwise_row *row,
                                                                      const int kernel) {
  typedef LANES_OF(lanes) lanes;
  const size_t step = (size_t)row->stride * LANES, reach = (size_t)row->dilation * LANES;
  lanes even[DEPTHWISE_UNROLLED], odd[DEPTHWISE_UNROLLED];
#pragma GCC unroll 8
  for (int k = 0; k < kernel; ++k) {
    even[k] = *(const lanes *)(const void *)(sum + (size_t)k * LANES);
    odd[k] = (lanes){0};
  }
  int p = 0;
  for (; p + 2 <= row->pixels; p += 2, x += 2 * step, dy += (size_t)2 * LANES) {
    const lanes first = *(const lanes *)(const void *)dy;
    const lanes second = *(const lanes *)(const void *)(dy + LANES);
#pragma GCC unroll 8
    for (int k = 0; k < kernel; ++k) {
      even[k] += *(const lanes *)(const void *)(x + (size_t)k * reach) * first;
      odd[k] += *(const lanes *)(const void *)(x + step + (size_t)k * reach) * second;
    }
  }
  if (p < row->pixels) {
    const lanes last = *(const lanes *)(const void *)dy;
#pragma GCC unroll 8
    for (int k = 0; k < kernel; ++k)
      even[k] += *(const lanes *)(const void *)(x + (size_t)k * reach) * last;
  }
#pragma GCC unroll 8
  for (int k = 0; k < kernel; ++k)
    *(lanes *)(void *)(sum + (size_t)k * LANES) = even[k] + odd[k];
}

FM_KERNEL static void LANES_OF(correlate_row)(float *sum, const float *x, const float *dy,
                                              const depthwise_row *row) {
  switch (row->kernel) {
  case 3:
    LANES_OF(correlate)(sum, x, dy, row, 3);
    break;
  case 5:
    LANES_OF(correlate)(sum, x, dy, row, 5);
    break;
  default:
    for (int k = 0; k < row->kernel; ++k) {
      float *own = sum + (size_t)k * LANES;
      const float *from = x + (size_t)(k * row->dilation) * LANES;
      LANES_OF(correlate)(own, from, dy, row, 1);
    }
  }
}

// out[p] = sum over the rows r and over k of line[r][p + k dilation] weight[r][k], for `tile`
// pixels.
static inline __attribute__((always_inline)) void LANES_OF(gather_tile)(float *out,
                                                                        const depthwise_taps *taps,
                                                                        size_t at, const int kernel,
                                                                        const int tile) {
  typedef LANES_OF(lanes) lanes;
  const size_t reach = (size_t)taps->dilation * LANES;
  lanes sum[DEPTHWISE_TILE];
#pragma GCC unroll 8
  for (int i = 0; i < tile; ++i)
    sum[i] = (lanes){0};
  for (int r = 0; r < taps->rows; ++r) {
    const float *line = taps->line[r] + at, *weight = taps->weight[r];
#pragma GCC unroll 5
    for (int k = 0; k < kernel; ++k, line += reach, weight += LANES) {
      const lanes w = *(const lanes *)(const void *)weight;
#pragma GCC unroll 8
      for (int i = 0; i < tile; ++i)
        sum[i] += *(const lanes *)(const void *)(line + (size_t)i * LANES) * w;
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < tile; ++i)
    *(lanes *)(void *)(out + at + (size_t)i * LANES) = sum[i];
}

static inline __attribute__((always_inline)) void
LANES_OF(gather)(float *out, const depthwise_taps *taps, const int kernel) {
  int p = 0;
  for (; p + DEPTHWISE_TILE <= taps->pixels; p += DEPTHWISE_TILE) {
    for (int a = 0; a < taps->ahead_count; ++a)
      for (int i = 0; i < DEPTHWISE_TILE; ++i)
        __builtin_prefetch(taps->ahead[a].row + (size_t)(p + i) * taps->ahead[a].pixel_bytes, 0, 2);
    LANES_OF(gather_tile)(out, taps, (size_t)p * LANES, kernel, DEPTHWISE_TILE);
  }
  for (; p < taps->pixels; ++p)
    LANES_OF(gather_tile)(out, taps, (size_t)p * LANES, kernel, 1);
}

FM_KERNEL static void LANES_OF(gather_row)(float *out, const depthwise_taps *taps) {
  switch (taps->kernel) {
  case 3:
    LANES_OF(gather)(out, taps, 3);
    break;
  case 5:
    LANES_OF(gather)(out, taps, 5);
    break;
  default:
    LANES_OF(gather)(out, taps, taps->kernel);
  }
}

#undef LANES_OF
#undef LANES_NAME
#undef LANES_PASTE
