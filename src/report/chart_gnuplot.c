// The gnuplot script of a chart: reads NAME.csv beside it, writes NAME.png and NAME.svg. All text
// from outside stands in single quotes, where gnuplot expands nothing, and "noenhanced" keeps '_'
// and '^' from being markup.
#include <math.h>

#include "report/chart_parts.h"
#include "report/text.h"

enum {
  GNUPLOT_TITLE = 90,
  GNUPLOT_LEGEND = 40,
  GNUPLOT_TIC = 56,
  GNUPLOT_AXIS = 48,
  GNUPLOT_LEGEND_ROWS = 6
};

static const char gnuplot_palette[] = "set palette defined (0 '#f2f6fb', 0.25 '#b5d1e8', 0.5 "
                                      "'#6aa9d2', 0.75 '#2a72ad', 1 '#08306b')\n";

static uint32_t gnuplot_color(const fm_chart *chart, size_t series) {
  const uint32_t rgb = chart->series[series].rgb;
  return rgb ? rgb : fm_chart_color(series);
}

static void gnuplot_title(const fm_chart *chart, size_t series, FILE *out) {
  if (!chart->series[series].name || chart->series_count == 1) {
    fputs(" notitle", out);
    return;
  }
  fputs(" title ", out);
  fm_text_gnuplot(out, chart->series[series].name, GNUPLOT_LEGEND);
}

static void gnuplot_label(const char *what, const char *text, size_t longest, FILE *out) {
  if (!text || !*text)
    return;
  fprintf(out, "set %s ", what);
  fm_text_gnuplot(out, text, longest);
  fputc('\n', out);
}

static void gnuplot_range(const char *axis, double from, double to, FILE *out) {
  fprintf(out, "set %srange [%.9g:%.9g]\n", axis, from, to);
}

static void gnuplot_head(const fm_chart *chart, FILE *out) {
  fprintf(out,
          "# Draws %s.png and %s.svg from %s.csv: gnuplot %s.gp, in this folder.\n"
          "if (!exists('stem')) stem = '%s'\n"
          "data = '%s.csv'\n"
          "set encoding utf8\nset datafile separator comma\n",
          chart->name, chart->name, chart->name, chart->name, chart->name, chart->name);
  if (chart->title) {
    fputs("set title ", out);
    fm_text_gnuplot(out, chart->title, GNUPLOT_TITLE);
    if (chart->note) {
      fputs(".\"\\n\".", out);
      fm_text_gnuplot(out, chart->note, GNUPLOT_TITLE + 40);
    }
    fputs(" font ',13'\n", out);
  }
  fputs("set border 3 linecolor rgb '#606060'\nset tics nomirror\n"
        "set style fill solid 0.9 noborder\n",
        out);
  if (chart->series_count > GNUPLOT_LEGEND_ROWS)
    fputs("set key outside right top vertical reverse Left samplen 2.5\n", out);
  else
    fputs("set key below center horizontal reverse Left samplen 2.5 height 0.7\n", out);
}

// The positions and names of a named axis.
static void gnuplot_tics(char axis, const char *const *names, size_t count, const char *how,
                         FILE *out) {
  fprintf(out, "set %ctics scale 0 %s (", axis, how);
  for (size_t i = 0; i < count; i++) {
    fputs(i ? ", " : "", out);
    fm_text_gnuplot(out, names[i], GNUPLOT_TIC);
    fprintf(out, " %zu", i);
  }
  fputs(")\n", out);
}

// gnuplot labels powers of ten only, which may be one or none; below three decades 1, 2 and 5 of
// each stand there.
static void gnuplot_log_tics(char axis, const fm_chart_range *range, FILE *out) {
  fprintf(out, "set logscale %c\n", axis);
  if (range->maximum / range->minimum > 1000)
    return;
  static const double steps[] = {1, 2, 5};
  const char *between = "";
  fprintf(out, "set %ctics (", axis);
  for (int power = (int)floor(log10(range->minimum)); pow(10, power) <= range->maximum; power++)
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
      const double value = steps[i] * pow(10, power);
      if (value < range->minimum || value > range->maximum)
        continue;
      fprintf(out, "%s%.9g", between, value);
      between = ", ";
    }
  fputs(")\n", out);
}

static void gnuplot_scale(char axis, const fm_chart_axis *description, const fm_chart_range *range,
                          FILE *out) {
  if (description->log)
    gnuplot_log_tics(axis, range, out);
  else if (description->whole && range->maximum - range->minimum < 12)
    fprintf(out, "set %ctics 1\n", axis);
}

static void gnuplot_bars(const fm_chart *chart, FILE *out) {
  const bool lies = fm_chart_lies(chart);
  const double width = 0.8 / (double)chart->series_count;
  for (size_t i = 0; i < chart->series_count; i++) {
    const double middle = -0.4 + width * ((double)i + 0.5);
    const double from = middle - width * 0.47, to = middle + width * 0.47;
    const size_t column = i + 1;
    fprintf(out, "%s", i ? ", \\\n     " : "plot ");
    if (lies)
      fprintf(out, "data skip 1 using ($%zu/2):($0%+.6f):(0):%zu:($0%+.6f):($0%+.6f)", column,
              middle, column, from, to);
    else
      fprintf(out, "data skip 1 using ($0%+.6f):($%zu/2):($0%+.6f):($0%+.6f):(0):%zu", middle,
              column, from, to, column);
    fprintf(out, " with boxxyerror linecolor rgb '#%06x'", gnuplot_color(chart, i));
    gnuplot_title(chart, i, out);
    // The value of a bar below zero stands above zero, where there is room.
    if (lies)
      fprintf(out, ", \\\n     data skip 1 using ($%zu > 0 ? $%zu : 0*$%zu):($0%+.6f):", column,
              column, column, middle);
    else
      fprintf(out, ", \\\n     data skip 1 using ($0%+.6f):($%zu > 0 ? $%zu : 0*$%zu):", middle,
              column, column, column);
    fprintf(out, "(sprintf('%%.%df', $%zu)) with labels font ',9' %s notitle", chart->decimals,
            column, lies ? "left offset 0.4,0" : "offset 0,0.5");
  }
  fputc('\n', out);
}

static void gnuplot_bars_axes(const fm_chart *chart, const fm_chart_range *x,
                              const fm_chart_range *y, FILE *out) {
  const bool lies = fm_chart_lies(chart);
  gnuplot_label(lies ? "ylabel" : "xlabel", chart->x.label, GNUPLOT_AXIS, out);
  gnuplot_label(lies ? "xlabel" : "ylabel", chart->y.label, GNUPLOT_AXIS, out);
  fprintf(out, "set grid %s linecolor rgb '#d8d8d8'\n", lies ? "xtics" : "ytics");
  // On their side the first category stands on top.
  gnuplot_range(lies ? "y" : "x", lies ? x->maximum : x->minimum, lies ? x->minimum : x->maximum,
                out);
  gnuplot_range(lies ? "x" : "y", y->minimum, y->maximum, out);
  if (y->minimum < 0)
    fprintf(out, "set %czeroaxis linetype -1 linecolor rgb '#606060'\n", lies ? 'y' : 'x');
  if (chart->category_count)
    gnuplot_tics(lies ? 'y' : 'x', chart->categories, chart->category_count, "", out);
}

static void gnuplot_histogram(const fm_chart *chart, FILE *out) {
  if (chart->series_count > 1)
    fputs("set style fill transparent solid 0.5 noborder\n", out);
  for (size_t i = 0; i < chart->series_count; i++) {
    fprintf(out, "%sdata skip 1 using (($1+$2)/2):($%zu/2):1:2:(0):%zu with boxxyerror ",
            i ? ", \\\n     " : "plot ", i + 3, i + 3);
    fprintf(out, "linecolor rgb '#%06x'", gnuplot_color(chart, i));
    gnuplot_title(chart, i, out);
  }
  fputc('\n', out);
}

// How one series is drawn: "with lines ...".
static void gnuplot_line_style(const fm_chart *chart, size_t index, FILE *out) {
  const fm_chart_series *series = &chart->series[index];
  const uint32_t rgb = gnuplot_color(chart, index);
  if (series->weights) {
    // The area of a dot is its weight; the smallest ones can still be seen.
    fprintf(out, "1:2:(0.4+3*sqrt($3/%.9g)) with points pointtype 7 pointsize variable ",
            fm_chart_heaviest(series));
    fprintf(out, "linecolor rgb '#60%06x'", rgb);
    return;
  }
  const bool dots = series->dots || series->count == 1;
  fprintf(out, "1:2 with %s linewidth %s linecolor rgb '#%06x'",
          series->steps ? "steps"
          : dots        ? "linespoints pointtype 7 pointsize 0.5"
                        : "lines",
          series->dashed ? "1.5" : "2", rgb);
  if (series->dashed)
    fputs(" dashtype 2", out);
}

static void gnuplot_lines(const fm_chart *chart, FILE *out) {
  for (size_t i = 0; i < chart->series_count; i++) {
    fprintf(out, "%sdata skip %d index %zu using ", i ? ", \\\n     " : "plot ", i == 0, i);
    gnuplot_line_style(chart, i, out);
    gnuplot_title(chart, i, out);
  }
  fputc('\n', out);
}

static void gnuplot_matrix_axis(char axis, const char *const *names, size_t count, double maximum,
                                FILE *out) {
  const bool down = axis == 'y';
  if (names) {
    gnuplot_range(axis == 'x' ? "x" : "y", down ? (double)count - 0.5 : -0.5,
                  down ? -0.5 : (double)count - 0.5, out);
    gnuplot_tics(axis, names, count, down ? "" : "rotate by 30 right", out);
  } else {
    gnuplot_range(axis == 'x' ? "x" : "y", down ? maximum : 0, down ? 0 : maximum, out);
  }
}

static void gnuplot_matrix_axes(const fm_chart *chart, const fm_chart_range *x,
                                const fm_chart_range *y, FILE *out) {
  const fm_chart_matrix *matrix = &chart->matrix;
  gnuplot_matrix_axis('x', matrix->column_names, matrix->columns, x->maximum, out);
  gnuplot_matrix_axis('y', matrix->row_names, matrix->rows, y->maximum, out);
  fprintf(out, "set cbrange [0:%.9g]\nset border 15 front\n", fm_chart_matrix_maximum(chart));
  fputs(gnuplot_palette, out);
  gnuplot_label("cblabel", matrix->label, GNUPLOT_AXIS, out);
  if (!matrix->numbers)
    fputs("set size square\n", out);
}

static void gnuplot_matrix(const fm_chart *chart, const fm_chart_range *x, const fm_chart_range *y,
                           FILE *out) {
  const fm_chart_matrix *matrix = &chart->matrix;
  const double width = matrix->column_names ? 1 : x->maximum / (double)matrix->columns;
  const double height = matrix->row_names ? 1 : y->maximum / (double)matrix->rows;
  fprintf(out, "cx(i) = %s\ncy(i) = %s\nw = %.9g\nh = %.9g\nr = %s\n",
          matrix->column_names ? "i" : "(i+0.5)*w", matrix->row_names ? "i" : "(i+0.5)*h", width,
          height,
          // Neighbours overlap a little where no gap between them shall show.
          matrix->numbers ? "0.49" : "0.52");
  fputs("plot data skip 1 using (cx($2)):(cy($1)):(cx($2)-w*r):(cx($2)+w*r):(cy($1)-h*r):"
        "(cy($1)+h*r):3 with boxxyerror fillstyle solid 1 fillcolor palette notitle",
        out);
  if (matrix->numbers)
    fprintf(out,
            ", \\\n     data skip 1 using (cx($2)+0*$3):(cy($1)):(sprintf('%%.%df', $3)):"
            "($3 > %.9g ? 0xffffff : 0x202020) with labels textcolor rgb variable notitle",
            chart->decimals, 0.55 * fm_chart_matrix_maximum(chart));
  fputc('\n', out);
}

static void gnuplot_axes(const fm_chart *chart, const fm_chart_range *x, const fm_chart_range *y,
                         FILE *out) {
  if (chart->kind == FM_CHART_BARS) {
    gnuplot_bars_axes(chart, x, y, out);
    return;
  }
  gnuplot_label("xlabel", chart->x.label, GNUPLOT_AXIS, out);
  gnuplot_label("ylabel", chart->y.label, GNUPLOT_AXIS, out);
  if (chart->kind == FM_CHART_MATRIX) {
    gnuplot_matrix_axes(chart, x, y, out);
    return;
  }
  fputs("set grid linecolor rgb '#d8d8d8'\n", out);
  gnuplot_scale('x', &chart->x, x, out);
  if (chart->kind == FM_CHART_LINES)
    gnuplot_scale('y', &chart->y, y, out);
  gnuplot_range("x", x->minimum, x->maximum, out);
  gnuplot_range("y", y->minimum, y->maximum, out);
}

static void gnuplot_plot(const fm_chart *chart, const fm_chart_range *x, const fm_chart_range *y,
                         FILE *out) {
  if (!fm_chart_has_data(chart))
    fputs("set label 'no data' at graph 0.5,0.5 center font ',18' textcolor rgb '#808080'\n"
          "unset colorbox\nplot NaN notitle\n",
          out);
  else if (chart->kind == FM_CHART_BARS)
    gnuplot_bars(chart, out);
  else if (chart->kind == FM_CHART_HISTOGRAM)
    gnuplot_histogram(chart, out);
  else if (chart->kind == FM_CHART_LINES)
    gnuplot_lines(chart, out);
  else
    gnuplot_matrix(chart, x, y, out);
}

void fm_chart_write_gnuplot(const fm_chart *chart, FILE *out) {
  fm_chart_range x, y;
  int width, height;
  fm_chart_ranges(chart, &x, &y);
  fm_chart_size(chart, &width, &height);
  gnuplot_head(chart, out);
  gnuplot_axes(chart, &x, &y, out);
  fprintf(out,
          "set terminal pngcairo noenhanced font 'DejaVu Sans,11' background rgb 'white' "
          "size %d,%d\nset output stem.'.png'\n",
          width, height);
  gnuplot_plot(chart, &x, &y, out);
  fprintf(out,
          "set terminal svg noenhanced font 'DejaVu Sans,12' background rgb 'white' "
          "size %d,%d\nset output stem.'.svg'\nreplot\nunset output\n",
          width, height);
}
