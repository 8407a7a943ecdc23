// y[n,c,h,w] = lateral[n,c,h,w] + top[n,c,sh(h),sw(w)], s(i) = min(floor(i * (float)in / out), in -
// 1): what torch's interpolate(mode="nearest", size=...) does. y has lateral's layout. dlateral =
// dy; dtop sums dy over the pixels that read it.
#include <omp.h>
#include <string.h>

#include "base/clones.h"
#include "nn/chunk.h"
#include "nn/library.h"
#include "nn/op.h"
#include "nn/vnni.h"
#include "nn/words.h"

enum { UPSAMPLE_LATERAL, UPSAMPLE_TOP };

typedef struct upsample_state {
  int threads;
  size_t row; // elements of the longer row of one channel block
} upsample_state;

static fm_status upsample_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  (void)node;
  const fm_shape *lateral = &x[UPSAMPLE_LATERAL], *top = &x[UPSAMPLE_TOP];
  if (lateral->n != top->n || lateral->c != top->c)
    return fm_fail(FM_ERR_SHAPE, "upsample_add: (%d,%d,%d,%d) on (%d,%d,%d,%d)", top->n, top->c,
                   top->h, top->w, lateral->n, lateral->c, lateral->h, lateral->w);
  *y = *lateral;
  return FM_OK;
}

static fm_status upsample_prepare(fm_op_context *context) {
  upsample_state *state = context->state;
  const fm_tensor *lateral = &context->x[UPSAMPLE_LATERAL];
  int width = context->x[UPSAMPLE_TOP].shape.w;
  width = width > lateral->shape.w ? width : lateral->shape.w;
  context->y.block = lateral->block;
  state->threads = omp_get_max_threads();
  state->row = (size_t)width * (size_t)lateral->block;
  context->forward_scratch_bytes = 3 * state->row * sizeof(float) * (size_t)state->threads;
  context->backward_scratch_bytes = 2 * state->row * sizeof(float) * (size_t)state->threads;
  return FM_OK;
}

static int upsample_source(int at, int in, int out) {
  int source = (int)((float)at * ((float)in / (float)out));
  return source < in - 1 ? source : in - 1;
}

static float *upsample_buffer(const fm_op_context *context, int buffers, int which) {
  const upsample_state *state = context->state;
  return (float *)context->scratch +
         ((size_t)omp_get_thread_num() * (size_t)buffers + (size_t)which) * state->row;
}

FM_KERNEL static void upsample_row(float *restrict y, const float *restrict lateral,
                                   const float *restrict top, int out, int in, size_t block) {
  for (int w = 0; w < out; w++) {
    const float *from = top + (size_t)upsample_source(w, in, out) * block;
    size_t at = (size_t)w * block;
    for (size_t k = 0; k < block; k++)
      y[at + k] = lateral[at + k] + from[k];
  }
}

FM_KERNEL static void upsample_collect(float *restrict dtop, const float *restrict dy, int out,
                                       int in, size_t block) {
  for (int w = 0; w < out; w++) {
    float *to = dtop + (size_t)upsample_source(w, in, out) * block;
    for (size_t k = 0; k < block; k++)
      to[k] += dy[(size_t)w * block + k];
  }
}

// Whole numbers: y = lateral a + top b + c, less y's scale and offset.
typedef struct upsample_int8 {
  uint32_t lateral_turn, top_turn, y_turn;
  float a, b, c;
  int out, in; // pixels of a row
  size_t block;
} upsample_int8;

static bool upsample_is_int8(const fm_op_context *context) {
  const fm_tensor *lateral = &context->x[UPSAMPLE_LATERAL], *top = &context->x[UPSAMPLE_TOP];
  const fm_tensor *y = &context->y;
  return fm_dtype_is_int8(lateral->dtype) && fm_dtype_is_int8(top->dtype) &&
         fm_dtype_is_int8(y->dtype) && lateral->block == y->block && top->block == y->block &&
         y->block % FM_WORD_BYTES == 0;
}

static upsample_int8 upsample_int8_of(const fm_op_context *context) {
  const fm_word_form lateral = fm_word_form_of(&context->x[UPSAMPLE_LATERAL]);
  const fm_word_form top = fm_word_form_of(&context->x[UPSAMPLE_TOP]);
  const fm_word_form y = fm_word_form_of(&context->y);
  const float a = lateral.scale / y.scale, b = top.scale / y.scale;
  return (upsample_int8){.lateral_turn = lateral.turn,
                         .top_turn = top.turn,
                         .y_turn = y.turn,
                         .a = a,
                         .b = b,
                         .c = a * lateral.offset + b * top.offset - y.offset,
                         .out = context->y.shape.w,
                         .in = context->x[UPSAMPLE_TOP].shape.w,
                         .block = (size_t)context->y.block};
}

static inline __attribute__((always_inline)) void upsample_words(const upsample_int8 *self,
                                                                 uint8_t *y, const uint8_t *lateral,
                                                                 const uint8_t *top, size_t count) {
  uint32_t from[FM_WORDS], from_top[FM_WORDS], to[FM_WORDS] = {0};
  memcpy(from, lateral, count * sizeof *from);
  memcpy(from_top, top, count * sizeof *from_top);
  for (int byte = 0; byte < FM_WORD_BYTES; byte++) {
    float sum[FM_WORDS];
    for (size_t k = 0; k < count; k++)
      sum[k] = self->a * fm_word_byte(from[k] ^ self->lateral_turn, byte) +
               self->b * fm_word_byte(from_top[k] ^ self->top_turn, byte) + self->c;
    fm_words_put(to, sum, count, byte);
  }
  for (size_t k = 0; k < count; k++)
    to[k] ^= self->y_turn;
  memcpy(y, to, count * sizeof *to);
}

FM_KERNEL static void upsample_row_int8(const upsample_int8 *self, uint8_t *y,
                                        const uint8_t *lateral, const uint8_t *top) {
  const size_t block = self->block, wide = (size_t)FM_WORDS * FM_WORD_BYTES;
  for (int w = 0; w < self->out; w++) {
    const uint8_t *from = top + (size_t)upsample_source(w, self->in, self->out) * block;
    const size_t at = (size_t)w * block;
    size_t k = 0;
    for (; k + wide <= block; k += wide)
      upsample_words(self, y + at + k, lateral + at + k, from + k, FM_WORDS);
    for (; k + wide / 2 <= block; k += wide / 2)
      upsample_words(self, y + at + k, lateral + at + k, from + k, FM_WORDS / 2);
    for (; k < block; k += FM_WORD_BYTES)
      upsample_words(self, y + at + k, lateral + at + k, from + k, 1);
  }
}

// The same with vectors of 512 bits, where fm_nn_has_wide_vnni.
#if FM_VNNI_HERE
VNNI_TARGET static void upsample_pixel_wide(const upsample_int8 *self, uint8_t *y,
                                            const uint8_t *lateral, const uint8_t *top) {
  const uint8_t sign = 128;
  const fm_rows_output output = {.high = UINT8_MAX, .flip = self->y_turn ? 0 : sign};
  const __m512i lateral_flip = _mm512_set1_epi8((char)(self->lateral_turn ? 0 : sign));
  const __m512i top_flip = _mm512_set1_epi8((char)(self->top_turn ? 0 : sign));
  const __m512 a = _mm512_set1_ps(self->a), b = _mm512_set1_ps(self->b);
  // Of bytes without a sign, all of them.
  const __m512 c = _mm512_set1_ps(self->c - (float)sign * (self->a + self->b - 1));
  for (size_t k = 0; k < self->block; k += VNNI_GROUP) {
    const size_t left = self->block - k;
    const __mmask64 mask = vnni_mask(left < VNNI_GROUP ? (int)left : VNNI_GROUP);
    const __m512i from = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, lateral + k), lateral_flip);
    const __m512i from_top = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, top + k), top_flip);
    __m512i sums[VNNI_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VNNI_VECTORS; ++v) {
      const __m512 sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(vnni_words(from, v)), a, c);
      sums[v] =
          _mm512_castps_si512(_mm512_fmadd_ps(_mm512_cvtepi32_ps(vnni_words(from_top, v)), b, sum));
    }
    _mm512_mask_storeu_epi8(y + k, mask, vnni_packed(sums[0], sums[1], sums[2], sums[3], &output));
  }
}

static void upsample_row_wide(const upsample_int8 *self, uint8_t *y, const uint8_t *lateral,
                              const uint8_t *top) {
  for (int w = 0; w < self->out; w++) {
    const size_t from = (size_t)upsample_source(w, self->in, self->out) * self->block;
    const size_t at = (size_t)w * self->block;
    upsample_pixel_wide(self, y + at, lateral + at, top + from);
  }
}
#else
static void upsample_row_wide(const upsample_int8 *self, uint8_t *y, const uint8_t *lateral,
                              const uint8_t *top) {
  (void)self, (void)y, (void)lateral, (void)top;
}
#endif

// top's shape in y's block, so that both are walked alike.
static fm_tensor upsample_top_layout(const fm_op_context *context) {
  fm_tensor layout = context->x[UPSAMPLE_TOP];
  layout.block = context->y.block;
  return layout;
}

static fm_status upsample_forward(fm_op_context *context) {
  const upsample_state *state = context->state;
  const fm_tensor *lateral = &context->x[UPSAMPLE_LATERAL], *top = &context->x[UPSAMPLE_TOP];
  const fm_tensor *y = &context->y;
  const fm_tensor top_layout = upsample_top_layout(context);
  int h_out = y->shape.h, w_out = y->shape.w, h_in = top->shape.h, w_in = top->shape.w;
  size_t block = (size_t)y->block, row = (size_t)w_out * block, top_row = (size_t)w_in * block;
  int rows = y->shape.n * fm_tensor_blocks(y) * h_out;
  const bool int8 = upsample_is_int8(context), wide = fm_nn_has_wide_vnni();
  const upsample_int8 bytes = upsample_int8_of(context);
#pragma omp parallel for schedule(static) num_threads(state->threads)
  for (int i = 0; i < rows; i++) {
    size_t start = (size_t)i * row;
    size_t source = (size_t)(i / h_out * h_in + upsample_source(i % h_out, h_in, h_out)) * top_row;
    if (int8) {
      uint8_t *to = (uint8_t *)y->data + start;
      const uint8_t *from = (const uint8_t *)lateral->data + start;
      const uint8_t *from_top = (const uint8_t *)top->data + source;
      if (wide)
        upsample_row_wide(&bytes, to, from, from_top);
      else
        upsample_row_int8(&bytes, to, from, from_top);
      continue;
    }
    const float *from =
        fm_chunk_read(top, &top_layout, source, top_row, upsample_buffer(context, 3, 0));
    const float *base = fm_chunk_read(lateral, y, start, row, upsample_buffer(context, 3, 1));
    float *target = fm_chunk_target(y, y, start, upsample_buffer(context, 3, 2));
    upsample_row(target, base, from, w_out, w_in, block);
    fm_chunk_write(y, y, start, row, target);
  }
  return FM_OK;
}

// One row of dtop: the rows of dy that read it follow each other, because s rises.
static void upsample_top_row(const fm_op_context *context, int i, const fm_tensor *layout) {
  const fm_tensor *dy = &context->dy, *dtop = &context->dx[UPSAMPLE_TOP];
  int h_out = dy->shape.h, w_out = dy->shape.w, h_in = layout->shape.h, w_in = layout->shape.w;
  size_t block = (size_t)layout->block, row = (size_t)w_out * block;
  size_t top_row = (size_t)w_in * block, start = (size_t)i * top_row;
  float *target = fm_chunk_target(dtop, layout, start, upsample_buffer(context, 2, 0));
  memset(target, 0, top_row * sizeof(float));
  for (int h = 0; h < h_out; h++) {
    if (upsample_source(h, h_in, h_out) != i % h_in)
      continue;
    size_t source = (size_t)(i / h_in * h_out + h) * row;
    const float *from = fm_chunk_read(dy, &context->y, source, row, upsample_buffer(context, 2, 1));
    upsample_collect(target, from, w_out, w_in, block);
  }
  fm_chunk_write(dtop, layout, start, top_row, target);
}

static fm_status upsample_backward(fm_op_context *context) {
  const upsample_state *state = context->state;
  const fm_tensor *dtop = &context->dx[UPSAMPLE_TOP];
  if (context->dx[UPSAMPLE_LATERAL].data)
    fm_tensor_copy(&context->dx[UPSAMPLE_LATERAL], &context->dy);
  if (!dtop->data)
    return FM_OK;
  const fm_tensor layout = upsample_top_layout(context);
  if (dtop->block != layout.block)
    fm_tensor_zero_padding(dtop);
  int rows = layout.shape.n * fm_tensor_blocks(&layout) * layout.shape.h;
#pragma omp parallel for schedule(static) num_threads(state->threads)
  for (int i = 0; i < rows; i++)
    upsample_top_row(context, i, &layout);
  return FM_OK;
}

extern const fm_op fm_op_upsample_add;

fm_value fm_upsample_add(fm_graph *graph, fm_value lateral, fm_value top) {
  fm_value inputs[] = {lateral, top};
  if (fm_graph_channels(graph, lateral) != fm_graph_channels(graph, top))
    fm_graph_fail(graph, "upsample_add: %d channels on %d", fm_graph_channels(graph, top),
                  fm_graph_channels(graph, lateral));
  return fm_graph_add_node(graph, &fm_op_upsample_add, inputs, 2, NULL, 0, NULL, 0,
                           fm_graph_channels(graph, lateral));
}

static fm_value upsample_build(fm_graph *graph, const fm_value *inputs) {
  return fm_upsample_add(graph, inputs[UPSAMPLE_LATERAL], inputs[UPSAMPLE_TOP]);
}

static void upsample_expect(const fm_shape *shape, const double *const *x,
                            const double *const *params, double *y) {
  (void)params;
  fm_shape lateral = shape[UPSAMPLE_LATERAL], top = shape[UPSAMPLE_TOP];
  for (int plane = 0; plane < lateral.n * lateral.c; plane++)
    for (int h = 0; h < lateral.h; h++)
      for (int w = 0; w < lateral.w; w++) { // exact in integers for sizes this small
        int from_h = h * top.h / lateral.h, from_w = w * top.w / lateral.w;
        size_t at = (size_t)((plane * lateral.h + h) * lateral.w + w);
        y[at] =
            x[UPSAMPLE_LATERAL][at] + x[UPSAMPLE_TOP][(plane * top.h + from_h) * top.w + from_w];
      }
}

static const fm_op_case upsample_cases[] = {
    {.name = "upsample_add doubles the top",
     .input_count = 2,
     .inputs = {{2, 19, 6, 8}, {2, 19, 3, 4}},
     .build = upsample_build,
     .reference = upsample_expect},
    {.name = "upsample_add takes sizes that do not divide",
     .input_count = 2,
     .inputs = {{1, 16, 7, 5}, {1, 16, 4, 3}},
     .build = upsample_build,
     .reference = upsample_expect},
    {.name = "upsample_add spreads a single pixel",
     .input_count = 2,
     .inputs = {{2, 3, 3, 5}, {2, 3, 1, 1}},
     .build = upsample_build,
     .reference = upsample_expect},
    {.name = "upsample_add takes channels that fill several vectors and some more",
     .input_count = 2,
     .inputs = {{1, 100, 4, 6}, {1, 100, 2, 3}},
     .build = upsample_build,
     .reference = upsample_expect},
    {.name = NULL},
};

const fm_op fm_op_upsample_add = {
    .name = "upsample_add",
    .state_bytes = sizeof(upsample_state),
    .infer = upsample_infer,
    .prepare = upsample_prepare,
    .forward = upsample_forward,
    .backward = upsample_backward,
    .cases = upsample_cases,
};
