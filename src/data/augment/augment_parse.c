// The list of transforms read from its JSON text. Knows no transform but through the table.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/augment/augment_private.h"

enum { AUGMENT_DEPTH_MAX = 4 };

static const fm_transform *const augment_table[] = {
#define FM_TRANSFORM(name) &fm_transform_##name,
#include "data/augment/transform.def"
#undef FM_TRANSFORM
};
enum { AUGMENT_TRANSFORMS = sizeof augment_table / sizeof augment_table[0] };
static const char augment_visibility[] = "min_visibility";

const fm_transform *fm_transform_at(size_t index) {
  return index < AUGMENT_TRANSFORMS ? augment_table[index] : NULL;
}

static fm_status augment_find(const char *name, const fm_transform **out) {
  const char *words[AUGMENT_TRANSFORMS + 2] = {0};
  for (size_t i = 0; i < AUGMENT_TRANSFORMS; i++) {
    if (strcmp(augment_table[i]->name, name) == 0) {
      *out = augment_table[i];
      return FM_OK;
    }
    words[i] = augment_table[i]->name;
  }
  words[AUGMENT_TRANSFORMS] = augment_visibility;
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

static fm_status augment_check_ranges(const fm_transform *transform, void *parameters) {
  for (const fm_option *row = transform->parameters; row->name; row++) {
    if (row->type != FM_OPTION_FLOATS)
      continue;
    fm_float_list *range = (fm_float_list *)((char *)parameters + row->offset);
    if (range->count == 1)
      range->values[range->count++] = range->values[0];
    if (range->count != 2 || range->values[0] > range->values[1])
      return fm_fail(FM_ERR_ARGUMENT, "augment: %s: %s is one number or a range [low, high]",
                     transform->name, row->name);
  }
  if (!transform->check)
    return FM_OK;
  fm_status status = transform->check(parameters);
  return status < 0 ? fm_fail_within(status, "augment: %s", transform->name) : FM_OK;
}

static fm_status augment_parse_list(fm_augment **out, const json_t *list, int depth);

// The list of a transform that nests. Its p are weights, so one has to be above 0.
static fm_status augment_set_inner(augment_item *item, const json_t *list, int depth) {
  if (item->inner || !json_is_array(list))
    return fm_fail(FM_ERR_ARGUMENT, "augment: %s: transforms is a list", item->transform->name);
  return augment_parse_list(&item->inner, list, depth + 1);
}

static fm_status augment_check_inner(const augment_item *item) {
  double sum = 0;
  for (size_t i = 0; item->inner && i < item->inner->count; i++)
    sum += fm_augment_weight(item->inner, i);
  if (!(sum > 0))
    return fm_fail(FM_ERR_ARGUMENT, "augment: %s needs transforms with p above 0",
                   item->transform->name);
  return FM_OK;
}

static fm_status augment_set_all(augment_item *item, const json_t *parameters, int depth) {
  const char *key;
  json_t *value;
  if (parameters && !json_is_null(parameters) && !json_is_object(parameters))
    return fm_fail(FM_ERR_ARGUMENT, "augment: %s takes a map of parameters", item->transform->name);
  json_object_foreach((json_t *)parameters, key, value) {
    if (item->transform->nests && strcmp(key, "transforms") == 0)
      FM_TRY(augment_set_inner(item, value, depth));
    else
      FM_TRY(augment_set(item->transform, item->parameters, key, value));
  }
  FM_TRY(augment_check_ranges(item->transform, item->parameters));
  return item->transform->nests ? augment_check_inner(item) : FM_OK;
}

static fm_status augment_set_visibility(fm_augment *augment, const json_t *value, int depth) {
  if (depth > 0)
    return fm_fail(FM_ERR_ARGUMENT, "augment: %s belongs to the whole list", augment_visibility);
  if (!json_is_number(value) || !(json_number_value(value) >= 0) ||
      !(json_number_value(value) <= 1))
    return fm_fail(FM_ERR_ARGUMENT, "augment: %s is a number from 0 to 1", augment_visibility);
  augment->min_visibility = json_number_value(value);
  return FM_OK;
}

static fm_status augment_add(fm_augment *augment, const char *name, const json_t *parameters,
                             int depth) {
  if (strcmp(name, augment_visibility) == 0)
    return augment_set_visibility(augment, parameters, depth);
  if (augment->count == FM_AUGMENT_ITEMS_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "augment: more than %d transforms", FM_AUGMENT_ITEMS_MAX);
  const fm_transform *transform = NULL;
  FM_TRY(augment_find(name, &transform));
  augment_item *item = &augment->items[augment->count];
  item->transform = transform;
  item->parameters = calloc(1, transform->parameter_bytes);
  FM_CHECK_ALLOC(item->parameters);
  augment->count++;
  FM_TRY(fm_options_defaults(transform->parameters, item->parameters));
  return augment_set_all(item, parameters, depth);
}

static fm_status augment_add_entry(fm_augment *augment, const json_t *entry, int depth) {
  if (json_is_string(entry))
    return augment_add(augment, json_string_value(entry), NULL, depth);
  if (!json_is_object(entry) || json_object_size(entry) != 1)
    return fm_fail(FM_ERR_ARGUMENT,
                   "augment: each item is a name or {name: {parameter: value}} with one name");
  void *iterator = json_object_iter((json_t *)entry);
  return augment_add(augment, json_object_iter_key(iterator), json_object_iter_value(iterator),
                     depth);
}

static fm_status augment_parse_list(fm_augment **out, const json_t *list, int depth) {
  *out = NULL;
  if (depth > AUGMENT_DEPTH_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "augment: lists are nested too deeply");
  fm_augment *augment = calloc(1, sizeof *augment);
  FM_CHECK_ALLOC(augment);
  augment->min_visibility = FM_AUGMENT_MIN_VISIBILITY;
  fm_status status = FM_OK;
  for (size_t i = 0; status >= 0 && i < json_array_size(list); i++)
    status = augment_add_entry(augment, json_array_get(list, i), depth);
  if (status < 0) {
    fm_augment_free(augment);
    return status;
  }
  *out = augment;
  return FM_OK;
}

fm_status fm_augment_parse(fm_augment **out, const char *text) {
  *out = NULL;
  json_error_t error;
  json_t *list = json_loads(text, JSON_REJECT_DUPLICATES, &error);
  if (!list)
    return fm_fail(FM_ERR_ARGUMENT, "augment: %s", error.text);
  fm_status status = json_is_array(list)
                         ? augment_parse_list(out, list, 0)
                         : fm_fail(FM_ERR_ARGUMENT, "augment: a list is expected, [] for none");
  json_decref(list);
  return status;
}
