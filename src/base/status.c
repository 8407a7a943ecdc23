// Status messages, one buffer per thread.
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef fm_fail // what the analyser sees of it

enum { MESSAGE_BYTES = 1024 };
static _Thread_local char message[MESSAGE_BYTES];

fm_status fm_fail(fm_status status, const char *format, ...) {
  // The arguments may point into the current message, so it is built aside.
  char built[MESSAGE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(built, sizeof built, format, arguments);
  va_end(arguments);
  memcpy(message, built, sizeof message);
  return status;
}

fm_status fm_fail_within(fm_status status, const char *prefix_format, ...) {
  char prefix[MESSAGE_BYTES / 2];
  va_list arguments;
  va_start(arguments, prefix_format);
  vsnprintf(prefix, sizeof prefix, prefix_format, arguments);
  va_end(arguments);
  return fm_fail(status, "%s: %s", prefix, message);
}

const char *fm_error_message(void) {
  return message;
}

_Noreturn void fm_assert_failed(const char *condition, const char *file, int line) {
  fprintf(stderr, "facemask: internal error: %s does not hold (%s:%d)\n", condition, file, line);
  abort();
}
