// A thread of one owner: what it shares with it is guarded by one mutex, and each change is told.
#ifndef FM_BASE_WORKER_H
#define FM_BASE_WORKER_H

#include <pthread.h>
#include <stdbool.h>

#include "base/status.h"

typedef struct fm_worker {
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed; // broadcast with every change of what is shared
  bool closing;           // guarded by the mutex: the thread is to end
} fm_worker;

// After a failure there is nothing to stop.
FM_MUST_USE fm_status fm_worker_start(fm_worker *worker, void *(*run)(void *user), void *user);
// Asks the thread to end, and waits until it has.
void fm_worker_stop(fm_worker *worker);

#endif
