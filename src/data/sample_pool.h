// The pictures of one part of a data set with their faces by class: what transforms that mix
// several pictures choose from. Never holds a picture of another part, so nothing leaks into
// validation.
#ifndef FM_DATA_SAMPLE_POOL_H
#define FM_DATA_SAMPLE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/dataset.h"
#include "data/picture_cache.h"

typedef struct fm_sample_pool fm_sample_pool;

// Lends data set and cache; copies `samples`, indices into the data set.
FM_MUST_USE fm_status fm_sample_pool_new(fm_sample_pool **out, const fm_dataset *dataset,
                                         fm_picture_cache *cache, const size_t *samples,
                                         size_t count);
void fm_sample_pool_free(fm_sample_pool *pool);

// Everything below is safe from several threads; `index` counts the pool's pictures.
size_t fm_sample_pool_count(const fm_sample_pool *pool);
const fm_sample *fm_sample_pool_sample(const fm_sample_pool *pool, size_t index);
// The decoded picture; *owned: the caller releases it, otherwise it is lent and not to be written
// to. FM_END when it cannot be read: the transform does without (the loader names the picture when
// its own turn comes).
FM_MUST_USE fm_status fm_sample_pool_image(const fm_sample_pool *pool, size_t index, fm_image *out,
                                           bool *owned);

typedef struct fm_pool_face {
  uint32_t sample, object; // index in the pool, index among the objects of the sample
} fm_pool_face;
int fm_sample_pool_classes(const fm_sample_pool *pool); // labels 1 ... classes
// The faces of a class, in the pool's order; NULL when there are none.
const fm_pool_face *fm_sample_pool_faces(const fm_sample_pool *pool, int label, size_t *count);

#endif
