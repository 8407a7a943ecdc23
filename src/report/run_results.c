// The results of a run on its page: what `evaluate` left in RUN/evaluation, and the predictions
// that the training showed to TensorBoard.
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/event_read.h"
#include "report/chart_list.h"
#include "report/picture.h"
#include "report/run_report.h"
#include "train/run_folder.h"

enum {
  RESULTS_BYTES_MAX = 16 << 20,
  RESULTS_CLASSES_MAX = 200,
  RESULTS_IOUS_MAX = 64,
  RESULTS_PICTURES_MAX = 12,
  RESULTS_NAME_BYTES = 256,
};

// NAN for what is no number, and for the COCO measure's -1 (there was nothing to find).
static double results_number(const json_t *object, const char *key) {
  const json_t *value = json_object_get(object, key);
  return json_is_number(value) && json_number_value(value) >= 0 ? json_number_value(value)
                                                                : (double)NAN;
}

static void results_cell(fm_page *page, double value) {
  if (isfinite(value))
    fm_page_cell(page, "%.4f", value);
  else
    fm_page_cell(page, "–");
}

static const char *results_text(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "?";
}

static void results_figures(fm_page *page, const json_t *metrics) {
  static const char *const keys[] = {"mAP",       "mAP50", "mAP75", "mAP_small", "mAP_medium",
                                     "mAP_large", "AR1",   "AR10",  "AR100"};
  fm_page_figures_start(page);
  fm_page_figure(page, "images", "%.0f", results_number(metrics, "images"));
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
    const double value = results_number(metrics, keys[i]);
    if (isfinite(value))
      fm_page_figure(page, keys[i], "%.4f", value);
  }
  fm_page_figures_end(page);
}

static void results_missing_folds(fm_page *page, const json_t *missing) {
  const size_t count = json_array_size(missing);
  if (count == 0)
    return;
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  for (size_t i = 0; out && i < count; i++)
    fprintf(out, "%s%lld", i > 0 ? ", " : "", json_integer_value(json_array_get(missing, i)));
  if (out && fclose(out) == 0)
    fm_page_paragraph(page, "Not trained, and so not measured: fold%s %s of the split.",
                      count > 1 ? "s" : "", text);
  free(text);
}

// Mean and deviation over the folds, when the evaluation was one of a cross-validation.
static void results_folds(fm_page *page, const json_t *metrics) {
  const json_t *folds = json_object_get(metrics, "folds");
  if (json_array_size(folds) == 0)
    return;
  const json_t *mean = json_object_get(metrics, "mean");
  const json_t *deviation = json_object_get(metrics, "deviation");
  fm_page_paragraph(page,
                    "Each fold's model on its own valid part, pooled into one measure above. mAP, "
                    "mean over the folds: %.4f ± %.4f; mAP50 %.4f ± %.4f. Here pictures are "
                    "measured one by one; the curves above took them in batches, padded to one "
                    "size, which moves a figure a little.",
                    results_number(mean, "mAP"), results_number(deviation, "mAP"),
                    results_number(mean, "mAP50"), results_number(deviation, "mAP50"));
  results_missing_folds(page, json_object_get(metrics, "missing_folds"));
  if (json_is_true(json_object_get(metrics, "leaking")))
    fm_page_warning(page, "Leaking: the models had been trained on what they are measured on "
                          "(train.carry_weights).");
  fm_page_table_start(page,
                      (fm_page_column[]){{"fold", true},
                                         {"best epoch", true},
                                         {"images", true},
                                         {"mAP", true},
                                         {"mAP50", true},
                                         {"mAP75", true}},
                      6);
  for (size_t i = 0; i < json_array_size(folds); i++) {
    const json_t *fold = json_array_get(folds, i);
    fm_page_cell(page, "%.0f", results_number(fold, "fold"));
    fm_page_cell(page, "%.0f", results_number(fold, "best_epoch"));
    fm_page_cell(page, "%.0f", results_number(fold, "images"));
    results_cell(page, results_number(fold, "mAP"));
    results_cell(page, results_number(fold, "mAP50"));
    results_cell(page, results_number(fold, "mAP75"));
  }
  fm_page_table_end(page);
}

static void results_classes(fm_page *page, const json_t *metrics) {
  const json_t *classes = json_object_get(metrics, "per_class");
  const size_t all = json_array_size(classes);
  const size_t count = all < RESULTS_CLASSES_MAX ? all : RESULTS_CLASSES_MAX;
  const char *names[RESULTS_CLASSES_MAX];
  double AP[RESULTS_CLASSES_MAX], AP50[RESULTS_CLASSES_MAX];
  for (size_t i = 0; i < count; i++) {
    const json_t *item = json_array_get(classes, i);
    names[i] = results_text(item, "name");
    AP[i] = results_number(item, "AP");
    AP50[i] = results_number(item, "AP50");
  }
  const fm_chart_series series[] = {{.name = "AP@[.50:.95]", .y = AP, .count = count},
                                    {.name = "AP at IoU .50", .y = AP50, .count = count}};
  fm_page_chart(page, &(fm_chart){.kind = FM_CHART_BARS,
                                  .name = "class_ap",
                                  .title = "Average precision by class",
                                  .x.label = "class",
                                  .y.label = "AP",
                                  .categories = names,
                                  .category_count = count,
                                  .series = series,
                                  .series_count = 2,
                                  .decimals = 3});
}

static void results_ious(fm_page *page, const json_t *metrics) {
  const json_t *rows = json_object_get(metrics, "per_iou");
  const size_t all = json_array_size(rows);
  const size_t count = all < RESULTS_IOUS_MAX ? all : RESULTS_IOUS_MAX;
  double x[RESULTS_IOUS_MAX], y[RESULTS_IOUS_MAX];
  for (size_t i = 0; i < count; i++) {
    x[i] = results_number(json_array_get(rows, i), "iou");
    y[i] = results_number(json_array_get(rows, i), "mAP");
  }
  const fm_chart_series series = {.x = x, .y = y, .count = count, .dots = true};
  fm_page_chart(page, &(fm_chart){.kind = FM_CHART_LINES,
                                  .name = "iou_map",
                                  .title = "mAP against the IoU threshold",
                                  .x.label = "IoU threshold",
                                  .y = {.label = "mAP", .minimum = 0, .maximum = 1},
                                  .series = &series,
                                  .series_count = 1});
}

// Each row's values as parts of its sum; none in an empty row.
static void results_normalise(double *values, size_t side) {
  for (size_t i = 0; i < side; i++) {
    double sum = 0;
    for (size_t j = 0; j < side; j++)
      sum += isfinite(values[i * side + j]) ? values[i * side + j] : 0;
    for (size_t j = 0; j < side; j++)
      values[i * side + j] = sum > 0 ? values[i * side + j] / sum : (double)NAN;
  }
}

static void results_confusion(fm_page *page, const json_t *metrics) {
  const json_t *confusion = json_object_get(metrics, "confusion");
  const json_t *texts = json_object_get(confusion, "names");
  const json_t *rows = json_object_get(confusion, "counts");
  const size_t side = json_array_size(texts);
  if (side == 0 || side > RESULTS_CLASSES_MAX)
    return;
  const char *names[RESULTS_CLASSES_MAX];
  double *values = calloc(side * side, sizeof *values);
  for (size_t i = 0; values && i < side; i++) {
    const char *name = json_string_value(json_array_get(texts, i));
    names[i] = name ? name : "?";
    for (size_t j = 0; j < side; j++) {
      const json_t *value = json_array_get(json_array_get(rows, i), j);
      values[i * side + j] = json_is_number(value) ? json_number_value(value) : (double)NAN;
    }
  }
  char note[96];
  snprintf(note, sizeof note, "scores from %.2f, overlaps from %.2f",
           results_number(confusion, "score"), results_number(confusion, "iou"));
  if (values)
    values[side * side - 1] = (double)NAN; // background taken for background is not counted
  fm_chart chart = {.kind = FM_CHART_MATRIX,
                    .name = "confusion",
                    .title = "Confusion of classes",
                    .note = note,
                    .x.label = "prediction (background: missed faces)",
                    .y.label = "truth (background: no face)",
                    .matrix = {.values = values,
                               .rows = side,
                               .columns = side,
                               .row_names = names,
                               .column_names = names,
                               .numbers = true,
                               .label = "faces"}};
  if (values) {
    fm_page_chart(page, &chart);
    results_normalise(values, side);
    chart.name = "confusion_normalised";
    chart.title = "Confusion of classes, parts of each row";
    chart.decimals = 2;
    chart.matrix.maximum = 1;
    fm_page_chart(page, &chart);
  }
  free(values);
}

// The notebook's way of counting, when the evaluation has it.
static void results_notebook(fm_page *page, const json_t *metrics) {
  const json_t *notebook = json_object_get(metrics, "notebook");
  if (!json_is_object(notebook))
    return;
  fm_page_heading(page, "As the notebook counts");
  fm_page_paragraph(page,
                    "The notebook's own way of counting, for comparison with its figures alone: "
                    "of the detections with a score of %.2f and more each is set against the "
                    "nearest face, and recall is counted over the faces that were found, not over "
                    "all faces. It says little of faces that were missed, is greater than the COCO "
                    "measure above, and not comparable with it.",
                    results_number(notebook, "score"));
  fm_page_figures_start(page);
  const double mAP = results_number(notebook, "mAP");
  if (isfinite(mAP))
    fm_page_figure(page, "mAP as the notebook counts", "%.4f", mAP);
  else
    fm_page_figure(page, "mAP as the notebook counts", "nothing found");
  fm_page_figures_end(page);
  fm_page_table_start(page,
                      (fm_page_column[]){{"nearest face", false},
                                         {"detections", true},
                                         {"hits at IoU .50", true},
                                         {"AP as the notebook counts", true}},
                      4);
  const json_t *classes = json_object_get(notebook, "per_class");
  for (size_t i = 0; i < json_array_size(classes); i++) {
    const json_t *item = json_array_get(classes, i);
    fm_page_cell(page, "%s", results_text(item, "name"));
    fm_page_cell(page, "%.0f", results_number(item, "detections"));
    fm_page_cell(page, "%.0f", results_number(item, "hits"));
    results_cell(page, results_number(item, "AP"));
  }
  fm_page_table_end(page);
}

// `curves` is NULL where the evaluation wrote none.
static fm_status results_metrics(fm_page *page, const char *path, const fm_chart_list *curves) {
  fm_bytes bytes;
  FM_TRY(fm_file_read(&bytes, path, RESULTS_BYTES_MAX));
  json_error_t error;
  json_t *metrics =
      json_loadb((const char *)bytes.data, bytes.size, JSON_REJECT_DUPLICATES, &error);
  free(bytes.data);
  if (!json_is_object(metrics)) {
    json_decref(metrics);
    return fm_fail(FM_ERR_FORMAT, "%s: not the result of an evaluation", path);
  }
  results_figures(page, metrics);
  results_folds(page, metrics);
  results_classes(page, metrics);
  fm_status status = FM_OK;
  if (curves)
    status = fm_chart_list_show(curves, fm_page_show_chart, page);
  else
    results_ious(page, metrics);
  results_confusion(page, metrics);
  results_notebook(page, metrics);
  json_decref(metrics);
  return status;
}

// Does the page show the same from metrics.json, as a curve, or picture by picture?
static bool results_is_shown(const char *name, const fm_chart_list *curves) {
  char stem[RESULTS_NAME_BYTES];
  snprintf(stem, sizeof stem, "%.*s", (int)(strlen(name) - strlen(".png")), name);
  return strncmp(name, "confusion", 9) == 0 || strcmp(name, "map_iou.png") == 0 ||
         strcmp(name, "worst.png") == 0 || (curves && fm_chart_list_has(curves, stem));
}

// The PNG pictures of a folder in the order of their names: photographs smaller, charts as they
// are, those that `curves` do not have.
static fm_status results_pictures(fm_page *page, const char *folder, bool charts,
                                  const fm_chart_list *curves, size_t *shown) {
  *shown = 0;
  if (!fm_path_is_folder(folder))
    return FM_OK;
  fm_name_list list;
  FM_TRY(fm_folder_list(&list, folder));
  fm_status status = FM_OK;
  for (size_t i = 0; i < list.count && status >= 0; i++) {
    if (list.names[i][0] == '.' || strcmp(fm_path_extension(list.names[i]), "png") != 0 ||
        (charts && results_is_shown(list.names[i], curves)))
      continue;
    char *path = fm_path_join(folder, list.names[i]);
    if (!path)
      status = fm_fail(FM_ERR_MEMORY, "out of memory");
    else if (charts)
      fm_page_picture_file(page, path, NULL);
    else
      status = fm_picture_add_file(page, path, NULL);
    free(path);
    ++*shown;
  }
  fm_name_list_release(&list);
  return status;
}

// Why there is no evaluation, and how to get one.
static void results_missing(fm_page *page, const fm_run *run) {
  if (!run->validates)
    fm_page_paragraph(page,
                      "The run has not been evaluated: it trained on all of train and has no "
                      "validation part. facemask evaluate DATA --split %s/split.json --subset test "
                      "--weights %s/fold_all/weights/last.safetensors --out %s/evaluation measures "
                      "it on the test part; facemask report then shows the result here.",
                      run->path, run->path, run->path);
  else if (!fm_run_is_complete(run))
    fm_page_paragraph(page, "The run has not been evaluated yet: that follows when all its folds "
                            "are through.");
  else
    fm_page_paragraph(page, "The run has not been evaluated: there is no evaluation/metrics.json. "
                            "facemask train with --resume makes it.");
}

fm_status fm_run_report_evaluation(fm_page *page, const fm_run *run) {
  char *folder = fm_path_join(run->path, "evaluation");
  char *metrics = NULL, *worst = NULL, *charts = NULL;
  fm_chart_list *curves = NULL;
  fm_status status = FM_OK;
  size_t shown;
  if (folder) {
    metrics = fm_path_join(folder, "metrics.json");
    worst = fm_path_join(folder, "worst");
    charts = fm_path_join(folder, "charts.json");
  }
  if (!metrics || !worst || !charts) {
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
    goto out;
  }
  if (!fm_path_exists(metrics)) {
    results_missing(page, run);
    goto out;
  }
  if (fm_path_exists(charts))
    FM_TRY_OUT(fm_chart_list_read(&curves, charts));
  FM_TRY_OUT(results_metrics(page, metrics, curves));
  FM_TRY_OUT(results_pictures(page, folder, true, curves, &shown));
  fm_page_heading(page, "Worst images");
  FM_TRY_OUT(results_pictures(page, worst, false, NULL, &shown));
  if (shown == 0)
    fm_page_paragraph(page, "There are none.");
out:
  free(folder);
  free(metrics);
  free(worst);
  free(charts);
  fm_chart_list_free(curves);
  return status;
}

// The last picture of each tag.
typedef struct results_last {
  char *tags[RESULTS_PICTURES_MAX];
  fm_bytes pictures[RESULTS_PICTURES_MAX];
  int64_t steps[RESULTS_PICTURES_MAX];
  size_t count;
} results_last;

static void results_last_release(results_last *last) {
  for (size_t i = 0; i < last->count; i++) {
    free(last->tags[i]);
    free(last->pictures[i].data);
  }
}

static fm_status results_keep(void *user, const fm_event_picture *picture) {
  results_last *last = user;
  size_t at = 0;
  while (at < last->count && strcmp(last->tags[at], picture->tag) != 0)
    at++;
  if (at == RESULTS_PICTURES_MAX)
    return FM_OK;
  if (at == last->count) {
    last->tags[at] = strdup(picture->tag);
    FM_CHECK_ALLOC(last->tags[at]);
    last->pictures[at] = (fm_bytes){0};
    last->count++;
  }
  uint8_t *copy = malloc(picture->size + 1);
  FM_CHECK_ALLOC(copy);
  memcpy(copy, picture->data, picture->size);
  free(last->pictures[at].data);
  last->pictures[at] = (fm_bytes){copy, picture->size};
  last->steps[at] = picture->step;
  return FM_OK;
}

static fm_status results_show_last(fm_page *page, const results_last *last, const char *folder) {
  for (size_t i = 0; i < last->count; i++) {
    char caption[256];
    snprintf(caption, sizeof caption, "%.200s, epoch %lld", last->tags[i],
             (long long)last->steps[i]);
    FM_TRY(fm_picture_add(page, &last->pictures[i], folder, caption));
  }
  return FM_OK;
}

static fm_status results_fold_predictions(fm_page *page, const fm_run *run, const fm_run_fold *fold,
                                          size_t *shown) {
  const fm_run_folder folder = {.path = run->path};
  char *logs = fm_run_folder_logs(&folder, fold->number ? fold->number : FM_RUN_FOLD_NONE);
  char *path;
  if (!logs || asprintf(&path, "%s_valid", logs) < 0) {
    free(logs);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  free(logs);
  results_last last = {.count = 0};
  fm_status status = fm_event_pictures_read(path, results_keep, &last);
  if (status >= 0 && last.count) {
    fm_page_heading(page, fold->name);
    status = results_show_last(page, &last, path);
  }
  *shown += last.count;
  results_last_release(&last);
  free(path);
  return status < 0 ? status : FM_OK;
}

fm_status fm_run_report_predictions(fm_page *page, const fm_run *run) {
  size_t shown = 0;
  for (size_t i = 0; i < run->fold_count; i++)
    FM_TRY(results_fold_predictions(page, run, &run->folds[i], &shown));
  if (shown == 0 && !run->validates)
    fm_page_paragraph(page, "There are none: the run has no validation part.");
  else if (shown == 0)
    fm_page_paragraph(page, "There are none yet: a training keeps them for TensorBoard at the end "
                            "of each epoch when log.tensorboard is set.");
  return FM_OK;
}
