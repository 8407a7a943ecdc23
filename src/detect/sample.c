// Random subsets without replacement: selection sampling keeps the order, so nothing is sorted.
#include "detect/sample.h"

#include "detect/box.h"
#include "detect/match.h"

fm_sample_counts fm_sample_count(const fm_sample_options *options, size_t positives,
                                 size_t negatives) {
  size_t size = (size_t)options->size;
  // torchvision: int(size * fraction) in double.
  size_t most = (size_t)((double)options->size * fm_box_decimal(options->positive_part));
  fm_sample_counts counts = {.positive = positives < most ? positives : most};
  size_t rest = size - counts.positive;
  counts.negative = negatives < rest ? negatives : rest;
  return counts;
}

// Takes k of the n candidates, in their order (Knuth, TAOCP 2, 3.4.2, algorithm S).
static void sample_take(const uint32_t *candidates, size_t n, size_t k, fm_random *random,
                        uint32_t *chosen) {
  size_t taken = 0;
  for (size_t i = 0; taken < k; i++) {
    if (k - taken == n - i || fm_random_below(random, n - i) < k - taken)
      chosen[taken++] = candidates[i];
  }
}

fm_sample_counts fm_sample(const fm_sample_options *options, const int32_t *matches, size_t count,
                           fm_random *random, uint32_t *chosen, uint32_t *scratch) {
  // Positives gather at the front of scratch, negatives at its back, so these run downwards.
  size_t positives = 0, negatives = 0;
  for (size_t i = 0; i < count; i++) {
    if (matches[i] >= 0)
      scratch[positives++] = (uint32_t)i;
    else if (matches[i] == FM_MATCH_BACKGROUND)
      scratch[count - ++negatives] = (uint32_t)i;
  }
  fm_sample_counts counts = fm_sample_count(options, positives, negatives);
  sample_take(scratch, positives, counts.positive, random, chosen);
  uint32_t *back = chosen + counts.positive;
  sample_take(scratch + count - negatives, negatives, counts.negative, random, back);
  for (size_t i = 0, j = counts.negative; i + 1 < j; i++) {
    uint32_t kept = back[i];
    back[i] = back[--j];
    back[j] = kept;
  }
  return counts;
}
