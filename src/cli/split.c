// facemask split: train and test, and stratified folds of train.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "cli/verb.h"
#include "data/dataset.h"
#include "data/duplicates.h"
#include "data/split.h"
#include "data/split_table.h"
#include "report/split_report.h"

enum {
  SPLIT_CELL = 14, // columns of "1234 (+12.34)"
  SPLIT_COUNT = 7, // of "1234"
  SPLIT_LINE = 110,
  SPLIT_TEXT_BYTES = 64
};

static const fm_cli_option split_options[] = {
    {"--test-fraction", "F", "the share of the pictures for the test part (default 0.1)"},
    {"--folds", "N", "the number of folds (default 5)"},
    {"--seed", "N", "of NumPy's generator (default 42)"},
    {"--no-shuffle", NULL, "deal out the folds in the order of train"},
    {"--group-duplicates", NULL, "keep pictures that are the same or nearly so on one side"},
    {"--out", "FILE", "where to write (default split.json)"},
    {"--report", "DIR", "write charts and a report.html of the faces per fold and class there"},
    {"--images", "DIR", "the picture folder, when it is not beside the annotations"},
    {"--classes", "a,b,c", "the class names in the order of their labels"},
    {"--strict", NULL, "any problem with the data is an error"},
    {NULL, NULL, NULL},
};

static void split_format_cell(char out[SPLIT_TEXT_BYTES], const fm_split_table *table, size_t fold,
                              size_t class, bool valid) {
  if (valid)
    snprintf(out, SPLIT_TEXT_BYTES, "%zu (%+.2f)", fm_split_table_valid(table, fold, class),
             100 * fm_split_table_deviation(table, fold, class));
  else
    snprintf(out, SPLIT_TEXT_BYTES, "%zu", table->train[fold * table->class_count + class]);
}

static size_t split_images(const fm_split_table *table, size_t fold, bool valid) {
  return valid ? table->images[fold] : table->train_images - table->images[fold];
}

static int split_column(const fm_split_table *table, size_t class, bool valid) {
  const int width = (int)strlen(table->classes[class]);
  return valid && width < SPLIT_CELL ? SPLIT_CELL : width;
}

// A row a fold, a column a class.
static void split_print_folds(const fm_split_table *table, bool valid) {
  printf("%6s %7s", "fold", "images");
  for (size_t i = 0; i < table->class_count; i++)
    printf("  %*s", split_column(table, i, valid), table->classes[i]);
  putchar('\n');
  for (size_t fold = 0; fold < table->fold_count; fold++) {
    printf("%6zu %7zu", fold + 1, split_images(table, fold, valid));
    for (size_t i = 0; i < table->class_count; i++) {
      char cell[SPLIT_TEXT_BYTES];
      split_format_cell(cell, table, fold, i, valid);
      printf("  %*s", split_column(table, i, valid), cell);
    }
    putchar('\n');
  }
}

// A row a class, a column a fold.
static void split_print_classes(const fm_split_table *table, bool valid) {
  const int width = valid ? SPLIT_CELL : SPLIT_COUNT;
  fm_cli_print_name("fold");
  for (size_t fold = 0; fold < table->fold_count; fold++)
    printf(" %*zu", width, fold + 1);
  putchar('\n');
  fm_cli_print_name("images");
  for (size_t fold = 0; fold < table->fold_count; fold++)
    printf(" %*zu", width, split_images(table, fold, valid));
  putchar('\n');
  for (size_t i = 0; i < table->class_count; i++) {
    fm_cli_print_name(table->classes[i]);
    for (size_t fold = 0; fold < table->fold_count; fold++) {
      char cell[SPLIT_TEXT_BYTES];
      split_format_cell(cell, table, fold, i, valid);
      printf(" %*s", width, cell);
    }
    putchar('\n');
  }
}

// Faces of one part by fold and class, such that a line stays as short as it can.
static void split_print_part(const fm_split_table *table, bool valid) {
  int width = 14;
  for (size_t i = 0; i < table->class_count; i++)
    width += 2 + split_column(table, i, valid);
  puts(valid ? "\nfaces in the valid part (and percentage points from an even share)"
             : "\nfaces in the train part");
  if (width <= SPLIT_LINE)
    split_print_folds(table, valid);
  else
    split_print_classes(table, valid);
}

static void split_print(const fm_split_table *table) {
  printf("train %zu, test %zu\n", table->train_images, table->test_images);
  split_print_part(table, false);
  split_print_part(table, true);
  double most = 0;
  size_t at_fold = 0, at_class = 0;
  for (size_t fold = 0; fold < table->fold_count; fold++)
    for (size_t i = 0; i < table->class_count; i++) {
      const double deviation = fm_split_table_deviation(table, fold, i);
      if (fabs(deviation) <= fabs(most))
        continue;
      most = deviation;
      at_fold = fold;
      at_class = i;
    }
  if (most != 0)
    printf("\nfurthest from an even share: fold %zu has %+.2f percentage points of %s\n",
           at_fold + 1, 100 * most, table->classes[at_class]);
}

static fm_status split_write(const fm_cli *cli, const fm_split *split, const fm_dataset *dataset) {
  const char *path = fm_cli_value(cli, "--out");
  path = path ? path : "split.json";
  char *text;
  FM_TRY(fm_split_format(&text, split, dataset));
  fm_status status = fm_file_write(path, text, strlen(text));
  if (status == FM_OK && cli->json)
    puts(text);
  free(text);
  if (status == FM_OK)
    fm_say("wrote %s", path);
  return status;
}

static fm_status split_output(const fm_cli *cli, const fm_split *split, const fm_dataset *dataset) {
  FM_TRY(split_write(cli, split, dataset));
  const char *folder = fm_cli_value(cli, "--report");
  fm_split_table table;
  FM_TRY(fm_split_table_make(&table, split, dataset));
  if (!cli->json && !cli->quiet)
    split_print(&table);
  fm_status status = FM_OK;
  if (folder)
    status = fm_split_report_page(&table, folder, cli->positional[0]);
  if (folder && status == FM_OK)
    status = fm_split_report_draw(&table, folder);
  if (folder && status == FM_OK)
    fm_say("wrote %s/report.html and its charts", folder);
  fm_split_table_release(&table);
  return status;
}

// Finds the duplicates, which needs the pictures, and splits by their groups.
static fm_status split_make_grouped(fm_split *out, fm_dataset *dataset, fm_split_options options) {
  if (fm_dataset_annotations_only(dataset))
    return fm_fail(FM_ERR_ARGUMENT,
                   "--group-duplicates compares the pictures, and they are missing here");
  FM_TRY(fm_dataset_check_pictures(dataset));
  fm_duplicates duplicates;
  FM_TRY(fm_duplicates_find(&duplicates, dataset));
  fm_say("%zu pair%s of pictures stay together", duplicates.pair_count,
         duplicates.pair_count == 1 ? "" : "s");
  options.group = duplicates.group;
  const fm_status status = fm_split_make(out, dataset, &options);
  fm_duplicates_release(&duplicates);
  return status;
}

static fm_status split_dataset(const fm_cli *cli, fm_dataset *dataset,
                               const fm_split_options *options) {
  fm_cli_say_problems(cli, dataset);
  fm_split split;
  if (fm_cli_value(cli, "--group-duplicates"))
    FM_TRY(split_make_grouped(&split, dataset, *options));
  else
    FM_TRY(fm_split_make(&split, dataset, options));
  const fm_status status = split_output(cli, &split, dataset);
  fm_split_release(&split);
  return status;
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
  const fm_status status = split_dataset(cli, dataset, &options);
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
