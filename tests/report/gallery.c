// Charts of every kind and of awkward sizes.
#include "gallery.h"

#include <math.h>
#include <stdio.h>

const char gallery_hostile[] =
    "</script><b>\"x\" & 'y'</b> `touch /tmp/x` @m {/Bold a_b^c}, #1\n;\xff system('ls')";

typedef struct gallery {
  gallery_visit visit;
  void *user;
  size_t count;
} gallery;

static const char *const gallery_classes[GALLERY_CLASSES] = {
    "without_mask",
    "with_mask",
    "mask_weared_incorrect",
    "mask_below_the_nose_but_above_the_mouth",
    "surgical_mask",
    "respirator_ffp2_with_valve",
    "respirator_ffp2_without_valve",
    "face_shield_worn_together_with_a_mask",
    "face_shield",
    "cloth_mask",
    "scarf",
    "hand_before_the_mouth",
    "mask_below_the_chin",
    "mask_on_one_ear",
    "mask_upside_down",
    "transparent_mask",
    "helmet",
    "veil",
    "painted_mask",
    "маска_под_носом",
};
static const char *const gallery_folds[GALLERY_FOLDS] = {"1", "2", "3", "4", "5",
                                                         "6", "7", "8", "9", "10"};

static void gallery_show(gallery *to, const fm_chart *chart) {
  to->visit(chart, to->user);
  to->count++;
}

// Grouped bars: `folds` groups of `classes` bars.
static void gallery_bars(gallery *to, const char *name, size_t folds, size_t classes) {
  double values[GALLERY_CLASSES][GALLERY_FOLDS];
  fm_chart_series series[GALLERY_CLASSES];
  for (size_t i = 0; i < classes; i++) {
    for (size_t j = 0; j < folds; j++)
      values[i][j] = floor(2400.0 / (double)((i + 1) * (i + 1)) + (double)((i * 7 + j * 13) % 11));
    series[i] = (fm_chart_series){.name = gallery_classes[i], .y = values[i], .count = folds};
  }
  gallery_show(to, &(fm_chart){.kind = FM_CHART_BARS,
                               .name = name,
                               .title = "Faces in the train part of each fold",
                               .note = "Counts of the annotated boxes",
                               .x.label = "fold",
                               .y.label = "faces",
                               .categories = gallery_folds,
                               .category_count = folds,
                               .series = series,
                               .series_count = classes});
}

// One bar a class.
static void gallery_class_bars(gallery *to, const char *name, size_t classes) {
  double values[GALLERY_CLASSES];
  for (size_t i = 0; i < classes; i++)
    values[i] = floor(3232.0 / (double)(i + 1));
  gallery_show(to, &(fm_chart){.kind = FM_CHART_BARS,
                               .name = name,
                               .title = "Faces by class",
                               .x.label = "class",
                               .y.label = "faces",
                               .categories = gallery_classes,
                               .category_count = classes,
                               .series = &(fm_chart_series){.y = values, .count = classes},
                               .series_count = 1});
}

static void gallery_hostile_bars(gallery *to) {
  const char *const names[] = {gallery_hostile, "", "plain"};
  const double values[] = {0.25, NAN, -0.125};
  const fm_chart_series series[] = {
      {.name = gallery_hostile, .y = values, .count = 3},
      {.name = "", .y = values, .count = 3},
  };
  gallery_show(to, &(fm_chart){.kind = FM_CHART_BARS,
                               .name = "bars_hostile",
                               .title = gallery_hostile,
                               .note = gallery_hostile,
                               .x.label = gallery_hostile,
                               .y.label = gallery_hostile,
                               .categories = names,
                               .category_count = 3,
                               .series = series,
                               .series_count = 2,
                               .decimals = 3});
}

// A loss a fold, train and (dashed) validation.
static void gallery_losses(gallery *to, const char *name, size_t folds, size_t epochs, bool log) {
  static double x[100], y[2 * GALLERY_FOLDS][100];
  static char names[2 * GALLERY_FOLDS][32];
  fm_chart_series series[2 * GALLERY_FOLDS];
  for (size_t i = 0; i < 2 * folds; i++) {
    const size_t fold = i / 2;
    snprintf(names[i], sizeof names[i], "fold %zu %s", fold + 1, i % 2 ? "valid" : "train");
    for (size_t j = 0; j < epochs; j++) {
      x[j] = (double)j + 1;
      y[i][j] = exp(-(double)j / 6) + 0.1 + 0.05 * (double)(i % 2) + 0.01 * (double)fold;
    }
    series[i] = (fm_chart_series){.name = names[i],
                                  .x = x,
                                  .y = y[i],
                                  .count = epochs,
                                  .rgb = fm_chart_color(fold),
                                  .dashed = i % 2 == 1};
  }
  if (epochs > 10)
    y[0][5] = NAN; // a gap
  gallery_show(to, &(fm_chart){.kind = FM_CHART_LINES,
                               .name = name,
                               .title = "Average loss by fold",
                               .x = {.label = "epoch", .whole = true},
                               .y = {.label = "loss", .log = log},
                               .series = series,
                               .series_count = 2 * folds});
}

// Dots whose areas are weights.
static void gallery_dots(gallery *to) {
  const double x[] = {300, 400, 400, 600}, y[] = {400, 300, 225, 600}, weights[] = {166, 47, 70, 1};
  const fm_chart_series series = {.x = x, .y = y, .weights = weights, .count = 4};
  gallery_show(to, &(fm_chart){.kind = FM_CHART_LINES,
                               .name = "dots",
                               .title = "Sizes of the images",
                               .x.label = "width",
                               .y.label = "height",
                               .series = &series,
                               .series_count = 1});
}

static void gallery_recall(gallery *to) {
  enum { POINTS = 101 };
  double recall[POINTS], precision[3][POINTS];
  fm_chart_series series[3];
  for (size_t i = 0; i < 3; i++) {
    for (size_t j = 0; j < POINTS; j++) {
      recall[j] = (double)j / (POINTS - 1);
      precision[i][j] = recall[j] < 0.9 - 0.2 * (double)i ? 1 - 0.3 * recall[j] * recall[j] : 0;
    }
    series[i] = (fm_chart_series){
        .name = gallery_classes[i], .x = recall, .y = precision[i], .count = POINTS, .steps = true};
  }
  gallery_show(to, &(fm_chart){.kind = FM_CHART_LINES,
                               .name = "lines_precision_recall",
                               .title = "Precision against recall at IoU 0.5",
                               .x = {.label = "recall", .minimum = 0, .maximum = 1},
                               .y = {.label = "precision", .minimum = 0, .maximum = 1.02},
                               .series = series,
                               .series_count = 3});
}

static void gallery_histogram(gallery *to, const char *name, bool log) {
  static double values[4000];
  for (size_t i = 0; i < 4000; i++) {
    const double part = ((double)((i * 2654435761u) % 4001) + 0.5) / 4001;
    values[i] = log ? 23 * exp(0.8 * tan((part - 0.5) * 2)) : floor(1 + 20 * part * part);
  }
  fm_histogram histogram;
  const fm_histogram_options options = {.bins = 40, .log = log, .whole = !log};
  if (fm_histogram_make(&histogram, values, 4000, &options) < 0)
    return;
  const fm_chart_series series = {.y = histogram.counts, .count = histogram.bins};
  gallery_show(
      to, &(fm_chart){.kind = FM_CHART_HISTOGRAM,
                      .name = name,
                      .title = log ? "Sizes of the faces" : "Faces in a picture",
                      .x = {.label = log ? "sqrt(width x height), pixels" : "faces", .log = log},
                      .y.label = log ? "faces" : "pictures",
                      .edges = histogram.edges,
                      .bin_count = histogram.bins,
                      .series = &series,
                      .series_count = 1});
  fm_histogram_release(&histogram);
}

static void gallery_confusion(gallery *to, const char *name, size_t classes, int decimals) {
  double values[GALLERY_CLASSES * GALLERY_CLASSES];
  for (size_t i = 0; i < classes; i++)
    for (size_t j = 0; j < classes; j++) {
      const double value = i == j ? 200 - 4 * (double)i : (double)((i * 5 + j * 3) % 17);
      values[i * classes + j] = decimals ? value / 200 : value;
    }
  if (classes > 1)
    values[1] = NAN;
  gallery_show(to, &(fm_chart){.kind = FM_CHART_MATRIX,
                               .name = name,
                               .title = "Confusion matrix",
                               .note = "score 0.5, IoU 0.5",
                               .x.label = "predicted",
                               .y.label = "true",
                               .matrix = {.values = values,
                                          .rows = classes,
                                          .columns = classes,
                                          .row_names = gallery_classes,
                                          .column_names = gallery_classes,
                                          .numbers = true,
                                          .label = "faces"},
                               .decimals = decimals});
}

static void gallery_heat(gallery *to) {
  enum { SIDE = 32 };
  static double values[SIDE * SIDE];
  for (size_t i = 0; i < SIDE * SIDE; i++) {
    const double x = ((double)(i % SIDE) - 15.5) / 8, y = ((double)(i / SIDE) - 11.5) / 5;
    values[i] = floor(40 * exp(-x * x - y * y));
  }
  gallery_show(to, &(fm_chart){.kind = FM_CHART_MATRIX,
                               .name = "matrix_heat",
                               .title = "Where the faces lie",
                               .x.label = "share of the picture's width",
                               .y.label = "share of the picture's height",
                               .matrix = {.values = values,
                                          .rows = SIDE,
                                          .columns = SIDE,
                                          .label = "faces over the place"}});
}

static void gallery_empty(gallery *to) {
  static const char *const names[] = {"empty_bars", "empty_histogram", "empty_lines",
                                      "empty_matrix"};
  const double nothing[] = {NAN, NAN};
  const fm_chart_series series = {.name = "none", .x = nothing, .y = nothing, .count = 2};
  for (int kind = 0; kind < FM_CHART_KIND_COUNT; kind++) {
    gallery_show(to, &(fm_chart){.kind = (fm_chart_kind)kind,
                                 .name = names[kind],
                                 .title = "Nothing",
                                 .x.label = "x",
                                 .y = {.label = "y", .log = kind == FM_CHART_LINES},
                                 .series = &series,
                                 .series_count = kind == FM_CHART_LINES});
  }
}

size_t gallery_each(gallery_visit visit, void *user) {
  gallery to = {.visit = visit, .user = user};
  gallery_class_bars(&to, "bars_1_class", 1);
  gallery_class_bars(&to, "bars_3_classes", 3);
  gallery_class_bars(&to, "bars_20_classes", GALLERY_CLASSES);
  gallery_bars(&to, "bars_1_fold_1_class", 1, 1);
  gallery_bars(&to, "bars_1_fold", 1, 3);
  gallery_bars(&to, "bars_5_folds", 5, 3);
  gallery_bars(&to, "bars_10_folds", 10, 3);
  gallery_bars(&to, "bars_10_folds_20_classes", 10, GALLERY_CLASSES);
  gallery_hostile_bars(&to);
  gallery_losses(&to, "lines_1_fold", 1, 20, false);
  gallery_losses(&to, "lines_1_epoch", 1, 1, false);
  gallery_losses(&to, "lines_5_folds", 5, 20, false);
  gallery_losses(&to, "lines_10_folds_log", 10, 50, true);
  gallery_recall(&to);
  gallery_dots(&to);
  gallery_histogram(&to, "histogram_whole", false);
  gallery_histogram(&to, "histogram_log", true);
  gallery_confusion(&to, "matrix_1_class", 1, 0);
  gallery_confusion(&to, "matrix_3_classes", 3, 0);
  gallery_confusion(&to, "matrix_20_classes", GALLERY_CLASSES, 2);
  gallery_heat(&to);
  gallery_empty(&to);
  return to.count;
}
