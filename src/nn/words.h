// Numbers of 8 bits in words of 32, four a word: so everything is 32 bits wide, of which compilers
// make good vectors. Byte b of word k stays there from read to write, whichever order the machine
// has. Numbers without a sign are moved into those with one by turning their first bits. For
// functions marked FM_KERNEL.
#ifndef FM_NN_WORDS_H
#define FM_NN_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "nn/tensor.h"

enum { FM_WORD_BYTES = 4, FM_WORDS = 16 }; // FM_WORDS: a good number to handle at a time

// A byte with a sign, after turning, stands for scale * (byte + offset).
typedef struct fm_word_form {
  uint32_t turn;
  float scale, offset;
} fm_word_form;

static inline fm_word_form fm_word_form_of(const fm_tensor *t) {
  return t->dtype == FM_U8 ? (fm_word_form){0x80808080u, t->scale, 128}
                           : (fm_word_form){0, t->scale, 0};
}

// Of a turned word.
static inline __attribute__((always_inline)) float fm_word_byte(uint32_t word, int byte) {
  return (float)((int32_t)(word << (24 - 8 * byte)) >> 24);
}

// The nearest whole number that fits a byte, halves going up; what is no number becomes the least
// or the largest. Whole numbers are compared, as compilers make branches of comparing floats; an
// offset makes numbers positive, so that cutting off rounds down.
static inline __attribute__((always_inline)) int fm_byte_round(float value) {
  union {
    float f;
    uint32_t u;
  } v = {.f = value};
  const uint32_t most = 0x44800000u; // 1024
  const uint32_t size = v.u & 0x7fffffffu;
  v.u = (v.u & 0x80000000u) | (size < most ? size : most);
  int rounded = (int)(v.f + 1024.5f) - 1024;
  rounded = rounded > -128 ? rounded : -128;
  return rounded < 127 ? rounded : 127;
}

// Values, already without scale and offset, into byte `byte` of words that have 0 there, not yet
// turned back.
static inline __attribute__((always_inline)) void
fm_words_put(uint32_t *restrict words, const float *restrict values, size_t count, int byte) {
  for (size_t k = 0; k < count; k++)
    words[k] |= ((uint32_t)fm_byte_round(values[k]) & 255) << (8 * byte);
}

#endif
