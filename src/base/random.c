// xoshiro256++ seeded by splitmix64, and the distributions on top of it.
#include "base/random.h"

#include <math.h>

static uint64_t random_mix(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static uint64_t random_rotate(uint64_t x, int k) {
  return (x << k) | (x >> (64 - k));
}

fm_random fm_random_make(uint64_t seed, uint64_t stream, uint64_t index) {
  // Each part is mixed before the next is added, so that (1, 0, 0) and (0, 1, 0) share nothing.
  uint64_t state = seed;
  state = random_mix(&state) ^ stream;
  state = random_mix(&state) ^ index;
  fm_random random;
  for (int i = 0; i < 4; ++i)
    random.state[i] = random_mix(&state);
  return random;
}

uint64_t fm_random_bits(fm_random *random) {
  uint64_t *s = random->state;
  const uint64_t result = random_rotate(s[0] + s[3], 23) + s[0];
  const uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = random_rotate(s[3], 45);
  return result;
}

double fm_random_uniform(fm_random *random) {
  return (double)(fm_random_bits(random) >> 11) * 0x1.0p-53;
}

double fm_random_range(fm_random *random, double low, double high) {
  return low + (high - low) * fm_random_uniform(random);
}

uint64_t fm_random_below(fm_random *random, uint64_t n) {
  // Rejects the part of the range that n does not divide.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
  uint64_t bits = fm_random_bits(random);
  while (bits >= limit)
    bits = fm_random_bits(random);
  return bits % n;
}

double fm_random_normal(fm_random *random) {
  // 1 - u is in (0, 1], so the logarithm is finite.
  const double radius = sqrt(-2.0 * log(1.0 - fm_random_uniform(random)));
  return radius * cos(2.0 * M_PI * fm_random_uniform(random));
}

void fm_random_permutation(fm_random *random, uint32_t *out, size_t n) {
  for (size_t i = 0; i < n; ++i)
    out[i] = (uint32_t)i;
  for (size_t i = n; i > 1; --i) {
    const size_t j = (size_t)fm_random_below(random, i);
    const uint32_t kept = out[i - 1];
    out[i - 1] = out[j];
    out[j] = kept;
  }
}
