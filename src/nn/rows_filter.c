// Depthwise convolutions of 3 x 3 and 5 x 5. VNNI adds four products of neighbouring bytes, so four
// neighbours of a row are laid together, channel by channel, once; each such four then serves two
// pixels (of stride 1) and as many rows as the kernel has.
#include "nn/rows.h"

#include <math.h>
#include <string.h>

#include "nn/vnni.h"

enum {
  FILTER_GROUP = 64,
  FILTER_LANES = 16,
  FILTER_FOUR = 4,
  FILTER_FOUR_BYTES = FILTER_GROUP * FILTER_FOUR,
  FILTER_SMALL = 3, // the kernel whose fours hold all of a row that a pixel needs
};

static int filter_groups(int channels) {
  return (channels + FILTER_GROUP - 1) / FILTER_GROUP;
}

// Channels of the group that begins with `first` by the room they take: few enough, and several
// fours lie in the room of one.
static int filter_room(int channels, int kernel, int first) {
  const int left = channels - first;
  if (kernel != FILTER_SMALL || left > FILTER_GROUP / 2)
    return FILTER_GROUP;
  return left > FILTER_GROUP / 4 ? FILTER_GROUP / 2 : FILTER_GROUP / 4;
}

int fm_rows_filter_positions(int channels) {
  return filter_groups(channels) * FILTER_GROUP;
}

int fm_rows_filter_channel(int channels, int kernel, int position) {
  const int first = position / FILTER_GROUP * FILTER_GROUP, at = position - first;
  const int vector = at / FILTER_LANES, lane = at % FILTER_LANES;
  const int byte = lane / 4 * FILTER_LANES + vector * 4 + lane % 4;
  const int channel = first + byte % filter_room(channels, kernel, first);
  return channel < channels ? channel : -1;
}

bool fm_rows_knows_filter(int channels, int kernel, int stride) {
  return channels > 0 && (kernel == 3 || kernel == 5) && (stride == 1 || stride == 2);
}

// A row of the kernel as one pixel of a four reads it, [place][fours]: the left pixel's taps begin
// with the four's first number, the right one's with its second; a kernel of 5 goes on in the next
// four, which begins two pixels on.
static int filter_parts(int kernel) {
  return kernel == FILTER_SMALL ? 1 : 2;
}

size_t fm_rows_filter_bytes(int channels, int kernel) {
  const size_t positions = (size_t)fm_rows_filter_positions(channels);
  return positions * (size_t)(kernel * filter_parts(kernel) * 2 * FILTER_FOUR) +
         positions * sizeof(int32_t);
}

const int32_t *fm_rows_filter_sums(const int8_t *packed, int channels, int kernel) {
  const size_t bytes = fm_rows_filter_bytes(channels, kernel);
  return (const int32_t *)(const void *)(packed + bytes -
                                         (size_t)fm_rows_filter_positions(channels) *
                                             sizeof(int32_t));
}

// Which column of the kernel meets number `at` of part `part` of a four; none for -1. A number of
// both parts is taken in the first.
static int filter_tap(int kernel, int place, int part, int at) {
  const int column = part * 2 + at - place;
  if (part && at < 2)
    return -1;
  return column >= 0 && column < kernel ? column : -1;
}

// [group][row][vector][place][part][lane][at]
void fm_rows_pack_filter(int8_t *packed, const float *weight, int channels, int kernel) {
  const int positions = fm_rows_filter_positions(channels), parts = filter_parts(kernel);
  int32_t *sums =
      (int32_t *)(void *)(packed + (size_t)positions * (size_t)(kernel * parts * 2 * FILTER_FOUR));
  for (int position = 0; position < positions; ++position) {
    const int group = position / FILTER_GROUP, vector = position % FILTER_GROUP / FILTER_LANES;
    const int lane = position % FILTER_LANES;
    const int channel = fm_rows_filter_channel(channels, kernel, position);
    int32_t sum = 0;
    for (int row = 0; row < kernel; ++row)
      for (int place = 0; place < 2; ++place)
        for (int part = 0; part < parts; ++part)
          for (int at = 0; at < FILTER_FOUR; ++at) {
            const int column = filter_tap(kernel, place, part, at);
            const float w =
                channel < 0 || column < 0 ? 0 : weight[(channel * kernel + row) * kernel + column];
            const int8_t number = (int8_t)lrintf(w);
            const int line =
                ((group * kernel + row) * (FILTER_GROUP / FILTER_LANES) + vector) * 2 * parts +
                place * parts + part;
            packed[(size_t)(line * FILTER_GROUP + lane * FILTER_FOUR + at)] = number;
            sum += place ? 0 : number;
          }
    sums[position] = sum;
  }
}

int fm_rows_fours(const fm_rows_filter *self, int width) {
  const int outputs = self->stride == 1 ? (width + 1) / 2 : width;
  // As many as a step of fm_rows_filter_row takes, and one more where a kernel reaches into it.
  const int step = self->stride == 1 ? 2 : 4, room = FILTER_GROUP / (FILTER_GROUP / 4);
  const int whole = (outputs + step * room - 1) / (step * room) * step * room;
  return whole + (self->kernel == FILTER_SMALL ? 0 : 1);
}

size_t fm_rows_interleaved_bytes(const fm_rows_filter *self, int fours) {
  return (size_t)filter_groups(self->channels) * (size_t)fours * FILTER_FOUR_BYTES;
}

#if FM_VNNI_HERE

// A row to be interleaved: the channels of a group, `first` and those behind it that the mask has.
typedef struct filter_row {
  const uint8_t *row, *edge;
  size_t channels, first;
  int width, padding;
  __mmask64 mask;
  __m512i flip;
} filter_row;

// The channels of a pixel, which may lie beside the picture unless it is `inside`.
VNNI_INLINE const uint8_t *filter_pixel(const filter_row *self, int pixel, const bool inside) {
  return inside || (pixel >= 0 && pixel < self->width)
             ? self->row + (ptrdiff_t)pixel * (ptrdiff_t)self->channels
             : self->edge;
}

// Number k of each of `fold` fours that lie in the room of one, the first one's pixel being
// `pixel`.
VNNI_INLINE __m512i filter_load(const filter_row *self, int pixel, const int fold,
                                const bool inside) {
  const uint8_t *from[FILTER_FOUR];
#pragma GCC unroll 4
  for (int f = 0; f < fold; ++f)
    from[f] = filter_pixel(self, pixel + 2 * f, inside) + self->first;
  if (fold == 1)
    return _mm512_maskz_loadu_epi8(self->mask, from[0]);
  if (fold == 2)
    return _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_maskz_loadu_epi8((__mmask32)self->mask, from[0])),
        _mm256_maskz_loadu_epi8((__mmask32)self->mask, from[1]), 1);
  const __mmask16 mask = (__mmask16)self->mask;
  __m512i all = _mm512_castsi128_si512(_mm_maskz_loadu_epi8(mask, from[0]));
  all = _mm512_inserti32x4(all, _mm_maskz_loadu_epi8(mask, from[1]), 1);
  all = _mm512_inserti32x4(all, _mm_maskz_loadu_epi8(mask, from[2]), 2);
  return _mm512_inserti32x4(all, _mm_maskz_loadu_epi8(mask, from[3]), 3);
}

VNNI_INLINE void filter_put_fours(const filter_row *self, int pixel, const int fold,
                                  const bool inside, uint8_t *out) {
  __m512i of[FILTER_FOUR], fours[VNNI_VECTORS];
#pragma GCC unroll 4
  for (int k = 0; k < FILTER_FOUR; ++k)
    of[k] = _mm512_xor_si512(filter_load(self, pixel + k, fold, inside), self->flip);
  vnni_fours(fours, of[0], of[1], of[2], of[3]);
#pragma GCC unroll 4
  for (int v = 0; v < VNNI_VECTORS; ++v)
    _mm512_storeu_si512(out + (size_t)(v * VNNI_GROUP), fours[v]);
}

VNNI_INLINE void filter_interleave(const filter_row *self, int fours, const int fold,
                                   uint8_t *out) {
  const int reach = 2 * (fold - 1) + FILTER_FOUR - 1; // to the last pixel
  for (int four = 0; four < fours; four += fold, out += FILTER_FOUR_BYTES) {
    const int pixel = 2 * four - self->padding;
    if (pixel >= 0 && pixel + reach < self->width)
      filter_put_fours(self, pixel, fold, true, out);
    else
      filter_put_fours(self, pixel, fold, false, out);
  }
}

VNNI_TARGET void fm_rows_interleave(const fm_rows_filter *self, const fm_rows_line *line, int fours,
                                    uint8_t *out) {
  filter_row of = {.row = line->row,
                   .edge = line->edge,
                   .channels = (size_t)self->channels,
                   .width = line->width,
                   .padding = self->padding,
                   .flip = _mm512_set1_epi8((char)line->flip)};
  for (int first = 0; first < self->channels; first += FILTER_GROUP) {
    const int room = filter_room(self->channels, self->kernel, first);
    of.first = (size_t)first;
    of.mask = vnni_mask(self->channels - first);
    if (room == FILTER_GROUP)
      filter_interleave(&of, fours, 1, out);
    else if (room == FILTER_GROUP / 2)
      filter_interleave(&of, fours, 2, out);
    else
      filter_interleave(&of, fours, 4, out);
    out += (size_t)fours * FILTER_FOUR_BYTES;
  }
}

// Where the outputs of a step go: `room` channels lie together, of which `channels` are there.
typedef struct filter_target {
  uint8_t *y;
  size_t channels_all;
  int room, channels, width;
} filter_target;

// 64 bytes: of one pixel, or of several `apart` from each other.
VNNI_INLINE void filter_store(const filter_target *self, int pixel, int apart, __m512i bytes) {
  uint8_t *to = self->y + (size_t)pixel * self->channels_all;
  const size_t step = (size_t)apart * self->channels_all;
  const int left = (self->width - pixel + apart - 1) / apart; // pixels that are there
  if (left > 0)
    vnni_store(to, step, left, FILTER_GROUP / self->room, vnni_mask(self->channels), bytes);
}

enum {
  FILTER_OUTPUTS = 4, // of a step: `places` times fours
  FILTER_BLOCK = 16,  // fours in a row: 4 KiB
};

// A group of channels: its weights, where it lies in interleaved rows and its first position.
typedef struct filter_part {
  const int8_t *weight;
  size_t at, first;
  filter_target target;
} filter_part;

// A step: `places` outputs of each of its fours, from four number `four` on.
VNNI_INLINE void filter_step(const fm_rows_filter *self, const filter_part *part,
                             const uint8_t *const *rows, int four, const int kernel,
                             const int places) {
  const int parts = kernel == FILTER_SMALL ? 1 : 2, count = FILTER_OUTPUTS / places;
  const int fold = FILTER_GROUP / part->target.room;
  const size_t at = part->at + (size_t)(four / fold) * FILTER_FOUR_BYTES;
  __m512i sums[FILTER_OUTPUTS][VNNI_VECTORS];
  vnni_clear(sums, FILTER_OUTPUTS, VNNI_VECTORS);
#pragma GCC unroll 5
  for (int row = 0; row < kernel; ++row) {
    const uint8_t *from = rows[row] + at;
#pragma GCC unroll 4
    for (int v = 0; v < VNNI_VECTORS; ++v) {
      const int8_t *w = part->weight + (size_t)((row * VNNI_VECTORS + v) * 2 * parts * VNNI_GROUP);
#pragma GCC unroll 2
      for (int p = 0; p < parts; ++p) {
        const __m512i left = _mm512_loadu_si512(w + (size_t)(p * VNNI_GROUP));
        const __m512i right = _mm512_loadu_si512(w + (size_t)((parts + p) * VNNI_GROUP));
#pragma GCC unroll 4
        for (int f = 0; f < count; ++f) {
          const size_t place = (size_t)((f + p) * FILTER_FOUR_BYTES + v * VNNI_GROUP);
          const __m512i fours = _mm512_loadu_si512(from + place);
          const size_t o = (size_t)(f * places);
          vnni_add(&sums[o][v], fours, left);
          if (places == 2)
            vnni_add(&sums[o + 1][v], fours, right);
        }
      }
    }
  }
  vnni_scale(sums, FILTER_OUTPUTS, VNNI_VECTORS, self->output.scale + part->first,
             self->output.shift + part->first);
#pragma GCC unroll 4
  for (int o = 0; o < FILTER_OUTPUTS; ++o)
    filter_store(&part->target, (four + o / places * fold) * places + o % places, places,
                 vnni_packed(sums[o][0], sums[o][1], sums[o][2], sums[o][3], &self->output));
}

// A row of outputs and some fours at a time, whose rows then stay in the first cache until the next
// row of outputs has read them.
VNNI_INLINE void filter_group(const fm_rows_filter *self, const fm_rows_lines *lines,
                              const filter_part *whole, const int kernel, const int places) {
  filter_part part = *whole;
  const int count = FILTER_OUTPUTS / places, fold = FILTER_GROUP / part.target.room;
  const int outputs = (lines->width + places - 1) / places; // fours that have some
  const int block = FILTER_BLOCK * fold;
  for (int begin = 0; begin < outputs; begin += block)
    for (int line = 0; line < lines->count; ++line) {
      const int end = begin + block < outputs ? begin + block : outputs;
      const size_t row = (size_t)lines->width * part.target.channels_all;
      part.target.y = whole->target.y + (size_t)line * row;
      for (int four = begin; four < end; four += count * fold)
        filter_step(self, &part, lines->rows + (ptrdiff_t)line * self->stride, four, kernel,
                    places);
    }
}

#define FILTER_KERNEL(KERNEL, PLACES)                                                    \
  VNNI_TARGET static void filter_##KERNEL##_##PLACES(                                    \
      const fm_rows_filter *self, const fm_rows_lines *lines, const filter_part *part) { \
    filter_group(self, lines, part, KERNEL, PLACES);                                     \
  }
FILTER_KERNEL(3, 1)
FILTER_KERNEL(3, 2)
FILTER_KERNEL(5, 1)
FILTER_KERNEL(5, 2)

void fm_rows_filter_lines(const fm_rows_filter *self, const fm_rows_lines *lines, uint8_t *y) {
  const int parts = filter_parts(self->kernel);
  const size_t weights = (size_t)(self->kernel * VNNI_VECTORS * 2 * parts * VNNI_GROUP);
  for (int first = 0; first < self->channels; first += FILTER_GROUP) {
    const int left = self->channels - first, group = first / FILTER_GROUP;
    const filter_part part = {.weight = self->weight + (size_t)group * weights,
                              .at = (size_t)group * (size_t)lines->fours * FILTER_FOUR_BYTES,
                              .first = (size_t)first,
                              .target = {.y = y + first,
                                         .channels_all = (size_t)self->channels,
                                         .room = filter_room(self->channels, self->kernel, first),
                                         .channels = left < FILTER_GROUP ? left : FILTER_GROUP,
                                         .width = lines->width}};
    if (self->kernel == FILTER_SMALL && self->stride == 1)
      filter_3_2(self, lines, &part);
    else if (self->kernel == FILTER_SMALL)
      filter_3_1(self, lines, &part);
    else if (self->stride == 1)
      filter_5_2(self, lines, &part);
    else
      filter_5_1(self, lines, &part);
  }
}

#endif
