// What our loops over bytes with VNNI in vectors of 512 bits share: products, fours of neighbours,
// and from sums in 32 bits back to bytes. Only where fm_nn_has_wide_vnni.
#ifndef FM_NN_VNNI_H
#define FM_NN_VNNI_H

#if defined(__x86_64__) && defined(__GNUC__)
#define FM_VNNI_HERE 1
#include <immintrin.h>

#include "nn/rows.h"

#define VNNI_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define VNNI_INLINE static inline __attribute__((always_inline)) VNNI_TARGET

enum { VNNI_LANES = 16, VNNI_GROUP = 64, VNNI_VECTORS = 4 };

// sums += products of bytes without a sign and with one. As an instruction: GCC 12 copies the sums
// of the intrinsic's loops from register to register, and runs out of them.
VNNI_INLINE void vnni_add(__m512i *sums, __m512i bytes, __m512i weights) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(*sums) : "v"(bytes), "v"(weights));
}

VNNI_INLINE void vnni_clear(__m512i (*sums)[VNNI_VECTORS], const int count, const int vectors) {
#pragma GCC unroll 12
  for (int i = 0; i < count; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      sums[i][v] = _mm512_setzero_si512();
}

// Sums become floats where they are: `count` sets of `vectors` sums, whose vectors share their
// numbers.
VNNI_INLINE void vnni_scale(__m512i (*sums)[VNNI_VECTORS], const int count, const int vectors,
                            const float *scale, const float *shift) {
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) {
    const __m512 scales = _mm512_loadu_ps(scale + (size_t)(v * VNNI_LANES));
    const __m512 shifts = _mm512_loadu_ps(shift + (size_t)(v * VNNI_LANES));
#pragma GCC unroll 12
    for (int i = 0; i < count; ++i)
      sums[i][v] =
          _mm512_castps_si512(_mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[i][v]), scales, shifts));
  }
}

VNNI_INLINE __m512i vnni_rounded(__m512i value) {
  return _mm512_cvtps_epi32(_mm512_castsi512_ps(value));
}

VNNI_INLINE __m512i vnni_bounded(__m512i bytes, const fm_rows_output *output) {
  bytes = _mm512_max_epu8(bytes, _mm512_set1_epi8((char)output->low));
  bytes = _mm512_min_epu8(bytes, _mm512_set1_epi8((char)output->high));
  return _mm512_xor_si512(bytes, _mm512_set1_epi8((char)output->flip));
}

// Four vectors of floats as 64 bytes: in each quarter, vector j holds what becomes bytes 4 j to 4 j
// + 3.
VNNI_INLINE __m512i vnni_packed(__m512i a, __m512i b, __m512i c, __m512i d,
                                const fm_rows_output *output) {
  const __m512i first = _mm512_packs_epi32(vnni_rounded(a), vnni_rounded(b));
  const __m512i second = _mm512_packs_epi32(vnni_rounded(c), vnni_rounded(d));
  return vnni_bounded(_mm512_packus_epi16(first, second), output);
}

// The bytes of a, b, c and d by fours, as vnni_packed puts them back.
VNNI_INLINE void vnni_fours(__m512i *fours, __m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
  const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
  fours[0] = _mm512_unpacklo_epi16(ab_low, cd_low);
  fours[1] = _mm512_unpackhi_epi16(ab_low, cd_low);
  fours[2] = _mm512_unpacklo_epi16(ab_high, cd_high);
  fours[3] = _mm512_unpackhi_epi16(ab_high, cd_high);
}

// In each quarter, bytes 4 v to 4 v + 3 become words: what vector v of vnni_packed is made of.
VNNI_INLINE __m512i vnni_words(__m512i bytes, const int v) {
  const __m128i order = _mm_add_epi8(
      _mm_set_epi32((int)0x80808003, (int)0x80808002, (int)0x80808001, (int)0x80808000),
      _mm_set1_epi32(4 * v));
  return _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(order));
}

VNNI_INLINE __mmask64 vnni_mask(int bytes) {
  return bytes >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << bytes) - 1;
}

// 64 bytes: of one pixel, or of `together` (2 or 4) that lie `step` bytes apart; of those no more
// than `pixels`, of each what the mask has.
VNNI_INLINE void vnni_store(uint8_t *to, size_t step, int pixels, int together, __mmask64 mask,
                            __m512i bytes) {
  if (together == 1) {
    _mm512_mask_storeu_epi8(to, mask, bytes);
  } else if (together == 2) {
    _mm256_mask_storeu_epi8(to, (__mmask32)mask, _mm512_castsi512_si256(bytes));
    if (pixels > 1)
      _mm256_mask_storeu_epi8(to + step, (__mmask32)mask, _mm512_extracti64x4_epi64(bytes, 1));
  } else {
    const __mmask16 quarter = (__mmask16)mask;
    _mm_mask_storeu_epi8(to, quarter, _mm512_castsi512_si128(bytes));
    if (pixels > 1)
      _mm_mask_storeu_epi8(to + step, quarter, _mm512_extracti32x4_epi32(bytes, 1));
    if (pixels > 2)
      _mm_mask_storeu_epi8(to + 2 * step, quarter, _mm512_extracti32x4_epi32(bytes, 2));
    if (pixels > 3)
      _mm_mask_storeu_epi8(to + 3 * step, quarter, _mm512_extracti32x4_epi32(bytes, 3));
  }
}

#else
#define FM_VNNI_HERE 0
#endif

#endif
