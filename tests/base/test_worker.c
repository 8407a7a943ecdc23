// A thread that begins, shares with its owner and ends.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/worker.h"

typedef struct shared {
  fm_worker worker;
  int asked, done;
} shared;

// Answers what it was asked, also when it is to end meanwhile.
static void *answer(void *user) {
  shared *self = user;
  pthread_mutex_lock(&self->worker.mutex);
  for (;;) {
    while (!self->worker.closing && self->done == self->asked)
      pthread_cond_wait(&self->worker.changed, &self->worker.mutex);
    if (self->done == self->asked)
      break;
    self->done++;
    pthread_cond_broadcast(&self->worker.changed);
  }
  pthread_mutex_unlock(&self->worker.mutex);
  return NULL;
}

static void ask(shared *self) {
  pthread_mutex_lock(&self->worker.mutex);
  self->asked++;
  pthread_cond_broadcast(&self->worker.changed);
  pthread_mutex_unlock(&self->worker.mutex);
}

static void a_thread_does_its_work_before_it_is_stopped(void **state) {
  (void)state;
  for (int round = 0; round < 50; round++) {
    shared self = {0};
    assert_int_equal(fm_worker_start(&self.worker, answer, &self), FM_OK);
    ask(&self);
    pthread_mutex_lock(&self.worker.mutex);
    while (self.done < self.asked)
      pthread_cond_wait(&self.worker.changed, &self.worker.mutex);
    pthread_mutex_unlock(&self.worker.mutex);
    assert_int_equal(self.done, 1);
    ask(&self);
    fm_worker_stop(&self.worker); // waits: what was asked is done
    assert_int_equal(self.done, 2);
    assert_true(self.worker.closing);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_thread_does_its_work_before_it_is_stopped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
