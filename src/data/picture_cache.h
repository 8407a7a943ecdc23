// Decoded pictures of a data set, kept in memory up to a bound. What came first stays: epochs visit
// every picture once in a random order, where throwing out the oldest would serve fewer hits.
#ifndef FM_DATA_PICTURE_CACHE_H
#define FM_DATA_PICTURE_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "data/dataset.h"
#include "image/image.h"

typedef struct fm_picture_cache fm_picture_cache;

// Lends the data set. capacity in bytes of pixels; 0 keeps nothing.
FM_MUST_USE fm_status fm_picture_cache_new(fm_picture_cache **out, const fm_dataset *dataset,
                                           size_t capacity);
void fm_picture_cache_free(fm_picture_cache *cache);
// The picture of a sample. *owned: the caller releases it; otherwise it is lent, not to be written
// to, and valid as long as the cache. Safe from several threads.
FM_MUST_USE fm_status fm_picture_cache_get(fm_picture_cache *cache, size_t sample, fm_image *out,
                                           bool *owned);
size_t fm_picture_cache_bytes(fm_picture_cache *cache); // held now

#endif
