// Messages of failures: who says what, per thread.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/status.h"

static void a_failure_keeps_its_status_and_message(void **state) {
  (void)state;
  assert_int_equal(fm_fail(FM_ERR_FORMAT, "%s:%d: no number", "a.xml", 7), FM_ERR_FORMAT);
  assert_string_equal(fm_error_message(), "a.xml:7: no number");
  assert_int_equal(fm_fail(FM_ERR_IO, "gone"), FM_ERR_IO);
  assert_string_equal(fm_error_message(), "gone");
}

static void a_context_goes_before_the_message(void **state) {
  (void)state;
  (void)!fm_fail(FM_ERR_ARGUMENT, "lr: no number");
  assert_int_equal(fm_fail_within(FM_ERR_ARGUMENT, "%s:%d", "c.yaml", 3), FM_ERR_ARGUMENT);
  assert_string_equal(fm_error_message(), "c.yaml:3: lr: no number");
}

static void a_message_may_quote_the_one_before_it(void **state) {
  (void)state;
  (void)!fm_fail(FM_ERR_IO, "inner");
  (void)!fm_fail(FM_ERR_IO, "outer, because %s", fm_error_message());
  assert_string_equal(fm_error_message(), "outer, because inner");
}

static void a_long_message_is_cut_and_ends(void **state) {
  (void)state;
  char text[3000];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = 0;
  (void)!fm_fail(FM_ERR_IO, "%s", text);
  assert_int_equal(strlen(fm_error_message()), 1023);
  (void)!fm_fail_within(FM_ERR_IO, "%s", text);
  assert_int_equal(strlen(fm_error_message()), 1023);
}

static void *fail_elsewhere(void *user) {
  (void)!fm_fail(FM_ERR_IO, "elsewhere");
  return strcmp(fm_error_message(), "elsewhere") == 0 ? user : NULL;
}

static void a_message_belongs_to_its_thread(void **state) {
  (void)state;
  (void)!fm_fail(FM_ERR_IO, "here");
  pthread_t thread;
  int token;
  void *result;
  assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &token), 0);
  assert_int_equal(pthread_join(thread, &result), 0);
  assert_ptr_equal(result, &token);
  assert_string_equal(fm_error_message(), "here");
}

static fm_status forward(fm_status status, int *reached) {
  FM_TRY(status);
  ++*reached;
  return FM_OK;
}

static fm_status forward_out(fm_status given, int *reached, int *cleaned) {
  fm_status status;
  FM_TRY_OUT(given);
  ++*reached;
out:
  ++*cleaned;
  return status;
}

static void only_failures_are_forwarded(void **state) {
  (void)state;
  int reached = 0, cleaned = 0;
  assert_int_equal(forward(FM_ERR_SHAPE, &reached), FM_ERR_SHAPE);
  assert_int_equal(reached, 0);
  assert_int_equal(forward(FM_OK, &reached), FM_OK);
  assert_int_equal(forward(FM_END, &reached), FM_OK);
  assert_int_equal(reached, 2);
  assert_int_equal(forward_out(FM_ERR_NUMERIC, &reached, &cleaned), FM_ERR_NUMERIC);
  assert_int_equal(forward_out(FM_STOPPED, &reached, &cleaned), FM_STOPPED);
  assert_int_equal(reached, 3);
  assert_int_equal(cleaned, 2);
}

static void a_broken_assertion_names_its_place_and_aborts(void **state) {
  (void)state;
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);
    dup2(ends[1], STDERR_FILENO);
    FM_ASSERT(1 + 1 == 3);
    _exit(0);
  }
  close(ends[1]);
  char text[512] = "";
  assert_true(read(ends[0], text, sizeof text - 1) > 0);
  close(ends[0]);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  assert_non_null(strstr(text, "1 + 1 == 3"));
  assert_non_null(strstr(text, "test_status.c"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_failure_keeps_its_status_and_message),
      cmocka_unit_test(a_context_goes_before_the_message),
      cmocka_unit_test(a_message_may_quote_the_one_before_it),
      cmocka_unit_test(a_long_message_is_cut_and_ends),
      cmocka_unit_test(a_message_belongs_to_its_thread),
      cmocka_unit_test(only_failures_are_forwarded),
      cmocka_unit_test(a_broken_assertion_names_its_place_and_aborts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
