// Reads and writes runs of a tensor as fp32, through bf16, whole numbers and layouts.
#include "nn/chunk.h"

#include <string.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "base/clones.h"
#include "nn/words.h"

// Tensors that no cache keeps until they are read are written past the caches: an ordinary store
// would fetch the memory first.
enum { CHUNK_STREAM_BYTES = 32 << 20 };

#ifdef __SSE2__
static bool chunk_streams(const fm_tensor *t) {
  return t->dtype == FM_F32 && fm_tensor_bytes(t) >= CHUNK_STREAM_BYTES;
}

static void chunk_stream(float *to, const float *from, size_t count) {
  size_t i = 0;
  for (; i < count && (uintptr_t)(to + i) % sizeof(__m128); i++)
    to[i] = from[i];
  for (; i + 4 <= count; i += 4)
    _mm_stream_ps(to + i, _mm_loadu_ps(from + i));
  for (; i < count; i++)
    to[i] = from[i];
  _mm_sfence(); // such stores are not ordered before what tells another thread of them
}
#else
static bool chunk_streams(const fm_tensor *t) {
  (void)t;
  return false;
}

static void chunk_stream(float *to, const float *from, size_t count) {
  memcpy(to, from, count * sizeof *to);
}
#endif

FM_KERNEL void fm_bf16_unpack(float *restrict to, const uint16_t *restrict from, size_t count) {
  for (size_t i = 0; i < count; i++)
    to[i] = fm_bf16_to_f32(from[i]);
}

// fm_f32_to_bf16 without branches, so that it becomes vector code.
FM_KERNEL static void chunk_pack_any(uint16_t *restrict to, const float *restrict from,
                                     size_t count) {
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

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define CHUNK_HAS_PACK_UNIT 1

// By the processor's own instruction, which takes numbers below 2^-126 for 0.
__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) static void
chunk_pack_unit(uint16_t *restrict to, const float *restrict from, size_t count) {
  size_t i = 0;
  for (; i + 16 <= count; i += 16)
    _mm256_storeu_si256((__m256i *)(void *)(to + i),
                        (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + i)));
  if (i < count) {
    const __mmask16 rest = (__mmask16)((1u << (count - i)) - 1);
    _mm256_mask_storeu_epi16(to + i, rest,
                             (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(rest, from + i)));
  }
}
#endif

void fm_bf16_pack(uint16_t *to, const float *from, size_t count) {
#ifdef CHUNK_HAS_PACK_UNIT
  if (__builtin_cpu_supports("avx512bf16")) {
    chunk_pack_unit(to, from, count);
    return;
  }
#endif
  chunk_pack_any(to, from, count);
}

// Whole numbers one by one: what must be fast has loops of its own (words.h).
static inline float chunk_load_byte(const fm_tensor *t, size_t place) {
  if (t->dtype == FM_U8)
    return t->scale * (float)((const uint8_t *)t->data)[place];
  return t->scale * (float)((const int8_t *)t->data)[place];
}

// The byte of a number without its scale; an offset of 128 for those without a sign.
static inline __attribute__((always_inline)) uint8_t chunk_byte(float value, int offset) {
  return (uint8_t)(fm_byte_round(value - (float)offset) + offset);
}

static inline int chunk_byte_offset(const fm_tensor *t) {
  return t->dtype == FM_U8 ? 128 : 0;
}

static inline void chunk_store_byte(const fm_tensor *t, size_t place, float value) {
  ((uint8_t *)t->data)[place] = chunk_byte(value / t->scale, chunk_byte_offset(t));
}

// The same for numbers side by side.
FM_KERNEL static void chunk_pack_bytes(uint8_t *restrict to, const float *restrict from,
                                       size_t count, float scale, int offset) {
  for (size_t i = 0; i < count; i++)
    to[i] = chunk_byte(from[i] / scale, offset);
}

// `count` numbers of t's number type, the first at `start`.
static void chunk_unpack(const fm_tensor *t, size_t start, size_t count, float *to) {
  if (t->dtype == FM_BF16)
    fm_bf16_unpack(to, (const uint16_t *)t->data + start, count);
  else
    for (size_t i = 0; i < count; i++)
      to[i] = chunk_load_byte(t, start + i);
}

static void chunk_pack(const fm_tensor *t, size_t start, size_t count, const float *from) {
  if (t->dtype == FM_BF16)
    fm_bf16_pack((uint16_t *)t->data + start, from, count);
  else
    chunk_pack_bytes((uint8_t *)t->data + start, from, count, t->scale, chunk_byte_offset(t));
}

// The layouts have the same memory order.
static bool chunk_same(const fm_tensor *t, const fm_tensor *layout) {
  return t->block == layout->block;
}

// A run in `layout` as lanes: the elements of one channel, which lie at even distances in both
// layouts. `place` is where the first lies in t.
typedef struct chunk_lane {
  size_t first, stride, count; // in the run
  size_t place, step;          // in t
  bool padding;                // behind t's channels
} chunk_lane;

// Lane `k` of the part of the run that lies in one block of one image.
static chunk_lane chunk_lane_of(const fm_tensor *t, const fm_tensor *layout, size_t start,
                                size_t count, size_t k) {
  const size_t from = (size_t)layout->block, to = (size_t)t->block;
  const size_t area = (size_t)t->shape.h * (size_t)t->shape.w;
  const size_t row = start / from / area, blocks = (size_t)fm_tensor_blocks(layout);
  const size_t head = start % from; // lanes of the first pixel that are not in the run
  const size_t first = (k + from - head) % from, pixel = (start + first) / from % area;
  const size_t c = row % blocks * from + k;
  return (chunk_lane){
      .first = first,
      .stride = from,
      .count = first < count ? (count - first + from - 1) / from : 0,
      .place = ((row / blocks * (size_t)fm_tensor_blocks(t) + c / to) * area + pixel) * to + c % to,
      .step = to,
      .padding = c >= (size_t)t->shape.c};
}

// How much of the run lies in the block where it starts.
static size_t chunk_part(const fm_tensor *layout, size_t start, size_t count) {
  const size_t row = (size_t)layout->shape.h * (size_t)layout->shape.w * (size_t)layout->block;
  const size_t rest = row - start % row;
  return count < rest ? count : rest;
}

static inline __attribute__((always_inline)) float chunk_load(const fm_tensor *t, size_t place) {
  switch (t->dtype) {
  case FM_F32:
    return ((const float *)t->data)[place];
  case FM_BF16:
    return fm_bf16_to_f32(((const uint16_t *)t->data)[place]);
  default:
    return chunk_load_byte(t, place);
  }
}

static inline __attribute__((always_inline)) void chunk_store(const fm_tensor *t, size_t place,
                                                              float value) {
  switch (t->dtype) {
  case FM_F32:
    ((float *)t->data)[place] = value;
    break;
  case FM_BF16:
    ((uint16_t *)t->data)[place] = fm_f32_to_bf16(value);
    break;
  default:
    chunk_store_byte(t, place, value);
    break;
  }
}

FM_KERNEL static void chunk_read_lane(const chunk_lane *lane, const fm_tensor *t, float *run) {
  for (size_t i = 0; i < lane->count; i++)
    run[lane->first + i * lane->stride] =
        lane->padding ? 0 : chunk_load(t, lane->place + i * lane->step);
}

FM_KERNEL static void chunk_write_lane(const chunk_lane *lane, const fm_tensor *t,
                                       const float *run) {
  for (size_t i = 0; i < lane->count && !lane->padding; i++)
    chunk_store(t, lane->place + i * lane->step, run[lane->first + i * lane->stride]);
}

// Whole pixels of one block of a tensor that lies plain: its channels are rows of pixels, which
// only have to be turned. Most of what is not blocked is so, and much of it.
typedef struct chunk_rows {
  fm_dtype dtype;                // FM_F32 or FM_BF16
  void *first;                   // the first pixel of the first channel
  size_t area, channels, pixels; // from row to row, as many as there are, in each
} chunk_rows;

// Numbers of bf16 that are turned at a time: what the first-level cache holds beside the run.
enum { CHUNK_TURN_SHORT = 1024 };

static bool chunk_turns(const fm_tensor *t, const fm_tensor *layout, size_t start, size_t count) {
  const size_t block = (size_t)layout->block;
  const bool fits = t->dtype == FM_F32 || (t->dtype == FM_BF16 && block <= CHUNK_TURN_SHORT);
  return fits && t->block == 1 && start % block == 0 && count % block == 0;
}

static chunk_rows chunk_rows_of(const fm_tensor *t, const fm_tensor *layout, size_t start,
                                size_t count) {
  const size_t block = (size_t)layout->block, channels = (size_t)t->shape.c;
  const size_t area = (size_t)t->shape.h * (size_t)t->shape.w, row = start / block / area;
  const size_t blocks = (size_t)fm_tensor_blocks(layout), c = row % blocks * block;
  const size_t first = (row / blocks * channels + c) * area + start / block % area;
  return (chunk_rows){.dtype = t->dtype,
                      .first = (char *)t->data + first * fm_dtype_size(t->dtype),
                      .area = area,
                      .channels = channels - c < block ? channels - c : block,
                      .pixels = count / block};
}

typedef float chunk_four __attribute__((vector_size(16), aligned(4)));

// to[c][r] = from[r][c] for 4 rows of 4.
static inline __attribute__((always_inline)) void
chunk_turn_four(float *to, size_t to_step, const float *from, size_t from_step) {
  chunk_four row[4], half[4];
  for (size_t i = 0; i < 4; i++)
    row[i] = *(const chunk_four *)(const void *)(from + i * from_step);
  half[0] = __builtin_shufflevector(row[0], row[2], 0, 4, 1, 5);
  half[1] = __builtin_shufflevector(row[0], row[2], 2, 6, 3, 7);
  half[2] = __builtin_shufflevector(row[1], row[3], 0, 4, 1, 5);
  half[3] = __builtin_shufflevector(row[1], row[3], 2, 6, 3, 7);
  for (size_t i = 0; i < 2; i++) {
    *(chunk_four *)(void *)(to + 2 * i * to_step) =
        __builtin_shufflevector(half[i], half[i + 2], 0, 4, 1, 5);
    *(chunk_four *)(void *)(to + (2 * i + 1) * to_step) =
        __builtin_shufflevector(half[i], half[i + 2], 2, 6, 3, 7);
  }
}

// to[c][r] = from[r][c].
static void chunk_turn(float *to, size_t to_step, const float *from, size_t from_step, size_t rows,
                       size_t columns) {
  const size_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
  for (size_t r = 0; r < whole_rows; r += 4)
    for (size_t c = 0; c < whole_columns; c += 4)
      chunk_turn_four(to + c * to_step + r, to_step, from + r * from_step + c, from_step);
  for (size_t r = 0; r < rows; r++)
    for (size_t c = r < whole_rows ? whole_columns : 0; c < columns; c++)
      to[c * to_step + r] = from[r * from_step + c];
}

typedef uint16_t chunk_eight __attribute__((vector_size(16), aligned(2)));

static inline __attribute__((always_inline)) void chunk_riffle(chunk_eight out[8],
                                                               const chunk_eight in[8]) {
  for (size_t i = 0; i < 4; i++) {
    out[2 * i] = __builtin_shufflevector(in[i], in[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
    out[2 * i + 1] = __builtin_shufflevector(in[i], in[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
  }
}

// to[c][r] = from[r][c] for 8 rows of 8.
static inline __attribute__((always_inline)) void
chunk_turn_eight(uint16_t *to, size_t to_step, const uint16_t *from, size_t from_step) {
  chunk_eight even[8], odd[8];
  for (size_t i = 0; i < 8; i++)
    even[i] = *(const chunk_eight *)(const void *)(from + i * from_step);
  chunk_riffle(odd, even);
  chunk_riffle(even, odd);
  chunk_riffle(odd, even);
  for (size_t i = 0; i < 8; i++)
    *(chunk_eight *)(void *)(to + i * to_step) = odd[i];
}

FM_KERNEL static void chunk_turn_short(uint16_t *to, size_t to_step, const uint16_t *from,
                                       size_t from_step, size_t rows, size_t columns) {
  const size_t whole_rows = rows / 8 * 8, whole_columns = columns / 8 * 8;
  for (size_t r = 0; r < whole_rows; r += 8)
    for (size_t c = 0; c < whole_columns; c += 8)
      chunk_turn_eight(to + c * to_step + r, to_step, from + r * from_step + c, from_step);
  for (size_t r = 0; r < rows; r++)
    for (size_t c = r < whole_rows ? whole_columns : 0; c < columns; c++)
      to[c * to_step + r] = from[r * from_step + c];
}

static void chunk_turn_in_short(const chunk_rows *rows, size_t block, float *run) {
  const uint16_t *from = rows->first;
  uint16_t buffer[CHUNK_TURN_SHORT] = {0}; // the padding stays so
  const size_t step = CHUNK_TURN_SHORT / block;
  for (size_t pixel = 0; pixel < rows->pixels; pixel += step) {
    const size_t rest = rows->pixels - pixel, pixels = rest < step ? rest : step;
    chunk_turn_short(buffer, block, from + pixel, rows->area, rows->channels, pixels);
    fm_bf16_unpack(run + pixel * block, buffer, pixels * block);
  }
}

static void chunk_turn_out_short(const chunk_rows *rows, size_t block, const float *run) {
  uint16_t *to = rows->first, buffer[CHUNK_TURN_SHORT] = {0};
  const size_t step = CHUNK_TURN_SHORT / block;
  for (size_t pixel = 0; pixel < rows->pixels; pixel += step) {
    const size_t rest = rows->pixels - pixel, pixels = rest < step ? rest : step;
    fm_bf16_pack(buffer, run + pixel * block, pixels * block);
    chunk_turn_short(to + pixel, rows->area, buffer, block, pixels, rows->channels);
  }
}

static void chunk_turn_in(const chunk_rows *rows, size_t block, float *run) {
  if (rows->dtype == FM_BF16) {
    chunk_turn_in_short(rows, block, run);
    return;
  }
  for (size_t i = 0; i < rows->pixels && rows->channels < block; i++)
    memset(run + i * block + rows->channels, 0, (block - rows->channels) * sizeof *run);
  chunk_turn(run, block, rows->first, rows->area, rows->channels, rows->pixels);
}

static void chunk_turn_out(const chunk_rows *rows, size_t block, const float *run) {
  if (rows->dtype == FM_BF16)
    chunk_turn_out_short(rows, block, run);
  else
    chunk_turn(rows->first, rows->area, run, block, rows->pixels, rows->channels);
}

// Whole pixels of one block of a tensor whose own blocks hold it whole, as those of interleaved
// channels do: lanes that lie side by side in both.
typedef struct chunk_strips {
  char *first;                // the first pixel's lanes in the tensor
  size_t step, bytes, pixels; // from pixel to pixel, of a pixel's lanes, how many pixels
} chunk_strips;

static bool chunk_strides(const fm_tensor *t, const fm_tensor *layout, size_t start, size_t count) {
  const int block = layout->block;
  const bool holds = t->block > block && (t->block % block == 0 || t->block == t->shape.c);
  const bool fits = t->dtype == FM_F32 || (t->dtype == FM_BF16 && block <= CHUNK_TURN_SHORT);
  return fits && holds && start % (size_t)block == 0 && count % (size_t)block == 0;
}

static chunk_strips chunk_strips_of(const fm_tensor *t, const fm_tensor *layout, size_t start,
                                    size_t count) {
  const size_t block = (size_t)layout->block, own = (size_t)t->block;
  const size_t size = fm_dtype_size(t->dtype), channels = (size_t)t->shape.c;
  const size_t area = (size_t)t->shape.h * (size_t)t->shape.w, row = start / block / area;
  const size_t blocks = (size_t)fm_tensor_blocks(layout), c = row % blocks * block;
  const size_t image = row / blocks * (size_t)fm_tensor_blocks(t);
  const size_t first = ((image + c / own) * area + start / block % area) * own + c % own;
  return (chunk_strips){.first = (char *)t->data + first * size,
                        .step = own * size,
                        .bytes = (channels - c < block ? channels - c : block) * size,
                        .pixels = count / block};
}

static void chunk_copy_strips(char *to, size_t to_step, const char *from, size_t from_step,
                              size_t pixels, size_t bytes) {
  if (bytes == 32) // sixteen channels of bf16: a copy whose length the compiler knows
    for (size_t i = 0; i < pixels; i++)
      memcpy(to + i * to_step, from + i * from_step, 32);
  else
    for (size_t i = 0; i < pixels; i++)
      memcpy(to + i * to_step, from + i * from_step, bytes);
}

static void chunk_strips_in(const chunk_strips *strips, fm_dtype dtype, size_t block, float *run) {
  if (dtype == FM_F32) {
    const size_t step = block * sizeof *run;
    if (strips->bytes < step)
      memset(run, 0, strips->pixels * step);
    chunk_copy_strips((char *)run, step, strips->first, strips->step, strips->pixels,
                      strips->bytes);
    return;
  }
  uint16_t buffer[CHUNK_TURN_SHORT] = {0}; // the padding stays so
  const size_t most = CHUNK_TURN_SHORT / block;
  for (size_t pixel = 0; pixel < strips->pixels; pixel += most) {
    const size_t rest = strips->pixels - pixel, pixels = rest < most ? rest : most;
    chunk_copy_strips((char *)buffer, block * sizeof *buffer, strips->first + pixel * strips->step,
                      strips->step, pixels, strips->bytes);
    fm_bf16_unpack(run + pixel * block, buffer, pixels * block);
  }
}

static void chunk_strips_out(const chunk_strips *strips, fm_dtype dtype, size_t block,
                             const float *run) {
  if (dtype == FM_F32) {
    chunk_copy_strips(strips->first, strips->step, (const char *)run, block * sizeof *run,
                      strips->pixels, strips->bytes);
    return;
  }
  uint16_t buffer[CHUNK_TURN_SHORT];
  const size_t most = CHUNK_TURN_SHORT / block;
  for (size_t pixel = 0; pixel < strips->pixels; pixel += most) {
    const size_t rest = strips->pixels - pixel, pixels = rest < most ? rest : most;
    fm_bf16_pack(buffer, run + pixel * block, pixels * block);
    chunk_copy_strips(strips->first + pixel * strips->step, strips->step, (const char *)buffer,
                      block * sizeof *buffer, pixels, strips->bytes);
  }
}

const float *fm_chunk_read(const fm_tensor *t, const fm_tensor *layout, size_t start, size_t count,
                           float *buffer) {
  if (chunk_same(t, layout)) {
    if (t->dtype == FM_F32)
      return (const float *)t->data + start;
    chunk_unpack(t, start, count, buffer);
    return buffer;
  }
  for (size_t done = 0, part; done < count; done += part) {
    part = chunk_part(layout, start + done, count - done);
    if (chunk_turns(t, layout, start + done, part)) {
      const chunk_rows rows = chunk_rows_of(t, layout, start + done, part);
      chunk_turn_in(&rows, (size_t)layout->block, buffer + done);
      continue;
    }
    if (chunk_strides(t, layout, start + done, part)) {
      const chunk_strips strips = chunk_strips_of(t, layout, start + done, part);
      chunk_strips_in(&strips, t->dtype, (size_t)layout->block, buffer + done);
      continue;
    }
    for (size_t k = 0; k < (size_t)layout->block; k++) {
      const chunk_lane lane = chunk_lane_of(t, layout, start + done, part, k);
      chunk_read_lane(&lane, t, buffer + done);
    }
  }
  return buffer;
}

float *fm_chunk_target(const fm_tensor *t, const fm_tensor *layout, size_t start, float *buffer) {
  return t->dtype == FM_F32 && chunk_same(t, layout) && !chunk_streams(t) ? (float *)t->data + start
                                                                          : buffer;
}

void fm_chunk_write(const fm_tensor *t, const fm_tensor *layout, size_t start, size_t count,
                    const float *values) {
  if (chunk_same(t, layout)) {
    if (t->dtype != FM_F32)
      chunk_pack(t, start, count, values);
    else if (chunk_streams(t))
      chunk_stream((float *)t->data + start, values, count);
    return;
  }
  for (size_t done = 0, part; done < count; done += part) {
    part = chunk_part(layout, start + done, count - done);
    if (chunk_turns(t, layout, start + done, part)) {
      const chunk_rows rows = chunk_rows_of(t, layout, start + done, part);
      chunk_turn_out(&rows, (size_t)layout->block, values + done);
      continue;
    }
    if (chunk_strides(t, layout, start + done, part)) {
      const chunk_strips strips = chunk_strips_of(t, layout, start + done, part);
      chunk_strips_out(&strips, t->dtype, (size_t)layout->block, values + done);
      continue;
    }
    for (size_t k = 0; k < (size_t)layout->block; k++) {
      const chunk_lane lane = chunk_lane_of(t, layout, start + done, part, k);
      chunk_write_lane(&lane, t, values + done);
    }
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
