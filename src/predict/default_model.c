// Looks around the running program.
#include "predict/default_model.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define DEFAULT_DETECTOR "models/default.safetensors"

// Beside it, in the order in which they are asked.
static const char *const default_model_classifiers[] = {"classifier.safetensors",
                                                        "second_classifier.safetensors", NULL};

static const char *const default_model_places[] = {
    DEFAULT_DETECTOR,          "../share/facemask/" DEFAULT_DETECTOR, "../" DEFAULT_DETECTOR,
    "../../" DEFAULT_DETECTOR, "../../../" DEFAULT_DETECTOR,          NULL,
};

void fm_default_model_release(fm_default_model *model) {
  for (int i = 0; i < model->count; ++i)
    free(model->paths[i]);
  model->count = 0;
}

static fm_status default_model_add(fm_default_model *model, const char *text, size_t length) {
  if (model->count == FM_DEFAULT_MODEL_FILES)
    return fm_fail(FM_ERR_ARGUMENT, "$FACEMASK_MODEL: more than %d files", FM_DEFAULT_MODEL_FILES);
  char *path = strndup(text, length);
  FM_CHECK_ALLOC(path);
  model->paths[model->count++] = path;
  return FM_OK;
}

static fm_status default_model_chosen(fm_default_model *model, const char *list) {
  for (const char *at = list;; ++at) {
    const size_t length = strcspn(at, ":");
    if (length > 0)
      FM_TRY(default_model_add(model, at, length));
    at += length;
    if (!*at)
      return FM_OK;
  }
}

static fm_status default_model_add_beside(fm_default_model *model, const char *detector,
                                          const char *name) {
  const char *slash = strrchr(detector, '/');
  char *path;
  if (asprintf(&path, "%.*s/%s", (int)(slash - detector), detector, name) < 0)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  const fm_status status =
      fm_path_exists(path) ? default_model_add(model, path, strlen(path)) : FM_OK;
  free(path);
  return status;
}

// Classifiers may be left out of an installation that has no room for them.
static fm_status default_model_complete(fm_default_model *model, const char *detector) {
  FM_TRY(default_model_add(model, detector, strlen(detector)));
  for (const char *const *name = default_model_classifiers; *name; ++name)
    FM_TRY(default_model_add_beside(model, detector, *name));
  return FM_OK;
}

static fm_status default_model_search(fm_default_model *model) {
  char program[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
  program[length > 0 ? length : 0] = 0;
  char *slash = strrchr(program, '/');
  if (slash)
    *slash = 0;
  for (const char *const *place = default_model_places; slash && *place; ++place) {
    char *path = fm_path_join(program, *place);
    FM_CHECK_ALLOC(path);
    const bool there = fm_path_exists(path);
    const fm_status status = there ? default_model_complete(model, path) : FM_OK;
    free(path);
    if (there || status < 0)
      return status;
  }
  return fm_fail(FM_ERR_IO,
                 "no --weights given, $FACEMASK_MODEL is not set, and there is no " DEFAULT_DETECTOR
                 " beside the program in %s or in its share/facemask",
                 program);
}

fm_status fm_default_model_find(fm_default_model *out) {
  *out = (fm_default_model){0};
  const char *chosen = getenv("FACEMASK_MODEL");
  fm_status status = chosen ? default_model_chosen(out, chosen) : FM_OK;
  if (status >= 0 && out->count == 0)
    status = default_model_search(out);
  if (status < 0)
    fm_default_model_release(out);
  return status;
}
