// Random numbers whose whole state is a value: xoshiro256++ seeded by splitmix64 (Blackman & Vigna
// 2019). Generators are never shared: derive one per purpose from (seed, stream, index), so that
// nothing depends on thread timing.
#ifndef FM_BASE_RANDOM_H
#define FM_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct fm_random {
  uint64_t state[4];
} fm_random;

// A generator for (seed, stream, index); different triples give independent sequences.
fm_random fm_random_make(uint64_t seed, uint64_t stream, uint64_t index);
uint64_t fm_random_bits(fm_random *random);
double fm_random_uniform(fm_random *random);                        // [0, 1), 53 bits
double fm_random_range(fm_random *random, double low, double high); // [low, high)
uint64_t fm_random_below(fm_random *random, uint64_t n);            // [0, n), without bias; n > 0
double fm_random_normal(fm_random *random); // mean 0, variance 1 (Box-Muller)
void fm_random_permutation(fm_random *random, uint32_t *out,
                           size_t n); // out becomes a permutation of 0..n-1

#endif
