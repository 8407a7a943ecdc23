// A chart as data: what it shows, not how it is drawn. fm_chart_draw makes pictures of it with
// gnuplot, fm_page_chart (report/page.h) an interactive one on an HTML page; both take the same
// description, so each chart is described once.
//
//   static const char *const folds[] = {"1", "2", "3"};
//   const double with[] = {2348, 2255, 2383}, without[] = {567, 510, 483};
//   const fm_chart chart = {
//       .kind = FM_CHART_BARS, .name = "folds", .title = "Faces in the train part of each fold",
//       .x.label = "fold", .y.label = "faces", .categories = folds, .category_count = 3,
//       .series = (fm_chart_series[]){{.name = "with_mask", .y = with, .count = 3},
//                                     {.name = "without_mask", .y = without, .count = 3}},
//       .series_count = 2,
//   };
//   FM_TRY(fm_chart_draw(&chart, "graphs")); // graphs/folds.png, .svg, .csv, .gp
//   fm_page_chart(&page, &chart);
//
// Everything is lent; zero and NULL mean "the default" or "none". Text may be any text (it comes
// from the data): it is escaped, and shortened where a picture has no room. A value that is not
// finite (NAN) is a gap. No data at all is a chart that says so.
#ifndef FM_REPORT_CHART_H
#define FM_REPORT_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum fm_chart_kind {
  FM_CHART_BARS, // series x categories: grouped bars from zero, each with its value written on it.
                 // They lie on their side when the categories' names or the values need the room.
  FM_CHART_HISTOGRAM, // series x bins: bars as wide as the bins between `edges`
  FM_CHART_LINES,     // series of points (x, y)
  FM_CHART_MATRIX,    // rows x columns of values as colours, row 0 on top
  FM_CHART_KIND_COUNT,
} fm_chart_kind;

typedef struct fm_chart_series {
  const char *name; // in the legend; NULL only where there is one series
  const double *x;  // (count) lines only; rising
  const double *y;  // (count) lines: points; bars: one a category; histogram: one a bin
  size_t count;
  uint32_t rgb;          // 0xRRGGBB; 0: fm_chart_color of the series' number
  bool dashed, steps;    // lines only; steps: the value holds until the next x
  bool dots;             // lines only: mark the points
  const double *weights; // (count) lines only: dots without a line, their areas by weight
} fm_chart_series;

typedef struct fm_chart_axis {
  const char *label;
  double minimum, maximum; // of lines, both 0: from the data
  bool log;   // lines: either axis; histogram: x. What is not above zero is then a gap.
  bool whole; // whole numbers (epochs): no tick between them
  bool zero;  // y of lines: begins at zero, when nothing is below and the axis is not logarithmic
} fm_chart_axis;

typedef struct fm_chart_matrix {
  const double *values; // (rows, columns)
  size_t rows, columns;
  const char *const *row_names, *const *column_names; // (rows), (columns); NULL: the axes run from
                                                      // 0 to axis.maximum (default 1)
  double maximum;    // the darkest colour stands for it; 0: the greatest value
  bool numbers;      // write the values into the cells
  const char *label; // of the values, beside the scale of colours
} fm_chart_matrix;

typedef struct fm_chart {
  fm_chart_kind kind;
  const char *name; // of the files: letters, digits, '_', '-', '.'
  const char *title;
  const char *note;              // a line of explanation under the title
  fm_chart_axis x, y;            // as they stand when bars do not lie on their side
  const char *const *categories; // bars
  size_t category_count;
  const double *edges; // histogram: (bin_count + 1), rising
  size_t bin_count;
  const fm_chart_series *series; // all but the matrix
  size_t series_count;
  fm_chart_matrix matrix;
  int decimals;      // of the values written on bars and into cells
  int width, height; // of the pictures, in pixels; 0: a size that suits the kind and the data
} fm_chart;

// Draws folder/NAME.png and folder/NAME.svg and keeps beside them what they were made from:
// NAME.csv (the data, for any reader of CSV) and NAME.gp (`gnuplot NAME.gp`, there, draws them
// anew). Makes the folder; every file is replaced as a whole. FM_ERR_UNSUPPORTED when gnuplot is
// not installed (the message names the package): the .csv and .gp are there then.
FM_MUST_USE fm_status fm_chart_draw(const fm_chart *chart, const char *folder);
// Whoever takes charts one by one: draws them, puts them on a page. The chart is lent for the call;
// a failure ends the showing and is returned.
typedef fm_status (*fm_chart_shower)(void *user, const fm_chart *chart);
// One that draws into the folder whose name `user` points to (a const char **); fm_page_show_chart
// (report/page.h) is another.
FM_MUST_USE fm_status fm_chart_show_drawn(void *user, const fm_chart *chart);
// A colour of the palette, for 20 series before it begins anew.
uint32_t fm_chart_color(size_t index);
// `text` as a part of a chart's name: what may not stand there becomes '_'.
void fm_chart_name(char *out, size_t capacity, const char *prefix, const char *text);

// The bins of a histogram of values, and how many values lie in each (from <= value < to; the last
// bin holds its end too).
typedef struct fm_histogram {
  double *edges;  // (bins + 1)
  double *counts; // (bins)
  size_t bins;
} fm_histogram;
typedef struct fm_histogram_options {
  size_t bins;             // wanted; at most so many. 0: 30
  double minimum, maximum; // both 0: from the data
  bool log;   // bins of equal ratio; values must be above zero then (others are not counted)
  bool whole; // whole numbers: the bins begin at halves and are a whole number wide
} fm_histogram_options;
FM_MUST_USE fm_status fm_histogram_make(fm_histogram *out, const double *values, size_t count,
                                        const fm_histogram_options *options);
void fm_histogram_release(fm_histogram *histogram);

#endif
