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

// Blocks of 16 from plain memory and back, the padding of the last block zeroed.
static void test_copy(fm_shape shape) {
  fm_tensor plain = {.dtype = FM_F32, .shape = shape, .block = 1}, back = plain, blocks = plain;
  blocks.block = 16;
  const size_t total = fm_tensor_elements(&plain), padded = fm_tensor_elements(&blocks);
  plain.data = test_memory(total);
  blocks.data = test_memory(padded);
  back.data = test_memory(total);
  memset(blocks.data, 0xff, padded * sizeof(float));
  for (size_t i = 0; i < total; ++i)
    ((float *)plain.data)[i] = test_number(i);
  fm_tensor_copy(&blocks, &plain);
  fm_tensor_add(&blocks, &blocks);
  fm_tensor_copy(&back, &blocks);
  for (size_t i = 0; i < total; ++i)
    if (((float *)back.data)[i] != 2 * test_number(i))
      fail_msg("element %zu of %zu is %g", i, total, (double)((float *)back.data)[i]);
  const size_t area = (size_t)shape.h * (size_t)shape.w, used = (size_t)shape.c % 16;
  const float *last = (float *)blocks.data + padded - area * 16;
  for (size_t i = 0; i < area * 16; ++i)
    if (used > 0 && i % 16 >= used)
      assert_true(last[i] == 0);
  free(plain.data);
  free(blocks.data);
  free(back.data);
}

static void test_copies_and_sums_keep_every_number(void **unused) {
  (void)unused;
  test_copy((fm_shape){2, 19, 7, 5});
  test_copy((fm_shape){1, 19, 701, 703}); // 36 MiB, 60 in blocks
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_what_is_written_in_pieces_is_there),
      cmocka_unit_test(test_copies_and_sums_keep_every_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
