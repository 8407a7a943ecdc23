// facemask evaluate: the COCO measure of a predictions file, or of weights run over a data set.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "cli/model.h"
#include "cli/part.h"
#include "cli/verb.h"
#include "data/dataset.h"
#include "eval/analysis.h"
#include "eval/results.h"
#include "predict/evaluation.h"
#include "report/evaluation.h"

static const fm_cli_option evaluate_options[] = {
    {"--weights", "FILE",
     "the model (default: the one shipped); several make an ensemble, and a face classifier behind "
     "them has a word on the classes"},
    {"--predictions", "FILE.json",
     "measure this COCO results file instead of running a model, or a face classifier's word on "
     "it"},
    {"--split", "FILE", "take a part of the data, as facemask split wrote it"},
    {"--subset", "train|test|valid", "which part (default test, with --fold valid)"},
    {"--fold", "K", "the fold, from 1"},
    {"--measure", "coco|notebook", "notebook: the notebook's own figures besides (default coco)"},
    {"--bootstrap", "N",
     "95 % intervals of the figures from N drawings of the pictures (default 0)"},
    {"--out", "DIR", "write metrics.json, predictions.json and pictures there"},
    {"--nms", "F", "overlap above which the weaker of two boxes is dropped (default: the model's)"},
    {"--agnostic-nms", NULL, "boxes of different classes suppress each other too"},
    {"--views", "S,S...",
     "look at each picture at these sizes and fuse (-S: mirrored); --set model.views=[S,S...]"},
    {"--images", "DIR", "the picture folder, when it is not beside the annotations"},
    {"--classes", "a,b,c", "the class names in the order of their labels"},
    {"--strict", NULL, "any problem with the data is an error"},
    {NULL, NULL, NULL},
};

typedef struct evaluate_job {
  const fm_cli *cli;
  fm_dataset *dataset;
  fm_eval_subset subset;
  fm_eval_boxes boxes;
  size_t images;
  bool notebook;
  int bootstrap_rounds;
} evaluate_job;

// `given`: what a classifier has its word on; NULL: a model detects.
static fm_status evaluate_run_model(evaluate_job *job, const fm_eval_boxes *given) {
  FM_TRY(fm_dataset_require_pictures(job->dataset));
  double nms;
  FM_TRY(fm_cli_double(job->cli, "--nms", -1, 0, 1, &nms));
  fm_predictor *predictor;
  // A classifier leaves none of the given detections out.
  const fm_predictor_options settings = {
      .score = given ? 0 : -1, .nms = (float)nms, .classifiers = given != NULL};
  FM_TRY(fm_cli_open_model(job->cli, &settings, &predictor));
  const fm_evaluation_options options = {.predictor = predictor,
                                         .given = given,
                                         .subset = &job->subset,
                                         .strict = fm_cli_value(job->cli, "--strict") != NULL};
  const fm_status status = fm_evaluation_run(&options, &job->boxes, &job->images);
  fm_predictor_free(predictor);
  return status;
}

// What only a model would read must not be passed over in silence.
static fm_status evaluate_refuse_model_options(const fm_cli *cli) {
  static const char *const detector[] = {"--nms", "--agnostic-nms", "--views", NULL};
  static const char *const model[] = {"--config", "--set", "--precision", NULL};
  const bool classifies = fm_cli_value(cli, "--weights") != NULL;
  const char *given = fm_cli_first_given(cli, detector);
  if (!given && !classifies)
    given = fm_cli_first_given(cli, model);
  return given ? fm_fail(FM_ERR_ARGUMENT,
                         "--predictions and %s exclude each other: no %s runs, the predictions "
                         "count as they are",
                         given, classifies ? "detector" : "model")
               : FM_OK;
}

static fm_status evaluate_read_results(const evaluate_job *job, const char *path,
                                       fm_eval_boxes *boxes) {
  size_t outside;
  FM_TRY(fm_results_read(boxes, &job->subset, path, &outside));
  if (outside > 0)
    fm_say("%zu detections lie in pictures outside this part and do not count", outside);
  return FM_OK;
}

static fm_status evaluate_refine_predictions(evaluate_job *job, const char *path) {
  fm_eval_boxes given = {0};
  fm_status status = evaluate_read_results(job, path, &given);
  if (status >= 0)
    status = evaluate_run_model(job, &given);
  fm_eval_boxes_release(&given);
  return status;
}

static fm_status evaluate_read_predictions(evaluate_job *job, const char *path) {
  FM_TRY(fm_eval_subset_truths(&job->subset, &job->boxes));
  job->images = job->subset.count;
  return evaluate_read_results(job, path, &job->boxes);
}

static fm_status evaluate_find(evaluate_job *job) {
  const char *predictions = fm_cli_value(job->cli, "--predictions");
  if (!predictions)
    return evaluate_run_model(job, NULL);
  FM_TRY(evaluate_refuse_model_options(job->cli));
  return fm_cli_value(job->cli, "--weights") ? evaluate_refine_predictions(job, predictions)
                                             : evaluate_read_predictions(job, predictions);
}

// A figure in a column; -1 stands for "there is none".
static void evaluate_print_figure(int width, double value) {
  if (value >= 0)
    printf(" %*.4f", width, value);
  else
    printf(" %*s", width, "-");
}

static void evaluate_print_ious(const double *values) {
  printf("\n%-10s", "IoU");
  for (int t = 0; t < FM_COCO_IOUS; ++t)
    printf("    .%02.0f", 100 * fm_coco_iou(t));
  printf("\n%-10s", "mAP");
  for (int t = 0; t < FM_COCO_IOUS; ++t)
    evaluate_print_figure(6, values[t]);
  putchar('\n');
}

static void evaluate_print_notebook(const fm_analysis *analysis) {
  const fm_notebook_measure *m = &analysis->notebook;
  printf("\nAs the notebook counts (recall over the faces that were found; not comparable with the "
         "figures above)\n%-24s %7.4f\n\n%-24s %10s %6s %8s\n",
         "mAP@[.50:.95]", m->mAP, "class", "detections", "hits", "AP");
  for (int k = 0; k < m->class_count; ++k) {
    fm_cli_print_name(fm_analysis_class_name(analysis, k));
    printf(" %10zu %6zu %8.4f\n", m->class_detections[k], m->class_hits[k], m->class_AP[k]);
  }
  evaluate_print_ious(m->per_iou);
}

static void evaluate_print_interval(fm_interval interval) {
  printf("   ");
  evaluate_print_figure(6, interval.low);
  printf(" to");
  evaluate_print_figure(6, interval.high);
}

static void evaluate_print_bootstrap(const fm_analysis *analysis) {
  const fm_bootstrap *b = &analysis->bootstrap;
  printf("\n95 %% of %d drawings of the pictures\n%-*s", b->rounds, FM_CLI_NAME, "mAP@[.50:.95]");
  evaluate_print_interval(b->mAP);
  printf("\n%-*s", FM_CLI_NAME, "mAP@.50");
  evaluate_print_interval(b->mAP50);
  putchar('\n');
  for (int k = 0; k < b->class_count; ++k) {
    fm_cli_print_name(fm_analysis_class_name(analysis, k));
    evaluate_print_interval(b->class_AP[k]);
    evaluate_print_interval(b->class_AP50[k]);
    puts(k == 0 ? "   (AP, AP@.50)" : "");
  }
}

static void evaluate_print(const evaluate_job *job, const fm_analysis *analysis) {
  const fm_coco_measure *m = &analysis->coco;
  printf("%zu pictures, %zu faces, %zu detections\n\n", job->images, job->boxes.truth_count,
         job->boxes.result_count);
  const struct {
    const char *name;
    double value;
  } rows[] = {
      {"mAP@[.50:.95]", m->mAP},   {"mAP@.50", m->mAP50},         {"mAP@.75", m->mAP75},
      {"mAP small", m->mAP_small}, {"mAP medium", m->mAP_medium}, {"mAP large", m->mAP_large},
      {"AR, 1 a picture", m->AR1}, {"AR, 10", m->AR10},           {"AR, 100", m->AR100}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; ++i) {
    printf("%-24s", rows[i].name);
    evaluate_print_figure(7, rows[i].value);
    putchar('\n');
  }
  printf("\n%-*s %7s %8s %8s\n", FM_CLI_NAME, "class", "faces", "AP", "AP@.50");
  for (int k = 0; k < m->category_count; ++k) {
    fm_cli_print_name(fm_analysis_class_name(analysis, k));
    printf(" %7zu", m->category_truths[k]);
    evaluate_print_figure(8, m->category_AP[k]);
    evaluate_print_figure(8, m->category_AP50[k]);
    putchar('\n');
  }
  evaluate_print_ious(m->per_iou);
  const fm_confidence_curve *all = &analysis->confidence.all;
  if (all->best_f1 >= 0)
    printf("\nlargest F1 at IoU .50: %.4f with detections of a score of %.2f and more\n",
           all->best_f1, all->best_score);
  if (analysis->bootstrap.rounds > 0)
    evaluate_print_bootstrap(analysis);
  if (analysis->has_notebook)
    evaluate_print_notebook(analysis);
}

static fm_status evaluate_write(const evaluate_job *job, const char *folder, const char *metrics,
                                const fm_analysis *analysis) {
  FM_TRY(fm_folder_make(folder));
  char *path = fm_path_join(folder, "metrics.json");
  FM_CHECK_ALLOC(path);
  fm_status status = fm_file_write(path, metrics, strlen(metrics));
  free(path);
  FM_TRY(status);
  path = fm_path_join(folder, "predictions.json");
  FM_CHECK_ALLOC(path);
  status = fm_results_write(&job->boxes, &job->subset, path);
  free(path);
  FM_TRY(status);
  FM_TRY(fm_evaluation_draw(analysis, folder));
  fm_say("wrote %s/metrics.json, predictions.json and pictures", folder);
  return FM_OK;
}

static fm_status evaluate_report(const evaluate_job *job) {
  const char *folder = fm_cli_value(job->cli, "--out");
  const fm_analysis_options options = {.subset = &job->subset,
                                       .boxes = &job->boxes,
                                       .images = job->images,
                                       .notebook = job->notebook,
                                       .bootstrap_rounds = job->bootstrap_rounds};
  fm_analysis analysis;
  FM_TRY(fm_analysis_make(&analysis, &options));
  char *text = NULL;
  fm_status status = fm_analysis_format(&text, &analysis, NULL);
  if (status >= 0 && job->cli->json)
    fputs(text, stdout);
  else if (status >= 0 && !job->cli->quiet)
    evaluate_print(job, &analysis);
  if (status >= 0 && folder)
    status = evaluate_write(job, folder, text, &analysis);
  free(text);
  fm_analysis_release(&analysis);
  return status;
}

static fm_status evaluate_measure(evaluate_job *job) {
  const char *word = fm_cli_value(job->cli, "--measure");
  if (word && strcmp(word, "coco") != 0 && strcmp(word, "notebook") != 0)
    return fm_fail(FM_ERR_ARGUMENT, "--measure %s: coco or notebook", word);
  job->notebook = word && strcmp(word, "notebook") == 0;
  return fm_cli_int(job->cli, "--bootstrap", 0, 0, 1000000, &job->bootstrap_rounds);
}

static fm_status evaluate_job_run(evaluate_job *job) {
  FM_TRY(evaluate_measure(job));
  FM_TRY(fm_cli_choose_part(job->cli, job->dataset, FM_SUBSET_TEST, &job->subset));
  FM_TRY(evaluate_find(job));
  return evaluate_report(job);
}

static fm_status evaluate_run(const fm_cli *cli) {
  const fm_dataset_options data = {
      .images = fm_cli_value(cli, "--images"),
      .classes = fm_cli_value(cli, "--classes"),
      .strict = fm_cli_value(cli, "--strict") != NULL,
  };
  evaluate_job job = {.cli = cli};
  FM_TRY(fm_dataset_open(&job.dataset, cli->positional[0], &data));
  fm_cli_say_problems(cli, job.dataset);
  const fm_status status = evaluate_job_run(&job);
  fm_eval_boxes_release(&job.boxes);
  fm_eval_subset_release(&job.subset);
  fm_dataset_free(job.dataset);
  return status;
}

const fm_verb fm_verb_evaluate = {
    .name = "evaluate",
    .usage = "DATA [options]",
    .summary = "measure a model, or a file of predictions, as COCO does",
    .options = evaluate_options,
    .runs_model = true,
    .positional_min = 1,
    .positional_max = 1,
    .run = evaluate_run,
};
