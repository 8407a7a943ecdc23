// The list of transforms: reads it from its JSON text, applies it. Knows no transform but through
// the table.
#include "data/augment/augment.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/augment/transform.h"

enum { AUGMENT_ITEMS_MAX = 64 };

static const fm_transform *const augment_table[] = {
#define FM_TRANSFORM(name) &fm_transform_##name,
#include "data/augment/transform.def"
#undef FM_TRANSFORM
};
enum { AUGMENT_TRANSFORMS = sizeof augment_table / sizeof augment_table[0] };

typedef struct augment_item {
  const fm_transform *transform;
  void *parameters;
} augment_item;

struct fm_augment {
  size_t count;
  augment_item items[AUGMENT_ITEMS_MAX];
};

static fm_status augment_find(const char *name, const fm_transform **out) {
  const char *words[AUGMENT_TRANSFORMS + 1];
  for (size_t i = 0; i < AUGMENT_TRANSFORMS; i++) {
    if (strcmp(augment_table[i]->name, name) == 0) {
      *out = augment_table[i];
      return FM_OK;
    }
    words[i] = augment_table[i]->name;
  }
  words[AUGMENT_TRANSFORMS] = NULL;
  const char *near = fm_nearest_word(name, words);
  if (near)
    return fm_fail(FM_ERR_ARGUMENT, "augment: unknown transform %s; did you mean %s?", name, near);
  return fm_fail(FM_ERR_ARGUMENT, "augment: unknown transform %s; there is %s", name, words[0]);
}

static fm_status augment_set(const fm_transform *transform, void *parameters, const char *key,
                             const json_t *value) {
  char text[FM_OPTION_STRING_BYTES];
  int length;
  if (json_is_string(value)) {
    length = snprintf(text, sizeof text, "%s", json_string_value(value));
  } else {
    char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    FM_CHECK_ALLOC(dump);
    length = snprintf(text, sizeof text, "%s", dump);
    free(dump);
  }
  if (length >= (int)sizeof text)
    return fm_fail(FM_ERR_ARGUMENT, "augment: %s.%s is too long", transform->name, key);
  fm_status status = fm_options_set(transform->parameters, parameters, key, text);
  if (status < 0)
    return fm_fail_within(status, "augment: %s", transform->name);
  return FM_OK;
}

static fm_status augment_add(fm_augment *augment, const char *name, const json_t *parameters) {
  if (augment->count == AUGMENT_ITEMS_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "augment: more than %d transforms", AUGMENT_ITEMS_MAX);
  const fm_transform *transform;
  FM_TRY(augment_find(name, &transform));
  augment_item *item = &augment->items[augment->count];
  item->transform = transform;
  item->parameters = calloc(1, transform->parameter_bytes);
  FM_CHECK_ALLOC(item->parameters);
  augment->count++;
  FM_TRY(fm_options_defaults(transform->parameters, item->parameters));
  if (!parameters || json_is_null(parameters))
    return FM_OK;
  if (!json_is_object(parameters))
    return fm_fail(FM_ERR_ARGUMENT, "augment: %s takes a map of parameters", name);
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)parameters, key, value)
      FM_TRY(augment_set(transform, item->parameters, key, value));
  return FM_OK;
}

static fm_status augment_add_entry(fm_augment *augment, const json_t *entry) {
  if (json_is_string(entry))
    return augment_add(augment, json_string_value(entry), NULL);
  if (!json_is_object(entry) || json_object_size(entry) != 1)
    return fm_fail(FM_ERR_ARGUMENT,
                   "augment: each item is a name or {name: {parameter: value}} with one name");
  void *iterator = json_object_iter((json_t *)entry);
  return augment_add(augment, json_object_iter_key(iterator), json_object_iter_value(iterator));
}

fm_status fm_augment_parse(fm_augment **out, const char *text) {
  *out = NULL;
  json_error_t error;
  json_t *list = json_loads(text, JSON_REJECT_DUPLICATES, &error);
  if (!list)
    return fm_fail(FM_ERR_ARGUMENT, "augment: %s", error.text);
  fm_status status = FM_OK;
  fm_augment *augment = calloc(1, sizeof *augment);
  if (!augment)
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  else if (!json_is_array(list))
    status = fm_fail(FM_ERR_ARGUMENT, "augment: a list is expected, [] for none");
  for (size_t i = 0; status >= 0 && i < json_array_size(list); i++)
    status = augment_add_entry(augment, json_array_get(list, i));
  json_decref(list);
  if (status < 0) {
    fm_augment_free(augment);
    return status;
  }
  *out = augment;
  return FM_OK;
}

void fm_augment_free(fm_augment *augment) {
  if (!augment)
    return;
  for (size_t i = 0; i < augment->count; i++)
    free(augment->items[i].parameters);
  free(augment);
}

size_t fm_augment_count(const fm_augment *augment) {
  return augment->count;
}

fm_status fm_augment_apply(const fm_augment *augment, fm_random *random,
                           fm_augment_picture *picture) {
  for (size_t i = 0; i < augment->count; i++) {
    const augment_item *item = &augment->items[i];
    FM_TRY(item->transform->apply(item->parameters, random, picture));
  }
  return FM_OK;
}
