// NumPy's legacy RandomState (numpy/random/src/mt19937, numpy/random/mtrand.pyx).
#include "data/mt19937.h"

#include "base/status.h"

enum { MT19937_MIDDLE = 397 };

void fm_mt19937_seed(fm_mt19937 *generator, uint32_t seed) {
  for (uint32_t i = 0; i < FM_MT19937_WORDS; i++) {
    generator->words[i] = seed;
    seed = 1812433253u * (seed ^ (seed >> 30)) + i + 1;
  }
  generator->position = FM_MT19937_WORDS;
}

static void mt19937_refill(uint32_t *words) {
  for (int i = 0; i < FM_MT19937_WORDS; i++) {
    uint32_t y = (words[i] & 0x80000000u) | (words[(i + 1) % FM_MT19937_WORDS] & 0x7fffffffu);
    words[i] =
        words[(i + MT19937_MIDDLE) % FM_MT19937_WORDS] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
  }
}

uint32_t fm_mt19937_bits(fm_mt19937 *generator) {
  if (generator->position == FM_MT19937_WORDS) {
    mt19937_refill(generator->words);
    generator->position = 0;
  }
  uint32_t y = generator->words[generator->position++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

uint32_t fm_mt19937_below(fm_mt19937 *generator, uint32_t n) {
  FM_ASSERT(n > 0);
  uint32_t largest = n - 1, mask = largest, value;
  if (largest == 0)
    return 0;
  for (int shift = 1; shift < 32; shift *= 2)
    mask |= mask >> shift;
  do
    value = fm_mt19937_bits(generator) & mask;
  while (value > largest);
  return value;
}

void fm_mt19937_shuffle(fm_mt19937 *generator, uint32_t *items, size_t count) {
  for (size_t i = count; i-- > 1;) {
    uint32_t j = fm_mt19937_below(generator, (uint32_t)i + 1);
    uint32_t item = items[i];
    items[i] = items[j];
    items[j] = item;
  }
}

void fm_mt19937_permutation(fm_mt19937 *generator, uint32_t *items, size_t count) {
  for (size_t i = 0; i < count; i++)
    items[i] = (uint32_t)i;
  fm_mt19937_shuffle(generator, items, count);
}
