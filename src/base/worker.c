// Beginning and end of a thread.
#include "base/worker.h"

#include <string.h>

fm_status fm_worker_start(fm_worker *worker, void *(*run)(void *user), void *user) {
  worker->closing = false;
  pthread_mutex_init(&worker->mutex, NULL);
  pthread_cond_init(&worker->changed, NULL);
  const int error = pthread_create(&worker->thread, NULL, run, user);
  if (!error)
    return FM_OK;
  pthread_mutex_destroy(&worker->mutex);
  pthread_cond_destroy(&worker->changed);
  return fm_fail(FM_ERR_MEMORY, "a thread cannot be made: %s", strerror(error));
}

void fm_worker_stop(fm_worker *worker) {
  pthread_mutex_lock(&worker->mutex);
  worker->closing = true;
  pthread_cond_broadcast(&worker->changed);
  pthread_mutex_unlock(&worker->mutex);
  pthread_join(worker->thread, NULL);
  pthread_mutex_destroy(&worker->mutex);
  pthread_cond_destroy(&worker->changed);
}
