// RoIAlign in whole numbers: a bin is one sum over all corners of its samples, whose weights hold
// the mean and both scales, rounded at its end.
#include "nn/op/roi_align.h"

#include <string.h>

#include "base/clones.h"
#include "nn/library.h"
#include "nn/words.h"

enum { INT8_WIDE = FM_WORDS * FM_WORD_BYTES, INT8_NARROW = INT8_WIDE / 2 };

typedef struct int8_taps {
  int count;
  size_t at[ROI_PLACES_MAX]; // of the pixel's first channel
  float weight[ROI_PLACES_MAX];
  uint32_t turn, out_turn; // of the words read and written
  float initial;           // where sums begin: what the offsets make up
} int8_taps;

bool fm_roi_align_int8_knows(const roi_options *options, const fm_tensor *level,
                             const fm_tensor *row) {
  return fm_dtype_is_int8(level->dtype) && fm_dtype_is_int8(row->dtype) &&
         level->block == level->shape.c && row->block == row->shape.c &&
         options->sampling_ratio <= ROI_RATIO_MAX;
}

// The shares of one bin, which begin where those of the bin before end.
static roi_axis int8_next_bin(roi_axis before, const roi_axis *axis, int bin) {
  roi_axis shares = {before.end, before.end};
  while (shares.end < axis->end && shares.end->bin == bin)
    shares.end++;
  return shares;
}

static void int8_taps_of(int8_taps *taps, const roi_work *work, roi_axis y, roi_axis x,
                         float scale) {
  taps->count = 0;
  for (const roi_share *row = y.begin; row < y.end; row++)
    for (const roi_share *column = x.begin; column < x.end; column++) {
      const size_t pixel = (size_t)row->place * (size_t)work->width + (size_t)column->place;
      taps->at[taps->count] = pixel * work->block;
      taps->weight[taps->count++] = scale * row->weight * column->weight;
    }
}

// `words` words of channels, a constant.
static inline __attribute__((always_inline)) void int8_tile(uint8_t *out, const uint8_t *plane,
                                                            const int8_taps *taps, size_t words) {
  float sum[FM_WORD_BYTES][FM_WORDS];
  uint32_t bytes[FM_WORDS];
  for (int byte = 0; byte < FM_WORD_BYTES; byte++)
    for (size_t k = 0; k < words; k++)
      sum[byte][k] = taps->initial;
  for (int i = 0; i < taps->count; i++) {
    memcpy(bytes, plane + taps->at[i], words * sizeof *bytes);
    for (int byte = 0; byte < FM_WORD_BYTES; byte++)
      for (size_t k = 0; k < words; k++)
        sum[byte][k] += taps->weight[i] * fm_word_byte(bytes[k] ^ taps->turn, byte);
  }
  for (size_t k = 0; k < words; k++)
    bytes[k] = 0;
  for (int byte = 0; byte < FM_WORD_BYTES; byte++)
    fm_words_put(bytes, sum[byte], words, byte);
  for (size_t k = 0; k < words; k++)
    bytes[k] ^= taps->out_turn;
  memcpy(out, bytes, words * sizeof *bytes);
}

FM_KERNEL static void int8_bin(uint8_t *out, const uint8_t *plane, const int8_taps *taps,
                               size_t channels) {
  size_t c = 0;
  for (; c + INT8_WIDE <= channels; c += INT8_WIDE)
    int8_tile(out + c, plane + c, taps, FM_WORDS);
  for (; c + INT8_NARROW <= channels; c += INT8_NARROW)
    int8_tile(out + c, plane + c, taps, FM_WORDS / 2);
  for (; c < channels; c++) {
    float sum = taps->initial;
    for (int i = 0; i < taps->count; i++)
      sum += taps->weight[i] * (float)(int8_t)(plane[taps->at[i] + c] ^ (taps->turn & 255));
    out[c] = (uint8_t)((uint8_t)fm_byte_round(sum) ^ (taps->out_turn & 255));
  }
}

void fm_roi_each_bin(const roi_work *work, const fm_tensor *row, roi_bin_pool pool,
                     const void *user) {
  uint8_t *out = row->data;
  roi_axis y = {NULL, work->y.begin};
  for (int i = 0; i < work->output_size; i++) {
    y = int8_next_bin(y, &work->y, i);
    roi_axis x = {NULL, work->x.begin};
    for (int j = 0; j < work->output_size; j++) {
      x = int8_next_bin(x, &work->x, j);
      pool(user, y, x, out);
      out += row->shape.c;
    }
  }
}

typedef struct int8_pooling {
  const roi_work *work;
  const uint8_t *plane;
  fm_word_form from, to;
  size_t channels;
} int8_pooling;

static void int8_pool(const void *user, roi_axis y, roi_axis x, uint8_t *out) {
  const int8_pooling *self = user;
  int8_taps taps;
  int8_taps_of(&taps, self->work, y, x, self->from.scale / self->to.scale);
  taps.turn = self->from.turn;
  taps.out_turn = self->to.turn;
  taps.initial = -self->to.offset;
  for (int k = 0; k < taps.count; k++)
    taps.initial += taps.weight[k] * self->from.offset;
  int8_bin(out, self->plane, &taps, self->channels);
}

void fm_roi_align_int8(const roi_work *work, const fm_tensor *level, const fm_tensor *row) {
  if (fm_nn_has_wide_vnni()) {
    fm_roi_align_vnni(work, level, row);
    return;
  }
  const int8_pooling pooling = {work, level->data, fm_word_form_of(level), fm_word_form_of(row),
                                (size_t)row->shape.c};
  fm_roi_each_bin(work, row, int8_pool, &pooling);
}
