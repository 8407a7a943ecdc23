// Looks around the running program.
#include "predict/default_model.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define DEFAULT_MODEL "models/default.safetensors"

static const char *const default_model_places[] = {
    DEFAULT_MODEL,          "../share/facemask/" DEFAULT_MODEL, "../" DEFAULT_MODEL,
    "../../" DEFAULT_MODEL, "../../../" DEFAULT_MODEL,          NULL,
};

fm_status fm_default_model_find(char **out) {
  *out = NULL;
  const char *chosen = getenv("FACEMASK_MODEL");
  if (chosen && chosen[0]) {
    *out = strdup(chosen);
    FM_CHECK_ALLOC(*out);
    return FM_OK;
  }
  char program[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  program[length > 0 ? length : 0] = 0;
  char *slash = strrchr(program, '/');
  if (slash)
    *slash = 0;
  for (const char *const *place = default_model_places; slash && *place; ++place) {
    *out = fm_path_join(program, *place);
    FM_CHECK_ALLOC(*out);
    if (fm_path_exists(*out))
      return FM_OK;
    free(*out);
    *out = NULL;
  }
  return fm_fail(FM_ERR_IO,
                 "no --weights given, $FACEMASK_MODEL is not set, and there is no " DEFAULT_MODEL
                 " beside the program in %s or in its share/facemask",
                 program);
}
