// Progress of long work: a bar with rate, time left and a note on a terminal, plain lines (at most
// one in ten seconds) otherwise; on standard error. The library reports through this; cli/ switches
// it on (it is off in the library and with --quiet).
#ifndef FM_BASE_PROGRESS_H
#define FM_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

void fm_progress_enable(bool enabled);
typedef struct fm_progress {
  const char *label; // lent
  size_t total, done;
  size_t before; // done when it began: no part of the rate
  double started, shown;
} fm_progress;
void fm_progress_start(fm_progress *progress, const char *label, size_t total);
// For work that is taken up again: of the `total`, `done` lie behind already.
void fm_progress_resume(fm_progress *progress, const char *label, size_t total, size_t done);
void fm_progress_step(fm_progress *progress, size_t done, const char *note_format, ...)
    __attribute__((format(printf, 3, 4)));
void fm_progress_end(fm_progress *progress);
// One line of news ("wrote …") that does not tear the bar; nothing when disabled.
void fm_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
// Monotonic seconds.
double fm_clock(void);

#endif
