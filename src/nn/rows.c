// Dealing out a picture's rows: each thread makes its own from first to last, keeping as many
// interleaved rows as the kernel reads.
#include "nn/rows.h"

#include <omp.h>
#include <string.h>

#include "nn/vnni.h"

#if FM_VNNI_HERE

enum {
  ROWS_PIXELS = 48, // that a product takes at a time where there are enough
  ROWS_PIXELS_ALONE = 96,
  ROWS_WORTH = 1 << 20, // products of two numbers; below, threads cost more than they bring
  ROWS_LEAST = 4,       // rows of outputs at a time: what they share is read from memory once
  ROWS_MOST = 8,
  ROWS_RING_MOST = (ROWS_MOST - 1) * 2 + 5,
};

// What one thread works on.
typedef struct rows_room {
  uint8_t *source;      // x without a sign, or the rows of bytes that patches are gathered from
  uint8_t *expanded;    // rows before they are interleaved
  uint8_t *interleaved; // [ring] rows, then one of zeros
  uint8_t *filtered;    // or patches of a picture
  uint8_t *edge;        // a pixel of zeros
  size_t bytes;
} rows_room;

// The sizes of a chain.
typedef struct rows_plan {
  int together; // rows of outputs at a time
  int ring;     // interleaved rows that are kept, and the most rows of x that come in at a time
  int fours;
  size_t row_bytes; // of an interleaved row
} rows_plan;

static size_t rows_up(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

static size_t rows_take(size_t *used, size_t bytes) {
  const size_t offset = *used;
  *used += rows_up(bytes);
  return offset;
}

static rows_plan rows_plan_of(const fm_rows *self) {
  rows_plan plan = {0};
  const fm_rows_filter *filter = self->filter;
  if (!filter)
    return plan;
  plan.together = (ROWS_PIXELS + self->y.shape.w - 1) / self->y.shape.w;
  plan.together = plan.together > ROWS_LEAST ? plan.together : ROWS_LEAST;
  plan.together = plan.together < ROWS_MOST ? plan.together : ROWS_MOST;
  plan.together = plan.together < self->y.shape.h ? plan.together : self->y.shape.h;
  plan.ring = (plan.together - 1) * filter->stride + filter->kernel;
  plan.fours = fm_rows_fours(filter, self->y.shape.w);
  plan.row_bytes = fm_rows_interleaved_bytes(filter, plan.fours);
  return plan;
}

static rows_room rows_room_of_image(const fm_rows *self, int thread) {
  size_t used = 0;
  const int channels = self->x.shape.c, width = self->y.shape.w;
  const size_t lines = rows_take(&used, fm_rows_image_line_bytes(self->image, channels, width));
  const size_t patches = rows_take(&used, fm_rows_image_patch_bytes(channels, width));
  uint8_t *base = (uint8_t *)self->scratch + (size_t)thread * used;
  return (rows_room){.source = base + lines, .filtered = base + patches, .bytes = used};
}

static rows_room rows_room_of(const fm_rows *self, const rows_plan *plan, int thread) {
  rows_room room;
  size_t used = 0;
  const size_t width = (size_t)self->x.shape.w, in = (size_t)self->x.shape.c;
  const bool copies = self->flip && (self->expand || !self->filter);
  const size_t pixels = self->filter ? width * (size_t)plan->ring : ROWS_PIXELS_ALONE;
  const size_t source = rows_take(&used, copies ? pixels * in : 0);
  const size_t inside = self->filter ? (size_t)self->filter->channels : 0;
  const size_t expanded = rows_take(&used, self->expand ? pixels * inside : 0);
  const size_t interleaved = rows_take(&used, plan->row_bytes * (size_t)(plan->ring + 1));
  const size_t filtered =
      rows_take(&used, (size_t)plan->together * (size_t)self->y.shape.w * inside);
  // As wide as what is read of it at once.
  const size_t edge = rows_take(&used, rows_up(inside));
  room.bytes = used;
  uint8_t *base = (uint8_t *)self->scratch + (size_t)thread * used;
  room.source = base + source;
  room.expanded = base + expanded;
  room.interleaved = base + interleaved;
  room.filtered = base + filtered;
  room.edge = base + edge;
  return room;
}

size_t fm_rows_scratch(const fm_rows *self) {
  const rows_plan plan = rows_plan_of(self);
  const rows_room room = self->image ? rows_room_of_image(self, 0) : rows_room_of(self, &plan, 0);
  return room.bytes * (size_t)self->threads;
}

VNNI_TARGET static void rows_flip(uint8_t *to, const uint8_t *from, size_t bytes, uint8_t flip) {
  const __m512i flips = _mm512_set1_epi8((char)flip);
  size_t at = 0;
  for (; at + 64 <= bytes; at += 64)
    _mm512_storeu_si512(to + at, _mm512_xor_si512(_mm512_loadu_si512(from + at), flips));
  const __mmask64 mask = vnni_mask((int)(bytes - at));
  _mm512_mask_storeu_epi8(to + at, mask,
                          _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, from + at), flips));
}

// x as a product reads it.
static const uint8_t *rows_source(const fm_rows *self, const rows_room *room, const uint8_t *x,
                                  size_t bytes) {
  if (!self->flip)
    return x;
  rows_flip(room->source, x, bytes, self->flip);
  return room->source;
}

// A strip of one picture.
typedef struct rows_strip {
  const uint8_t *x;
  uint8_t *y;
  const uint8_t *residual;
  int first, end; // rows of outputs
} rows_strip;

// Rows of x from `first` on, all within the picture, into the ring.
static void rows_bring(const fm_rows *self, const rows_plan *plan, const rows_room *room,
                       const rows_strip *strip, int first, int count) {
  const fm_rows_filter *filter = self->filter;
  const size_t width = (size_t)self->x.shape.w;
  const size_t x_row = width * (size_t)self->x.shape.c, row = width * (size_t)filter->channels;
  const uint8_t *rows = strip->x + (size_t)first * x_row;
  if (self->expand) {
    const uint8_t *source = rows_source(self, room, rows, (size_t)count * x_row);
    fm_rows_multiply(self->expand, source, count * self->x.shape.w, room->expanded, NULL);
    rows = room->expanded;
  }
  fm_rows_line line = {
      .edge = room->edge, .width = self->x.shape.w, .flip = self->expand ? 0 : self->flip};
  for (int i = 0; i < count; ++i) {
    line.row = rows + (size_t)i * row;
    fm_rows_interleave(filter, &line, plan->fours,
                       room->interleaved + (size_t)((first + i) % plan->ring) * plan->row_bytes);
  }
}

// Outputs of the rows from `first` on.
static void rows_filter_and_project(const fm_rows *self, const rows_plan *plan,
                                    const rows_room *room, const rows_strip *strip, int first,
                                    int count) {
  const fm_rows_filter *filter = self->filter;
  const size_t width = (size_t)self->y.shape.w;
  const uint8_t *const zeros = room->interleaved + (size_t)plan->ring * plan->row_bytes;
  const uint8_t *rows[ROWS_RING_MOST];
  for (int k = 0; k < (count - 1) * filter->stride + filter->kernel; ++k) {
    const int row = first * filter->stride - filter->padding + k;
    rows[k] = row < 0 || row >= self->x.shape.h
                  ? zeros
                  : room->interleaved + (size_t)(row % plan->ring) * plan->row_bytes;
  }
  const fm_rows_lines lines = {rows, count, plan->fours, self->y.shape.w};
  fm_rows_filter_lines(filter, &lines, room->filtered);
  const size_t at = (size_t)first * width * (size_t)self->y.shape.c;
  fm_rows_multiply(self->project, room->filtered, count * self->y.shape.w, strip->y + at,
                   strip->residual ? strip->residual + at : NULL);
}

static void rows_run_strip(const fm_rows *self, const rows_plan *plan, const rows_room *room,
                           const rows_strip *strip) {
  const fm_rows_filter *filter = self->filter;
  int brought = 0; // rows of x before this one are in the ring, or were
  for (int first = strip->first; first < strip->end; first += plan->together) {
    const int left = strip->end - first;
    const int count = left < plan->together ? left : plan->together;
    int from = first * filter->stride - filter->padding;
    int to = (first + count - 1) * filter->stride - filter->padding + filter->kernel;
    from = from > brought ? from : brought;
    to = to < self->x.shape.h ? to : self->x.shape.h;
    if (to > from)
      rows_bring(self, plan, room, strip, from, to - from);
    brought = to > brought ? to : brought;
    rows_filter_and_project(self, plan, room, strip, first, count);
  }
}

static void rows_run_chain(const fm_rows *self) {
  const rows_plan plan = rows_plan_of(self);
  const size_t x_picture =
      (size_t)self->x.shape.h * (size_t)self->x.shape.w * (size_t)self->x.shape.c;
  const size_t y_picture =
      (size_t)self->y.shape.h * (size_t)self->y.shape.w * (size_t)self->y.shape.c;
  const int rows = self->y.shape.h * self->y.shape.n;
#pragma omp parallel num_threads(self->threads)
  {
    const int thread = omp_get_thread_num(), threads = omp_get_num_threads();
    const rows_room room = rows_room_of(self, &plan, thread);
    const uint8_t flip = self->expand ? 0 : self->flip; // when rows are interleaved
    memset(room.edge, self->filter->zero ^ flip, rows_up((size_t)self->filter->channels));
    memset(room.interleaved + (size_t)plan.ring * plan.row_bytes, self->filter->zero,
           plan.row_bytes);
    const int end = (int)((long)rows * (thread + 1) / threads);
    for (int row = (int)((long)rows * thread / threads); row < end;) {
      const int picture = row / self->y.shape.h, first = row % self->y.shape.h;
      const int left = end - row, within = self->y.shape.h - first;
      const int count = left < within ? left : within;
      const uint8_t *residual = self->project->residual;
      const rows_strip strip = {.x = (const uint8_t *)self->x.data + (size_t)picture * x_picture,
                                .y = (uint8_t *)self->y.data + (size_t)picture * y_picture,
                                .residual =
                                    residual ? residual + (size_t)picture * y_picture : NULL,
                                .first = first,
                                .end = first + count};
      rows_run_strip(self, &plan, &room, &strip);
      row += count;
    }
  }
}

// As many for each thread where there is enough to do for all.
static ptrdiff_t rows_parts(const fm_rows *self, size_t pixels) {
  const double work = (double)pixels * self->project->in * self->project->out;
  const size_t threads = work < ROWS_WORTH ? 1 : (size_t)self->threads;
  size_t parts = (pixels + ROWS_PIXELS_ALONE - 1) / ROWS_PIXELS_ALONE;
  parts = (parts + threads - 1) / threads * threads;
  return (ptrdiff_t)(parts < pixels ? parts : pixels);
}

static void rows_run_product(const fm_rows *self) {
  const fm_rows_product *project = self->project;
  const size_t pixels = (size_t)self->x.shape.n * (size_t)self->x.shape.h * (size_t)self->x.shape.w;
  const size_t in = (size_t)project->in, out = (size_t)project->out;
  const ptrdiff_t parts = rows_parts(self, pixels);
  const size_t bytes = project->output.exact ? sizeof(float) : 1;
  const rows_plan plan = {0};
#pragma omp parallel for schedule(static) num_threads(self->threads)
  for (ptrdiff_t part = 0; part < parts; ++part) {
    const rows_room room = rows_room_of(self, &plan, omp_get_thread_num());
    const size_t from = pixels * (size_t)part / (size_t)parts;
    const size_t to = pixels * (size_t)(part + 1) / (size_t)parts;
    const uint8_t *source =
        rows_source(self, &room, (const uint8_t *)self->x.data + from * in, (to - from) * in);
    fm_rows_multiply(project, source, (int)(to - from),
                     (uint8_t *)self->y.data + from * out * bytes,
                     project->residual ? project->residual + from * out : NULL);
  }
}

static void rows_run_image(const fm_rows *self) {
  const fm_shape in = self->x.shape, out = self->y.shape;
  const size_t x_picture = (size_t)in.c * (size_t)in.h * (size_t)in.w;
  const size_t y_row = (size_t)out.w * (size_t)out.c;
#pragma omp parallel for schedule(static) num_threads(self->threads)
  for (int row = 0; row < out.n * out.h; ++row) {
    const rows_room room = rows_room_of_image(self, omp_get_thread_num());
    const fm_rows_image_row gathered = {.x = (const float *)self->x.data +
                                             (size_t)(row / out.h) * x_picture,
                                        .shape = in,
                                        .row = row % out.h,
                                        .width = out.w,
                                        .lines = room.source,
                                        .patches = room.filtered};
    fm_rows_image_gather(self->image, &gathered);
    fm_rows_multiply(self->project, room.filtered, out.w,
                     (uint8_t *)self->y.data + (size_t)row * y_row, NULL);
  }
}

void fm_rows_run(const fm_rows *self) {
  if (self->filter)
    rows_run_chain(self);
  else if (self->image)
    rows_run_image(self);
  else
    rows_run_product(self);
}

#else

size_t fm_rows_scratch(const fm_rows *self) {
  (void)self;
  return 0;
}

void fm_rows_run(const fm_rows *self) {
  (void)self;
}

#endif
