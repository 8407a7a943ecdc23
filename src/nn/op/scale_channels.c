// y[n,c,h,w] = x[n,c,h,w] gate[n,c] (the last step of squeeze-excitation). y has x's layout.
// dx = dy gate; dgate = sum over h, w of dy x, in fp32.
#include <omp.h>
#include <string.h>

#include "base/clones.h"
#include "nn/chunk.h"
#include "nn/op.h"
#include "nn/words.h"

typedef struct scale_state {
  int threads;  // as many as there are buffers for
  size_t piece; // elements of a buffer
} scale_state;

enum { SCALE_BUFFERS = 5 }; // x, dy, dx (y); gate; dgate

static fm_status scale_infer(const fm_node *node, const fm_shape *x, fm_shape *y) {
  (void)node;
  if (x[1].n != x[0].n || x[1].c != x[0].c || x[1].h != 1 || x[1].w != 1)
    return fm_fail(FM_ERR_SHAPE, "scale_channels: a gate of (%d,%d,%d,%d) for (%d,%d,%d,%d)",
                   x[1].n, x[1].c, x[1].h, x[1].w, x[0].n, x[0].c, x[0].h, x[0].w);
  *y = x[0];
  return FM_OK;
}

static fm_status scale_prepare(fm_op_context *context) {
  scale_state *state = context->state;
  context->y.block = context->x[0].block;
  size_t block = (size_t)context->x[0].block;
  state->threads = omp_get_max_threads();
  state->piece = block > FM_CHUNK ? block : FM_CHUNK;
  size_t bytes = SCALE_BUFFERS * state->piece * sizeof(float) * (size_t)state->threads;
  context->forward_scratch_bytes = bytes;
  context->backward_scratch_bytes = bytes;
  context->reads_x_in_backward[0] = context->wants_dx[1];
  context->reads_x_in_backward[1] = context->wants_dx[0];
  return FM_OK;
}

static float *scale_buffer(const fm_op_context *context, int which) {
  const scale_state *state = context->state;
  return (float *)context->scratch +
         ((size_t)omp_get_thread_num() * SCALE_BUFFERS + (size_t)which) * state->piece;
}

// Pixels of `block` channels; block 1 is its own loop, the channel being a single number there.
FM_KERNEL static void scale_run(float *restrict y, const float *restrict x,
                                const float *restrict gate, size_t pixels, size_t block) {
  if (block == 1) {
    float g = gate[0];
    for (size_t i = 0; i < pixels; i++)
      y[i] = x[i] * g;
    return;
  }
  for (size_t i = 0; i < pixels; i++)
    for (size_t k = 0; k < block; k++)
      y[i * block + k] = x[i * block + k] * gate[k];
}

FM_KERNEL static void scale_sum(float *restrict sum, const float *restrict dy,
                                const float *restrict x, size_t pixels, size_t block) {
  if (block == 1) {
    float lanes[16] = {0}, total = 0;
    size_t whole = pixels / 16 * 16;
    for (size_t i = 0; i < whole; i += 16)
      for (size_t k = 0; k < 16; k++)
        lanes[k] += dy[i + k] * x[i + k];
    for (size_t k = 0; k < 16; k++)
      total += lanes[k];
    for (size_t i = whole; i < pixels; i++)
      total += dy[i] * x[i];
    sum[0] += total;
    return;
  }
  for (size_t i = 0; i < pixels; i++)
    for (size_t k = 0; k < block; k++)
      sum[k] += dy[i * block + k] * x[i * block + k];
}

// Channels are taken block by block of x's layout: task = (image, block), a contiguous plane of
// `area` pixels.
typedef struct scale_plane {
  size_t start, area, block, step; // step: pixels a buffer holds
  fm_tensor gate_layout;           // the gate in x's block
} scale_plane;

static scale_plane scale_plane_of(const fm_op_context *context, int task) {
  const scale_state *state = context->state;
  const fm_tensor *x = &context->x[0];
  scale_plane plane = {.block = (size_t)x->block, .gate_layout = context->x[1]};
  plane.area = (size_t)x->shape.h * (size_t)x->shape.w;
  plane.start = (size_t)task * plane.area * plane.block;
  plane.step = state->piece / plane.block;
  plane.gate_layout.block = x->block;
  return plane;
}

static int scale_tasks(const fm_op_context *context) {
  return context->x[0].shape.n * fm_tensor_blocks(&context->x[0]);
}

// to = from * gate over one plane.
static void scale_multiply(const fm_op_context *context, int task, const fm_tensor *to,
                           const fm_tensor *from) {
  scale_plane p = scale_plane_of(context, task);
  const float *gate = fm_chunk_read(&context->x[1], &p.gate_layout, (size_t)task * p.block, p.block,
                                    scale_buffer(context, 3));
  for (size_t pixel = 0; pixel < p.area; pixel += p.step) {
    size_t pixels = p.area - pixel < p.step ? p.area - pixel : p.step;
    size_t start = p.start + pixel * p.block, count = pixels * p.block;
    float *target = fm_chunk_target(to, &context->x[0], start, scale_buffer(context, 2));
    const float *x = fm_chunk_read(from, &context->x[0], start, count, scale_buffer(context, 0));
    scale_run(target, x, gate, pixels, p.block);
    fm_chunk_write(to, &context->x[0], start, count, target);
  }
}

// --- interleaved whole numbers, some rows of pixels a task: y = q factor + shift, less y's scale

static bool scale_is_int8(const fm_op_context *context) {
  const fm_tensor *x = &context->x[0], *y = &context->y;
  return fm_dtype_is_int8(x->dtype) && fm_dtype_is_int8(y->dtype) && x->block == x->shape.c &&
         y->block == x->block && x->block % FM_WORD_BYTES == 0;
}

// factor, shift: [FM_WORD_BYTES][words of a pixel], in the order of the words' bytes.
typedef struct scale_words {
  const float *factor, *shift;
  size_t words;
  uint32_t turn, y_turn;
} scale_words;

// `count` words of a pixel from `first` on, a constant.
static inline __attribute__((always_inline)) void
scale_run_words(uint8_t *y, const uint8_t *x, const scale_words *s, size_t first, size_t count) {
  uint32_t from[FM_WORDS], to[FM_WORDS] = {0};
  memcpy(from, x + first * FM_WORD_BYTES, count * sizeof *from);
  for (size_t k = 0; k < count; k++)
    from[k] ^= s->turn;
  for (int byte = 0; byte < FM_WORD_BYTES; byte++) {
    const float *factor = s->factor + (size_t)byte * s->words + first;
    const float *shift = s->shift + (size_t)byte * s->words + first;
    float values[FM_WORDS];
    for (size_t k = 0; k < count; k++)
      values[k] = fm_word_byte(from[k], byte) * factor[k] + shift[k];
    fm_words_put(to, values, count, byte);
  }
  for (size_t k = 0; k < count; k++)
    to[k] ^= s->y_turn;
  memcpy(y + first * FM_WORD_BYTES, to, count * sizeof *to);
}

FM_KERNEL static void scale_pixels_int8(uint8_t *y, const uint8_t *x, const scale_words *s,
                                        size_t pixels) {
  for (size_t p = 0; p < pixels; p++) {
    size_t first = 0;
    for (; first + FM_WORDS <= s->words; first += FM_WORDS)
      scale_run_words(y, x, s, first, FM_WORDS);
    // The last ones once more with some before them; pixels of fewer one by one.
    if (first < s->words && s->words >= FM_WORDS)
      scale_run_words(y, x, s, s->words - FM_WORDS, FM_WORDS);
    else
      for (; first < s->words; first++)
        scale_run_words(y, x, s, first, 1);
    y += s->words * FM_WORD_BYTES;
    x += s->words * FM_WORD_BYTES;
  }
}

// Rows from `first` to `end` of picture n.
static void scale_rows_int8(const fm_op_context *context, int n, int first, int end) {
  const fm_tensor *x = &context->x[0];
  const size_t channels = (size_t)x->shape.c, words = channels / FM_WORD_BYTES;
  const size_t row = (size_t)x->shape.w * channels;
  const fm_word_form from = fm_word_form_of(x), to = fm_word_form_of(&context->y);
  fm_tensor layout = context->x[1];
  layout.block = x->block;
  const float *gate = fm_chunk_read(&context->x[1], &layout, (size_t)n * channels, channels,
                                    scale_buffer(context, 3));
  float *factor = scale_buffer(context, 0), *shift = scale_buffer(context, 1);
  const float unit = from.scale / to.scale;
  for (size_t byte = 0; byte < FM_WORD_BYTES; byte++)
    for (size_t k = 0; k < words; k++) {
      const float own = gate[k * FM_WORD_BYTES + byte] * unit;
      factor[byte * words + k] = own;
      shift[byte * words + k] = own * from.offset - to.offset;
    }
  const scale_words s = {factor, shift, words, from.turn, to.turn};
  const size_t start = ((size_t)n * (size_t)x->shape.h + (size_t)first) * row;
  scale_pixels_int8((uint8_t *)context->y.data + start, (const uint8_t *)x->data + start, &s,
                    (size_t)(end - first) * (size_t)x->shape.w);
}

static fm_status scale_forward_int8(const fm_op_context *context) {
  const int threads = ((const scale_state *)context->state)->threads;
  const fm_shape shape = context->x[0].shape;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int task = 0; task < shape.n * threads; task++) {
    const int part = task % threads;
    scale_rows_int8(context, task / threads, shape.h * part / threads,
                    shape.h * (part + 1) / threads);
  }
  return FM_OK;
}

static fm_status scale_forward(fm_op_context *context) {
  const scale_state *state = context->state;
  if (scale_is_int8(context))
    return scale_forward_int8(context);
  int tasks = scale_tasks(context);
#pragma omp parallel for schedule(static) num_threads(state->threads)
  for (int task = 0; task < tasks; task++)
    scale_multiply(context, task, &context->y, &context->x[0]);
  return FM_OK;
}

static void scale_gate_gradient(const fm_op_context *context, int task) {
  scale_plane p = scale_plane_of(context, task);
  const fm_tensor *x = &context->x[0], *dgate = &context->dx[1];
  float *sum = scale_buffer(context, 4);
  memset(sum, 0, p.block * sizeof(float));
  for (size_t pixel = 0; pixel < p.area; pixel += p.step) {
    size_t pixels = p.area - pixel < p.step ? p.area - pixel : p.step;
    size_t start = p.start + pixel * p.block, count = pixels * p.block;
    const float *dy = fm_chunk_read(&context->dy, x, start, count, scale_buffer(context, 1));
    scale_sum(sum, dy, fm_chunk_read(x, x, start, count, scale_buffer(context, 0)), pixels,
              p.block);
  }
  size_t start = (size_t)task * p.block;
  float *target = fm_chunk_target(dgate, &p.gate_layout, start, sum);
  if (target != sum)
    memcpy(target, sum, p.block * sizeof(float));
  fm_chunk_write(dgate, &p.gate_layout, start, p.block, target);
}

static fm_status scale_backward(fm_op_context *context) {
  const scale_state *state = context->state;
  int tasks = scale_tasks(context);
  if (context->dx[1].data && context->dx[1].block != context->x[0].block)
    fm_tensor_zero_padding(&context->dx[1]);
#pragma omp parallel for schedule(static) num_threads(state->threads)
  for (int task = 0; task < tasks; task++) {
    if (context->dx[0].data)
      scale_multiply(context, task, &context->dx[0], &context->dy);
    if (context->dx[1].data)
      scale_gate_gradient(context, task);
  }
  return FM_OK;
}

extern const fm_op fm_op_scale_channels;

fm_value fm_scale_channels(fm_graph *graph, fm_value x, fm_value gate) {
  fm_value inputs[] = {x, gate};
  if (fm_graph_channels(graph, x) != fm_graph_channels(graph, gate))
    fm_graph_fail(graph, "scale_channels: a gate of %d channels for %d",
                  fm_graph_channels(graph, gate), fm_graph_channels(graph, x));
  return fm_graph_add_node(graph, &fm_op_scale_channels, inputs, 2, NULL, 0, NULL, 0,
                           fm_graph_channels(graph, x));
}

static fm_value scale_build(fm_graph *graph, const fm_value *inputs) {
  return fm_scale_channels(graph, inputs[0], inputs[1]);
}

static void scale_expect(const fm_shape *shape, const double *const *x, const double *const *params,
                         double *y) {
  (void)params;
  size_t area = (size_t)shape->h * (size_t)shape->w;
  for (size_t plane = 0; plane < (size_t)shape->n * (size_t)shape->c; plane++)
    for (size_t i = 0; i < area; i++)
      y[plane * area + i] = x[0][plane * area + i] * x[1][plane];
}

static const fm_op_case scale_cases[] = {
    {.name = "scale_channels multiplies each channel by its gate",
     .input_count = 2,
     .inputs = {{2, 19, 5, 7}, {2, 19, 1, 1}},
     .build = scale_build,
     .reference = scale_expect},
    {.name = "scale_channels takes planes longer than a buffer",
     .input_count = 2,
     .inputs = {{1, 17, 13, 11}, {1, 17, 1, 1}},
     .build = scale_build,
     .reference = scale_expect},
    {.name = "scale_channels takes channels that fill several vectors and some more",
     .input_count = 2,
     .inputs = {{2, 76, 3, 4}, {2, 76, 1, 1}},
     .build = scale_build,
     .reference = scale_expect},
    {.name = NULL},
};

const fm_op fm_op_scale_channels = {
    .name = "scale_channels",
    .state_bytes = sizeof(scale_state),
    .infer = scale_infer,
    .prepare = scale_prepare,
    .forward = scale_forward,
    .backward = scale_backward,
    .cases = scale_cases,
};
