// Which anchors or proposals a picture's losses are taken over: torchvision's
// BalancedPositiveNegativeSampler.
#ifndef FM_DETECT_SAMPLE_H
#define FM_DETECT_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/random.h"

typedef struct fm_sample_options {
  int size;            // at most so many in all
  float positive_part; // at most this part of them positive
} fm_sample_options;

// How many of `positives` and `negatives` candidates the sampler takes.
typedef struct fm_sample_counts {
  size_t positive, negative;
} fm_sample_counts;
fm_sample_counts fm_sample_count(const fm_sample_options *options, size_t positives,
                                 size_t negatives);

// Picks from matches (count) as fm_match gives them (>= 0 positive, FM_MATCH_BACKGROUND negative).
// chosen: the taken indices, positives first, each part rising. scratch: (count). Which ones are
// taken depends on `random` alone; where all are taken it is left alone.
fm_sample_counts fm_sample(const fm_sample_options *options, const int32_t *matches, size_t count,
                           fm_random *random, uint32_t *chosen, uint32_t *scratch);

#endif
