// Radix selection, then a radix sort of what was selected: no comparisons, so no order of NaN can
// break it.
#include "detect/order.h"

#include <string.h>

#include "base/clones.h"

enum { ORDER_BITS = 11, ORDER_BINS = 1 << ORDER_BITS, ORDER_PASSES = 3 };

typedef struct order_item {
  uint32_t key, index;
} order_item;

size_t fm_order_bytes(size_t n, size_t k) {
  return 2 * k * sizeof(order_item) + n * sizeof(uint32_t);
}

// Keys whose unsigned order is the rising order of the values; -0 equals +0.
FM_KERNEL static void order_keys(const float *restrict values, size_t n, uint32_t *restrict keys) {
  for (size_t i = 0; i < n; i++) {
    union {
      float f;
      uint32_t u;
    } bits = {.f = values[i] + 0.0f};
    uint32_t key = bits.u & 0x80000000u ? ~bits.u : bits.u | 0x80000000u;
    keys[i] = (bits.u & 0x7fffffffu) > 0x7f800000u ? 0xffffffffu : key;
  }
}

// The k-th greatest key. *equal is how many keys of just this value belong to the k greatest.
static uint32_t order_select(const uint32_t *keys, size_t n, size_t k, size_t *equal) {
  static const int shifts[ORDER_PASSES] = {21, 10, 0};
  static const uint32_t widths[ORDER_PASSES] = {2048, 2048, 1024};
  uint32_t prefix = 0, mask = 0;
  for (int pass = 0; pass < ORDER_PASSES; pass++) {
    uint32_t histogram[ORDER_BINS] = {0};
    int shift = shifts[pass];
    uint32_t digits = widths[pass] - 1;
    for (size_t i = 0; i < n; i++) {
      if ((keys[i] & mask) == prefix)
        histogram[(keys[i] >> shift) & digits]++;
    }
    uint32_t bin = digits;
    while (histogram[bin] < k)
      k -= histogram[bin--];
    prefix |= bin << shift;
    mask |= digits << shift;
  }
  *equal = k;
  return prefix;
}

// Sorts by falling key, stable: least significant digits first over the inverted key. The result
// ends in `items`.
static void order_sort(order_item *items, order_item *other, size_t n) {
  order_item *from = items, *to = other;
  for (int pass = 0; pass < ORDER_PASSES; pass++) {
    uint32_t starts[ORDER_BINS] = {0};
    int shift = pass * ORDER_BITS;
    for (size_t i = 0; i < n; i++)
      starts[(~from[i].key >> shift) & (ORDER_BINS - 1)]++;
    uint32_t sum = 0;
    for (int bin = 0; bin < ORDER_BINS; bin++) {
      uint32_t count = starts[bin];
      starts[bin] = sum;
      sum += count;
    }
    for (size_t i = 0; i < n; i++)
      to[starts[(~from[i].key >> shift) & (ORDER_BINS - 1)]++] = from[i];
    order_item *swap = from;
    from = to;
    to = swap;
  }
  memcpy(items, from, n * sizeof *items); // an odd number of passes ends in `other`
}

void fm_order_top(const float *values, size_t n, size_t k, uint32_t *out, void *scratch) {
  if (k == 0)
    return;
  order_item *items = scratch, *other = items + k;
  uint32_t *keys = (uint32_t *)(other + k);
  order_keys(values, n, keys);
  size_t count = 0, equal = n;
  uint32_t least = k < n ? order_select(keys, n, k, &equal) : 0;
  for (size_t i = 0; i < n; i++) {
    if (keys[i] < least || (keys[i] == least && equal == 0))
      continue;
    equal -= keys[i] == least;
    items[count++] = (order_item){keys[i], (uint32_t)i};
  }
  order_sort(items, other, k);
  for (size_t i = 0; i < k; i++)
    out[i] = items[i].index;
}
