// What the tests of ops share: cmocka's headers in their order, memory as tensors want it, and the
// message of a failure.
#ifndef FM_TESTS_NN_SUPPORT_H
#define FM_TESTS_NN_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "nn/tensor.h"

static inline void *test_memory(size_t bytes) { // zeroed
  void *memory = aligned_alloc(64, bytes / 64 * 64 + 64);
  assert_non_null(memory);
  memset(memory, 0, bytes / 64 * 64 + 64);
  return memory;
}

static inline size_t test_count(fm_shape s) {
  return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

static inline void test_check(fm_status status) {
  if (status < 0)
    fail_msg("%s", fm_error_message());
}

#endif
