// NumPy's legacy RandomState: the Mersenne Twister MT19937 (Matsumoto & Nishimura 1998) with
// NumPy's seeding and bounded integers. Only for what must equal NumPy; everything else uses
// base/random.h.
#ifndef FM_DATA_MT19937_H
#define FM_DATA_MT19937_H

#include <stddef.h>
#include <stdint.h>

enum { FM_MT19937_WORDS = 624 };

typedef struct fm_mt19937 {
  uint32_t words[FM_MT19937_WORDS];
  int position;
} fm_mt19937;

void fm_mt19937_seed(fm_mt19937 *generator, uint32_t seed); // numpy.random.RandomState(seed)
uint32_t fm_mt19937_bits(fm_mt19937 *generator);
// Uniform in [0, n) by masked rejection: RandomState.randint(0, n) and .choice(n). n = 1 takes no
// bits. n > 0.
uint32_t fm_mt19937_below(fm_mt19937 *generator, uint32_t n);
void fm_mt19937_shuffle(fm_mt19937 *generator, uint32_t *items,
                        size_t count); // RandomState.shuffle
// items becomes RandomState.permutation(count).
void fm_mt19937_permutation(fm_mt19937 *generator, uint32_t *items, size_t count);

#endif
