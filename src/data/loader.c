// The loader: worker threads fill slots of a ring in any order, the reader empties them in order.
#include "data/loader.h"

#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "data/sample_pool.h"
#include "data/sampler.h"

enum { LOADER_THREADS_DEFAULT = 2, LOADER_MESSAGE_BYTES = 512 };

typedef enum loader_state {
  LOADER_EMPTY,
  LOADER_READY,
  LOADER_UNREADABLE, // the picture; `message` says why
  LOADER_FAILED,     // anything else
} loader_state;

typedef struct loader_slot {
  loader_state state;
  fm_status status;
  void *input;
  char message[LOADER_MESSAGE_BYTES];
} loader_slot;

struct fm_loader {
  fm_loader_options options; // samples: our copy
  fm_sampler *sampler;
  fm_sample_pool *pool;    // NULL without augmentation
  fm_sampler_entry *order; // [count] of the epoch
  size_t count;            // positions in an epoch
  uint64_t epoch;
  size_t batch; // the next one to give

  // Under the mutex.
  pthread_mutex_t mutex;
  pthread_cond_t work, ready; // for workers: a slot is free; for the reader: a slot is filled
  size_t next;                // position the next free worker takes
  size_t taken;               // positions before this one have left the ring
  size_t busy;                // workers at work
  bool quit;
  loader_slot *slots; // ring, by position % slot_count
  size_t slot_count;
  unsigned char *slot_inputs;

  // The batch that is lent.
  unsigned char *inputs;
  size_t *batch_samples;
  size_t batch_count;

  bool *reported; // [count of the data set] unreadable pictures that were named already
  pthread_t *threads;
  size_t thread_count;
};

static fm_status loader_make_augmented(const fm_loader *loader, const fm_sampler_entry *entry,
                                       const fm_image *image, void *out) {
  const fm_loader_options *options = &loader->options;
  size_t index = options->samples[entry->sample];
  const fm_sample *sample = fm_dataset_sample(options->dataset, index);
  fm_augment_picture picture;
  FM_TRY(fm_augment_picture_copy(&picture, image, sample->objects, sample->object_count));
  fm_random random = fm_augment_random(options->seed, loader->epoch, index, entry->copy);
  fm_status status = fm_augment_apply(options->augment, &random, loader->pool, &picture);
  if (status >= 0)
    status = options->maker.make(options->maker.user, &picture.image, picture.objects,
                                 picture.object_count, out);
  fm_augment_picture_release(&picture);
  return status;
}

// Fills the slot of a position; touches nothing else of the loader that changes.
static void loader_fill(fm_loader *loader, size_t position, loader_slot *slot) {
  const fm_loader_options *options = &loader->options;
  const fm_sampler_entry *entry = &loader->order[position];
  size_t index = options->samples[entry->sample];
  const fm_sample *sample = fm_dataset_sample(options->dataset, index);
  fm_image image = {0};
  bool owned = false;
  memset(slot->input, 0, options->maker.input_bytes);
  slot->status = fm_picture_cache_get(options->cache, index, &image, &owned);
  bool readable = slot->status >= 0;
  if (readable && loader->pool)
    slot->status = loader_make_augmented(loader, entry, &image, slot->input);
  else if (readable)
    slot->status = options->maker.make(options->maker.user, &image, sample->objects,
                                       sample->object_count, slot->input);
  if (owned)
    fm_image_release(&image);
  if (slot->status >= 0) {
    slot->state = LOADER_READY;
    return;
  }
  bool unreadable = !readable && slot->status != FM_ERR_MEMORY && !options->strict;
  slot->state = unreadable ? LOADER_UNREADABLE : LOADER_FAILED;
  snprintf(slot->message, sizeof slot->message, "%s", fm_error_message());
}

static void *loader_work(void *user) {
  fm_loader *loader = user;
  omp_set_num_threads(1); // of this thread: pictures are what runs in parallel
  pthread_mutex_lock(&loader->mutex);
  for (;;) {
    while (!loader->quit &&
           (loader->next >= loader->count || loader->next >= loader->taken + loader->slot_count))
      pthread_cond_wait(&loader->work, &loader->mutex);
    if (loader->quit)
      break;
    size_t position = loader->next++;
    loader->busy++;
    loader_slot *slot = &loader->slots[position % loader->slot_count];
    pthread_mutex_unlock(&loader->mutex);
    loader_slot filled = {.input = slot->input};
    loader_fill(loader, position, &filled);
    pthread_mutex_lock(&loader->mutex);
    *slot = filled;
    loader->busy--;
    pthread_cond_broadcast(&loader->ready);
  }
  pthread_mutex_unlock(&loader->mutex);
  return NULL;
}

static fm_status loader_make_order(fm_loader *loader, const fm_loader_options *options) {
  const fm_sampler_options sampling = {.dataset = options->dataset,
                                       .samples = options->samples,
                                       .sample_count = options->sample_count,
                                       .shuffle = options->shuffle,
                                       .seed = options->seed,
                                       .repeat_threshold = options->repeat_threshold,
                                       .group_size =
                                           options->group_aspect ? options->batch_size : 0};
  FM_TRY(fm_sampler_new(&loader->sampler, &sampling));
  loader->count = loader->next =
      fm_sampler_count(loader->sampler); // nothing to do before the start
  loader->order = calloc(loader->count + 1, sizeof *loader->order);
  FM_CHECK_ALLOC(loader->order);
  if (!options->augment || fm_augment_count(options->augment) == 0)
    return FM_OK;
  return fm_sample_pool_new(&loader->pool, options->dataset, options->cache, options->samples,
                            options->sample_count);
}

static fm_status loader_allocate(fm_loader *loader, const fm_loader_options *options) {
  size_t bytes = options->maker.input_bytes, count = options->sample_count;
  size_t *samples = malloc((count ? count : 1) * sizeof *samples);
  loader->options.samples = samples;
  FM_CHECK_ALLOC(samples);
  if (count)
    memcpy(samples, options->samples, count * sizeof *samples);
  FM_TRY(loader_make_order(loader, options));
  // One batch ahead of the one that is lent, and a picture for every thread.
  loader->slot_count = options->batch_size + (size_t)loader->options.threads;
  loader->slots = calloc(loader->slot_count, sizeof *loader->slots);
  FM_CHECK_ALLOC(loader->slots);
  loader->slot_inputs = calloc(loader->slot_count, bytes);
  FM_CHECK_ALLOC(loader->slot_inputs);
  for (size_t i = 0; i < loader->slot_count; i++)
    loader->slots[i].input = loader->slot_inputs + i * bytes;
  loader->inputs = calloc(options->batch_size, bytes);
  FM_CHECK_ALLOC(loader->inputs);
  loader->batch_samples = calloc(options->batch_size, sizeof *loader->batch_samples);
  FM_CHECK_ALLOC(loader->batch_samples);
  size_t all = fm_dataset_count(options->dataset);
  loader->reported = calloc(all ? all : 1, sizeof *loader->reported);
  FM_CHECK_ALLOC(loader->reported);
  loader->threads = calloc((size_t)loader->options.threads, sizeof *loader->threads);
  FM_CHECK_ALLOC(loader->threads);
  return FM_OK;
}

fm_status fm_loader_new(fm_loader **out, const fm_loader_options *options) {
  *out = NULL;
  FM_ASSERT(options->batch_size > 0 && options->maker.input_bytes > 0);
  fm_loader *loader = calloc(1, sizeof *loader);
  FM_CHECK_ALLOC(loader);
  loader->options = *options;
  if (loader->options.threads <= 0)
    loader->options.threads = LOADER_THREADS_DEFAULT;
  pthread_mutex_init(&loader->mutex, NULL);
  pthread_cond_init(&loader->work, NULL);
  pthread_cond_init(&loader->ready, NULL);
  fm_status status = loader_allocate(loader, options);
  while (status >= 0 && loader->thread_count < (size_t)loader->options.threads) {
    if (pthread_create(&loader->threads[loader->thread_count], NULL, loader_work, loader) == 0)
      loader->thread_count++;
    else
      status = fm_fail(FM_ERR_MEMORY, "cannot start a loader thread");
  }
  if (status < 0) {
    fm_loader_free(loader);
    return status;
  }
  *out = loader;
  return FM_OK;
}

static void loader_release_batch(fm_loader *loader) {
  for (size_t i = 0; i < loader->batch_count; i++)
    loader->options.maker.release(loader->inputs + i * loader->options.maker.input_bytes);
  loader->batch_count = 0;
}

// Waits for the workers and empties the ring. The mutex is held.
static void loader_drain(fm_loader *loader) {
  loader->next = loader->count;
  while (loader->busy > 0)
    pthread_cond_wait(&loader->ready, &loader->mutex);
  for (size_t i = 0; i < loader->slot_count; i++) {
    loader_slot *slot = &loader->slots[i];
    if (slot->state == LOADER_READY)
      loader->options.maker.release(slot->input);
    slot->state = LOADER_EMPTY;
  }
}

void fm_loader_free(fm_loader *loader) {
  if (!loader)
    return;
  if (loader->thread_count > 0) {
    pthread_mutex_lock(&loader->mutex);
    loader_drain(loader);
    loader->quit = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    for (size_t i = 0; i < loader->thread_count; i++)
      pthread_join(loader->threads[i], NULL);
  }
  loader_release_batch(loader);
  pthread_cond_destroy(&loader->work);
  pthread_cond_destroy(&loader->ready);
  pthread_mutex_destroy(&loader->mutex);
  free((void *)loader->options.samples);
  fm_sampler_free(loader->sampler);
  fm_sample_pool_free(loader->pool);
  free(loader->order);
  free(loader->slots);
  free(loader->slot_inputs);
  free(loader->inputs);
  free(loader->batch_samples);
  free(loader->reported);
  free(loader->threads);
  free(loader);
}

size_t fm_loader_batch_count(const fm_loader *loader) {
  size_t size = loader->options.batch_size;
  return (loader->count + size - 1) / size;
}

fm_status fm_loader_start(fm_loader *loader, uint64_t epoch, size_t first_batch) {
  if (first_batch > fm_loader_batch_count(loader))
    return fm_fail(FM_ERR_ARGUMENT, "batch %zu of an epoch of %zu", first_batch,
                   fm_loader_batch_count(loader));
  pthread_mutex_lock(&loader->mutex);
  loader_drain(loader);
  loader_release_batch(loader);
  loader->epoch = epoch;
  fm_sampler_order(loader->sampler, epoch, loader->order);
  loader->batch = first_batch;
  size_t first = first_batch * loader->options.batch_size;
  loader->taken = loader->next = first < loader->count ? first : loader->count;
  pthread_cond_broadcast(&loader->work);
  pthread_mutex_unlock(&loader->mutex);
  return FM_OK;
}

// Takes the slot of a position out of the ring when it is filled.
static loader_state loader_take(fm_loader *loader, size_t position, void *input,
                                loader_slot *taken) {
  loader_slot *slot = &loader->slots[position % loader->slot_count];
  pthread_mutex_lock(&loader->mutex);
  while (slot->state == LOADER_EMPTY)
    pthread_cond_wait(&loader->ready, &loader->mutex);
  *taken = *slot;
  if (slot->state == LOADER_READY)
    memcpy(input, slot->input, loader->options.maker.input_bytes);
  slot->state = LOADER_EMPTY;
  loader->taken = position + 1;
  pthread_cond_signal(&loader->work);
  pthread_mutex_unlock(&loader->mutex);
  return taken->state;
}

static void loader_report(fm_loader *loader, size_t sample, const char *message) {
  if (!loader->reported[sample])
    fm_say("left out: %s", message);
  loader->reported[sample] = true;
}

static fm_status loader_next_batch(fm_loader *loader, size_t first, size_t end) {
  const fm_loader_options *options = &loader->options;
  for (size_t position = first; position < end; position++) {
    size_t sample = options->samples[loader->order[position].sample];
    void *input = loader->inputs + loader->batch_count * options->maker.input_bytes;
    loader_slot slot;
    switch (loader_take(loader, position, input, &slot)) {
    case LOADER_READY:
      loader->batch_samples[loader->batch_count++] = sample;
      break;
    case LOADER_UNREADABLE:
      loader_report(loader, sample, slot.message);
      break;
    default:
      loader->batch = fm_loader_batch_count(loader); // a failed epoch has ended
      return fm_fail(slot.status, "%s", slot.message);
    }
  }
  return FM_OK;
}

fm_status fm_loader_next(fm_loader *loader, fm_loader_batch *out) {
  loader_release_batch(loader);
  while (loader->batch_count == 0) {
    if (loader->batch >= fm_loader_batch_count(loader))
      return FM_END;
    size_t first = loader->batch * loader->options.batch_size;
    size_t end = first + loader->options.batch_size;
    if (end > loader->count)
      end = loader->count;
    loader->batch++;
    FM_TRY(loader_next_batch(loader, first, end));
  }
  *out = (fm_loader_batch){
      .index = loader->batch - 1,
      .inputs = loader->inputs,
      .samples = loader->batch_samples,
      .count = loader->batch_count,
  };
  return FM_OK;
}
