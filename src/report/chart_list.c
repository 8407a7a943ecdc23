// Reads charts.json. Nothing of it reaches a page but through an fm_chart, which is checked and
// escaped as any other.
#include "report/chart_list.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { CHART_LIST_BYTES_MAX = 16 << 20, CHART_LIST_SERIES_MAX = 64 };

struct fm_chart_list {
  char *path;
  json_t *charts;
};

fm_status fm_chart_list_read(fm_chart_list **out, const char *path) {
  *out = NULL;
  fm_bytes bytes;
  FM_TRY(fm_file_read(&bytes, path, CHART_LIST_BYTES_MAX));
  json_error_t error;
  json_t *charts = json_loadb((const char *)bytes.data, bytes.size, JSON_REJECT_DUPLICATES, &error);
  free(bytes.data);
  if (!json_is_array(charts)) {
    json_decref(charts);
    return fm_fail(FM_ERR_FORMAT, "%s: not a list of charts", path);
  }
  fm_chart_list *list = calloc(1, sizeof *list);
  char *copy = strdup(path);
  if (!list || !copy) {
    json_decref(charts);
    free(list);
    free(copy);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  *list = (fm_chart_list){.path = copy, .charts = charts};
  *out = list;
  return FM_OK;
}

void fm_chart_list_free(fm_chart_list *list) {
  if (!list)
    return;
  json_decref(list->charts);
  free(list->path);
  free(list);
}

static const char *chart_list_text(const json_t *object, const char *key) {
  return json_string_value(json_object_get(object, key));
}

bool fm_chart_list_has(const fm_chart_list *list, const char *name) {
  for (size_t i = 0; i < json_array_size(list->charts); i++) {
    const char *other = chart_list_text(json_array_get(list->charts, i), "name");
    if (other && strcmp(other, name) == 0)
      return true;
  }
  return false;
}

static fm_chart_axis chart_list_axis(const json_t *chart, const char *key) {
  const json_t *axis = json_object_get(chart, key);
  return (fm_chart_axis){.label = chart_list_text(axis, "label"),
                         .minimum = json_number_value(json_object_get(axis, "minimum")),
                         .maximum = json_number_value(json_object_get(axis, "maximum")),
                         .log = json_is_true(json_object_get(axis, "log")),
                         .whole = json_is_true(json_object_get(axis, "whole"))};
}

// A gap is null.
static void chart_list_numbers(const json_t *list, double *out, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const json_t *value = json_array_get(list, i);
    out[i] = json_is_number(value) ? json_number_value(value) : (double)NAN;
  }
}

static uint32_t chart_list_color(const char *text) {
  return text && text[0] == '#' ? (uint32_t)strtoul(text + 1, NULL, 16) & 0xffffff : 0;
}

// The points lie in `*numbers`, which moves on behind them.
static fm_chart_series chart_list_series(const json_t *series, double **numbers) {
  const json_t *x = json_object_get(series, "x"), *y = json_object_get(series, "y");
  const size_t count = json_array_size(x);
  double *points = *numbers;
  chart_list_numbers(x, points, count);
  chart_list_numbers(y, points + count, count);
  *numbers += 2 * count;
  return (fm_chart_series){.name = chart_list_text(series, "name"),
                           .x = points,
                           .y = points + count,
                           .count = count,
                           .rgb = chart_list_color(chart_list_text(series, "color")),
                           .dashed = json_is_true(json_object_get(series, "dashed")),
                           .steps = json_is_true(json_object_get(series, "steps")),
                           .dots = json_is_true(json_object_get(series, "dots"))};
}

// All points of a chart of lines; -1 when it is none.
static long chart_list_count(const json_t *chart) {
  const char *kind = chart_list_text(chart, "kind");
  const json_t *list = json_object_get(chart, "series");
  const bool fits = kind && strcmp(kind, "lines") == 0 && chart_list_text(chart, "name") &&
                    chart_list_text(chart, "title") && json_is_array(list) &&
                    json_array_size(list) <= CHART_LIST_SERIES_MAX;
  long count = fits ? 0 : -1;
  for (size_t i = 0; fits && i < json_array_size(list); i++) {
    const json_t *series = json_array_get(list, i);
    const size_t points = json_array_size(json_object_get(series, "x"));
    if (json_array_size(json_object_get(series, "y")) != points)
      return -1;
    count += (long)points;
  }
  return count;
}

static fm_status chart_list_show_one(const json_t *chart, double *numbers, fm_chart_shower show,
                                     void *user) {
  const json_t *list = json_object_get(chart, "series");
  fm_chart_series series[CHART_LIST_SERIES_MAX];
  const size_t count = json_array_size(list);
  for (size_t i = 0; i < count; i++)
    series[i] = chart_list_series(json_array_get(list, i), &numbers);
  return show(user, &(fm_chart){.kind = FM_CHART_LINES,
                                .name = chart_list_text(chart, "name"),
                                .title = chart_list_text(chart, "title"),
                                .note = chart_list_text(chart, "note"),
                                .x = chart_list_axis(chart, "x"),
                                .y = chart_list_axis(chart, "y"),
                                .series = series,
                                .series_count = count});
}

fm_status fm_chart_list_show(const fm_chart_list *list, fm_chart_shower show, void *user) {
  for (size_t i = 0; i < json_array_size(list->charts); i++) {
    const json_t *chart = json_array_get(list->charts, i);
    const long count = chart_list_count(chart);
    if (count < 0)
      return fm_fail(FM_ERR_FORMAT, "%s: chart %zu is not one of lines", list->path, i + 1);
    double *numbers = malloc((2 * (size_t)count + 1) * sizeof *numbers);
    FM_CHECK_ALLOC(numbers);
    const fm_status status = chart_list_show_one(chart, numbers, show, user);
    free(numbers);
    FM_TRY(status);
  }
  return FM_OK;
}
