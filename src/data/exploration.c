// Puts the parts of an exploration together, and writes what they found as JSON.
#include "data/exploration.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum { EXPLORATION_TEXT_BYTES = 512 };

fm_status fm_exploration_make(fm_exploration *out, fm_dataset *dataset) {
  memset(out, 0, sizeof *out);
  out->dataset = dataset;
  fm_status status = fm_dataset_check_pictures(dataset);
  if (status == FM_OK)
    status = fm_statistics_make(&out->statistics, dataset);
  if (status == FM_OK)
    status = fm_shapes_make(&out->shapes, dataset);
  if (status == FM_OK)
    status = fm_suspects_find(&out->suspects, dataset);
  if (status == FM_OK)
    status = fm_duplicates_find(&out->duplicates, dataset);
  if (status < 0)
    fm_exploration_release(out);
  return status;
}

void fm_exploration_release(fm_exploration *exploration) {
  fm_statistics_release(&exploration->statistics);
  fm_shapes_release(&exploration->shapes);
  fm_suspects_release(&exploration->suspects);
  fm_duplicates_release(&exploration->duplicates);
}

// Quantiles of a measure as {"least", "median", ...}; NULL when out of memory.
static json_t *exploration_quantiles(const double *values, size_t count) {
  static const struct {
    const char *name;
    double share;
  } rows[] = {{"least", 0},  {"p5", 0.05},  {"p25", 0.25}, {"median", 0.5},
              {"p75", 0.75}, {"p95", 0.95}, {"most", 1}};
  json_t *object = json_object();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    double value;
    if (fm_shapes_quantile(&value, values, count, rows[i].share) < 0 ||
        json_object_set_new(object, rows[i].name, json_real(value)) < 0) {
      json_decref(object);
      return NULL;
    }
  }
  return object;
}

static json_t *exploration_pictures(const fm_shapes *shapes, int *failed) {
  json_t *array = json_array();
  for (size_t i = 0; i < shapes->picture_count; i++)
    *failed |=
        json_array_append_new(array, json_pack("{s:i,s:i,s:I}", "width", shapes->pictures[i].width,
                                               "height", shapes->pictures[i].height, "images",
                                               (json_int_t)shapes->pictures[i].images));
  return array;
}

static json_t *exploration_places(const fm_shapes *shapes, int *failed) {
  json_t *rows = json_array();
  for (size_t i = 0; i < FM_SHAPES_FIELDS; i++) {
    json_t *row = json_array();
    for (size_t j = 0; j < FM_SHAPES_FIELDS; j++)
      *failed |= json_array_append_new(row, json_real(shapes->places[i * FM_SHAPES_FIELDS + j]));
    *failed |= json_array_append_new(rows, row);
  }
  return rows;
}

// A string of JSON from a name, which may be no UTF-8.
static json_t *exploration_name(const char *name) {
  char text[EXPLORATION_TEXT_BYTES];
  fm_utf8_line(text, sizeof text, name);
  return json_string(text);
}

static json_t *exploration_picture(const fm_exploration *exploration, size_t sample) {
  return exploration_name(fm_dataset_sample(exploration->dataset, sample)->name);
}

static json_t *exploration_suspects(const fm_exploration *exploration, int *failed) {
  json_t *array = json_array();
  for (size_t i = 0; i < exploration->suspects.count; i++) {
    const fm_suspect *suspect = &exploration->suspects.items[i];
    char text[EXPLORATION_TEXT_BYTES];
    fm_suspect_format(text, sizeof text, suspect, exploration->dataset);
    *failed |=
        json_array_append_new(array, json_pack("{s:o,s:I,s:s,s:f,s:o}", "image",
                                               exploration_picture(exploration, suspect->sample),
                                               "object", (json_int_t)suspect->object + 1, "kind",
                                               fm_suspect_kind_name(suspect->kind), "value",
                                               suspect->value, "reason", exploration_name(text)));
  }
  return array;
}

static json_t *exploration_duplicates(const fm_exploration *exploration, int *failed) {
  json_t *array = json_array();
  for (size_t i = 0; i < exploration->duplicates.count; i++) {
    const fm_duplicate *pair = &exploration->duplicates.pairs[i];
    *failed |= json_array_append_new(
        array,
        json_pack("{s:o,s:o,s:f,s:b}", "first", exploration_picture(exploration, pair->first),
                  "second", exploration_picture(exploration, pair->second), "difference",
                  (double)pair->difference, "same", (int)pair->same));
  }
  return array;
}

// The label of an object that may be missing, as its class's name or null.
static json_t *exploration_label(const fm_dataset *dataset, size_t sample, ptrdiff_t object) {
  if (object < 0)
    return json_null();
  const fm_sample *picture = fm_dataset_sample(dataset, sample);
  return exploration_name(fm_dataset_class_name(dataset, picture->objects[object].label));
}

static json_t *exploration_contradictions(const fm_exploration *exploration, int *failed) {
  const fm_dataset *dataset = exploration->dataset;
  const fm_duplicates *duplicates = &exploration->duplicates;
  json_t *array = json_array();
  for (size_t i = 0; i < duplicates->contradiction_count; i++) {
    const fm_contradiction *found = &duplicates->contradictions[i];
    const fm_duplicate *pair = &duplicates->pairs[found->pair];
    // Objects are counted from 1; 0 is none.
    *failed |= json_array_append_new(
        array,
        json_pack("{s:o,s:o,s:I,s:I,s:o,s:o}", "first",
                  exploration_picture(exploration, pair->first), "second",
                  exploration_picture(exploration, pair->second), "first_object",
                  (json_int_t)found->first_object + 1, "second_object",
                  (json_int_t)found->second_object + 1, "first_class",
                  exploration_label(dataset, pair->first, found->first_object), "second_class",
                  exploration_label(dataset, pair->second, found->second_object)));
  }
  return array;
}

fm_status fm_exploration_format(char **out, const fm_exploration *exploration) {
  const fm_shapes *shapes = &exploration->shapes;
  int failed = 0;
  json_t *root = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:o,s:o}", "face_size",
                           exploration_quantiles(shapes->sizes, shapes->faces), "face_share",
                           exploration_quantiles(shapes->shares, shapes->faces), "face_aspect",
                           exploration_quantiles(shapes->aspects, shapes->faces), "image_sizes",
                           exploration_pictures(shapes, &failed), "places",
                           exploration_places(shapes, &failed), "suspicious",
                           exploration_suspects(exploration, &failed), "clipped",
                           (json_int_t)exploration->suspects.clipped, "duplicates",
                           exploration_duplicates(exploration, &failed), "contradictions",
                           exploration_contradictions(exploration, &failed));
  *out = root && !failed ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
  json_decref(root);
  FM_CHECK_ALLOC(*out);
  return FM_OK;
}
