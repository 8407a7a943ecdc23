// Least significant digit first, eleven bits at a time; digits that all keys share cost one look.
#include "eval/coco_order.h"

#include <string.h>

enum { ORDER_BITS = 11, ORDER_DIGITS = 1 << ORDER_BITS };

// One pass from `from` to `to`; 0 when every key has the same digit and nothing was moved.
static int order_pass(const uint32_t *from, uint32_t *to, const uint64_t *keys, size_t count,
                      int shift) {
  size_t starts[ORDER_DIGITS] = {0};
  for (size_t i = 0; i < count; ++i)
    ++starts[keys[from[i]] >> shift & (ORDER_DIGITS - 1)];
  if (starts[keys[from[0]] >> shift & (ORDER_DIGITS - 1)] == count)
    return 0;
  size_t sum = 0;
  for (size_t d = 0; d < ORDER_DIGITS; ++d) {
    const size_t digits = starts[d];
    starts[d] = sum;
    sum += digits;
  }
  for (size_t i = 0; i < count; ++i)
    to[starts[keys[from[i]] >> shift & (ORDER_DIGITS - 1)]++] = from[i];
  return 1;
}

void fm_coco_order_by(uint32_t *order, uint32_t *spare, const uint64_t *keys, size_t count) {
  if (count < 2)
    return;
  uint32_t *from = order, *to = spare;
  for (int shift = 0; shift < 64; shift += ORDER_BITS) {
    if (order_pass(from, to, keys, count, shift)) {
      uint32_t *swap = from;
      from = to;
      to = swap;
    }
  }
  if (from != order)
    memcpy(order, from, count * sizeof *order);
}

uint64_t fm_coco_score_key(double score) {
  const double positive_zero = score + 0.0;
  uint64_t bits;
  memcpy(&bits, &positive_zero, sizeof bits);
  // Rising order of doubles as integers: flip all bits of negatives, the sign of the others.
  bits = bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
  return ~bits;
}

uint64_t fm_coco_id_key(int64_t id) {
  return (uint64_t)id ^ UINT64_C(1) << 63;
}
