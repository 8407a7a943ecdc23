// Progress on standard error: plain lines into a pipe, a bar on a terminal, nothing when it is off.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/progress.h"

static int kept_stderr, reading;

// Standard error goes to `to` from now on, and is read from `from`.
static void redirect(int from, int to) {
  fflush(stderr);
  kept_stderr = dup(STDERR_FILENO);
  dup2(to, STDERR_FILENO);
  close(to);
  reading = from;
  fm_progress_enable(true);
}

static void redirect_to_pipe(void) {
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  redirect(ends[0], ends[1]);
}

static void redirect_to_terminal(void) {
  const int master = posix_openpt(O_RDWR | O_NOCTTY);
  assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
  const int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
  assert_true(slave >= 0);
  struct termios raw;
  tcgetattr(slave, &raw);
  cfmakeraw(&raw);
  tcsetattr(slave, TCSANOW, &raw);
  redirect(master, slave);
}

// What has arrived; standard error is back afterwards.
static void restore(char *out, size_t capacity) {
  fflush(stderr);
  size_t size = 0;
  struct pollfd wait = {.fd = reading, .events = POLLIN};
  while (size + 1 < capacity && poll(&wait, 1, 100) > 0 && (wait.revents & POLLIN)) {
    const ssize_t got = read(reading, out + size, capacity - 1 - size);
    if (got <= 0)
      break;
    size += (size_t)got;
  }
  out[size] = 0;
  dup2(kept_stderr, STDERR_FILENO);
  close(kept_stderr);
  close(reading);
  fm_progress_enable(false);
}

static void count_twice(fm_progress *progress) {
  fm_progress_start(progress, "folding", 40);
  fm_progress_step(progress, 1, NULL); // too soon for a line
  progress->started -= 20;
  progress->shown -= 20;
  fm_progress_step(progress, 10, "loss %.2f", 0.5);
  fm_progress_step(progress, 11, NULL); // too soon again
}

static void a_pipe_gets_plain_lines_seldom(void **state) {
  (void)state;
  char text[1024];
  fm_progress progress;
  redirect_to_pipe();
  count_twice(&progress);
  fm_progress_end(&progress);
  restore(text, sizeof text);
  // 10 of 40 in 20 seconds: half a step a second, 60 seconds for the others.
  assert_string_equal(text, "folding 10/40  0.50/s  1:00 left  loss 0.50\n");
}

static void what_was_done_before_is_no_part_of_the_rate(void **state) {
  (void)state;
  char text[1024];
  fm_progress progress;
  redirect_to_pipe();
  fm_progress_resume(&progress, "resumed", 40, 30);
  progress.started -= 20;
  progress.shown -= 20;
  fm_progress_step(&progress, 35, NULL);
  fm_progress_end(&progress);
  restore(text, sizeof text);
  // 5 in 20 seconds, not 35: a quarter of a step a second, 20 seconds for the other 5.
  assert_string_equal(text, "resumed 35/40  0.25/s  0:20 left\n");
}

static void a_terminal_gets_a_bar_that_is_wiped(void **state) {
  (void)state;
  char text[1024];
  fm_progress progress;
  redirect_to_terminal();
  count_twice(&progress);
  fm_say("wrote %s", "a.json");
  fm_progress_end(&progress);
  restore(text, sizeof text);
  assert_string_equal(text, "\r\033[Kfolding [#####...............] 10/40  0.50/s  1:00 left  loss "
                            "0.50\r\033[Kwrote a.json\n");
}

static void a_bar_holds_any_count(void **state) {
  (void)state;
  char text[1024];
  fm_progress progress;
  redirect_to_terminal();
  fm_progress_start(&progress, "late", 4);
  progress.started -= 10;
  progress.shown -= 10;
  fm_progress_step(&progress, 9, NULL);
  progress.total = 4000; // 9 in 10 seconds: 3991 / 0.9 seconds for the others
  progress.shown -= 10;
  fm_progress_step(&progress, 9, NULL);
  progress.total = 40;
  progress.shown -= 10;
  fm_progress_step(&progress, 39, NULL);
  progress.total = 0;
  progress.shown -= 10;
  fm_progress_step(&progress, 9, NULL);
  fm_progress_end(&progress);
  restore(text, sizeof text);
  assert_non_null(strstr(text, "[####################] 9/4"));
  // Not to the digit: this process may have been kept waiting since the ten seconds began.
  const char *late = strstr(text, "[....................] 9/4000  ");
  assert_non_null(late);
  double rate;
  int hours, minutes, seconds;
  assert_int_equal(sscanf(late + 31, "%lf/s %d:%d:%d left", &rate, &hours, &minutes, &seconds), 4);
  assert_true(rate > 0.1 && rate < 0.905);
  const double left = hours * 3600 + minutes * 60 + seconds;
  assert_true(left * rate > 3991 * 0.95 && left * rate < 3991 * 1.05);
  assert_non_null(strstr(text, "[###################.] 39/40"));
  assert_non_null(strstr(text, "[....................] 9/0"));
}

static void nothing_is_said_when_it_is_off(void **state) {
  (void)state;
  char text[64];
  fm_progress progress;
  redirect_to_pipe();
  fm_progress_enable(false);
  count_twice(&progress);
  fm_say("news");
  fm_progress_end(&progress);
  restore(text, sizeof text);
  assert_string_equal(text, "");
}

static void the_clock_does_not_go_back(void **state) {
  (void)state;
  double last = fm_clock();
  const double first = last;
  for (int i = 0; i < 1000; ++i) {
    const double now = fm_clock();
    assert_true(now >= last);
    last = now;
  }
  usleep(20000);
  const double slept = fm_clock() - first;
  assert_true(slept >= 0.02 && slept < 20);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_pipe_gets_plain_lines_seldom),
      cmocka_unit_test(what_was_done_before_is_no_part_of_the_rate),
      cmocka_unit_test(a_terminal_gets_a_bar_that_is_wiped),
      cmocka_unit_test(a_bar_holds_any_count),
      cmocka_unit_test(nothing_is_said_when_it_is_off),
      cmocka_unit_test(the_clock_does_not_go_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
