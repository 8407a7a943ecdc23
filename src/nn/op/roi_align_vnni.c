// RoIAlign in whole numbers with VNNI in vectors of 512 bits: four of a bin's places at a time, by
// weights of 15 bits, whose halves are multiplied apart.
#include <math.h>
#include <string.h>

#include "nn/library.h"
#include "nn/op/roi_align.h"
#include "nn/vnni.h"

#if FM_VNNI_HERE

enum {
  ROI_LOW_BITS = 7,
  ROI_ONE = 127 << ROI_LOW_BITS, // what a weight of 1 becomes: both halves are below 128
  ROI_FOUR = 4,
  ROI_FOURS_MAX = ROI_PLACES_MAX / ROI_FOUR,
  ROI_SIGN = 128,
};

// A bin's places by fours; those that fill the last four weigh nothing.
typedef struct roi_bin {
  int fours, sum; // of the weights
  size_t at[ROI_PLACES_MAX];
  int32_t high[ROI_FOURS_MAX], low[ROI_FOURS_MAX]; // four bytes each
} roi_bin;

static void roi_bin_add(roi_bin *bin, int place, size_t at, float weight) {
  const int whole = (int)lrintf(weight * ROI_ONE), four = place / ROI_FOUR;
  const int shift = 8 * (place % ROI_FOUR);
  if (shift == 0)
    bin->high[four] = bin->low[four] = 0;
  bin->high[four] |= (whole >> ROI_LOW_BITS) << shift;
  bin->low[four] |= (whole & ((1 << ROI_LOW_BITS) - 1)) << shift;
  bin->at[place] = at;
  bin->sum += whole;
}

static void roi_bin_fill(roi_bin *bin, const roi_work *work, roi_axis y, roi_axis x) {
  int count = 0;
  bin->sum = 0;
  for (const roi_share *row = y.begin; row < y.end; row++)
    for (const roi_share *column = x.begin; column < x.end; column++) {
      const size_t pixel = (size_t)row->place * (size_t)work->width + (size_t)column->place;
      roi_bin_add(bin, count++, pixel * work->block, row->weight * column->weight);
    }
  for (; count % ROI_FOUR; ++count)
    roi_bin_add(bin, count, bin->at[0], 0);
  bin->fours = count / ROI_FOUR;
}

// From a level's bytes to those of the result: the sums times scale, plus shift.
typedef struct roi_bytes {
  __m512i level_flip;
  fm_rows_output output;
  float scale, zero; // of the result
  int level_zero;
} roi_bytes;

VNNI_TARGET static void roi_bin_run(const roi_bytes *self, const roi_bin *bin, const uint8_t *plane,
                                    size_t channels, uint8_t *out) {
  const __m512 scale = _mm512_set1_ps(self->scale);
  const __m512 shift =
      _mm512_set1_ps(self->zero - self->scale * (float)(bin->sum * self->level_zero));
  for (size_t c = 0; c < channels; c += VNNI_GROUP) {
    const size_t left = channels - c;
    const __mmask64 mask = vnni_mask(left < VNNI_GROUP ? (int)left : VNNI_GROUP);
    __m512i high[VNNI_VECTORS], low[VNNI_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < VNNI_VECTORS; ++v)
      high[v] = low[v] = _mm512_setzero_si512();
    for (int i = 0; i < bin->fours; ++i) {
      __m512i from[ROI_FOUR], fours[VNNI_VECTORS];
#pragma GCC unroll 4
      for (int k = 0; k < ROI_FOUR; ++k)
        from[k] = _mm512_xor_si512(
            _mm512_maskz_loadu_epi8(mask, plane + bin->at[i * ROI_FOUR + k] + c), self->level_flip);
      vnni_fours(fours, from[0], from[1], from[2], from[3]);
#pragma GCC unroll 4
      for (int v = 0; v < VNNI_VECTORS; ++v) {
        vnni_add(&high[v], fours[v], _mm512_set1_epi32(bin->high[i]));
        vnni_add(&low[v], fours[v], _mm512_set1_epi32(bin->low[i]));
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < VNNI_VECTORS; ++v) {
      const __m512i sum = _mm512_add_epi32(_mm512_slli_epi32(high[v], ROI_LOW_BITS), low[v]);
      high[v] = _mm512_castps_si512(_mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, shift));
    }
    _mm512_mask_storeu_epi8(out + c, mask,
                            vnni_packed(high[0], high[1], high[2], high[3], &self->output));
  }
}

VNNI_TARGET bool fm_roi_align_vnni(const roi_work *work, const fm_tensor *level,
                                   const fm_tensor *row) {
  if (!fm_nn_has_wide_vnni())
    return false;
  const bool level_sign = level->dtype == FM_S8, sign = row->dtype == FM_S8;
  const size_t channels = (size_t)row->shape.c;
  const roi_bytes bytes = {
      .level_flip = _mm512_set1_epi8((char)(level_sign ? ROI_SIGN : 0)),
      .output = {.high = UINT8_MAX, .flip = sign ? ROI_SIGN : 0},
      .scale = level->scale / row->scale / ROI_ONE,
      .zero = sign ? ROI_SIGN : 0,
      .level_zero = level_sign ? ROI_SIGN : 0,
  };
  uint8_t *out = row->data;
  roi_bin bin;
  roi_axis y = {NULL, work->y.begin};
  for (int i = 0; i < work->output_size; i++) {
    y = fm_roi_next_bin(y, &work->y, i);
    roi_axis x = {NULL, work->x.begin};
    for (int j = 0; j < work->output_size; j++) {
      x = fm_roi_next_bin(x, &work->x, j);
      roi_bin_fill(&bin, work, y, x);
      roi_bin_run(&bytes, &bin, level->data, channels, out);
      out += channels;
    }
  }
  return true;
}

#else

bool fm_roi_align_vnni(const roi_work *work, const fm_tensor *level, const fm_tensor *row) {
  (void)work;
  (void)level;
  (void)row;
  return false;
}

#endif
