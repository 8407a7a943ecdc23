// Class names and their labels.
#include "data/classes.h"

#include <stdlib.h>
#include <string.h>

static const char *const classes_kaggle[] = {"without_mask", "with_mask", "mask_weared_incorrect"};
enum { CLASSES_KAGGLE_COUNT = 3 };

int fm_classes_find(const fm_classes *classes, const char *name) {
  for (int i = 0; i < classes->count; i++)
    if (strcmp(classes->names[i], name) == 0)
      return i + 1;
  return 0;
}

static fm_status classes_append(fm_classes *classes, const char *name, size_t length) {
  if (classes->count == FM_CLASSES_MAX)
    return fm_fail(FM_ERR_FORMAT, "more than %d classes", FM_CLASSES_MAX);
  char **names = realloc(classes->names, ((size_t)classes->count + 1) * sizeof *names);
  FM_CHECK_ALLOC(names);
  classes->names = names;
  names[classes->count] = strndup(name, length);
  FM_CHECK_ALLOC(names[classes->count]);
  classes->count++;
  return FM_OK;
}

static fm_status classes_parse(fm_classes *out, const char *list) {
  for (const char *part = list;; part++) {
    size_t length = strcspn(part, ",");
    if (length == 0)
      return fm_fail(FM_ERR_ARGUMENT, "--classes: an empty name in \"%s\"", list);
    FM_TRY(classes_append(out, part, length));
    char *name = out->names[out->count - 1];
    if (fm_classes_find(out, name) != out->count)
      return fm_fail(FM_ERR_ARGUMENT, "--classes: \"%s\" is given twice", name);
    part += length;
    if (*part == 0)
      return FM_OK;
  }
}

fm_status fm_classes_parse(fm_classes *out, const char *list) {
  *out = (fm_classes){0};
  fm_status status = classes_parse(out, list);
  if (status < 0)
    fm_classes_release(out);
  return status;
}

fm_status fm_classes_collect(fm_classes *classes, const char *name) {
  return fm_classes_find(classes, name) ? FM_OK : classes_append(classes, name, strlen(name));
}

static int classes_compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

void fm_classes_order(fm_classes *classes) {
  if (classes->count > 1)
    qsort(classes->names, (size_t)classes->count, sizeof *classes->names, classes_compare);
  if (classes->count != CLASSES_KAGGLE_COUNT)
    return;
  char *ordered[CLASSES_KAGGLE_COUNT];
  for (int i = 0; i < CLASSES_KAGGLE_COUNT; i++) {
    int label = fm_classes_find(classes, classes_kaggle[i]);
    if (label == 0)
      return;
    ordered[i] = classes->names[label - 1];
  }
  memcpy(classes->names, ordered, sizeof ordered);
}

void fm_classes_release(fm_classes *classes) {
  for (int i = 0; i < classes->count; i++)
    free(classes->names[i]);
  free(classes->names);
  *classes = (fm_classes){0};
}
