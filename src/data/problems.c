// The list of what is wrong with a data set.
#include "data/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"

enum { PROBLEMS_REASON_BYTES = 1024 };

// A copy that any terminal and any JSON reader takes.
static char *problems_clean(const char *text) {
  char *copy = strdup(text);
  if (!copy)
    return NULL;
  for (char *at = copy; *at;) {
    const size_t length = fm_utf8_printable(at);
    if (length == 0)
      *at = '?';
    at += length ? length : 1;
  }
  return copy;
}

static fm_status problems_append(fm_problem_list *list, const char *file, const char *reason) {
  if (list->count == list->capacity) {
    size_t capacity = list->capacity ? 2 * list->capacity : 16;
    fm_problem *items = realloc(list->items, capacity * sizeof *items);
    FM_CHECK_ALLOC(items);
    list->items = items;
    list->capacity = capacity;
  }
  fm_problem problem = {problems_clean(file), problems_clean(reason)};
  if (!problem.file || !problem.reason) {
    free(problem.file);
    free(problem.reason);
    return fm_fail(FM_ERR_MEMORY, "%s: out of memory", file);
  }
  list->items[list->count++] = problem;
  return FM_OK;
}

fm_status fm_problem_list_add(fm_problem_list *list, const char *file, const char *reason_format,
                              ...) {
  char reason[PROBLEMS_REASON_BYTES];
  va_list arguments;
  va_start(arguments, reason_format);
  vsnprintf(reason, sizeof reason, reason_format, arguments);
  va_end(arguments);
  return problems_append(list, file, reason);
}

fm_status fm_problem_list_add_failure(fm_problem_list *list, const char *file, fm_status failure,
                                      const char *ending) {
  if (failure == FM_ERR_MEMORY)
    return failure;
  const char *message = fm_error_message();
  const char *name = strstr(message, fm_path_name(file));
  const char *behind = name ? strstr(name, ": ") : NULL;
  return fm_problem_list_add(list, file, "%s%s", behind ? behind + 2 : message, ending);
}

void fm_problem_list_release(fm_problem_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    free(list->items[i].file);
    free(list->items[i].reason);
  }
  free(list->items);
  *list = (fm_problem_list){0};
}
