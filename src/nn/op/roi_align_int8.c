// RoIAlign in whole numbers: a bin is one sum over all corners of its samples, whose weights hold
// the mean and both scales, rounded at its end.
#include "nn/op/roi_align.h"

#include <string.h>

#include "base/clones.h"
#include "nn/words.h"

enum {
  INT8_RATIO_MAX = 4,
  INT8_TAPS = 4 * INT8_RATIO_MAX * INT8_RATIO_MAX,
  INT8_WIDE = FM_WORDS * FM_WORD_BYTES,
  INT8_NARROW = INT8_WIDE / 2
};

typedef struct int8_taps {
  int count;
  size_t at[INT8_TAPS]; // of the pixel's first channel
  float weight[INT8_TAPS];
  uint32_t turn, out_turn; // of the words read and written
  float initial;           // where sums begin: what the offsets make up
} int8_taps;

bool fm_roi_align_int8_knows(const roi_options *options, const fm_tensor *level,
                             const fm_tensor *row) {
  return fm_dtype_is_int8(level->dtype) && fm_dtype_is_int8(row->dtype) &&
         level->block == level->shape.c && row->block == row->shape.c &&
         options->sampling_ratio <= INT8_RATIO_MAX;
}

static void int8_add_tap(int8_taps *taps, size_t at, float weight) {
  if (weight == 0)
    return;
  taps->at[taps->count] = at;
  taps->weight[taps->count++] = weight;
}

static void int8_taps_of(int8_taps *taps, const roi_options *options, const roi_table *table,
                         const fm_tensor *level, int bin, float scale) {
  const int ratio = options->sampling_ratio, size = options->output_size;
  const size_t pixel = (size_t)level->shape.c, line = (size_t)level->shape.w * pixel;
  taps->count = 0;
  for (int sy = bin / size * ratio; sy < bin / size * ratio + ratio; sy++)
    for (int sx = bin % size * ratio; sx < bin % size * ratio + ratio; sx++) {
      const roi_sample *y = &table->y[sy], *x = &table->x[sx];
      const size_t low = (size_t)y->low * line, high = (size_t)y->high * line;
      const float low_weight = y->low_weight * scale, high_weight = y->high_weight * scale;
      int8_add_tap(taps, low + (size_t)x->low * pixel, low_weight * x->low_weight);
      int8_add_tap(taps, low + (size_t)x->high * pixel, low_weight * x->high_weight);
      int8_add_tap(taps, high + (size_t)x->low * pixel, high_weight * x->low_weight);
      int8_add_tap(taps, high + (size_t)x->high * pixel, high_weight * x->high_weight);
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

void fm_roi_align_int8(const roi_options *options, const roi_table *table, const fm_tensor *level,
                       const fm_tensor *row) {
  const fm_word_form from = fm_word_form_of(level), to = fm_word_form_of(row);
  const int samples = options->sampling_ratio * options->sampling_ratio;
  const size_t channels = (size_t)row->shape.c;
  uint8_t *out = row->data;
  for (int bin = 0; bin < options->output_size * options->output_size; bin++) {
    int8_taps taps;
    int8_taps_of(&taps, options, table, level, bin, from.scale / to.scale / (float)samples);
    taps.turn = from.turn;
    taps.out_turn = to.turn;
    taps.initial = -to.offset;
    for (int i = 0; i < taps.count; i++)
      taps.initial += taps.weight[i] * from.offset;
    int8_bin(out, level->data, &taps, channels);
    out += channels;
  }
}
