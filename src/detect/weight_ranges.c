// The text of a weights file's ranges, written and read.
#include "detect/weight_ranges.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "format/safetensors.h"

enum { RANGES_PART_BYTES = 32, RANGES_DIGITS = 9 }; // digits that tell any two floats apart

static void ranges_part_name(char *out, int part) {
  if (part < 2)
    snprintf(out, RANGES_PART_BYTES, part == 0 ? "trunk" : "head");
  else
    snprintf(out, RANGES_PART_BYTES, "head_%d", part);
}

static int ranges_parts(const fm_detector *detector) {
  int parts = 0;
  while (fm_detector_ranges(detector, parts))
    parts++;
  return parts;
}

bool fm_weight_ranges_complete(const fm_detector *detector) {
  const int parts = ranges_parts(detector);
  for (int part = 0; part < parts; part++)
    if (!fm_ranges_complete(fm_detector_ranges(detector, part)))
      return false;
  return parts > 0;
}

fm_status fm_weight_ranges_format(char **out, const fm_detector *detector) {
  json_t *root = json_object();
  for (int part = 0; part < ranges_parts(detector); part++) {
    const fm_ranges *ranges = fm_detector_ranges(detector, part);
    char name[RANGES_PART_BYTES];
    ranges_part_name(name, part);
    json_t *rows = json_object();
    json_object_set_new(root, name, rows);
    for (int i = 0; i < fm_ranges_count(ranges); i++) {
      const fm_range range = fm_ranges_get(ranges, i);
      json_object_set_new(rows, fm_ranges_name(ranges, i),
                          json_pack("[f, f]", (double)range.low, (double)range.high));
    }
  }
  *out = root ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(RANGES_DIGITS)) : NULL;
  json_decref(root);
  FM_CHECK_ALLOC(*out);
  return FM_OK;
}

// Numbers as fp32 has them: what is beyond is not finite.
static bool ranges_read(const json_t *row, float *low, float *high) {
  const json_t *first = json_array_get(row, 0), *second = json_array_get(row, 1);
  if (json_array_size(row) != 2 || !json_is_number(first) || !json_is_number(second))
    return false;
  *low = (float)json_number_value(first);
  *high = (float)json_number_value(second);
  return isfinite(*low) && isfinite(*high) && *low <= 0 && *high >= 0;
}

static fm_status ranges_parse_part(fm_ranges *ranges, json_t *rows, const char *part,
                                   const char *path) {
  const char *name;
  json_t *row;
  json_object_foreach(rows, name, row) {
    const int index = fm_ranges_find(ranges, name);
    float low, high;
    if (index < 0)
      return fm_fail(FM_ERR_FORMAT,
                     "%s: its ranges name %.80s in %s, which the model does not have", path, name,
                     part);
    if (!ranges_read(row, &low, &high))
      return fm_fail(FM_ERR_FORMAT,
                     "%s: the range of %s in %s is not [low, high] with low <= 0 <= high", path,
                     name, part);
    fm_ranges_set(ranges, index, low, high);
  }
  for (int i = 0; i < fm_ranges_count(ranges); i++)
    if (!json_object_get(rows, fm_ranges_name(ranges, i)))
      return fm_fail(FM_ERR_FORMAT, "%s: the range of %s in %s is missing", path,
                     fm_ranges_name(ranges, i), part);
  return FM_OK;
}

static fm_status ranges_parse_parts(const fm_detector *detector, const json_t *root,
                                    const char *path) {
  const int parts = ranges_parts(detector);
  for (int part = 0; part < parts; part++) {
    char name[RANGES_PART_BYTES];
    ranges_part_name(name, part);
    json_t *rows = json_object_get(root, name);
    if (!json_is_object(rows))
      return fm_fail(FM_ERR_FORMAT, "%s: its ranges have no object %s", path, name);
    FM_TRY(ranges_parse_part(fm_detector_ranges(detector, part), rows, name, path));
  }
  return json_object_size(root) == (size_t)parts
             ? FM_OK
             : fm_fail(FM_ERR_FORMAT, "%s: its ranges are of more parts than the model's %d", path,
                       parts);
}

fm_status fm_weight_ranges_parse(const fm_detector *detector, const char *text, const char *path) {
  json_error_t error;
  json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
  const fm_status status = json_is_object(root)
                               ? ranges_parse_parts(detector, root, path)
                               : fm_fail(FM_ERR_FORMAT, "%s: its ranges are no JSON object%s%s",
                                         path, root ? "" : ": ", root ? "" : error.text);
  json_decref(root);
  return status;
}

fm_status fm_weight_ranges_load(const fm_detector *detector, const char *path) {
  fm_safetensors *file;
  FM_TRY(fm_safetensors_open(&file, path));
  const char *text = fm_safetensors_metadata(file, FM_WEIGHTS_RANGES);
  const fm_status status =
      text ? fm_weight_ranges_parse(detector, text, path)
           : fm_fail(FM_ERR_ARGUMENT,
                     "%s has no ranges for int8; measure them: facemask export --weights %s "
                     "--calibrate DATA --out FILE",
                     path, path);
  fm_safetensors_free(file);
  return status;
}
