// What the makers of pictures and pages share about a chart.
#ifndef FM_REPORT_CHART_PARTS_H
#define FM_REPORT_CHART_PARTS_H

#include <stdio.h>

#include "report/chart.h"

FM_MUST_USE fm_status
fm_chart_check(const fm_chart *chart);     // FM_ERR_ARGUMENT: counts or names do not fit
bool fm_chart_lies(const fm_chart *chart); // bars on their side
void fm_chart_size(const fm_chart *chart, int *width, int *height);
// The greatest weight of a series; 0 when it has none.
double fm_chart_heaviest(const fm_chart_series *series);
bool fm_chart_has_data(const fm_chart *chart);
double fm_chart_matrix_maximum(const fm_chart *chart);
typedef struct fm_chart_range {
  double minimum, maximum;
} fm_chart_range;
// What the axes show: of bars and histograms y from zero, of lines the given range or that of the
// data with some room.
void fm_chart_ranges(const fm_chart *chart, fm_chart_range *x, fm_chart_range *y);
void fm_chart_write_csv(const fm_chart *chart, FILE *out);
void fm_chart_write_gnuplot(const fm_chart *chart, FILE *out);
void fm_chart_write_json(const fm_chart *chart, FILE *out); // what web/page.js reads

#endif
