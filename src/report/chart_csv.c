// The data of a chart as CSV with a heading: one row a category, bin, point or cell. The gnuplot
// script reads this file, so names stand in it for people only; lines are one block a series, two
// empty lines between them.
#include "report/chart_parts.h"
#include "report/text.h"

static const char *csv_series_name(const fm_chart *chart, size_t index) {
  return chart->series[index].name ? chart->series[index].name : "value";
}

static void csv_heading(const fm_chart *chart, FILE *out) {
  for (size_t i = 0; i < chart->series_count; i++) {
    fputs(i ? "," : "", out);
    fm_text_csv(out, csv_series_name(chart, i));
  }
}

static void csv_values(const fm_chart *chart, size_t row, FILE *out) {
  for (size_t i = 0; i < chart->series_count; i++) {
    fputs(i ? "," : "", out);
    fm_text_csv_number(out, chart->series[i].y[row]);
  }
}

static void csv_bars(const fm_chart *chart, FILE *out) {
  csv_heading(chart, out);
  fputs(",category\n", out);
  for (size_t i = 0; i < chart->category_count; i++) {
    csv_values(chart, i, out);
    fputc(',', out);
    fm_text_csv(out, chart->categories[i]);
    fputc('\n', out);
  }
}

static void csv_histogram(const fm_chart *chart, FILE *out) {
  fputs("from,to,", out);
  csv_heading(chart, out);
  fputc('\n', out);
  for (size_t i = 0; i < chart->bin_count; i++) {
    fm_text_csv_number(out, chart->edges[i]);
    fputc(',', out);
    fm_text_csv_number(out, chart->edges[i + 1]);
    fputc(',', out);
    csv_values(chart, i, out);
    fputc('\n', out);
  }
}

static void csv_lines(const fm_chart *chart, FILE *out) {
  bool weights = false;
  for (size_t i = 0; i < chart->series_count; i++)
    weights |= chart->series[i].weights != NULL;
  fprintf(out, "x,y,%sseries\n", weights ? "weight," : "");
  for (size_t i = 0; i < chart->series_count; i++) {
    const fm_chart_series *series = &chart->series[i];
    if (i > 0)
      fputs("\n\n", out);
    // A block that is empty would not be counted as one.
    if (series->count == 0)
      fprintf(out, "NaN,NaN,%snone\n", weights ? "NaN," : "");
    for (size_t j = 0; j < series->count; j++) {
      fm_text_csv_number(out, series->x[j]);
      fputc(',', out);
      fm_text_csv_number(out, series->y[j]);
      fputc(',', out);
      if (weights) {
        fm_text_csv_number(out, series->weights ? series->weights[j] : 1);
        fputc(',', out);
      }
      fm_text_csv(out, csv_series_name(chart, i));
      fputc('\n', out);
    }
  }
}

static void csv_matrix(const fm_chart *chart, FILE *out) {
  const fm_chart_matrix *matrix = &chart->matrix;
  fprintf(out, "row,column,value%s%s\n", matrix->row_names ? ",row_name" : "",
          matrix->column_names ? ",column_name" : "");
  for (size_t row = 0; row < matrix->rows; row++)
    for (size_t column = 0; column < matrix->columns; column++) {
      fprintf(out, "%zu,%zu,", row, column);
      fm_text_csv_number(out, matrix->values[row * matrix->columns + column]);
      if (matrix->row_names) {
        fputc(',', out);
        fm_text_csv(out, matrix->row_names[row]);
      }
      if (matrix->column_names) {
        fputc(',', out);
        fm_text_csv(out, matrix->column_names[column]);
      }
      fputc('\n', out);
    }
}

void fm_chart_write_csv(const fm_chart *chart, FILE *out) {
  switch (chart->kind) {
  case FM_CHART_BARS:
    csv_bars(chart, out);
    break;
  case FM_CHART_HISTOGRAM:
    csv_histogram(chart, out);
    break;
  case FM_CHART_LINES:
    csv_lines(chart, out);
    break;
  default:
    csv_matrix(chart, out);
  }
}
