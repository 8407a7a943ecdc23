// The pool: a list of samples, and their faces sorted by class by counting.
#include "data/sample_pool.h"

#include <stdlib.h>
#include <string.h>

struct fm_sample_pool {
  const fm_dataset *dataset;
  fm_picture_cache *cache;
  size_t *samples;
  size_t count;
  int classes;
  fm_pool_face *faces; // those of label 1, then those of label 2, …
  size_t *first;       // [classes + 2]: where a label's faces begin; [0] is unused
};

static size_t sample_pool_count_faces(fm_sample_pool *pool) {
  size_t total = 0;
  for (size_t i = 0; i < pool->count; i++) {
    const fm_sample *sample = fm_sample_pool_sample(pool, i);
    for (size_t k = 0; k < sample->object_count; k++)
      pool->first[sample->objects[k].label + 1]++;
    total += sample->object_count;
  }
  for (int label = 1; label <= pool->classes; label++)
    pool->first[label + 1] += pool->first[label];
  return total;
}

static fm_status sample_pool_sort_faces(fm_sample_pool *pool) {
  size_t total = sample_pool_count_faces(pool);
  pool->faces = calloc(total + 1, sizeof *pool->faces);
  size_t *next = calloc((size_t)pool->classes + 2, sizeof *next);
  if (!pool->faces || !next) {
    free(next);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  memcpy(next, pool->first, ((size_t)pool->classes + 2) * sizeof *next);
  for (size_t i = 0; i < pool->count; i++) {
    const fm_sample *sample = fm_sample_pool_sample(pool, i);
    for (size_t k = 0; k < sample->object_count; k++)
      pool->faces[next[sample->objects[k].label]++] = (fm_pool_face){(uint32_t)i, (uint32_t)k};
  }
  free(next);
  return FM_OK;
}

static fm_status sample_pool_fill(fm_sample_pool *pool, const size_t *samples, size_t count) {
  pool->classes = fm_dataset_class_count(pool->dataset);
  pool->samples = malloc((count + 1) * sizeof *pool->samples);
  pool->first = calloc((size_t)pool->classes + 2, sizeof *pool->first);
  FM_CHECK_ALLOC(pool->samples && pool->first);
  if (count)
    memcpy(pool->samples, samples, count * sizeof *samples);
  pool->count = count;
  return sample_pool_sort_faces(pool);
}

fm_status fm_sample_pool_new(fm_sample_pool **out, const fm_dataset *dataset,
                             fm_picture_cache *cache, const size_t *samples, size_t count) {
  *out = NULL;
  if (count > UINT32_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "more than %u pictures", UINT32_MAX);
  fm_sample_pool *pool = calloc(1, sizeof *pool);
  FM_CHECK_ALLOC(pool);
  pool->dataset = dataset;
  pool->cache = cache;
  fm_status status = sample_pool_fill(pool, samples, count);
  if (status < 0) {
    fm_sample_pool_free(pool);
    return status;
  }
  *out = pool;
  return FM_OK;
}

void fm_sample_pool_free(fm_sample_pool *pool) {
  if (!pool)
    return;
  free(pool->samples);
  free(pool->faces);
  free(pool->first);
  free(pool);
}

size_t fm_sample_pool_count(const fm_sample_pool *pool) {
  return pool->count;
}

const fm_sample *fm_sample_pool_sample(const fm_sample_pool *pool, size_t index) {
  FM_ASSERT(index < pool->count);
  return fm_dataset_sample(pool->dataset, pool->samples[index]);
}

fm_status fm_sample_pool_image(const fm_sample_pool *pool, size_t index, fm_image *out,
                               bool *owned) {
  FM_ASSERT(index < pool->count);
  fm_status status = fm_picture_cache_get(pool->cache, pool->samples[index], out, owned);
  return status < 0 && status != FM_ERR_MEMORY ? FM_END : status;
}

int fm_sample_pool_classes(const fm_sample_pool *pool) {
  return pool->classes;
}

const fm_pool_face *fm_sample_pool_faces(const fm_sample_pool *pool, int label, size_t *count) {
  FM_ASSERT(label >= 1 && label <= pool->classes);
  *count = pool->first[label + 1] - pool->first[label];
  return *count ? pool->faces + pool->first[label] : NULL;
}
