// What a chart's description means, whoever draws it: checks, sizes, ranges, colours.
#include "report/chart_parts.h"

#include <math.h>
#include <string.h>

#include "base/utf8.h"

enum {
  CHART_WIDTH = 960,
  CHART_HEIGHT = 540,
  CHART_SIDE_MAX = 6000,
  CHART_MARGINS = 130,    // of a chart's width, not usable by its bars
  CHART_LETTER = 8,       // pixels of a character, rather too wide
  CHART_BAR_LYING = 15,   // pixels of a bar on its side
  CHART_GROUP_SPACE = 10, // between groups of such bars
  CHART_CELL = 44,        // pixels of a cell of a matrix with numbers, at least
};

uint32_t fm_chart_color(size_t index) {
  static const uint32_t palette[] = {
      0x0072b2, 0xe69f00, 0x009e73, 0xd55e00, 0xcc79a7, 0x56b4e9, 0xa08a00,
      0x6a3d9a, 0x8c564b, 0x7f7f7f, 0x00466e, 0xa86f00, 0x005c43, 0x8f3f00,
      0x8e4a72, 0x2b86b8, 0x5e5200, 0xa98bd0, 0xc79a91, 0x404040,
  };
  return palette[index % (sizeof palette / sizeof *palette)];
}

static bool chart_name_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '_' || byte == '-' || byte == '.';
}

void fm_chart_name(char *out, size_t capacity, const char *prefix, const char *text) {
  snprintf(out, capacity, "%s%s", prefix, text);
  for (char *at = out; *at; at++)
    if (!chart_name_byte(*at))
      *at = '_';
}

static fm_status chart_check_series(const fm_chart *chart, size_t wanted) {
  for (size_t i = 0; i < chart->series_count; i++) {
    const fm_chart_series *series = &chart->series[i];
    if (!series->name && chart->series_count > 1)
      return fm_fail(FM_ERR_ARGUMENT, "chart %s: series %zu of %zu has no name", chart->name, i,
                     chart->series_count);
    if (chart->kind != FM_CHART_LINES && series->count != wanted)
      return fm_fail(FM_ERR_ARGUMENT, "chart %s: series %zu has %zu values, not %zu", chart->name,
                     i, series->count, wanted);
    if (chart->kind == FM_CHART_LINES && series->count > 0 && !series->x)
      return fm_fail(FM_ERR_ARGUMENT, "chart %s: series %zu has no x", chart->name, i);
  }
  return FM_OK;
}

fm_status fm_chart_check(const fm_chart *chart) {
  const char *name = chart->name;
  if (!name || !*name || *name == '.')
    return fm_fail(FM_ERR_ARGUMENT, "a chart needs a name that does not begin with a dot");
  for (const char *at = name; *at; at++)
    if (!chart_name_byte(*at))
      return fm_fail(FM_ERR_ARGUMENT, "chart %s: its name cannot be that of a file", name);
  switch (chart->kind) {
  case FM_CHART_BARS:
    return chart_check_series(chart, chart->category_count);
  case FM_CHART_HISTOGRAM:
    for (size_t i = 0; i < chart->bin_count; i++)
      if (!(chart->edges[i] < chart->edges[i + 1]))
        return fm_fail(FM_ERR_ARGUMENT, "chart %s: the edges of the bins do not rise", name);
    return chart_check_series(chart, chart->bin_count);
  case FM_CHART_LINES:
    return chart_check_series(chart, 0);
  case FM_CHART_MATRIX:
    return FM_OK;
  default:
    return fm_fail(FM_ERR_ARGUMENT, "chart %s: no such kind", name);
  }
}

static size_t chart_longest(const char *const *names, size_t count) {
  size_t longest = 0;
  for (size_t i = 0; i < count; i++) {
    const size_t length = fm_utf8_count(names[i]);
    longest = length > longest ? length : longest;
  }
  return longest;
}

// Pixels of the widest value written on a bar.
static size_t chart_value_width(const fm_chart *chart) {
  size_t widest = 1;
  for (size_t i = 0; i < chart->series_count; i++)
    for (size_t j = 0; j < chart->series[i].count; j++) {
      const int length = snprintf(NULL, 0, "%.*f", chart->decimals, chart->series[i].y[j]);
      widest = length > 0 && (size_t)length > widest ? (size_t)length : widest;
    }
  return widest * CHART_LETTER;
}

bool fm_chart_lies(const fm_chart *chart) {
  if (chart->kind != FM_CHART_BARS || chart->category_count == 0)
    return false;
  const size_t room = (size_t)(chart->width ? chart->width : CHART_WIDTH) - CHART_MARGINS;
  const size_t group = room / chart->category_count;
  const size_t bar = group * 8 / 10 / (chart->series_count ? chart->series_count : 1);
  return chart_longest(chart->categories, chart->category_count) * CHART_LETTER + CHART_LETTER >
             group ||
         chart_value_width(chart) > bar;
}

static int chart_clamp(size_t pixels) {
  return pixels < CHART_SIDE_MAX ? (int)pixels : CHART_SIDE_MAX;
}

static void chart_size_matrix(const fm_chart *chart, int *width, int *height) {
  const fm_chart_matrix *matrix = &chart->matrix;
  if (!matrix->numbers) {
    *width = *height = 640;
    return;
  }
  const size_t names = chart_longest(matrix->row_names, matrix->row_names ? matrix->rows : 0);
  const size_t left = 100 + (names < 40 ? names : 40) * CHART_LETTER;
  *width = chart_clamp(left + 130 + matrix->columns * CHART_CELL * 3 / 2);
  *height = chart_clamp(left + 60 + matrix->rows * CHART_CELL);
  *width = *width < 640 ? 640 : *width;
}

void fm_chart_size(const fm_chart *chart, int *width, int *height) {
  *width = CHART_WIDTH;
  *height = CHART_HEIGHT;
  if (chart->kind == FM_CHART_MATRIX)
    chart_size_matrix(chart, width, height);
  if (fm_chart_lies(chart)) {
    const size_t group = chart->series_count * CHART_BAR_LYING + CHART_GROUP_SPACE;
    *height = chart_clamp(150 + chart->category_count * (group < 26 ? 26 : group));
  }
  *width = chart->width ? chart->width : *width;
  *height = chart->height ? chart->height : *height;
}

double fm_chart_matrix_maximum(const fm_chart *chart) {
  const fm_chart_matrix *matrix = &chart->matrix;
  double greatest = 0;
  for (size_t i = 0; i < matrix->rows * matrix->columns; i++)
    if (isfinite(matrix->values[i]) && matrix->values[i] > greatest)
      greatest = matrix->values[i];
  if (matrix->maximum > 0)
    return matrix->maximum;
  return greatest > 0 ? greatest : 1;
}

static void chart_range_add(fm_chart_range *range, double value, bool log) {
  if (!isfinite(value) || (log && value <= 0))
    return;
  range->minimum = value < range->minimum ? value : range->minimum;
  range->maximum = value > range->maximum ? value : range->maximum;
}

// Room around the data: `share` of the range, of its logarithm where the axis is one.
static void chart_range_pad(fm_chart_range *range, double share, bool log) {
  if (range->minimum > range->maximum)
    *range = (fm_chart_range){log ? 0.1 : 0, 1};
  if (log) {
    const double ratio = range->maximum / range->minimum,
                 factor = ratio > 1 ? pow(ratio, share) : 2;
    range->minimum /= factor;
    range->maximum *= factor;
    return;
  }
  double room = (range->maximum - range->minimum) * share;
  if (range->minimum == range->maximum)
    room = range->maximum != 0 ? fabs(range->maximum) * 0.5 : 1;
  range->minimum = range->minimum >= 0 && range->minimum < room ? 0 : range->minimum - room;
  range->maximum += room;
}

static void chart_range_lines(const fm_chart *chart, fm_chart_range *x, fm_chart_range *y) {
  for (size_t i = 0; i < chart->series_count; i++)
    for (size_t j = 0; j < chart->series[i].count; j++) {
      chart_range_add(x, chart->series[i].x[j], chart->x.log);
      chart_range_add(y, chart->series[i].y[j], chart->y.log);
    }
  // Lines touch the frame, dots do not.
  const bool dots = chart->series_count > 0 && chart->series[0].weights;
  if (x->minimum >= x->maximum || dots)
    chart_range_pad(x, dots ? 0.05 : 0, chart->x.log);
  if (chart->y.zero && !chart->y.log && y->minimum > 0 && y->minimum <= y->maximum)
    y->minimum = 0;
  chart_range_pad(y, 0.05, chart->y.log);
  if (chart->x.minimum < chart->x.maximum)
    *x = (fm_chart_range){chart->x.minimum, chart->x.maximum};
  if (chart->y.minimum < chart->y.maximum)
    *y = (fm_chart_range){chart->y.minimum, chart->y.maximum};
}

// A unit a category, some room at the ends, and so much of it around one or two that they do not
// become broad blocks.
static fm_chart_range chart_range_categories(const fm_chart *chart) {
  const double count = (double)chart->category_count;
  const double half = (fm_chart_lies(chart) || count > 3 ? count : 3) / 2 + 0.1;
  return (fm_chart_range){(count - 1) / 2 - half, (count - 1) / 2 + half};
}

void fm_chart_ranges(const fm_chart *chart, fm_chart_range *x, fm_chart_range *y) {
  *x = *y = (fm_chart_range){INFINITY, -INFINITY};
  if (chart->kind == FM_CHART_LINES) {
    chart_range_lines(chart, x, y);
    return;
  }
  if (chart->kind == FM_CHART_MATRIX) {
    *x = (fm_chart_range){0, chart->x.maximum > 0 ? chart->x.maximum : 1};
    *y = (fm_chart_range){0, chart->y.maximum > 0 ? chart->y.maximum : 1};
    return;
  }
  *y = (fm_chart_range){0, 0};
  for (size_t i = 0; i < chart->series_count; i++)
    for (size_t j = 0; j < chart->series[i].count; j++)
      chart_range_add(y, chart->series[i].y[j], false);
  // Room for the value on the highest bar, and below the lowest one.
  y->maximum = y->maximum > 0 ? y->maximum * 1.12 : y->minimum < 0 ? 0 : 1;
  y->minimum *= 1.12;
  if (chart->kind == FM_CHART_BARS)
    *x = chart_range_categories(chart);
  else
    *x = chart->bin_count ? (fm_chart_range){chart->edges[0], chart->edges[chart->bin_count]}
                          : (fm_chart_range){chart->x.log ? 0.1 : 0, 1};
}

double fm_chart_heaviest(const fm_chart_series *series) {
  double heaviest = 0;
  for (size_t i = 0; series->weights && i < series->count; i++)
    heaviest = series->weights[i] > heaviest ? series->weights[i] : heaviest;
  return heaviest;
}

bool fm_chart_has_data(const fm_chart *chart) {
  if (chart->kind == FM_CHART_MATRIX) {
    for (size_t i = 0; i < chart->matrix.rows * chart->matrix.columns; i++)
      if (isfinite(chart->matrix.values[i]))
        return true;
    return false;
  }
  const bool log_x = chart->kind == FM_CHART_LINES && chart->x.log;
  const bool log_y = chart->kind == FM_CHART_LINES && chart->y.log;
  for (size_t i = 0; i < chart->series_count; i++)
    for (size_t j = 0; j < chart->series[i].count; j++)
      if (isfinite(chart->series[i].y[j]) && (!log_y || chart->series[i].y[j] > 0) &&
          (!log_x || chart->series[i].x[j] > 0))
        return true;
  return false;
}
