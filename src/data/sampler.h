// The order of an epoch: which picture stands at which position. A function of seed and epoch
// alone, so that a resumed run goes on exactly. Pictures with rare classes may come several times
// (repeat factor sampling of LVIS: Gupta, Dollár, Girshick 2019, section 4).
#ifndef FM_DATA_SAMPLER_H
#define FM_DATA_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/dataset.h"

typedef struct fm_sampler_options {
  const fm_dataset *dataset; // used by fm_sampler_new alone
  const size_t *samples;     // indices into the data set; used by fm_sampler_new alone
  size_t sample_count;
  bool shuffle; // a permutation from (seed, epoch); otherwise the order of `samples`
  uint64_t seed;
  // t: a picture comes r = max over its classes c of max(1, sqrt(t / f(c))) times an epoch on
  // average, f(c) being the share of the pictures that have class c. 0: every picture once.
  double repeat_threshold;
  // With shuffle: the pictures of a batch are of a similar aspect ratio, so that little of it is
  // padding (torchvision's GroupedBatchSampler). 0 or 1: no batches, no grouping.
  size_t group_size;
} fm_sampler_options;

typedef struct fm_sampler_entry {
  uint32_t sample; // position in `samples`
  uint32_t copy;   // 0 for a picture's first time in this epoch, then 1, 2, …
} fm_sampler_entry;

typedef struct fm_sampler fm_sampler;
FM_MUST_USE fm_status fm_sampler_new(fm_sampler **out, const fm_sampler_options *options);
void fm_sampler_free(fm_sampler *sampler);
// Positions in an epoch, the same in every epoch: the sum of the factors, rounded up.
size_t fm_sampler_count(const fm_sampler *sampler);
double fm_sampler_factor(const fm_sampler *sampler, size_t sample); // r of samples[sample]
// order [fm_sampler_count]. Every picture comes floor(r) or ceil(r) times (r as scaled by the
// rounding of the sum), at random by epoch, in proportion to r.
void fm_sampler_order(fm_sampler *sampler, uint64_t epoch, fm_sampler_entry *order);

#endif
