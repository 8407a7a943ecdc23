// The cache of decoded pictures.
#include "data/picture_cache.h"

#include <pthread.h>
#include <stdlib.h>

struct fm_picture_cache {
  const fm_dataset *dataset;
  size_t count, capacity, bytes;
  fm_image *images; // [count]; pixels NULL where not kept
  pthread_mutex_t mutex;
};

fm_status fm_picture_cache_new(fm_picture_cache **out, const fm_dataset *dataset, size_t capacity) {
  *out = NULL;
  fm_picture_cache *cache = calloc(1, sizeof *cache);
  FM_CHECK_ALLOC(cache);
  cache->dataset = dataset;
  cache->capacity = capacity;
  cache->count = fm_dataset_count(dataset);
  cache->images = calloc(cache->count ? cache->count : 1, sizeof *cache->images);
  if (!cache->images) {
    free(cache);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  pthread_mutex_init(&cache->mutex, NULL);
  *out = cache;
  return FM_OK;
}

void fm_picture_cache_free(fm_picture_cache *cache) {
  if (!cache)
    return;
  for (size_t i = 0; i < cache->count; i++)
    fm_image_release(&cache->images[i]);
  free(cache->images);
  pthread_mutex_destroy(&cache->mutex);
  free(cache);
}

static bool picture_cache_find(fm_picture_cache *cache, size_t sample, fm_image *out) {
  pthread_mutex_lock(&cache->mutex);
  *out = cache->images[sample];
  pthread_mutex_unlock(&cache->mutex);
  return out->pixels != NULL;
}

// Keeps the picture when there is room and no other thread was faster.
static bool picture_cache_keep(fm_picture_cache *cache, size_t sample, const fm_image *image) {
  size_t bytes = (size_t)image->width * (size_t)image->height * 3;
  pthread_mutex_lock(&cache->mutex);
  bool keep = !cache->images[sample].pixels && bytes <= cache->capacity - cache->bytes;
  if (keep) {
    cache->images[sample] = *image;
    cache->bytes += bytes;
  }
  pthread_mutex_unlock(&cache->mutex);
  return keep;
}

fm_status fm_picture_cache_get(fm_picture_cache *cache, size_t sample, fm_image *out, bool *owned) {
  FM_ASSERT(sample < cache->count);
  *owned = false;
  if (picture_cache_find(cache, sample, out))
    return FM_OK;
  FM_TRY(fm_dataset_image(cache->dataset, sample, out));
  *owned = !picture_cache_keep(cache, sample, out);
  return FM_OK;
}

size_t fm_picture_cache_bytes(fm_picture_cache *cache) {
  pthread_mutex_lock(&cache->mutex);
  size_t bytes = cache->bytes;
  pthread_mutex_unlock(&cache->mutex);
  return bytes;
}
