// Loops of the depthwise convolution; depthwise.h says what for.
#include "nn/op/depthwise.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/clones.h"
#include "nn/chunk.h"
#include "nn/profile.h"

enum { DEPTHWISE_UNROLLED = 5, DEPTHWISE_LANES_MAX = 16 };

// What the inner loops need to know of a row of output pixels.
typedef struct depthwise_row {
  int pixels, kernel, stride, dilation;
} depthwise_row;

#define LANES 8
#include "nn/op/depthwise_lanes.h"
#undef LANES
#define LANES 16
#include "nn/op/depthwise_lanes.h"
#undef LANES

// The last rows of one picture's block of channels: unpacked, with the padding of both sides.
typedef struct depthwise_lines {
  const fm_depthwise *geometry;
  const fm_tensor *x;
  size_t plane; // elements before the block's first pixel
  float *memory;
  int rows, pixels; // of the ring, of a line
  int next;         // first row not yet read
} depthwise_lines;

static int depthwise_reach(const fm_depthwise *self) {
  return self->dilation * (self->kernel - 1) + 1;
}

bool fm_depthwise_knows(const fm_depthwise *self, const fm_tensor *x, const fm_tensor *y) {
  return (x->block == 8 || x->block == 16) && x->block == y->block && x->shape.c == y->shape.c &&
         self->padding < depthwise_reach(self);
}

static int depthwise_line_pixels(const fm_depthwise *self, const fm_tensor *y) {
  return (y->shape.w - 1) * self->stride + depthwise_reach(self);
}

static size_t depthwise_line_elements(const fm_depthwise *self, const fm_tensor *y) {
  return (size_t)depthwise_line_pixels(self, y) * (size_t)y->block;
}

static float *depthwise_line(const depthwise_lines *lines, int row) {
  return lines->memory +
         (size_t)(row % lines->rows) * (size_t)lines->pixels * (size_t)lines->x->block;
}

static void depthwise_unpack(const fm_tensor *t, size_t start, size_t count, float *to) {
  if (t->dtype == FM_F32)
    memcpy(to, (const float *)t->data + start, count * sizeof *to);
  else
    fm_bf16_unpack(to, (const uint16_t *)t->data + start, count);
}

// Reads the rows up to `last` that are not in the ring yet.
static void depthwise_read_rows(depthwise_lines *lines, int last) {
  const fm_tensor *x = lines->x;
  const int left = lines->geometry->padding;
  const size_t lanes = (size_t)x->block;
  int count = lines->pixels - left; // of the picture's own pixels
  count = count < x->shape.w ? count : x->shape.w;
  for (; lines->next <= last; ++lines->next) {
    float *line = depthwise_line(lines, lines->next);
    memset(line, 0, (size_t)left * lanes * sizeof *line);
    depthwise_unpack(x, lines->plane + (size_t)lines->next * (size_t)x->shape.w * lanes,
                     (size_t)count * lanes, line + (size_t)left * lanes);
    memset(line + (size_t)(left + count) * lanes, 0,
           (size_t)(lines->pixels - left - count) * lanes * sizeof *line);
  }
}

// One picture's block of channels: sum[kernel * kernel + 1][lanes], the last one that of dy.
static void depthwise_correlate(const fm_depthwise *self, depthwise_lines *lines,
                                const fm_tensor *dy, size_t dy_plane, float *sum) {
  const size_t lanes = (size_t)dy->block, row_elements = (size_t)dy->shape.w * lanes;
  const depthwise_row row = {dy->shape.w, self->kernel, self->stride, self->dilation};
  const depthwise_row one = {dy->shape.w, 1, 0, 0};
  float *unpacked = lines->memory + (size_t)(lines->rows * lines->pixels) * lanes;
  static const float ones[DEPTHWISE_LANES_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  void (*correlate)(float *, const float *, const float *, const depthwise_row *) =
      lanes == 8 ? correlate_row_8 : correlate_row_16;
  const size_t taps = (size_t)self->kernel * (size_t)self->kernel;
  memset(sum, 0, (taps + 1) * lanes * sizeof *sum);
  for (int oh = 0; oh < dy->shape.h; ++oh) {
    const size_t start = dy_plane + (size_t)oh * row_elements;
    const float *d = unpacked;
    if (dy->dtype == FM_F32)
      d = (const float *)dy->data + start;
    else
      depthwise_unpack(dy, start, row_elements, unpacked);
    const int top = oh * self->stride - self->padding;
    const int last = top + depthwise_reach(self) - 1;
    depthwise_read_rows(lines, last < lines->x->shape.h ? last : lines->x->shape.h - 1);
    for (int kh = 0; kh < self->kernel; ++kh) {
      const int ih = top + kh * self->dilation;
      if (ih >= 0 && ih < lines->x->shape.h)
        correlate(sum + (size_t)(kh * self->kernel) * lanes, depthwise_line(lines, ih), d, &row);
    }
    correlate(sum + taps * lanes, ones, d, &one);
  }
}

// Scratch: the sums of each picture and block, then each thread's lines.
static size_t depthwise_sums(const fm_depthwise *self, const fm_tensor *dy) {
  return ((size_t)self->kernel * (size_t)self->kernel + 1) * (size_t)dy->shape.n *
         (size_t)fm_tensor_blocks(dy) * (size_t)dy->block;
}

static size_t depthwise_thread_elements(const fm_depthwise *self, const fm_tensor *dy) {
  return (size_t)depthwise_reach(self) * depthwise_line_elements(self, dy) +
         (size_t)dy->shape.w * (size_t)dy->block;
}

size_t fm_depthwise_weight_gradient_scratch(const fm_depthwise *self, const fm_tensor *dy) {
  return (depthwise_sums(self, dy) + (size_t)self->threads * depthwise_thread_elements(self, dy)) *
         sizeof(float);
}

// Adds the pictures' sums in their order and leaves them in plain order.
static void depthwise_gather(const fm_depthwise *self, const fm_tensor *dy, const float *sums,
                             float *dweight, float *dbias) {
  const size_t lanes = (size_t)dy->block, blocks = (size_t)fm_tensor_blocks(dy);
  const size_t taps = (size_t)self->kernel * (size_t)self->kernel, stride = (taps + 1) * lanes;
#pragma omp parallel for schedule(static) num_threads(self->threads)
  for (int c = 0; c < dy->shape.c; ++c) {
    const float *from = sums + (size_t)c / lanes * stride + (size_t)c % lanes;
    for (size_t tap = 0; tap <= taps; ++tap) {
      double sum = 0;
      for (size_t n = 0; n < (size_t)dy->shape.n; ++n)
        sum += (double)from[n * blocks * stride + tap * lanes];
      if (tap < taps)
        dweight[(size_t)c * taps + tap] = (float)sum;
      else if (dbias)
        dbias[c] = (float)sum;
    }
  }
}

static fm_status depthwise_run_gradient(void *user) {
  const fm_depthwise_gradient *job = user;
  const fm_depthwise *self = &job->geometry;
  const fm_tensor *x = &job->x, *dy = &job->dy;
  const int rows = dy->shape.n * fm_tensor_blocks(dy);
  const size_t lanes = (size_t)dy->block;
  const size_t stride = ((size_t)self->kernel * (size_t)self->kernel + 1) * lanes;
  float *sums = job->scratch, *memory = sums + depthwise_sums(self, dy);
  const size_t x_plane = (size_t)x->shape.h * (size_t)x->shape.w * lanes;
  const size_t dy_plane = (size_t)dy->shape.h * (size_t)dy->shape.w * lanes;
#pragma omp parallel for schedule(static) num_threads(self->threads)
  for (int row = 0; row < rows; ++row) {
    depthwise_lines lines = {.geometry = self,
                             .x = x,
                             .plane = (size_t)row * x_plane,
                             .memory = memory + (size_t)omp_get_thread_num() *
                                                    depthwise_thread_elements(self, dy),
                             .rows = depthwise_reach(self),
                             .pixels = depthwise_line_pixels(self, dy)};
    depthwise_correlate(self, &lines, dy, (size_t)row * dy_plane, sums + (size_t)row * stride);
  }
  depthwise_gather(self, dy, sums, job->dweight, job->dbias);
  return FM_OK;
}

// The same as fm_primitive_describe says of oneDNN's.
static void depthwise_describe(const fm_depthwise *self, const fm_tensor *x, const fm_tensor *y,
                               const char *pass, char *name) {
  const int used = snprintf(name, FM_PROFILE_NAME_BYTES, "conv depthwise %dx%d %s, own loops",
                            self->kernel, self->kernel, pass);
  if (fm_profile_is_by_layer())
    snprintf(name + used, (size_t)(FM_PROFILE_NAME_BYTES - used),
             ", %d x %d x %d x %d to %d x %d x %d", x->shape.n, x->shape.c, x->shape.h, x->shape.w,
             y->shape.c, y->shape.h, y->shape.w);
}

static double depthwise_flops(const fm_depthwise *self, const fm_tensor *y) {
  return 2.0 * self->kernel * self->kernel * y->shape.n * y->shape.c * y->shape.h * y->shape.w;
}

void fm_depthwise_weight_gradient(fm_depthwise_gradient *job) {
  fm_section section;
  fm_section_begin(&section);
  (void)!depthwise_run_gradient(job);
  if (!fm_profile_is_on())
    return;
  char name[FM_PROFILE_NAME_BYTES];
  depthwise_describe(&job->geometry, &job->x, &job->dy, "backward weights", name);
  fm_section_end(&section,
                 &(fm_work){.name = name,
                            .flops = depthwise_flops(&job->geometry, &job->dy),
                            .bytes = (double)(fm_tensor_bytes(&job->x) + fm_tensor_bytes(&job->dy)),
                            .run = depthwise_run_gradient,
                            .user = job});
}
