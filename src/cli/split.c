// facemask split: train and test, and stratified folds of train.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "cli/verb.h"
#include "data/dataset.h"
#include "data/split.h"

static const fm_cli_option split_options[] = {
    {"--test-fraction", "F", "the share of the pictures for the test part (default 0.1)"},
    {"--folds", "N", "the number of folds (default 5)"},
    {"--seed", "N", "of NumPy's generator (default 42)"},
    {"--no-shuffle", NULL, "deal out the folds in the order of train"},
    {"--out", "FILE", "where to write (default split.json)"},
    {"--images", "DIR", "the picture folder, when it is not beside the annotations"},
    {"--classes", "a,b,c", "the class names in the order of their labels"},
    {"--strict", NULL, "any problem with the data is an error"},
    {NULL, NULL, NULL},
};

static fm_status split_print(const fm_split *split, const fm_dataset *dataset) {
  int classes = fm_dataset_class_count(dataset);
  size_t *counts = calloc((size_t)classes + 1, sizeof *counts);
  FM_CHECK_ALLOC(counts);
  printf("train %zu, test %zu\n\n%6s %7s %7s", split->train.count, split->test.count, "fold",
         "train", "valid");
  for (int i = 1; i <= classes; i++)
    printf("  %s", fm_dataset_class_name(dataset, i));
  puts("  (faces in the train part)");
  for (size_t fold = 0; fold < split->fold_count; fold++) {
    size_t valid = split->folds[fold].count;
    fm_split_count_faces(split, dataset, fold, counts);
    printf("%6zu %7zu %7zu", fold + 1, split->train.count - valid, valid);
    for (int i = 1; i <= classes; i++)
      printf("  %*zu", (int)strlen(fm_dataset_class_name(dataset, i)), counts[i - 1]);
    putchar('\n');
  }
  free(counts);
  return FM_OK;
}

static fm_status split_output(const fm_cli *cli, const fm_split *split, const fm_dataset *dataset) {
  const char *path = fm_cli_value(cli, "--out");
  path = path ? path : "split.json";
  char *text;
  FM_TRY(fm_split_format(&text, split, dataset));
  fm_status status = fm_file_write(path, text, strlen(text));
  if (status == FM_OK && cli->json)
    puts(text);
  free(text);
  FM_TRY(status);
  fm_say("wrote %s", path);
  return cli->json || cli->quiet ? FM_OK : split_print(split, dataset);
}

static fm_status split_run(const fm_cli *cli) {
  fm_split_options options = {.no_shuffle = fm_cli_value(cli, "--no-shuffle") != NULL};
  double seed;
  FM_TRY(fm_cli_double(cli, "--test-fraction", 0.1, 0, 1, &options.test_fraction));
  FM_TRY(fm_cli_int(cli, "--folds", 5, 2, 1000, &options.folds));
  FM_TRY(fm_cli_double(cli, "--seed", 42, 0, UINT32_MAX, &seed));
  options.seed = (uint32_t)seed;
  if (seed != (double)options.seed)
    return fm_fail(FM_ERR_ARGUMENT, "--seed: %g is not a whole number", seed);
  fm_dataset_options data = {
      .images = fm_cli_value(cli, "--images"),
      .classes = fm_cli_value(cli, "--classes"),
      .strict = fm_cli_value(cli, "--strict") != NULL,
  };
  fm_dataset *dataset;
  FM_TRY(fm_dataset_open(&dataset, cli->positional[0], &data));
  size_t problems;
  fm_dataset_problems(dataset, &problems);
  if (problems > 0)
    fm_say("%zu problem%s with the data; facemask explore lists them", problems,
           problems == 1 ? "" : "s");
  fm_split split;
  fm_status status = fm_split_make(&split, dataset, &options);
  if (status == FM_OK) {
    status = split_output(cli, &split, dataset);
    fm_split_release(&split);
  }
  fm_dataset_free(dataset);
  return status;
}

const fm_verb fm_verb_split = {
    .name = "split",
    .usage = "DATA [options]",
    .summary = "divide a data set into train, test and stratified folds",
    .options = split_options,
    .positional_min = 1,
    .positional_max = 1,
    .run = split_run,
};
