// What the tests of src/detect share: cmocka's headers in their order, and random boxes.
#ifndef FM_TESTS_DETECT_SUPPORT_H
#define FM_TESTS_DETECT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/box.h"
#include "base/random.h"
#include "base/status.h"

static inline void assert_near(double value, double expected, double tolerance) {
  if (!(fabs(value - expected) <= tolerance))
    fail_msg("%.9g is not %.9g within %g", value, expected, tolerance);
}

// A side is at least one step. Multiples of a coarse step overlap each other equally often.
static inline fm_box random_box(fm_random *random, int width, int height, float step) {
  const uint64_t columns = (uint64_t)((float)width / step), rows = (uint64_t)((float)height / step);
  const uint64_t x = fm_random_below(random, columns), y = fm_random_below(random, rows);
  const uint64_t w = 1 + fm_random_below(random, columns - x);
  const uint64_t h = 1 + fm_random_below(random, rows - y);
  return (fm_box){(float)x * step, (float)y * step, (float)(x + w) * step, (float)(y + h) * step};
}

static inline void *test_alloc(size_t count, size_t size) {
  void *memory = calloc(count > 0 ? count : 1, size);
  assert_non_null(memory);
  return memory;
}

#endif
