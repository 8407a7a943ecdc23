// Batches of prepared pictures: threads decode, augment and prepare ahead of the reader, through a
// bounded queue. What a batch holds depends on seed and epoch alone, never on the threads; what a
// picture becomes depends on seed, epoch and picture.
#ifndef FM_DATA_LOADER_H
#define FM_DATA_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/augment/augment.h"
#include "data/dataset.h"
#include "data/picture_cache.h"

// Makes the network's input (input_bytes at `out`, zeroed before) from a picture and its boxes;
// called in the loader's threads. `release` frees what it made.
typedef struct fm_loader_maker {
  size_t input_bytes;
  fm_status (*make)(const void *user, const fm_image *image, const fm_object *objects,
                    size_t object_count, void *out);
  void (*release)(void *input);
  const void *user; // lent
} fm_loader_maker;

typedef struct fm_loader_options {
  const fm_dataset *dataset; // lent
  fm_picture_cache *cache;   // lent
  const size_t *samples;     // indices into the data set, copied
  size_t sample_count;
  size_t batch_size;
  bool shuffle;              // a permutation from (seed, epoch); otherwise the order of `samples`
  double repeat_threshold;   // pictures with rare classes come several times (sampler.h); 0: once
  bool group_aspect;         // with shuffle: pictures of similar shape share a batch (sampler.h)
  const fm_augment *augment; // lent; NULL for none; draws other pictures from `samples`
  uint64_t seed;
  int threads; // 0: two
  bool strict; // a picture that cannot be read is a failure; otherwise it is named once and left
               // out of its batch
  fm_loader_maker maker;
} fm_loader_options;

typedef struct fm_loader fm_loader;
FM_MUST_USE fm_status fm_loader_new(fm_loader **out, const fm_loader_options *options);
void fm_loader_free(fm_loader *loader);
size_t fm_loader_batch_count(const fm_loader *loader); // an epoch's, the last one may be smaller

// Begins an epoch at a batch; what was under way is dropped.
FM_MUST_USE fm_status fm_loader_start(fm_loader *loader, uint64_t epoch, size_t first_batch);

// Lent until the next call of the loader.
typedef struct fm_loader_batch {
  size_t index;          // position in the epoch
  void *inputs;          // `count` inputs of input_bytes each
  const size_t *samples; // [count] indices into the data set
  size_t count;          // at least 1
} fm_loader_batch;
// FM_END behind the last batch. Batches without any readable picture are passed over.
FM_MUST_USE fm_status fm_loader_next(fm_loader *loader, fm_loader_batch *out);

#endif
