// facemask train: a model a fold, its run folder, and how to go on after a stop.
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "cli/verb.h"
#include "data/dataset.h"
#include "predict/cross_validation.h"
#include "report/evaluation.h"
#include "report/run_report.h"
#include "train/training.h"

static const fm_cli_option train_options[] = {
    {"--split", "FILE", "train, test and folds (default: made as facemask split does)"},
    {"--fold", "K|all|none", "validate on this fold; none trains on all of train (default 1)"},
    {"--weights", "FILE", "start from these weights (default: random ones)"},
    {"--name", "NAME", "the run's folder in --runs (default run)"},
    {"--runs", "DIR", "where runs are kept (default runs)"},
    {"--resume", NULL, "go on from the last checkpoint of the run NAME"},
    {"--max-steps", "N", "stop after N steps of each fold in all"},
    {"--images", "DIR", "the picture folder, when it is not beside the annotations"},
    {"--classes", "a,b,c", "the class names in the order of their labels"},
    {"--strict", NULL, "any problem with the data is an error"},
    {NULL, NULL, NULL},
};

static volatile sig_atomic_t train_stop;

// The first signal asks, the second one kills.
static void train_on_signal(int number) {
  train_stop = 1;
  signal(number, SIG_DFL);
}

static void train_catch_signals(void) {
  struct sigaction action = {.sa_handler = train_on_signal, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
}

// A word as the shell reads it back.
static void train_put_word(FILE *out, const char *word) {
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "_-./=,:+@%";
  if (word[0] && word[strspn(word, plain)] == 0) {
    fputs(word, out);
    return;
  }
  fputc('\'', out);
  for (; *word; word++) {
    if (*word == '\'')
      fputs("'\\''", out);
    else
      fputc(*word, out);
  }
  fputc('\'', out);
}

static void train_put_option(FILE *out, const char *name, const char *value) {
  if (!value)
    return;
  fprintf(out, " %s", name);
  if (value[0]) {
    fputc(' ', out);
    train_put_word(out, value);
  }
}

// The call as it was made. Heap; NULL when out of memory.
static char *train_format_call(const fm_cli *cli) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out)
    return NULL;
  train_put_word(out, program_invocation_name);
  fprintf(out, " %s", cli->verb);
  for (int i = 0; i < cli->positional_count; i++) {
    fputc(' ', out);
    train_put_word(out, cli->positional[i]);
  }
  for (int i = 0; i < cli->option_count; i++)
    train_put_option(out, cli->option_names[i], cli->option_values[i]);
  return fclose(out) == 0 ? text : (free(text), NULL);
}

// The call that goes on with this run; its settings are stored, the data and the machine's are not.
static char *train_format_resume(const fm_cli *cli, const char *name, bool keep_limit) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  if (!out)
    return NULL;
  train_put_word(out, program_invocation_name);
  fputs(" train ", out);
  train_put_word(out, cli->positional[0]);
  static const char *const kept[] = {"--images", "--classes", "--strict",
                                     "--runs",   "--fold",    "--threads"};
  for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
    train_put_option(out, kept[i], fm_cli_value(cli, kept[i]));
  if (keep_limit)
    train_put_option(out, "--max-steps", fm_cli_value(cli, "--max-steps"));
  train_put_option(out, "--name", name);
  fputs(" --resume", out);
  return fclose(out) == 0 ? text : (free(text), NULL);
}

// What a call has come to. `validation` is measured when its folds are through.
typedef struct train_outcome {
  fm_status status; // FM_STOPPED when a signal ended it
  fm_training_result result;
  bool measured;
  fm_cross_validation validation;
} train_outcome;

static json_t *train_fold_json(const fm_training_fold *fold) {
  const fm_trainer_result *result = &fold->result;
  json_t *entry =
      json_pack("{s:s, s:i, s:i, s:b, s:b}", "folder", fold->folder, "steps", result->steps,
                "epochs", result->epochs, "finished", result->finished, "resumed", result->resumed);
  json_object_set_new(entry, "fold", fold->fold > 0 ? json_integer(fold->fold) : json_null());
  bool measured = result->best_epoch > 0;
  json_object_set_new(entry, "best_epoch",
                      measured ? json_integer(result->best_epoch) : json_null());
  json_object_set_new(entry, "best_mAP",
                      measured && result->best_mAP >= 0 ? json_real(result->best_mAP)
                                                        : json_null());
  return entry;
}

static json_t *train_number(bool known, double value) {
  return known && value >= 0 ? json_real(value) : json_null();
}

// The best weights of the finished folds on their validation parts, measured as one.
static json_t *train_validation_json(const train_outcome *outcome) {
  const fm_cross_validation *validation = &outcome->validation;
  const fm_coco_measure *measure = &validation->analysis.coco;
  if (!outcome->measured)
    return json_null();
  json_t *entry = json_object(), *folds = json_array(), *missing = json_array();
  for (size_t i = 0; i < validation->fold_count; i++)
    json_array_append_new(folds, json_integer(validation->folds[i].fold));
  for (size_t i = 0; i < validation->missing_count; i++)
    json_array_append_new(missing, json_integer(validation->missing[i]));
  json_object_set_new(entry, "folds", folds);
  json_object_set_new(entry, "missing_folds", missing);
  json_object_set_new(entry, "images", json_integer((json_int_t)validation->analysis.images));
  json_object_set_new(entry, "mAP", train_number(true, measure->mAP));
  json_object_set_new(entry, "mAP50", train_number(true, measure->mAP50));
  json_object_set_new(entry, "mAP75", train_number(true, measure->mAP75));
  json_object_set_new(entry, "fold_mean_mAP", train_number(true, validation->mean_mAP));
  json_object_set_new(entry, "fold_deviation_mAP", train_number(true, validation->deviation_mAP));
  return entry;
}

static void train_print_json(const train_outcome *outcome, const char *resume) {
  const fm_training_result *result = &outcome->result;
  json_t *folds = json_array();
  for (size_t i = 0; i < result->fold_count; i++)
    json_array_append_new(folds, train_fold_json(&result->folds[i]));
  json_t *document = json_pack("{s:s, s:o, s:b}", "folder", result->folder, "folds", folds,
                               "stopped", outcome->status == FM_STOPPED);
  json_object_set_new(document, "mean_mAP", train_number(result->measured > 0, result->mean_mAP));
  json_object_set_new(document, "deviation_mAP",
                      train_number(result->measured > 0, result->deviation_mAP));
  json_object_set_new(document, "out_of_fold", train_validation_json(outcome));
  json_object_set_new(document, "leaking",
                      json_boolean(result->leaking || outcome->validation.leaking));
  json_object_set_new(document, "resume", resume ? json_string(resume) : json_null());
  json_dumpf(document, stdout, JSON_INDENT(2));
  putchar('\n');
  json_decref(document);
}

static void train_print_fold(const fm_training_fold *fold) {
  const fm_trainer_result *result = &fold->result;
  char name[32] = "all of train";
  if (fold->fold > 0)
    snprintf(name, sizeof name, "fold %d", fold->fold);
  bool idle = result->finished && result->resumed && result->first_step == result->steps;
  printf("%s: %s, %d epoch%s, %d steps", name,
         idle               ? "was finished already"
         : result->finished ? "finished"
                            : "not finished",
         result->epochs, result->epochs == 1 ? "" : "s", result->steps);
  if (result->best_epoch > 0 && result->best_mAP >= 0)
    printf(", best mAP %.4f in epoch %d", result->best_mAP, result->best_epoch);
  printf(", %s/weights\n", fold->folder);
}

static void train_print_validation(const fm_cross_validation *validation) {
  const fm_coco_measure *measure = &validation->analysis.coco;
  const bool many = validation->fold_count > 1;
  printf("best weights on %s validation part%s, %zu pictures: mAP %.4f, mAP50 %.4f, mAP75 %.4f\n",
         many ? "the folds'" : "the fold's", many ? "s" : "", validation->analysis.images,
         measure->mAP, measure->mAP50, measure->mAP75);
  if (many)
    printf("fold by fold: mAP %.4f ± %.4f\n", validation->mean_mAP, validation->deviation_mAP);
  if (validation->missing_count == 0)
    return;
  printf("not in it, as they are not trained: fold%s", validation->missing_count > 1 ? "s" : "");
  for (size_t i = 0; i < validation->missing_count; i++)
    printf("%s %d", i > 0 ? "," : "", validation->missing[i]);
  puts("");
}

static void train_print(const train_outcome *outcome) {
  const fm_training_result *result = &outcome->result;
  for (size_t i = 0; i < result->fold_count; i++)
    train_print_fold(&result->folds[i]);
  if (outcome->measured)
    train_print_validation(&outcome->validation);
  else if (result->measured > 1)
    printf("mAP over %zu folds: %.4f ± %.4f\n", result->measured, result->mean_mAP,
           result->deviation_mAP);
  if (result->leaking || outcome->validation.leaking)
    puts("These figures are leaking: with train.carry_weights the network had been trained on most "
         "validation parts.");
}

static fm_status train_report(const fm_cli *cli, const char *name, const train_outcome *outcome) {
  const bool stopped = outcome->status == FM_STOPPED;
  char *resume = NULL;
  if (stopped || !outcome->result.finished) {
    resume = train_format_resume(cli, name, stopped);
    FM_CHECK_ALLOC(resume);
  }
  if (cli->json)
    train_print_json(outcome, resume);
  else if (!cli->quiet)
    train_print(outcome);
  if (!cli->json && resume)
    printf("to go on: %s\n", resume);
  free(resume);
  return FM_OK;
}

// Without gnuplot a training is none the worse.
static fm_status train_draw(const fm_cross_validation *validation, const char *folder) {
  const fm_status status = fm_evaluation_draw(&validation->analysis, folder);
  if (status != FM_ERR_UNSUPPORTED)
    return status;
  fm_say("%s", fm_error_message());
  return FM_OK;
}

// Measures what the run has finished into the run's folder evaluation.
static fm_status train_measure(const fm_cli *cli, const fm_dataset *dataset,
                               train_outcome *outcome) {
  const fm_training_result *result = &outcome->result;
  if (outcome->status != FM_OK || !result->finished || result->folds[0].fold == 0)
    return FM_OK;
  if (!result->detects) {
    fm_say("a face classifier finds no faces by itself; with a detector: facemask evaluate DATA "
           "--split SPLIT --weights DETECTOR --weights %s/weights/last.safetensors",
           result->folds[0].folder);
    return FM_OK;
  }
  const fm_cross_validation_options options = {.run = result->folder,
                                               .dataset = dataset,
                                               .fold = result->fold,
                                               .strict = fm_cli_value(cli, "--strict") != NULL,
                                               .stop = &train_stop};
  char *folder = fm_path_join(result->folder, "evaluation");
  FM_CHECK_ALLOC(folder);
  fm_status status = fm_cross_validation_measure(&outcome->validation, &options);
  outcome->measured = status == FM_OK;
  if (status == FM_STOPPED)
    outcome->status = status;
  if (status == FM_OK)
    status = fm_cross_validation_write(&outcome->validation, folder);
  if (status == FM_OK)
    status = train_draw(&outcome->validation, folder);
  free(folder);
  return status;
}

// The run's graphs and page, when its call is through; `facemask report` makes them at any time.
static fm_status train_draw_run(const train_outcome *outcome) {
  if (outcome->status != FM_OK || !outcome->result.finished)
    return FM_OK;
  fm_run run;
  FM_TRY(fm_run_read(&run, outcome->result.folder));
  fm_status status = fm_run_report_page(&run);
  if (status == FM_OK)
    fm_say("wrote %s/report.html", run.path);
  if (status == FM_OK)
    status = fm_run_report_draw(&run);
  fm_run_release(&run);
  if (status != FM_ERR_UNSUPPORTED)
    return status;
  fm_say("%s", fm_error_message());
  return FM_OK;
}

static fm_status train_call(const fm_cli *cli, fm_dataset *dataset, const char *command) {
  const char *name = fm_cli_value(cli, "--name"), *runs = fm_cli_value(cli, "--runs");
  const char *assignments[FM_CLI_VALUES_MAX + 1];
  int count = fm_cli_values(cli, "--set", assignments, FM_CLI_VALUES_MAX);
  char precision[64];
  if (fm_cli_value(cli, "--precision")) {
    snprintf(precision, sizeof precision, "train.precision=%s", fm_cli_value(cli, "--precision"));
    assignments[count++] = precision;
  }
  fm_training_options options = {
      .dataset = dataset,
      .data = cli->positional[0],
      .command = command,
      .runs = runs ? runs : "runs",
      .name = name ? name : "run",
      .resume = fm_cli_value(cli, "--resume") != NULL,
      .config_file = fm_cli_value(cli, "--config"),
      .assignments = assignments,
      .assignment_count = count,
      .split = fm_cli_value(cli, "--split"),
      .fold = fm_cli_value(cli, "--fold"),
      .weights = fm_cli_value(cli, "--weights"),
      .strict = fm_cli_value(cli, "--strict") != NULL,
      .stop = &train_stop,
  };
  FM_TRY(fm_cli_int(cli, "--max-steps", 0, 1, INT_MAX, &options.max_steps));
  train_catch_signals();
  train_outcome outcome = {0};
  outcome.status = fm_training_run(&options, &outcome.result);
  fm_status status = outcome.status;
  if (status >= 0)
    status = train_measure(cli, dataset, &outcome);
  if (status >= 0)
    status = train_draw_run(&outcome);
  if (status >= 0)
    status = train_report(cli, options.name, &outcome);
  fm_cross_validation_release(&outcome.validation);
  fm_training_result_release(&outcome.result);
  return status;
}

static fm_status train_run(const fm_cli *cli) {
  const fm_dataset_options data = {
      .images = fm_cli_value(cli, "--images"),
      .classes = fm_cli_value(cli, "--classes"),
      .strict = fm_cli_value(cli, "--strict") != NULL,
  };
  fm_dataset *dataset;
  FM_TRY(fm_dataset_open(&dataset, cli->positional[0], &data));
  fm_cli_say_problems(cli, dataset);
  char *command = train_format_call(cli);
  fm_status status =
      command ? train_call(cli, dataset, command) : fm_fail(FM_ERR_MEMORY, "out of memory");
  free(command);
  fm_dataset_free(dataset);
  return status;
}

const fm_verb fm_verb_train = {
    .name = "train",
    .usage = "DATA [options]",
    .summary = "train a model a fold, with checkpoints and exact resume",
    .options = train_options,
    .runs_model = true,
    .positional_min = 1,
    .positional_max = 1,
    .run = train_run,
};
