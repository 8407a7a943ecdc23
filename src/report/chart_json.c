// A chart as JSON, as web/page.js reads it.
#include "report/chart_parts.h"
#include "report/text.h"

static void json_text(const char *key, const char *text, FILE *out) {
  if (!text)
    return;
  fprintf(out, ",\"%s\":", key);
  fm_text_json(out, text);
}

static void json_numbers(const char *key, const double *values, size_t count, FILE *out) {
  fprintf(out, ",\"%s\":[", key);
  for (size_t i = 0; i < count; i++) {
    fputs(i ? "," : "", out);
    fm_text_json_number(out, values[i]);
  }
  fputc(']', out);
}

static void json_names(const char *key, const char *const *names, size_t count, FILE *out) {
  if (!names)
    return;
  fprintf(out, ",\"%s\":[", key);
  for (size_t i = 0; i < count; i++) {
    fputs(i ? "," : "", out);
    fm_text_json(out, names[i]);
  }
  fputc(']', out);
}

static void json_axis(const char *key, const fm_chart_axis *axis, const fm_chart_range *range,
                      FILE *out) {
  fprintf(out, ",\"%s\":{\"log\":%s,\"whole\":%s,\"minimum\":", key, axis->log ? "true" : "false",
          axis->whole ? "true" : "false");
  fm_text_json_number(out, range->minimum);
  fputs(",\"maximum\":", out);
  fm_text_json_number(out, range->maximum);
  json_text("label", axis->label, out);
  fputc('}', out);
}

static void json_series(const fm_chart *chart, size_t index, FILE *out) {
  const fm_chart_series *series = &chart->series[index];
  fprintf(out, "%s{\"color\":\"#%06x\",\"dashed\":%s,\"steps\":%s,\"dots\":%s", index ? "," : "",
          series->rgb ? series->rgb : fm_chart_color(index), series->dashed ? "true" : "false",
          series->steps ? "true" : "false", series->dots ? "true" : "false");
  json_text("name", series->name, out);
  if (chart->kind == FM_CHART_LINES)
    json_numbers("x", series->x, series->count, out);
  if (series->weights)
    json_numbers("weights", series->weights, series->count, out);
  json_numbers("y", series->y, series->count, out);
  fputc('}', out);
}

static void json_matrix(const fm_chart *chart, FILE *out) {
  const fm_chart_matrix *matrix = &chart->matrix;
  fprintf(out,
          ",\"matrix\":{\"rows\":%zu,\"columns\":%zu,\"numbers\":%s,\"maximum\":", matrix->rows,
          matrix->columns, matrix->numbers ? "true" : "false");
  fm_text_json_number(out, fm_chart_matrix_maximum(chart));
  json_text("label", matrix->label, out);
  json_names("row_names", matrix->row_names, matrix->rows, out);
  json_names("column_names", matrix->column_names, matrix->columns, out);
  json_numbers("values", matrix->values, matrix->rows * matrix->columns, out);
  fputc('}', out);
}

void fm_chart_write_json(const fm_chart *chart, FILE *out) {
  static const char *const kinds[FM_CHART_KIND_COUNT] = {"bars", "histogram", "lines", "matrix"};
  fm_chart_range x, y;
  int width, height;
  fm_chart_ranges(chart, &x, &y);
  fm_chart_size(chart, &width, &height);
  fprintf(out, "{\"kind\":\"%s\",\"decimals\":%d,\"height\":%d,\"lies\":%s,\"empty\":%s",
          kinds[chart->kind], chart->decimals, height, fm_chart_lies(chart) ? "true" : "false",
          fm_chart_has_data(chart) ? "false" : "true");
  json_text("name", chart->name, out);
  json_text("title", chart->title, out);
  json_text("note", chart->note, out);
  json_axis("x", &chart->x, &x, out);
  json_axis("y", &chart->y, &y, out);
  if (chart->kind == FM_CHART_BARS)
    json_names("categories", chart->categories, chart->category_count, out);
  if (chart->kind == FM_CHART_HISTOGRAM)
    json_numbers("edges", chart->edges, chart->bin_count ? chart->bin_count + 1 : 0, out);
  if (chart->kind == FM_CHART_MATRIX)
    json_matrix(chart, out);
  fputs(",\"series\":[", out);
  for (size_t i = 0; chart->kind != FM_CHART_MATRIX && i < chart->series_count; i++)
    json_series(chart, i, out);
  fputs("]}", out);
}
