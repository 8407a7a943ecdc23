// A ring of a few pictures between the thread that reads and the one that detects.
#include "predict/picture_queue.h"

#include <omp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "base/utf8.h"
#include "base/worker.h"

enum { PICTURE_QUEUE_LENGTH = 4 };

struct fm_picture_queue {
  const fm_predictor *predictor;
  const fm_picture_list *list;
  fm_worker worker;
  fm_queued_picture ring[PICTURE_QUEUE_LENGTH];
  size_t read, taken; // pictures put into and taken out of the ring so far
};

void fm_queued_picture_release(const fm_predictor *predictor, fm_queued_picture *picture) {
  if (picture->inputs)
    fm_predictor_inputs_release(predictor, picture->inputs);
  free(picture->inputs);
  fm_image_release(&picture->image);
  free(picture->failure);
  *picture = (fm_queued_picture){0};
}

static fm_status picture_queue_load(const fm_picture_queue *queue, fm_queued_picture *picture) {
  if (!fm_utf8_is(picture->source->path))
    return fm_fail(FM_ERR_FORMAT, "%s: the name is not UTF-8, as results need it; rename the file",
                   picture->source->path);
  FM_TRY(fm_picture_list_read(picture->source->path, &picture->image));
  const double start = fm_clock();
  fm_input *inputs = calloc((size_t)fm_predictor_inputs(queue->predictor), sizeof *inputs);
  FM_CHECK_ALLOC(inputs);
  const fm_status status = fm_predictor_prepare(queue->predictor, &picture->image, inputs);
  if (status < 0) {
    free(inputs);
    return status;
  }
  picture->inputs = inputs;
  picture->seconds = fm_clock() - start;
  return FM_OK;
}

static void *picture_queue_main(void *user) {
  fm_picture_queue *queue = user;
  omp_set_num_threads(1); // of this thread: the others are the network's
  for (size_t i = 0; i < queue->list->count; ++i) {
    pthread_mutex_lock(&queue->worker.mutex);
    while (!queue->worker.closing && i - queue->taken == PICTURE_QUEUE_LENGTH)
      pthread_cond_wait(&queue->worker.changed, &queue->worker.mutex);
    const bool closing = queue->worker.closing;
    pthread_mutex_unlock(&queue->worker.mutex);
    if (closing)
      break;
    fm_queued_picture picture = {.source = &queue->list->items[i]};
    if (picture_queue_load(queue, &picture) < 0) {
      fm_image_release(&picture.image);
      picture.failure = strdup(fm_error_message());
    }
    pthread_mutex_lock(&queue->worker.mutex);
    queue->ring[i % PICTURE_QUEUE_LENGTH] = picture;
    queue->read = i + 1;
    pthread_cond_broadcast(&queue->worker.changed);
    pthread_mutex_unlock(&queue->worker.mutex);
  }
  return NULL;
}

fm_status fm_picture_queue_open(fm_picture_queue **out, const fm_predictor *predictor,
                                const fm_picture_list *list) {
  *out = NULL;
  fm_picture_queue *queue = calloc(1, sizeof *queue);
  FM_CHECK_ALLOC(queue);
  queue->predictor = predictor;
  queue->list = list;
  const fm_status status = fm_worker_start(&queue->worker, picture_queue_main, queue);
  if (status < 0) {
    free(queue);
    return status;
  }
  *out = queue;
  return FM_OK;
}

void fm_picture_queue_close(fm_picture_queue *queue) {
  if (!queue)
    return;
  fm_worker_stop(&queue->worker);
  for (; queue->taken < queue->read; ++queue->taken)
    fm_queued_picture_release(queue->predictor, &queue->ring[queue->taken % PICTURE_QUEUE_LENGTH]);
  free(queue);
}

fm_status fm_picture_queue_next(fm_picture_queue *queue, fm_queued_picture *out) {
  if (queue->taken == queue->list->count)
    return FM_END;
  pthread_mutex_lock(&queue->worker.mutex);
  while (queue->read == queue->taken)
    pthread_cond_wait(&queue->worker.changed, &queue->worker.mutex);
  *out = queue->ring[queue->taken++ % PICTURE_QUEUE_LENGTH];
  pthread_cond_broadcast(&queue->worker.changed);
  pthread_mutex_unlock(&queue->worker.mutex);
  return out->failure || out->inputs ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
}
