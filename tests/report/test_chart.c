// Charts as pictures: what gnuplot made of them, and the files kept beside.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../data/support.h"
#include "base/file.h"
#include "gallery.h"
#include "image/image.h"
#include "report/chart_parts.h"

static char *read_file(const char *folder, const char *name, const char *extension) {
  char file[300];
  snprintf(file, sizeof file, "%s.%s", name, extension);
  char *path = fm_path_join(folder, file);
  fm_bytes bytes;
  assert_int_equal(fm_file_read(&bytes, path, 1 << 26), FM_OK);
  free(path);
  return (char *)bytes.data;
}

static void assert_holds(const char *text, const char *part) {
  if (!strstr(text, part))
    fail_msg("\"%s\" is missing", part);
}

static size_t count_lines(const char *text) {
  size_t lines = 0;
  for (; *text; text++)
    lines += *text == '\n';
  return lines;
}

static size_t expected_lines(const fm_chart *chart) {
  size_t lines = 1;
  switch (chart->kind) {
  case FM_CHART_BARS:
    return 1 + chart->category_count;
  case FM_CHART_HISTOGRAM:
    return 1 + chart->bin_count;
  case FM_CHART_MATRIX:
    return 1 + chart->matrix.rows * chart->matrix.columns;
  default:
    for (size_t i = 0; i < chart->series_count; i++)
      lines += chart->series[i].count + 2 * (i > 0);
    return lines;
  }
}

static void check_pictures(const fm_chart *chart, void *folder) {
  assert_int_equal(fm_chart_draw(chart, folder), FM_OK);
  int width, height;
  fm_chart_size(chart, &width, &height);
  char *png = fm_path_join(folder, chart->name);
  png = realloc(png, strlen(png) + 5);
  strcat(png, ".png");
  fm_image image;
  assert_int_equal(fm_image_read(&image, png), FM_OK);
  assert_int_equal(image.width, width);
  assert_int_equal(image.height, height);
  fm_image_release(&image);
  free(png);
  char *svg = read_file(folder, chart->name, "svg"), *csv = read_file(folder, chart->name, "csv");
  char size[64];
  snprintf(size, sizeof size, "width=\"%d\" height=\"%d\"", width, height);
  assert_holds(svg, size);
  assert_holds(svg, "</svg>");
  if (!fm_chart_has_data(chart))
    assert_holds(svg, "no data");
  assert_int_equal(count_lines(csv), expected_lines(chart));
  free(svg);
  free(csv);
}

static void every_kind_and_size_of_chart_becomes_pictures(void **state) {
  (void)state;
  char *folder = support_folder_make();
  const size_t count = gallery_each(check_pictures, folder);
  fm_name_list names;
  assert_int_equal(fm_folder_list(&names, folder), FM_OK);
  assert_int_equal(names.count, 4 * count); // no temporary file is left
  fm_name_list_release(&names);
  support_folder_remove(folder);
}

static void numbers_and_names_stand_in_the_picture(void **state) {
  (void)state;
  static const char *const names[] = {"without_mask", "with_mask", "it's"};
  const double first[] = {717, 3232, 123}, second[] = {0.5, NAN, 6};
  const fm_chart_series series[] = {
      {.name = "faces", .y = first, .count = 3, .rgb = 0x12ab34},
      {.name = "share", .y = second, .count = 3},
  };
  const fm_chart chart = {.kind = FM_CHART_BARS,
                          .name = "classes",
                          .title = "Faces & classes",
                          .categories = names,
                          .category_count = 3,
                          .series = series,
                          .series_count = 2,
                          .decimals = 1};
  char *folder = support_folder_make();
  assert_int_equal(fm_chart_draw(&chart, folder), FM_OK);
  char *svg = read_file(folder, "classes", "svg"), *csv = read_file(folder, "classes", "csv");
  static const char *const parts[] = {"717.0",        "3232.0",    "123.0", ">0.5<",
                                      "without_mask", "with_mask", "it’s",  "Faces &amp; classes"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    assert_holds(svg, parts[i]);
  assert_non_null(strcasestr(svg, "rgb( 18, 171,  52)"));
  assert_string_equal(csv, "faces,share,category\n717,0.5,without_mask\n3232,NaN,with_mask\n"
                           "123,6,\"it's\"\n");
  free(svg);
  free(csv);
  support_folder_remove(folder);
}

static void text_from_outside_is_text_in_scripts_and_pictures(void **state) {
  (void)state;
  const char *const names[] = {gallery_hostile};
  const double value = 42;
  const fm_chart_series series = {.name = gallery_hostile, .y = &value, .count = 1};
  const fm_chart chart = {.kind = FM_CHART_BARS,
                          .name = "hostile",
                          .title = "`touch touched`\n!touch touched\n\"'.system('touch touched').'",
                          .x.label = "'\nsystem 'touch touched'\n",
                          .categories = names,
                          .category_count = 1,
                          .series = &series,
                          .series_count = 1};
  char *folder = support_folder_make();
  if (fm_chart_draw(&chart, folder) < 0)
    fail_msg("%s", fm_error_message());
  char *svg = read_file(folder, "hostile", "svg"), *touched = fm_path_join(folder, "touched");
  assert_false(fm_path_exists(touched));
  assert_null(strstr(svg, "<b>"));
  assert_holds(svg, "&lt;b>");
  assert_holds(svg, "`touch touched`?!touch touched?");
  free(svg);
  free(touched);
  support_folder_remove(folder);
}

static void the_script_that_is_kept_draws_the_picture_again(void **state) {
  (void)state;
  const double x[] = {1, 2, 3}, y[] = {3, 1, 2};
  const fm_chart_series series = {.x = x, .y = y, .count = 3};
  const fm_chart chart = {
      .kind = FM_CHART_LINES, .name = "again", .series = &series, .series_count = 1};
  char *folder = support_folder_make(), command[600];
  assert_int_equal(fm_chart_draw(&chart, folder), FM_OK);
  char *before = read_file(folder, "again", "svg");
  snprintf(command, sizeof command, "cd %s && rm again.png again.svg && gnuplot again.gp", folder);
  assert_int_equal(system(command), 0);
  char *behind = read_file(folder, "again", "svg");
  assert_string_equal(before, behind);
  free(before);
  free(behind);
  support_folder_remove(folder);
}

// Runs the same chart with another PATH; returns what fm_chart_draw does.
static fm_status draw_with_path(const char *path, const char *folder) {
  const double y[] = {1};
  static const char *const names[] = {"a"};
  const fm_chart_series series = {.y = y, .count = 1};
  const fm_chart chart = {.kind = FM_CHART_BARS,
                          .name = "alone",
                          .categories = names,
                          .category_count = 1,
                          .series = &series,
                          .series_count = 1};
  char *kept = strdup(getenv("PATH"));
  setenv("PATH", path, 1);
  const fm_status status = fm_chart_draw(&chart, folder);
  setenv("PATH", kept, 1);
  free(kept);
  return status;
}

static void without_gnuplot_the_message_names_the_package_and_the_data_are_kept(void **state) {
  (void)state;
  char *folder = support_folder_make();
  assert_int_equal(draw_with_path("/nonexistent", folder), FM_ERR_UNSUPPORTED);
  assert_holds(fm_error_message(), "gnuplot-nox");
  free(read_file(folder, "alone", "csv"));
  free(read_file(folder, "alone", "gp"));
  support_folder_remove(folder);
}

static void what_gnuplot_complains_of_is_told(void **state) {
  (void)state;
  char *folder = support_folder_make(), *program = fm_path_join(folder, "gnuplot");
  support_write_text(folder, "gnuplot", "#!/bin/sh\necho no such colour >&2\nexit 3\n");
  assert_int_equal(chmod(program, 0755), 0);
  assert_int_equal(draw_with_path(folder, folder), FM_ERR_IO);
  assert_holds(fm_error_message(), "alone.gp");
  assert_holds(fm_error_message(), "no such colour");
  support_write_text(folder, "gnuplot", "#!/bin/sh\nexit 0\n"); // says nothing, writes nothing
  assert_int_equal(chmod(program, 0755), 0);
  assert_true(draw_with_path(folder, folder) < 0);
  free(program);
  support_folder_remove(folder);
}

static void descriptions_that_do_not_fit_are_refused(void **state) {
  (void)state;
  const double values[] = {1, 2, 2};
  const fm_chart_series short_series = {.y = values, .count = 1};
  const fm_chart_series nameless[] = {{.y = values, .count = 2}, {.y = values, .count = 2}};
  static const char *const names[] = {"a", "b"};
  fm_chart chart = {.kind = FM_CHART_BARS,
                    .name = "x",
                    .categories = names,
                    .category_count = 2,
                    .series = &short_series,
                    .series_count = 1};
  assert_int_equal(fm_chart_check(&chart), FM_ERR_ARGUMENT);
  chart.series = nameless;
  assert_int_equal(fm_chart_check(&chart), FM_OK);
  chart.series_count = 2;
  assert_int_equal(fm_chart_check(&chart), FM_ERR_ARGUMENT);
  chart.series_count = 1;
  static const char *const bad[] = {"", ".hidden", "a/b", "..", "a b", "a'b"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    chart.name = bad[i];
    assert_int_equal(fm_chart_check(&chart), FM_ERR_ARGUMENT);
  }
  chart = (fm_chart){.kind = FM_CHART_HISTOGRAM, .name = "x", .edges = values, .bin_count = 2};
  assert_int_equal(fm_chart_check(&chart), FM_ERR_ARGUMENT); // 2 to 2 is no bin
  char name[64];
  fm_chart_name(name, sizeof name, "pr_", "../with mask/'");
  assert_string_equal(name, "pr_.._with_mask__");
}

static bool lies(size_t categories, size_t series_count, const char *name, double value) {
  const char *names[64];
  double values[64];
  fm_chart_series series[32];
  for (size_t i = 0; i < categories; i++) {
    names[i] = name;
    values[i] = value;
  }
  for (size_t i = 0; i < series_count; i++)
    series[i] = (fm_chart_series){.name = "s", .y = values, .count = categories};
  return fm_chart_lies(&(fm_chart){.kind = FM_CHART_BARS,
                                   .categories = names,
                                   .category_count = categories,
                                   .series = series,
                                   .series_count = series_count});
}

static void bars_lie_down_when_names_or_values_need_the_room(void **state) {
  (void)state;
  assert_false(lies(5, 3, "1", 2348));
  assert_false(lies(3, 1, "mask_weared_incorrect", 123));
  assert_true(lies(7, 1, "mask_weared_incorrect", 123));
  assert_true(lies(10, 5, "1", 2348));
  assert_false(lies(0, 1, "", 0));
}

static void histograms_count_each_value_once(void **state) {
  (void)state;
  enum { COUNT = 5000 };
  static double values[COUNT];
  uint64_t seed = 1;
  for (size_t i = 0; i < COUNT; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    values[i] = exp((double)(seed >> 40) / 0x1p24 * 5);
  }
  const fm_histogram_options options[] = {
      {0}, {.bins = 7}, {.bins = 40, .log = true}, {.bins = 12, .whole = true}};
  for (size_t o = 0; o < sizeof options / sizeof *options; o++) {
    fm_histogram histogram;
    assert_int_equal(fm_histogram_make(&histogram, values, COUNT, &options[o]), FM_OK);
    double total = 0;
    for (size_t bin = 0; bin < histogram.bins; bin++) {
      double naive = 0;
      const bool last = bin + 1 == histogram.bins;
      for (size_t i = 0; i < COUNT; i++)
        naive +=
            values[i] >= histogram.edges[bin] && (values[i] < histogram.edges[bin + 1] ||
                                                  (last && values[i] == histogram.edges[bin + 1]));
      assert_true(naive == histogram.counts[bin]);
      total += naive;
    }
    assert_true(total == COUNT);
    fm_histogram_release(&histogram);
  }
}

static void histograms_of_one_value_or_none_can_be_drawn(void **state) {
  (void)state;
  const double same[] = {7, 7, 7, NAN, -1};
  fm_histogram histogram;
  assert_int_equal(fm_histogram_make(&histogram, same, 3, &(fm_histogram_options){0}), FM_OK);
  assert_int_equal(histogram.bins, 1);
  assert_true(histogram.counts[0] == 3 && histogram.edges[0] < histogram.edges[1]);
  fm_histogram_release(&histogram);
  assert_int_equal(fm_histogram_make(&histogram, same, 3, &(fm_histogram_options){.whole = true}),
                   FM_OK);
  assert_int_equal(histogram.bins, 1);
  assert_true(histogram.edges[0] == 6.5 && histogram.edges[1] == 7.5);
  fm_histogram_release(&histogram);
  assert_int_equal(fm_histogram_make(&histogram, same, 5, &(fm_histogram_options){.log = true}),
                   FM_OK);
  assert_true(histogram.counts[0] == 3);
  fm_histogram_release(&histogram);
  assert_int_equal(fm_histogram_make(&histogram, same + 3, 1, &(fm_histogram_options){0}), FM_OK);
  assert_int_equal(histogram.bins, 0);
  fm_histogram_release(&histogram);
}

int main(void) {
  if (system("command -v gnuplot > /dev/null") != 0) {
    fputs("skipped: gnuplot is not installed (package gnuplot-nox)\n", stderr);
    return 77;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_kind_and_size_of_chart_becomes_pictures),
      cmocka_unit_test(numbers_and_names_stand_in_the_picture),
      cmocka_unit_test(text_from_outside_is_text_in_scripts_and_pictures),
      cmocka_unit_test(the_script_that_is_kept_draws_the_picture_again),
      cmocka_unit_test(without_gnuplot_the_message_names_the_package_and_the_data_are_kept),
      cmocka_unit_test(what_gnuplot_complains_of_is_told),
      cmocka_unit_test(descriptions_that_do_not_fit_are_refused),
      cmocka_unit_test(bars_lie_down_when_names_or_values_need_the_room),
      cmocka_unit_test(histograms_count_each_value_once),
      cmocka_unit_test(histograms_of_one_value_or_none_can_be_drawn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
