// Progress of long work on standard error: a bar on a terminal, plain lines otherwise.
#include "base/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static bool progress_enabled;
static bool progress_bar_shown; // the cursor stands behind a bar

void fm_progress_enable(bool enabled) {
  progress_enabled = enabled;
}

double fm_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void fm_progress_start(fm_progress *progress, const char *label, size_t total) {
  fm_progress_resume(progress, label, total, 0);
}

void fm_progress_resume(fm_progress *progress, const char *label, size_t total, size_t done) {
  *progress = (fm_progress){
      .label = label, .total = total, .done = done, .before = done, .started = fm_clock()};
  progress->shown = progress->started;
}

static void progress_time(char out[32], double seconds) {
  const long whole = seconds < 0 ? 0 : (long)(seconds + 0.5);
  if (whole >= 3600)
    snprintf(out, 32, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  else
    snprintf(out, 32, "%ld:%02ld", whole / 60, whole % 60);
}

static void progress_print(const fm_progress *progress, const char *note, bool terminal) {
  const double seconds = fm_clock() - progress->started;
  const size_t fresh = progress->done > progress->before ? progress->done - progress->before : 0;
  const double rate = seconds > 0 ? (double)fresh / seconds : 0;
  char left[32] = "?";
  if (rate > 0 && progress->total >= progress->done)
    progress_time(left, (double)(progress->total - progress->done) / rate);
  if (terminal) {
    char bar[21] = "....................";
    const size_t filled = progress->total ? progress->done * 20 / progress->total : 0;
    for (size_t i = 0; i < filled && i < 20; ++i)
      bar[i] = '#';
    fprintf(stderr, "\r\033[K%s [%s] %zu/%zu  %.2f/s  %s left%s%s", progress->label, bar,
            progress->done, progress->total, rate, left, note[0] ? "  " : "", note);
    progress_bar_shown = true;
  } else {
    fprintf(stderr, "%s %zu/%zu  %.2f/s  %s left%s%s\n", progress->label, progress->done,
            progress->total, rate, left, note[0] ? "  " : "", note);
  }
  fflush(stderr);
}

void fm_progress_step(fm_progress *progress, size_t done, const char *note_format, ...) {
  progress->done = done;
  if (!progress_enabled)
    return;
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const double now = fm_clock();
  if (now - progress->shown < (terminal ? 0.1 : 10.0))
    return;
  progress->shown = now;
  char note[256] = "";
  if (note_format) {
    va_list arguments;
    va_start(arguments, note_format);
    vsnprintf(note, sizeof note, note_format, arguments);
    va_end(arguments);
  }
  progress_print(progress, note, terminal);
}

void fm_progress_end(fm_progress *progress) {
  progress->shown = 0;
  if (progress_enabled && progress_bar_shown) {
    fputs("\r\033[K", stderr);
    progress_bar_shown = false;
  }
}

void fm_say(const char *format, ...) {
  if (!progress_enabled)
    return;
  if (progress_bar_shown) {
    fputs("\r\033[K", stderr);
    progress_bar_shown = false;
  }
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
}
