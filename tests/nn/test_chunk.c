// Runs of tensors as fp32: tensors small enough for the caches and larger ones, which are written
// past them, hold the same numbers whatever pieces they are written in.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nn/chunk.h"

static float *test_memory(size_t elements) {
  float *memory = aligned_alloc(64, (elements * sizeof(float) / 64 + 2) * 64);
  assert_non_null(memory);
  return memory;
}

static float test_number(size_t at) {
  return (float)(at * 7919 % 65521);
}

// Pieces of lengths that are no whole vectors, `shift` floats behind a cache line.
static void test_pieces(fm_shape shape, size_t shift) {
  fm_tensor t = {.dtype = FM_F32, .shape = shape, .block = 1};
  const size_t total = fm_tensor_elements(&t);
  float *memory = test_memory(total + shift), *buffer = test_memory(FM_CHUNK);
  t.data = memory + shift;
  memset(memory, 0xff, (total + shift) * sizeof *memory);
  for (size_t start = 0, count; start < total; start += count) {
    count = 1 + start % FM_CHUNK;
    count = total - start < count ? total - start : count;
    float *target = fm_chunk_target(&t, &t, start, buffer);
    for (size_t i = 0; i < count; ++i)
      target[i] = test_number(start + i);
    fm_chunk_write(&t, &t, start, count, target);
  }
  for (size_t i = 0; i < total; ++i)
    if (memory[shift + i] != test_number(i))
      fail_msg("element %zu of %zu is %g", i, total, (double)memory[shift + i]);
  free(memory);
  free(buffer);
}

static void test_what_is_written_in_pieces_is_there(void **unused) {
  (void)unused;
  for (size_t shift = 0; shift < 4; ++shift) {
    test_pieces((fm_shape){1, 3, 37, 41}, shift);
    test_pieces((fm_shape){1, 9, 1023, 1021}, shift); // 36 MiB
  }
}

// Numbers that bf16 holds exactly, and twice them.
static float test_short_number(size_t at) {
  return (float)(at * 7919 % 251);
}

static fm_tensor test_tensor(fm_dtype dtype, fm_shape shape, int block) {
  fm_tensor t = {.dtype = dtype, .shape = shape, .block = block};
  t.data = test_memory(fm_tensor_elements(&t));
  memset(t.data, 0xff, fm_tensor_bytes(&t));
  return t;
}

static float test_element(const fm_tensor *t, size_t at) {
  return t->dtype == FM_BF16 ? fm_bf16_to_f32(((const uint16_t *)t->data)[at])
                             : ((const float *)t->data)[at];
}

static void test_fill(const fm_tensor *t) {
  for (size_t i = 0; i < fm_tensor_elements(t); ++i)
    if (t->dtype == FM_BF16)
      ((uint16_t *)t->data)[i] = fm_f32_to_bf16(test_short_number(i));
    else
      ((float *)t->data)[i] = test_short_number(i);
}

static void test_padding(const fm_tensor *blocks) {
  const size_t area = (size_t)blocks->shape.h * (size_t)blocks->shape.w;
  const size_t block = (size_t)blocks->block, used = (size_t)blocks->shape.c % block;
  const size_t last = fm_tensor_elements(blocks) - area * block;
  for (size_t i = 0; i < area * block; ++i)
    if (used > 0 && i % block >= used)
      assert_true(test_element(blocks, last + i) == 0);
}

// Blocks of 16 from plain or interleaved memory (`block`) and back, the padding of the last block
// zeroed.
static void test_copy_from(fm_shape shape, int block, fm_dtype dtype, fm_dtype block_dtype) {
  fm_tensor plain = test_tensor(dtype, shape, block), back = test_tensor(dtype, shape, block);
  fm_tensor blocks = test_tensor(block_dtype, shape, 16);
  const size_t total = fm_tensor_elements(&plain), area = (size_t)shape.h * (size_t)shape.w;
  const size_t channels = (size_t)block; // beside each other
  test_fill(&plain);
  fm_tensor_copy(&blocks, &plain);
  for (size_t c = 0; c < 16 && shape.c >= 16; ++c) // of the first block
    for (size_t pixel = 0; pixel < area; ++pixel) {
      const size_t at = channels > 1 ? pixel * channels + c : c * area + pixel;
      assert_true(test_element(&blocks, pixel * 16 + c) == test_element(&plain, at));
    }
  fm_tensor_add(&blocks, &blocks);
  fm_tensor_copy(&back, &blocks);
  for (size_t i = 0; i < total; ++i)
    if (test_element(&back, i) != 2 * test_short_number(i))
      fail_msg("element %zu of %zu is %g", i, total, (double)test_element(&back, i));
  test_padding(&blocks);
  free(plain.data);
  free(blocks.data);
  free(back.data);
}

static void test_copy(fm_shape shape, fm_dtype plain_dtype, fm_dtype block_dtype) {
  test_copy_from(shape, 1, plain_dtype, block_dtype);
  if (shape.c > 1)
    test_copy_from(shape, shape.c, plain_dtype, block_dtype);
}

static void test_copies_and_sums_keep_every_number(void **unused) {
  (void)unused;
  static const fm_dtype dtypes[] = {FM_F32, FM_BF16};
  for (size_t i = 0; i < 4; ++i) {
    test_copy((fm_shape){2, 19, 7, 5}, dtypes[i / 2], dtypes[i % 2]);
    test_copy((fm_shape){3, 32, 7, 7}, dtypes[i / 2], dtypes[i % 2]);
    test_copy((fm_shape){2, 48, 33, 21}, dtypes[i / 2], dtypes[i % 2]);
    test_copy((fm_shape){2, 2, 1, 3}, dtypes[i / 2], dtypes[i % 2]);
    test_copy((fm_shape){1, 21, 9, 131}, dtypes[i / 2], dtypes[i % 2]); // longer than a tile
  }
  test_copy((fm_shape){1, 19, 701, 703}, FM_F32, FM_F32); // 36 MiB, 60 in blocks
}

// As the number's own conversion, in pieces of every length, behind which nothing is written.
static void test_packing_rounds_as_one_number_does(void **unused) {
  (void)unused;
  enum { MOST = 67 };
  uint32_t bits = 1;
  for (size_t count = 0; count <= MOST; ++count)
    for (int round = 0; round < 200; ++round) {
      union {
        float f[MOST];
        uint32_t u[MOST];
      } from;
      uint16_t to[MOST + 1];
      memset(to, 0xa5, sizeof to);
      for (size_t i = 0; i < MOST; ++i) {
        bits = bits * 1664525u + 1013904223u;
        from.u[i] = i % 5 == 0 ? bits & 0xffff8000u : bits; // ties, too
        if ((from.u[i] >> 23 & 0xff) == 0) // numbers that are taken for 0 on some processors
          from.u[i] &= 0x80000000u;
      }
      fm_bf16_pack(to, from.f, count);
      for (size_t i = 0; i < count; ++i)
        if (to[i] != fm_f32_to_bf16(from.f[i]))
          fail_msg("%08x becomes %04x, not %04x", from.u[i], to[i], fm_f32_to_bf16(from.f[i]));
      assert_int_equal(to[count], 0xa5a5);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_is_written_in_pieces_is_there),
      cmocka_unit_test(test_copies_and_sums_keep_every_number),
      cmocka_unit_test(test_packing_rounds_as_one_number_does),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
