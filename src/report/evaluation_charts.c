// An analysis as charts.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "report/evaluation.h"

enum {
  CHARTS_NAME_BYTES = 256,
  CHARTS_CLASS_BYTES = 112,
  CHARTS_CLASS_LETTERS = 21,
  CHARTS_TITLE_LETTERS = 48,
  CHARTS_TITLE_BYTES = 208,
  CHARTS_POINTS_MAX = 101,
  CHARTS_THRESHOLDS_SHOWN = 10
};
_Static_assert((int)CHARTS_POINTS_MAX >= (int)FM_COCO_RECALLS &&
                   (int)CHARTS_POINTS_MAX >= (int)FM_CONFIDENCE_POINTS,
               "a series has room");

typedef struct charts {
  const fm_analysis *analysis;
  fm_chart_shower show;
  void *user;
  int shown[FM_EVALUATION_CLASSES]; // categories, in their order
  int shown_count;
} charts;

static const uint32_t charts_all_color = 0x111111; // of what stands for all classes

// The lines of one chart.
enum { CHARTS_LINES_MAX = FM_EVALUATION_CLASSES + 2 };
typedef struct charts_lines {
  fm_chart_series series[CHARTS_LINES_MAX];
  char names[CHARTS_LINES_MAX][CHARTS_NAME_BYTES];
  double x[CHARTS_POINTS_MAX], y[CHARTS_LINES_MAX][CHARTS_POINTS_MAX];
  size_t count;
} charts_lines;

// Of too many classes those with most faces.
static void charts_choose(charts *self) {
  const int classes = fm_analysis_class_count(self->analysis);
  const size_t *faces = self->analysis->coco.category_truths;
  for (int k = 0; k < classes; k++) {
    int before = 0; // classes with more faces, or as many and an earlier place
    for (int other = 0; other < classes; other++)
      before += faces[other] > faces[k] || (faces[other] == faces[k] && other < k);
    if (before < FM_EVALUATION_CLASSES)
      self->shown[self->shown_count++] = k;
  }
}

static double *charts_add(charts_lines *lines, size_t points, uint32_t rgb) {
  fm_chart_series *series = &lines->series[lines->count];
  *series = (fm_chart_series){.name = lines->names[lines->count],
                              .x = lines->x,
                              .y = lines->y[lines->count],
                              .count = points,
                              .rgb = rgb};
  return lines->y[lines->count++];
}

// The name of the line that was added last.
static char *charts_name(charts_lines *lines) {
  return lines->names[lines->count - 1];
}

// A class's name, short enough to leave room for its figures.
static const char *charts_class(const charts *self, int category, char out[CHARTS_CLASS_BYTES]) {
  fm_utf8_middle(out, CHARTS_CLASS_BYTES, fm_analysis_class_name(self->analysis, category),
                 CHARTS_CLASS_LETTERS);
  return out;
}

static double charts_precision(const fm_coco_measure *m, int iou, size_t recall, int category) {
  const size_t row = (size_t)iou * FM_COCO_RECALLS + recall;
  const size_t at =
      ((row * (size_t)m->category_count + (size_t)category) * FM_COCO_AREAS) * FM_COCO_MAX_DETS;
  const double value = m->precision[at + FM_COCO_MAX_DETS - 1];
  return value < 0 ? (double)NAN : value; // no truth
}

// The line ends where it first meets zero: behind the last recall that is reached.
static void charts_fill_precision(const charts *self, double *y, int iou, int category) {
  bool ended = false;
  for (size_t r = 0; r < FM_COCO_RECALLS; r++) {
    const double value = charts_precision(&self->analysis->coco, iou, r, category);
    y[r] = ended ? (double)NAN : value;
    ended = ended || (r > 0 && value == 0 && y[r - 1] > 0);
  }
}

static void charts_fill_recalls(charts_lines *lines) {
  for (size_t r = 0; r < FM_COCO_RECALLS; r++)
    lines->x[r] = (double)r / (FM_COCO_RECALLS - 1);
}

static fm_status charts_show_lines(const charts *self, const charts_lines *lines, fm_chart *chart) {
  chart->kind = FM_CHART_LINES;
  chart->series = lines->series;
  chart->series_count = lines->count;
  return self->show(self->user, chart);
}

static const fm_chart_axis charts_recall_axis = {.label = "recall", .maximum = 1.01};
static const fm_chart_axis charts_precision_axis = {.label = "precision", .maximum = 1.02};

enum { CHARTS_FIGURE_BYTES = 24 };
// A number that is below zero where there was nothing to measure, as text.
static const char *charts_figure_or(char out[CHARTS_FIGURE_BYTES], double value,
                                    const char *missing) {
  if (value >= 0)
    snprintf(out, CHARTS_FIGURE_BYTES, "%.3f", value);
  else
    snprintf(out, CHARTS_FIGURE_BYTES, "%s", missing);
  return out;
}

static const char *charts_figure(char out[CHARTS_FIGURE_BYTES], double value) {
  return charts_figure_or(out, value, "no faces");
}

static bool charts_has_detections(const charts *self) {
  return self->analysis->boxes->result_count > 0;
}

static fm_status charts_precision_of_all(const charts *self, charts_lines *lines) {
  const fm_coco_measure *m = &self->analysis->coco;
  char figure[CHARTS_FIGURE_BYTES], name[CHARTS_CLASS_BYTES], note[CHARTS_NAME_BYTES];
  lines->count = 0;
  charts_fill_recalls(lines);
  for (int i = 0; i < self->shown_count; i++) {
    const int k = self->shown[i];
    charts_fill_precision(self, charts_add(lines, FM_COCO_RECALLS, fm_chart_color((size_t)i)), 0,
                          k);
    snprintf(charts_name(lines), CHARTS_NAME_BYTES, "%s (AP %s)", charts_class(self, k, name),
             charts_figure(figure, m->category_AP50[k]));
  }
  snprintf(note, sizeof note, "COCO measure, mAP at IoU 0.50: %s%s",
           charts_figure(figure, m->mAP50),
           charts_has_detections(self) ? "" : "; there are no detections");
  return charts_show_lines(self, lines,
                           &(fm_chart){.name = "precision_recall",
                                       .title = "Precision and recall of each class at IoU 0.50",
                                       .note = note,
                                       .x = charts_recall_axis,
                                       .y = charts_precision_axis});
}

// From blue to red with the threshold.
static uint32_t charts_threshold_color(int iou) {
  static const uint32_t ramp[CHARTS_THRESHOLDS_SHOWN] = {0x08306b, 0x1561a9, 0x3a8ac2, 0x2ca25f,
                                                         0x78b62f, 0xc9a800, 0xf08a00, 0xe5550d,
                                                         0xc4161c, 0x7a0019};
  return ramp[iou];
}

static fm_status charts_precision_of_class(const charts *self, charts_lines *lines, int k) {
  const fm_coco_measure *m = &self->analysis->coco;
  char name[CHARTS_NAME_BYTES], title[CHARTS_NAME_BYTES], note[CHARTS_NAME_BYTES],
      figure[CHARTS_FIGURE_BYTES];
  lines->count = 0;
  charts_fill_recalls(lines);
  for (int t = 0; t < FM_COCO_IOUS; t++) {
    charts_fill_precision(self, charts_add(lines, FM_COCO_RECALLS, charts_threshold_color(t)), t,
                          k);
    snprintf(charts_name(lines), CHARTS_NAME_BYTES, "IoU %.2f (AP %s)", fm_coco_iou(t),
             charts_figure(figure, m->category_AP_iou[k * FM_COCO_IOUS + t]));
  }
  char class_name[CHARTS_CLASS_BYTES], long_name[CHARTS_TITLE_BYTES], number[32];
  charts_class(self, k, class_name);
  fm_utf8_middle(long_name, sizeof long_name, fm_analysis_class_name(self->analysis, k),
                 CHARTS_TITLE_LETTERS);
  snprintf(number, sizeof number, "precision_recall_%02d_", k + 1);
  fm_chart_name(name, sizeof name, number, class_name);
  snprintf(title, sizeof title, "Precision and recall of %s", long_name);
  snprintf(note, sizeof note, "%zu faces, AP over all thresholds: %s", m->category_truths[k],
           charts_figure(figure, m->category_AP[k]));
  return charts_show_lines(self, lines,
                           &(fm_chart){.name = name,
                                       .title = title,
                                       .note = note,
                                       .x = charts_recall_axis,
                                       .y = charts_precision_axis});
}

static void charts_add_thresholds(charts_lines *lines, const double *values, uint32_t rgb) {
  double *y = charts_add(lines, FM_COCO_IOUS, rgb);
  for (int t = 0; t < FM_COCO_IOUS; t++)
    y[t] = values[t] < 0 ? (double)NAN : values[t];
  lines->series[lines->count - 1].dots = true;
}

static fm_status charts_mAP(const charts *self, charts_lines *lines) {
  const fm_analysis *a = self->analysis;
  char figure[CHARTS_FIGURE_BYTES], name[CHARTS_CLASS_BYTES], note[CHARTS_NAME_BYTES];
  lines->count = 0;
  for (int t = 0; t < FM_COCO_IOUS; t++)
    lines->x[t] = fm_coco_iou(t);
  charts_add_thresholds(lines, a->coco.per_iou, charts_all_color);
  snprintf(charts_name(lines), CHARTS_NAME_BYTES, "mAP (%s)", charts_figure(figure, a->coco.mAP));
  for (int i = 0; i < self->shown_count && a->coco.category_count > 1; i++) {
    const int k = self->shown[i];
    charts_add_thresholds(lines, a->coco.category_AP_iou + (size_t)k * FM_COCO_IOUS,
                          fm_chart_color((size_t)i));
    snprintf(charts_name(lines), CHARTS_NAME_BYTES, "%s (%s)", charts_class(self, k, name),
             charts_figure(figure, a->coco.category_AP[k]));
  }
  if (a->has_notebook) {
    charts_add_thresholds(lines, a->notebook.per_iou, charts_all_color);
    lines->series[lines->count - 1].dashed = true;
    snprintf(charts_name(lines), CHARTS_NAME_BYTES, "as the notebook counts (%s)",
             charts_figure_or(figure, a->notebook.mAP, "nothing found"));
  }
  snprintf(note, sizeof note, "COCO measure over %zu picture%s%s%s", a->images,
           a->images == 1 ? "" : "s", lines->count > 1 ? "; in brackets the mean" : ", mean ",
           lines->count > 1 ? "" : charts_figure(figure, a->coco.mAP));
  return charts_show_lines(
      self, lines,
      &(fm_chart){.name = "map_iou",
                  .title = "Average precision against the IoU threshold",
                  .note = note,
                  .x = {.label = "IoU threshold", .minimum = 0.49, .maximum = 0.96},
                  .y = {.label = "average precision", .minimum = 0, .maximum = 1.02}});
}

// --- against the score

typedef enum charts_curve {
  CHARTS_F1,
  CHARTS_PRECISION,
  CHARTS_RECALL,
  CHARTS_CURVES
} charts_curve;

static const double *charts_curve_values(const fm_confidence_curve *curve, charts_curve which) {
  return which == CHARTS_F1          ? curve->f1
         : which == CHARTS_PRECISION ? curve->precision
                                     : curve->recall;
}

static void charts_add_curve(charts_lines *lines, const fm_confidence_curve *curve,
                             charts_curve which, const char *name, uint32_t rgb) {
  double *y = charts_add(lines, FM_CONFIDENCE_POINTS, rgb);
  const double *values = charts_curve_values(curve, which);
  for (size_t i = 0; i < FM_CONFIDENCE_POINTS; i++)
    y[i] = values[i];
  if (which == CHARTS_F1 && isfinite(curve->best_f1))
    snprintf(charts_name(lines), CHARTS_NAME_BYTES, "%s (%.3f at %.2f)", name, curve->best_f1,
             curve->best_score);
  else
    snprintf(charts_name(lines), CHARTS_NAME_BYTES, "%s", name);
}

static fm_status charts_confidence(const charts *self, charts_lines *lines, charts_curve which) {
  static const struct {
    const char *name, *title, *label;
  } texts[CHARTS_CURVES] = {
      [CHARTS_F1] = {"f1_confidence", "F1 against the score, IoU 0.50", "F1"},
      [CHARTS_PRECISION] = {"precision_confidence", "Precision against the score, IoU 0.50",
                            "precision"},
      [CHARTS_RECALL] = {"recall_confidence", "Recall against the score, IoU 0.50", "recall"},
  };
  const fm_confidence *confidence = &self->analysis->confidence;
  lines->count = 0;
  for (int i = 0; i < FM_CONFIDENCE_POINTS; i++)
    lines->x[i] = fm_confidence_score(i);
  char name[CHARTS_CLASS_BYTES];
  for (int i = 0; i < self->shown_count; i++)
    charts_add_curve(lines, &confidence->classes[self->shown[i]], which,
                     charts_class(self, self->shown[i], name), fm_chart_color((size_t)i));
  if (confidence->class_count > 1)
    charts_add_curve(lines, &confidence->all, which, "all classes together", charts_all_color);
  return charts_show_lines(
      self, lines,
      &(fm_chart){.name = texts[which].name,
                  .title = texts[which].title,
                  .note = !charts_has_detections(self) ? "there are no detections"
                          : which == CHARTS_F1         ? "in brackets the largest F1 and its score"
                                                       : NULL,
                  .x = {.label = "score from which detections are taken", .maximum = 1.01},
                  .y = {.label = texts[which].label, .maximum = 1.02}});
}

// --- confusion

// Names of the shown classes and "background".
static void charts_confusion_names(const charts *self, const char **names,
                                   char (*texts)[CHARTS_CLASS_BYTES]) {
  for (int i = 0; i < self->shown_count; i++)
    names[i] = charts_class(self, self->shown[i], texts[i]);
  names[self->shown_count] = "background";
}

static fm_status charts_confusion(const charts *self, bool normalised) {
  enum { SIDE = FM_EVALUATION_CLASSES + 1 };
  const fm_analysis *a = self->analysis;
  const char *names[SIDE];
  char texts[SIDE][CHARTS_CLASS_BYTES];
  double values[SIDE * SIDE];
  char note[CHARTS_NAME_BYTES];
  const size_t side = (size_t)self->shown_count + 1;
  charts_confusion_names(self, names, texts);
  for (size_t row = 0; row < side; row++)
    for (size_t column = 0; column < side; column++) {
      const int truth = row + 1 < side ? self->shown[row] : a->confusion.class_count;
      const int found = column + 1 < side ? self->shown[column] : a->confusion.class_count;
      const double count = (double)fm_confusion_count(&a->confusion, truth, found);
      values[row * side + column] =
          normalised ? fm_confusion_share(&a->confusion, truth, found) : count;
    }
  values[side * side - 1] = (double)NAN; // background taken for background is not counted
  snprintf(note, sizeof note, "scores from %.2f, overlaps from %.2f", a->confusion_options.score,
           a->confusion_options.iou);
  return self->show(self->user,
                    &(fm_chart){.kind = FM_CHART_MATRIX,
                                .name = normalised ? "confusion_normalised" : "confusion",
                                .title = normalised ? "Confusion of classes, parts of each row"
                                                    : "Confusion of classes",
                                .note = note,
                                .x = {.label = "prediction (background: missed faces)"},
                                .y = {.label = "truth (background: no face)"},
                                .matrix = {.values = values,
                                           .rows = side,
                                           .columns = side,
                                           .row_names = names,
                                           .column_names = names,
                                           .maximum = normalised ? 1 : 0,
                                           .numbers = true},
                                .decimals = normalised ? 2 : 0});
}

static fm_status charts_show_all(const charts *self, charts_lines *lines) {
  FM_TRY(charts_mAP(self, lines));
  FM_TRY(charts_precision_of_all(self, lines));
  for (int i = 0; i < self->shown_count; i++)
    FM_TRY(charts_precision_of_class(self, lines, self->shown[i]));
  for (int which = 0; which < CHARTS_CURVES; which++)
    FM_TRY(charts_confidence(self, lines, (charts_curve)which));
  FM_TRY(charts_confusion(self, false));
  return charts_confusion(self, true);
}

fm_status fm_evaluation_charts(const fm_analysis *analysis, fm_chart_shower show, void *user) {
  charts self = {.analysis = analysis, .show = show, .user = user};
  charts_choose(&self);
  charts_lines *lines = malloc(sizeof *lines);
  FM_CHECK_ALLOC(lines);
  const fm_status status = charts_show_all(&self, lines);
  free(lines);
  return status;
}
