// facemask samples: pictures with their boxes drawn on them, as they are or as training sees them.
#include <stdio.h>
#include <stdlib.h>

#include "base/progress.h"
#include "cli/verb.h"
#include "data/dataset.h"
#include "report/samples.h"
#include "train/config.h"

static const fm_cli_option samples_options[] = {
    {"--count", "N", "how many pictures (default 12)"},
    {"--seed", "N", "which pictures, and what becomes of them (default: train.seed)"},
    {"--augment", NULL, "what the first epoch of a training on DATA would see"},
    {"--out", "DIR", "where to write (default samples)"},
    {"--config", "FILE.yaml", "the configuration, for augment and train.seed"},
    {"--set", "key=value", "one key of the configuration; may be repeated"},
    {"--images", "DIR", "the picture folder, when it is not beside the annotations"},
    {"--classes", "a,b,c", "the class names in the order of their labels"},
    {"--strict", NULL, "any problem with the data is an error"},
    {NULL, NULL, NULL},
};

static fm_status samples_write(const fm_cli *cli, const fm_config *config,
                               const fm_dataset *dataset) {
  int count;
  double seed;
  FM_TRY(fm_cli_int(cli, "--count", 12, 1, FM_SAMPLES_MAX, &count));
  FM_TRY(fm_cli_double(cli, "--seed", config->train.seed, 0, 2147483647, &seed));
  if (seed != (double)(uint64_t)seed)
    return fm_fail(FM_ERR_ARGUMENT, "--seed: %g is not a whole number", seed);
  const char *folder = fm_cli_value(cli, "--out");
  const fm_samples_options options = {
      .dataset = dataset,
      .count = (size_t)count,
      .seed = (uint64_t)seed,
      .augment = fm_cli_value(cli, "--augment") ? config->augment : NULL,
      .folder = folder ? folder : "samples",
  };
  char *json;
  FM_TRY(fm_samples_write(&options, &json));
  fm_say("wrote %s", options.folder);
  if (cli->json)
    puts(json);
  free(json);
  return FM_OK;
}

static fm_status samples_run(const fm_cli *cli) {
  const char *assignments[FM_CLI_VALUES_MAX];
  int count = fm_cli_values(cli, "--set", assignments, FM_CLI_VALUES_MAX);
  const fm_dataset_options data = {
      .images = fm_cli_value(cli, "--images"),
      .classes = fm_cli_value(cli, "--classes"),
      .strict = fm_cli_value(cli, "--strict") != NULL,
  };
  fm_config *config = malloc(sizeof *config);
  FM_CHECK_ALLOC(config);
  fm_dataset *dataset = NULL;
  fm_status status;
  FM_TRY_OUT(fm_config_load(config, fm_cli_value(cli, "--config"), assignments, count, NULL));
  FM_TRY_OUT(fm_dataset_open(&dataset, cli->positional[0], &data));
  FM_TRY_OUT(fm_dataset_require_pictures(dataset));
  if (fm_cli_value(cli, "--augment"))
    fm_dataset_move_starts(dataset,
                           -fm_model_config_beyond(&config->model)); // as training has them
  status = samples_write(cli, config, dataset);
out:
  fm_dataset_free(dataset);
  free(config);
  return status;
}

const fm_verb fm_verb_samples = {
    .name = "samples",
    .usage = "DATA [options]",
    .summary = "draw pictures of a data set with their boxes",
    .options = samples_options,
    .positional_min = 1,
    .positional_max = 1,
    .run = samples_run,
};
