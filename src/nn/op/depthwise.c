// Loops of the depthwise convolution's backward pass; depthwise.h says what for.
#include "nn/op/depthwise.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "base/clones.h"
#include "nn/chunk.h"
#include "nn/op/activation.h"
#include "nn/profile.h"

enum {
  DEPTHWISE_UNROLLED = 5,
  DEPTHWISE_TILE = 8, // pixels of dx at a time
  DEPTHWISE_LANES_MAX = 16,
  DEPTHWISE_KERNEL_MAX = 15
};

// What the inner loops of dweight need to know of a row of output pixels.
typedef struct depthwise_row {
  int pixels, kernel, stride, dilation;
} depthwise_row;

// A row that is read soon and fetched meanwhile.
typedef struct depthwise_ahead {
  const char *row;
  size_t pixel_bytes;
} depthwise_ahead;

// What a row of dx is made of: lines of dz, each with its row of the turned kernel.
typedef struct depthwise_taps {
  int pixels, kernel, dilation, rows, ahead_count;
  const float *line[DEPTHWISE_KERNEL_MAX], *weight[DEPTHWISE_KERNEL_MAX];
  depthwise_ahead ahead[FM_DEPTHWISE_DY_MAX + 2];
} depthwise_taps;

#define LANES 8
#include "nn/op/depthwise_lanes.h"
#undef LANES
#define LANES 16
#include "nn/op/depthwise_lanes.h"
#undef LANES

FM_KERNEL static void depthwise_add(float *restrict to, const float *restrict from, size_t count) {
  for (size_t i = 0; i < count; ++i)
    to[i] += from[i];
}

static int depthwise_reach(const fm_depthwise *self) {
  return self->dilation * (self->kernel - 1) + 1;
}

static bool depthwise_interleaved(const fm_tensor *t) {
  return t->block == t->shape.c && t->block > DEPTHWISE_LANES_MAX;
}

bool fm_depthwise_knows(const fm_depthwise *self, const fm_tensor *x, const fm_tensor *y) {
  return (y->block == 8 || y->block == 16 || depthwise_interleaved(y)) &&
         x->shape.c == y->shape.c && self->padding < depthwise_reach(self) &&
         self->kernel <= DEPTHWISE_KERNEL_MAX;
}

// The blocks that are worked through: those of dy, or parts of its interleaved channels.
static fm_tensor depthwise_blocks(const fm_tensor *dy) {
  fm_tensor blocks = *dy;
  blocks.block = depthwise_interleaved(dy) ? DEPTHWISE_LANES_MAX : dy->block;
  return blocks;
}

// Each thread's memory: rings of the last lines of x and dz, and rows. A line of dz has `stride` -
// 1 zeros between its pixels, so that dx is made without asking which taps meet one.
typedef struct depthwise_sizes {
  int x_lines, x_pixels, z_lines, z_pixels, z_left; // of a ring, of a line, zeros before dz
  int row_pixels;                                   // of either tensor
  size_t elements;
} depthwise_sizes;

enum { DEPTHWISE_ROWS = 3 }; // dz without zeros between; two to unpack into

static depthwise_sizes depthwise_sizes_of(const fm_depthwise *self, const fm_tensor *x,
                                          const fm_tensor *dy) {
  const int reach = depthwise_reach(self), w = x->shape.w, span = (dy->shape.w - 1) * self->stride;
  depthwise_sizes s = {.x_lines = reach > self->stride ? reach : self->stride,
                       .z_lines = (reach - 1) / self->stride + 1,
                       .z_left = reach - 1 - self->padding,
                       .row_pixels = w > dy->shape.w ? w : dy->shape.w};
  s.x_pixels = span + reach > self->padding + w ? span + reach : self->padding + w;
  s.z_pixels = s.z_left + (span + 1 > w + self->padding ? span + 1 : w + self->padding);
  s.elements = ((size_t)s.x_lines * (size_t)s.x_pixels + (size_t)s.z_lines * (size_t)s.z_pixels +
                (size_t)DEPTHWISE_ROWS * (size_t)s.row_pixels +
                (size_t)self->kernel * (size_t)self->kernel) *
               (size_t)dy->block;
  return s;
}

// One picture's block of channels on its way.
typedef struct depthwise_pass {
  const fm_depthwise_backward *job;
  depthwise_sizes sizes;
  fm_tensor z_layout, x_layout; // dy's and x's shapes in the blocks that are worked through
  size_t lanes, plane;
  float *x, *z, *row, *part, *known; // in the thread's memory
  float *weight;                     // turned: [kernel][kernel][lanes]
  int next_x;                        // first row not yet read
} depthwise_pass;

static void depthwise_pass_init(depthwise_pass *self, const fm_depthwise_backward *job,
                                size_t plane, float *memory) {
  *self = (depthwise_pass){.job = job,
                           .z_layout = depthwise_blocks(&job->dy[0]),
                           .x_layout = job->x,
                           .plane = plane,
                           .x = memory};
  const depthwise_sizes sizes = depthwise_sizes_of(&job->geometry, &job->x, &self->z_layout);
  const size_t lanes = (size_t)self->z_layout.block, row = (size_t)sizes.row_pixels * lanes;
  self->sizes = sizes;
  self->lanes = lanes;
  self->x_layout.block = self->z_layout.block;
  self->z = self->x + (size_t)(sizes.x_lines * sizes.x_pixels) * lanes;
  self->row = self->z + (size_t)(sizes.z_lines * sizes.z_pixels) * lanes;
  self->part = self->row + row;
  self->known = self->part + row;
  self->weight = self->known + row;
  memset(self->x, 0, (size_t)(self->row - self->x) * sizeof *memory); // the padding stays so
}

static float *depthwise_x_line(const depthwise_pass *self, int ih) {
  return self->x + (size_t)(ih % self->sizes.x_lines * self->sizes.x_pixels) * self->lanes;
}

static float *depthwise_z_line(const depthwise_pass *self, int oh) {
  return self->z + (size_t)(oh % self->sizes.z_lines * self->sizes.z_pixels) * self->lanes;
}

// x's row without the padding.
static float *depthwise_x_row(const depthwise_pass *self, int ih) {
  return depthwise_x_line(self, ih) + (size_t)self->job->geometry.padding * self->lanes;
}

static size_t depthwise_row_start(const depthwise_pass *self, const fm_tensor *t, int row) {
  return (self->plane * (size_t)t->shape.h + (size_t)row) * (size_t)t->shape.w * self->lanes;
}

// Reads the rows of x up to `last` that are not in the ring yet.
static void depthwise_read_x(depthwise_pass *self, int last) {
  const fm_tensor *x = &self->job->x;
  const size_t count = (size_t)x->shape.w * self->lanes;
  last = last < x->shape.h ? last : x->shape.h - 1;
  for (; self->next_x <= last; ++self->next_x) {
    float *row = depthwise_x_row(self, self->next_x);
    const size_t start = depthwise_row_start(self, &self->x_layout, self->next_x);
    const float *from = fm_chunk_read(x, &self->x_layout, start, count, row);
    if (from != row)
      memcpy(row, from, count * sizeof *row);
  }
}

// Makes row oh of dz: into the ring for dx, and as it is for dweight.
static const float *depthwise_read_dz(depthwise_pass *self, int oh) {
  const fm_depthwise_backward *job = self->job;
  const fm_tensor *layout = &self->z_layout;
  const int stride = job->geometry.stride;
  const size_t count = (size_t)layout->shape.w * self->lanes;
  const size_t start = depthwise_row_start(self, layout, oh);
  float *inside = depthwise_z_line(self, oh) + (size_t)self->sizes.z_left * self->lanes;
  float *row = stride == 1 ? inside : self->row;
  const float *from = fm_chunk_read(&job->dy[0], layout, start, count, row);
  if (from != row)
    memcpy(row, from, count * sizeof *row);
  for (int i = 1; i < job->dy_count; ++i)
    depthwise_add(row, fm_chunk_read(&job->dy[i], layout, start, count, self->part), count);
  if (job->act != FM_ACT_NONE)
    fm_activation_slope(job->act, row,
                        fm_chunk_read(&job->known, layout, start, count, self->known), count);
  if (stride > 1 && job->dx.data)
    for (size_t ow = 0; ow < (size_t)layout->shape.w; ++ow)
      memcpy(inside + ow * (size_t)stride * self->lanes, row + ow * self->lanes,
             self->lanes * sizeof *row);
  return row;
}

// sum[kernel * kernel + 1][lanes] += what row oh gives; the last one is the sum of dz.
static void depthwise_correlate(depthwise_pass *self, int oh, const float *dz, float *sum) {
  const fm_depthwise_backward *job = self->job;
  const fm_depthwise *g = &job->geometry;
  const int pixels = job->dy[0].shape.w, top = oh * g->stride - g->padding;
  const depthwise_row row = {pixels, g->kernel, g->stride, g->dilation}, one = {pixels, 1, 0, 0};
  static const float ones[DEPTHWISE_LANES_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  void (*correlate)(float *, const float *, const float *, const depthwise_row *) =
      self->lanes == 8 ? correlate_row_8 : correlate_row_16;
  for (int kh = 0; kh < g->kernel; ++kh) {
    const int ih = top + kh * g->dilation;
    if (ih >= 0 && ih < job->x.shape.h)
      correlate(sum + (size_t)(kh * g->kernel) * self->lanes, depthwise_x_line(self, ih), dz, &row);
  }
  if (job->dbias)
    correlate(sum + (size_t)(g->kernel * g->kernel) * self->lanes, ones, dz, &one);
}

static void depthwise_add_ahead(const depthwise_pass *self, depthwise_taps *taps,
                                const fm_tensor *t, int row) {
  const size_t size = fm_dtype_size(t->dtype);
  if (row < t->shape.h && (size_t)t->block == self->lanes)
    taps->ahead[taps->ahead_count++] = (depthwise_ahead){
        (const char *)t->data + depthwise_row_start(self, t, row) * size, self->lanes * size};
}

// Between two rows of dz as many rows of x are read as rows of dx are written, so each of these
// fetches one, and the first of them the rows that make the next row of dz.
static void depthwise_look_ahead(const depthwise_pass *self, depthwise_taps *taps, int ih) {
  const fm_depthwise_backward *job = self->job;
  const fm_depthwise *g = &job->geometry;
  const int step = (ih + g->padding) % g->stride, next_oh = (ih + g->padding) / g->stride + 1;
  if (job->dweight || job->x_act != FM_ACT_NONE)
    depthwise_add_ahead(self, taps, &job->x, self->next_x + step);
  for (int i = 0; i < job->dy_count && step == 0; ++i)
    depthwise_add_ahead(self, taps, &job->dy[i], next_oh);
  if (job->act != FM_ACT_NONE && step == 0)
    depthwise_add_ahead(self, taps, &job->known, next_oh);
}

static void depthwise_write_dx(depthwise_pass *self, int ih) {
  const fm_depthwise_backward *job = self->job;
  const fm_depthwise *g = &job->geometry;
  depthwise_taps taps = {.pixels = job->x.shape.w, .kernel = g->kernel, .dilation = g->dilation};
  depthwise_look_ahead(self, &taps, ih);
  for (int kh = 0; kh < g->kernel; ++kh) {
    const int at = ih + g->padding - kh * g->dilation;
    if (at < 0 || at % g->stride || at / g->stride >= job->dy[0].shape.h)
      continue;
    taps.line[taps.rows] = depthwise_z_line(self, at / g->stride);
    taps.weight[taps.rows++] = self->weight + (size_t)(kh * g->kernel) * self->lanes;
  }
  const size_t count = (size_t)taps.pixels * self->lanes;
  const size_t start = depthwise_row_start(self, &self->x_layout, ih);
  float *out = fm_chunk_target(&job->dx, &self->x_layout, start, self->part);
  (self->lanes == 8 ? gather_row_8 : gather_row_16)(out, &taps);
  if (job->x_act != FM_ACT_NONE) {
    depthwise_read_x(self, ih);
    fm_activation_slope(job->x_act, out, depthwise_x_row(self, ih), count);
  }
  fm_chunk_write(&job->dx, &self->x_layout, start, count, out);
}

// The block's weights, the columns turned round.
static void depthwise_turn_weight(depthwise_pass *self) {
  const fm_depthwise_backward *job = self->job;
  const size_t k = (size_t)job->geometry.kernel, channels = (size_t)job->x.shape.c;
  const size_t first = self->plane % (size_t)fm_tensor_blocks(&self->z_layout) * self->lanes;
  for (size_t tap = 0; tap < k * k; ++tap)
    for (size_t lane = 0; lane < self->lanes; ++lane) {
      const size_t from = tap / k * k + (k - 1 - tap % k), c = first + lane;
      self->weight[tap * self->lanes + lane] = c < channels ? job->weight[c * k * k + from] : 0;
    }
}

static void depthwise_run_pass(depthwise_pass *self, float *sum) {
  const fm_depthwise_backward *job = self->job;
  const fm_depthwise *g = &job->geometry;
  const int h = job->x.shape.h;
  int next_dx = job->dx.data ? 0 : h;
  if (job->dx.data)
    depthwise_turn_weight(self);
  if (job->dweight)
    memset(sum, 0, ((size_t)(g->kernel * g->kernel) + 1) * self->lanes * sizeof *sum);
  for (int oh = 0; oh < job->dy[0].shape.h; ++oh) {
    const float *dz = depthwise_read_dz(self, oh);
    if (job->dweight) {
      depthwise_read_x(self, oh * g->stride - g->padding + depthwise_reach(g) - 1);
      depthwise_correlate(self, oh, dz, sum);
    }
    // Rows that no later row of dz reaches.
    for (; next_dx < h && next_dx + g->padding < (oh + 1) * g->stride; ++next_dx)
      depthwise_write_dx(self, next_dx);
  }
  for (; next_dx < h; ++next_dx)
    depthwise_write_dx(self, next_dx);
}

// Scratch: the sums of each picture and block, then each thread's memory.
static size_t depthwise_sums(const fm_depthwise *self, const fm_tensor *dy) {
  return ((size_t)self->kernel * (size_t)self->kernel + 1) * (size_t)dy->shape.n *
         (size_t)fm_tensor_blocks(dy) * (size_t)dy->block;
}

size_t fm_depthwise_backward_scratch(const fm_depthwise *self, const fm_tensor *x,
                                     const fm_tensor *dy) {
  const fm_tensor blocks = depthwise_blocks(dy);
  return (depthwise_sums(self, &blocks) +
          (size_t)self->threads * depthwise_sizes_of(self, x, &blocks).elements) *
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

static fm_status depthwise_run_backward(void *user) {
  const fm_depthwise_backward *job = user;
  const fm_depthwise *self = &job->geometry;
  const fm_tensor blocks = depthwise_blocks(&job->dy[0]), *dy = &blocks;
  const int planes = dy->shape.n * fm_tensor_blocks(dy);
  const size_t stride = ((size_t)self->kernel * (size_t)self->kernel + 1) * (size_t)dy->block;
  const size_t elements = depthwise_sizes_of(self, &job->x, dy).elements;
  float *sums = job->scratch, *memory = sums + depthwise_sums(self, dy);
  if (job->dx.data && job->dx.block != dy->block)
    fm_tensor_zero_padding(&job->dx); // which writing through another layout leaves alone
#pragma omp parallel for schedule(static) num_threads(self->threads)
  for (int plane = 0; plane < planes; ++plane) {
    depthwise_pass pass;
    depthwise_pass_init(&pass, job, (size_t)plane,
                        memory + (size_t)omp_get_thread_num() * elements);
    depthwise_run_pass(&pass, sums + (size_t)plane * stride);
  }
  if (job->dweight)
    depthwise_gather(self, dy, sums, job->dweight, job->dbias);
  return FM_OK;
}

// The same as fm_primitive_describe says of oneDNN's.
static void depthwise_describe(const void *user, fm_work *work, char *name) {
  const fm_depthwise_backward *job = user;
  const fm_tensor *x = &job->x, *y = &job->dy[0];
  const char *pass = !job->dx.data ? " weights" : !job->dweight ? " data" : "";
  const int used =
      snprintf(name, FM_PROFILE_NAME_BYTES, "conv depthwise %dx%d backward%s, own loops",
               job->geometry.kernel, job->geometry.kernel, pass);
  if (fm_profile_is_by_layer())
    snprintf(name + used, (size_t)(FM_PROFILE_NAME_BYTES - used),
             ", %d x %d x %d x %d to %d x %d x %d", x->shape.n, x->shape.c, x->shape.h, x->shape.w,
             y->shape.c, y->shape.h, y->shape.w);
  const bool reads_x = job->dweight || job->x_act != FM_ACT_NONE;
  const int products = (job->dweight != NULL) + (job->dx.data != NULL);
  const int arrays = job->dy_count + (job->act != FM_ACT_NONE);
  work->flops = 2.0 * products * job->geometry.kernel * job->geometry.kernel * y->shape.n *
                y->shape.c * y->shape.h * y->shape.w;
  work->bytes = (double)arrays * (double)fm_tensor_bytes(y) +
                (reads_x ? (double)fm_tensor_bytes(&job->x) : 0) +
                (job->dx.data ? (double)fm_tensor_bytes(&job->dx) : 0);
}

void fm_depthwise_run_backward(fm_depthwise_backward *job) {
  fm_profile_run(depthwise_run_backward, job, depthwise_describe);
}
