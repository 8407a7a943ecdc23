// RoIAlign in whole numbers with VNNI in vectors of 512 bits: four of a bin's places at a time, by
// weights of 15 bits, whose halves are multiplied apart.
#include <math.h>
#include <string.h>

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
  const roi_work *work;
  const uint8_t *plane;
  size_t channels;
  fm_rows_output output; // which turns what has a sign, so that its zero is `flip`
  float scale;
  uint8_t level_zero; // the byte that stands for 0, and turns the level's
} roi_bytes;

VNNI_TARGET static void roi_bin_run(const roi_bytes *self, const roi_bin *bin, uint8_t *out) {
  const size_t channels = self->channels;
  const __m512i level_flip = _mm512_set1_epi8((char)self->level_zero);
  const __m512 scale = _mm512_set1_ps(self->scale);
  const __m512 shift =
      _mm512_set1_ps((float)self->output.flip - self->scale * (float)(bin->sum * self->level_zero));
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
            _mm512_maskz_loadu_epi8(mask, self->plane + bin->at[i * ROI_FOUR + k] + c), level_flip);
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

static void roi_pool_bin(const void *user, roi_axis y, roi_axis x, uint8_t *out) {
  const roi_bytes *self = user;
  roi_bin bin;
  roi_bin_fill(&bin, self->work, y, x);
  roi_bin_run(self, &bin, out);
}

void fm_roi_align_vnni(const roi_work *work, const fm_tensor *level, const fm_tensor *row) {
  const uint8_t level_zero = level->dtype == FM_S8 ? ROI_SIGN : 0;
  const uint8_t zero = row->dtype == FM_S8 ? ROI_SIGN : 0;
  const roi_bytes bytes = {
      .work = work,
      .plane = level->data,
      .output = {.high = UINT8_MAX, .flip = zero},
      .scale = level->scale / row->scale / ROI_ONE,
      .channels = (size_t)row->shape.c,
      .level_zero = level_zero,
  };
  fm_roi_each_bin(work, row, roi_pool_bin, &bytes);
}

#else

void fm_roi_align_vnni(const roi_work *work, const fm_tensor *level, const fm_tensor *row) {
  (void)work;
  (void)level;
  (void)row;
}

#endif
