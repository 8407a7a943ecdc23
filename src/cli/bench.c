// facemask bench: the speed of this machine.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "cli/model.h"
#include "cli/verb.h"
#include "detect/weights.h"
#include "predict/default_model.h"
#include "train/config.h"

static const fm_cli_option bench_options[] = {
    {"--size", "PX",
     "side of the drawn pictures and of what the network sees (default: the least size that the "
     "weights file names, else 480)"},
    {"--batch", "N",
     "pictures of a training step (default: train.batch_size) and of a detection "
     "(default 1)"},
    {"--steps", "N", "how many are timed (default 10)"},
    {"--data", "DATA", "measure on these pictures, in the sizes of the configuration"},
    {"--weights", "FILE",
     "the model, with the settings the file brings (default: random weights; of predict the model "
     "that ships, and several are taken as detect takes them)"},
    {"--only", "train|detect|predict",
     "one job: a training step, a detection (one network looks once), or a prediction (all that "
     "detect does: views, several networks, face classifiers); default: the first two"},
    {"--profile", NULL, "a table of where the time goes"},
    {"--layers", NULL, "the table has a row for each shape"},
    {"--bound", NULL, "time the convolutions and matrix products alone, too"},
    {NULL, NULL, NULL},
};

enum { BENCH_TRAIN, BENCH_DETECT, BENCH_PREDICT, BENCH_JOBS, BENCH_SIZE = 480 };

static bool bench_predicts(const fm_cli *cli) {
  const char *only = fm_cli_value(cli, "--only");
  return only && strcmp(only, "predict") == 0;
}

// The settings that the weights file brings, then the call's. `base` is NULL when there are none.
static fm_status bench_set_config(const fm_cli *cli, const fm_model_config *base, fm_config *config,
                                  int *size) {
  const char *assignments[FM_CLI_VALUES_MAX + 5];
  char sides[2][64], precision[64];
  int count = 0;
  FM_TRY(fm_cli_int(cli, "--size", base ? base->min_size : BENCH_SIZE, 32, 4096, size));
  if (!fm_cli_value(cli, "--data") && !bench_predicts(cli)) {
    snprintf(sides[0], sizeof sides[0], "model.min_size=%d", *size);
    snprintf(sides[1], sizeof sides[1], "model.max_size=%d", *size);
    assignments[count++] = sides[0];
    assignments[count++] = sides[1];
    assignments[count++] = "train.min_size=0";
    assignments[count++] = "train.max_size=0";
  }
  count += fm_cli_values(cli, "--set", assignments + count, FM_CLI_VALUES_MAX);
  if (fm_cli_value(cli, "--precision")) {
    snprintf(precision, sizeof precision, "train.precision=%s", fm_cli_value(cli, "--precision"));
    assignments[count++] = precision;
  }
  return fm_config_load(config, fm_cli_value(cli, "--config"), assignments, count, base);
}

// Of the file that the jobs are about: the first one where a prediction takes several.
static fm_status bench_read_info(const fm_cli *cli, fm_weights_info *info) {
  const char *paths[FM_CLI_VALUES_MAX];
  const int count = fm_cli_values(cli, "--weights", paths, FM_CLI_VALUES_MAX);
  if (count > 1 && !bench_predicts(cli))
    return fm_fail(FM_ERR_ARGUMENT, "several --weights are for --only predict");
  if (count > 0)
    return fm_weights_info_read(info, paths[0]);
  if (!bench_predicts(cli))
    return FM_OK;
  fm_default_model model = {0};
  FM_TRY(fm_default_model_find(&model));
  const fm_status status = fm_weights_info_read(info, model.paths[0]);
  fm_default_model_release(&model);
  return status;
}

static fm_status bench_load_config(const fm_cli *cli, fm_config *config, int *size) {
  fm_weights_info info = {0};
  FM_TRY(bench_read_info(cli, &info));
  const fm_status status =
      bench_set_config(cli, info.has_config ? &info.config : NULL, config, size);
  fm_weights_info_release(&info);
  return status;
}

// int8 is for detection alone.
static fm_status bench_choose(const fm_cli *cli, const fm_config *config, bool jobs[BENCH_JOBS]) {
  const char *only = fm_cli_value(cli, "--only");
  jobs[BENCH_TRAIN] =
      only ? strcmp(only, "train") == 0 : config->train.precision != FM_PRECISION_INT8;
  jobs[BENCH_DETECT] = !only || strcmp(only, "detect") == 0;
  jobs[BENCH_PREDICT] = bench_predicts(cli);
  if (jobs[BENCH_PREDICT] && fm_cli_value(cli, "--batch"))
    return fm_fail(FM_ERR_ARGUMENT, "--batch: a prediction has one picture");
  // Between its looks the arrays of its products are given back.
  if (jobs[BENCH_PREDICT] && fm_cli_value(cli, "--bound"))
    return fm_fail(FM_ERR_ARGUMENT, "--bound is for --only train and --only detect");
  return jobs[BENCH_TRAIN] || jobs[BENCH_DETECT] || jobs[BENCH_PREDICT]
             ? FM_OK
             : fm_fail(FM_ERR_ARGUMENT, "--only %s: train, detect or predict", only);
}

// The thresholds of detect as it comes.
static fm_status bench_predict(const fm_cli *cli, fm_bench_options *options, fm_bench_result *out) {
  const fm_predictor_options settings = {.score = 0.5f, .nms = 0.5f};
  FM_TRY(fm_cli_open_model(cli, &settings, &options->predictor));
  const fm_status status = fm_bench_prediction(options, out);
  fm_predictor_free(options->predictor);
  options->predictor = NULL;
  return status;
}

static fm_status bench_one(const fm_cli *cli, int job, fm_bench_options *options,
                           fm_bench_result *out) {
  if (job == BENCH_PREDICT)
    return bench_predict(cli, options, out);
  return job == BENCH_DETECT ? fm_bench_detection(options, out) : fm_bench_training(options, out);
}

static fm_status bench_jobs(const fm_cli *cli, fm_bench_options *options, fm_config *config,
                            fm_bench_result *results, int *count) {
  bool jobs[BENCH_JOBS];
  int batch;
  FM_TRY(bench_choose(cli, config, jobs));
  FM_TRY(fm_cli_int(cli, "--batch", 0, 1, 256, &batch));
  for (int i = 0; i < BENCH_JOBS; i++) {
    if (!jobs[i])
      continue;
    if (batch > 0 || i > 0)
      config->train.batch_size = batch > 0 ? batch : 1;
    FM_TRY(bench_one(cli, i, options, &results[*count]));
    ++*count;
    if (!cli->json)
      fm_bench_print(stdout, &results[*count - 1], options->profile);
    fflush(stdout);
  }
  if (!cli->json)
    return FM_OK;
  char *text = fm_bench_json(options, results, *count);
  FM_CHECK_ALLOC(text);
  puts(text);
  free(text);
  return FM_OK;
}

static fm_status bench_run(const fm_cli *cli) {
  fm_config *config = malloc(sizeof *config);
  FM_CHECK_ALLOC(config);
  fm_bench_options options = {.config = config,
                              .weights = fm_cli_value(cli, "--weights"),
                              .data = fm_cli_value(cli, "--data"),
                              .by_layer = fm_cli_value(cli, "--layers") != NULL,
                              .bound = fm_cli_value(cli, "--bound") != NULL};
  options.profile = options.by_layer || fm_cli_value(cli, "--profile") != NULL;
  fm_bench_result results[BENCH_JOBS];
  int count = 0;
  fm_status status = bench_load_config(cli, config, &options.size);
  if (status >= 0)
    status = fm_cli_int(cli, "--steps", 10, 1, 1000, &options.steps);
  if (status >= 0)
    status = bench_jobs(cli, &options, config, results, &count);
  for (int i = 0; i < count; i++)
    fm_bench_result_release(&results[i]);
  free(config);
  return status;
}

const fm_verb fm_verb_bench = {
    .name = "bench",
    .usage = "[options]",
    .summary = "how long a training step and a detection take here, and where their time goes",
    .options = bench_options,
    .runs_model = true,
    .positional_max = 0,
    .run = bench_run,
};
