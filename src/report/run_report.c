// The page of a run, but for its results (run_results.c), and its graphs as files.
#include "report/run_report.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/analysis.h"
#include "report/run_charts.h"
#include "report/split_report.h"

// What the overview tells of a fold; NAN: nothing known.
typedef struct run_fold_summary {
  size_t epochs, steps;
  double train_loss, valid_loss, mAP, mAP50; // the last; the lowest; the greatest; at the greatest
  double valid_epoch, mAP_epoch;             // where these were
  double seconds, images_per_second;         // of the steps
} run_fold_summary;

static double run_sum(const double *values, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += isfinite(values[i]) ? values[i] : 0;
  return sum;
}

static run_fold_summary run_summarise(const fm_run_fold *fold) {
  const fm_run_table *epochs = &fold->epochs, *steps = &fold->steps;
  run_fold_summary out = {.epochs = epochs->rows,
                          .steps = steps->rows,
                          .train_loss = (double)NAN,
                          .valid_loss = (double)NAN,
                          .mAP = (double)NAN,
                          .mAP50 = (double)NAN};
  for (size_t i = 0; i < epochs->rows; i++) {
    const double loss = epochs->columns[FM_EPOCH_VALID_LOSS][i];
    const double mAP = epochs->columns[FM_EPOCH_MAP][i];
    out.train_loss = epochs->columns[FM_EPOCH_LOSS][i];
    if (isfinite(loss) && !(loss >= out.valid_loss)) {
      out.valid_loss = loss;
      out.valid_epoch = epochs->columns[FM_EPOCH_EPOCH][i];
    }
    if (isfinite(mAP) && !(mAP <= out.mAP)) {
      out.mAP = mAP;
      out.mAP50 = epochs->columns[FM_EPOCH_MAP50][i];
      out.mAP_epoch = epochs->columns[FM_EPOCH_EPOCH][i];
    }
  }
  if (steps->rows == 0)
    return out;
  out.seconds = run_sum(steps->columns[FM_STEP_SECONDS], steps->rows);
  if (out.seconds > 0)
    out.images_per_second = run_sum(steps->columns[FM_STEP_IMAGES], steps->rows) / out.seconds;
  return out;
}

static void run_cell(fm_page *page, double value) {
  if (isfinite(value))
    fm_page_cell(page, "%.4f", value);
  else
    fm_page_cell(page, "–");
}

// A figure and the epoch it is from.
static void run_cell_at(fm_page *page, double value, double epoch) {
  if (isfinite(value))
    fm_page_cell(page, "%.4f (epoch %.0f)", value, epoch);
  else
    fm_page_cell(page, "–");
}

static void run_cell_time(fm_page *page, double seconds) {
  const long whole = (long)(seconds + 0.5);
  fm_page_cell(page, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
}

// Mean and deviation of the folds' best mAP.
static void run_spread(fm_page *page, const fm_run *run) {
  double *values = calloc(run->fold_count + 1, sizeof *values);
  if (!values || run->fold_count < 2) {
    free(values);
    return;
  }
  size_t known = 0;
  for (size_t i = 0; i < run->fold_count; i++) {
    const run_fold_summary summary = run_summarise(&run->folds[i]);
    values[i] = isfinite(summary.mAP) ? summary.mAP : -1;
    known += isfinite(summary.mAP);
  }
  double mean, deviation;
  fm_analysis_spread(values, run->fold_count, &mean, &deviation);
  free(values);
  if (known > 1)
    fm_page_paragraph(page, "Greatest mAP%s, mean over %zu folds: %.4f ± %.4f.",
                      fm_run_is_complete(run) ? "" : " so far", known, mean, deviation);
}

static void run_fold_table(fm_page *page, const fm_run *run) {
  fm_page_table_start(page,
                      (fm_page_column[]){{"", false},
                                         {"epochs", true},
                                         {"steps", true},
                                         {"last train loss", true},
                                         {"lowest valid loss", true},
                                         {"greatest mAP", true},
                                         {"mAP50 there", true},
                                         {"time", true},
                                         {"images a second", true}},
                      9);
  for (size_t i = 0; i < run->fold_count; i++) {
    const run_fold_summary summary = run_summarise(&run->folds[i]);
    fm_page_cell(page, "%s", run->folds[i].name);
    fm_page_cell(page, "%zu of %d", summary.epochs, run->config.train.epochs);
    fm_page_cell(page, "%zu", summary.steps);
    run_cell(page, summary.train_loss);
    run_cell_at(page, summary.valid_loss, summary.valid_epoch);
    run_cell_at(page, summary.mAP, summary.mAP_epoch);
    run_cell(page, summary.mAP50);
    run_cell_time(page, summary.seconds);
    fm_page_cell(page, "%.2f", summary.images_per_second);
  }
  fm_page_table_end(page);
  run_spread(page, run);
}

static void run_overview(fm_page *page, const fm_run *run) {
  size_t epochs = 0, images = 0;
  double seconds = 0, best = (double)NAN;
  for (size_t i = 0; i < run->fold_count; i++) {
    const run_fold_summary summary = run_summarise(&run->folds[i]);
    epochs += summary.epochs;
    seconds += summary.seconds;
    images += (size_t)(summary.images_per_second * summary.seconds + 0.5);
    best = !(summary.mAP <= best) ? summary.mAP : best;
  }
  fm_page_figures_start(page);
  fm_page_figure(page, "folds", "%zu of %zu", run->fold_count, run->folds_wanted);
  fm_page_figure(page, "epochs", "%zu of %zu", epochs,
                 run->folds_wanted * (size_t)run->config.train.epochs);
  if (isfinite(best))
    fm_page_figure(page, "greatest mAP of a fold", "%.4f", best);
  fm_page_figure(page, "hours of steps", "%.2f", seconds / 3600);
  fm_page_figure(page, "images a second", "%.2f", seconds > 0 ? (double)images / seconds : 0);
  fm_page_figures_end(page);
  if (!fm_run_is_complete(run))
    fm_page_warning(page, "This run is not complete: it is still going, or was stopped. The report "
                          "shows what it has written so far.");
  if (run->config.train.carry_weights)
    fm_page_warning(page,
                    "Leaking: train.carry_weights was set, so each fold went on with the weights "
                    "of the one before, which had been trained on its valid part. Only the first "
                    "fold's validation is an honest one.");
  run_fold_table(page, run);
}

static fm_status run_curves(fm_page *page, const fm_run *run) {
  static const char *const headings[FM_RUN_CURVES_COUNT] = {
      "Curves by epoch and fold", "Curves of the entire model", "Curves by step"};
  for (int curves = 0; curves < FM_RUN_CURVES_COUNT; curves++) {
    fm_page_section(page, headings[curves]);
    FM_TRY(fm_run_charts(run, (fm_run_curves)curves, fm_page_show_chart, page));
  }
  return FM_OK;
}

// A value as text; an object as its keys and values in one line. NULL when out of memory.
static char *run_environment_text(const json_t *value) {
  if (json_is_string(value))
    return strdup(json_string_value(value));
  if (!json_is_object(value))
    return json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out)
    return NULL;
  void *at = json_object_iter((json_t *)value);
  for (const char *between = ""; at; at = json_object_iter_next((json_t *)value, at)) {
    const json_t *item = json_object_iter_value(at);
    char *inner = json_is_string(item) ? strdup(json_string_value(item))
                                       : json_dumps(item, JSON_ENCODE_ANY | JSON_COMPACT);
    fprintf(out, "%s%s %s", between, json_object_iter_key(at), inner ? inner : "?");
    free(inner);
    between = ", ";
  }
  return fclose(out) == 0 ? text : (free(text), NULL);
}

// A row a key.
static fm_status run_environment(fm_page *page, const fm_run *run) {
  json_t *document = json_loads(run->environment_text, 0, NULL), *value;
  const char *key;
  fm_status status = FM_OK;
  fm_page_table_start(page, (fm_page_column[]){{"", false}, {"", false}}, 2);
  json_object_foreach(document, key, value) {
    char *text = run_environment_text(value);
    if (!text) {
      status = fm_fail(FM_ERR_MEMORY, "out of memory");
      break;
    }
    fm_page_cell(page, "%s", key);
    fm_page_cell(page, "%s", text);
    free(text);
  }
  fm_page_table_end(page);
  json_decref(document);
  return status;
}

static fm_status run_fill(fm_page *page, const fm_run *run) {
  run_overview(page, run);
  FM_TRY(run_curves(page, run));
  fm_page_section(page, "Evaluation");
  FM_TRY(fm_run_report_evaluation(page, run));
  fm_page_section(page, "Sample predictions");
  FM_TRY(fm_run_report_predictions(page, run));
  fm_page_section(page, "Split");
  if (run->has_table)
    FM_TRY(fm_split_report_add(page, &run->table));
  else
    fm_page_paragraph(page, "The split has no folds.");
  fm_page_section(page, "Configuration");
  fm_page_code(page, run->config_text);
  fm_page_section(page, "Environment");
  return run_environment(page, run);
}

fm_status fm_run_report_page(const fm_run *run) {
  char *path = fm_path_join(run->path, "report.html");
  FM_CHECK_ALLOC(path);
  char title[256];
  snprintf(title, sizeof title, "Run %.200s", run->name);
  fm_page page;
  fm_status status = fm_page_open(&page, path, title, run->path);
  free(path);
  FM_TRY(status);
  status = run_fill(&page, run);
  if (status < 0) {
    fm_page_discard(&page);
    return status;
  }
  return fm_page_commit(&page);
}

fm_status fm_run_report_draw(const fm_run *run) {
  for (int curves = 0; curves < FM_RUN_CURVES_COUNT; curves++) {
    char *folder;
    if (asprintf(&folder, "%s/graphs/%s", run->path, fm_run_curves_folder((fm_run_curves)curves)) <
        0)
      return fm_fail(FM_ERR_MEMORY, "out of memory");
    const fm_status status =
        fm_run_charts(run, (fm_run_curves)curves, fm_chart_show_drawn, &folder);
    free(folder);
    FM_TRY(status);
  }
  return FM_OK;
}
