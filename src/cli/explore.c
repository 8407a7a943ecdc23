// facemask explore: counts of a data set, as a table, as explore.json, or as JSON on standard
// output.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "cli/verb.h"
#include "data/dataset.h"
#include "data/statistics.h"

enum { EXPLORE_BAR = 40, EXPLORE_PROBLEMS_SHOWN = 20 };

static const fm_cli_option explore_options[] = {
    {"--out", "DIR", "write explore.json there"},
    {"--images", "DIR", "the picture folder, when it is not beside the annotations"},
    {"--classes", "a,b,c", "the class names in the order of their labels"},
    {"--strict", NULL, "any problem with the data is an error"},
    {NULL, NULL, NULL},
};

static void explore_bar(size_t part, size_t largest) {
  size_t length = largest ? (part * EXPLORE_BAR + largest - 1) / largest : 0;
  for (size_t i = 0; i < length; i++)
    putchar('#');
  putchar('\n');
}

static void explore_print_classes(const fm_statistics *statistics, const fm_dataset *dataset) {
  size_t largest = 0;
  for (int i = 0; i < statistics->class_count; i++)
    if (statistics->classes[i].faces > largest)
      largest = statistics->classes[i].faces;
  printf("\n%-24s %7s %7s\n", "class", "faces", "images");
  for (int i = 0; i < statistics->class_count; i++) {
    printf("%-24s %7zu %7zu  ", fm_dataset_class_name(dataset, i + 1), statistics->classes[i].faces,
           statistics->classes[i].images);
    explore_bar(statistics->classes[i].faces, largest);
  }
}

static void explore_print_combinations(const fm_statistics *statistics, const fm_dataset *dataset) {
  printf("\n%7s  classes together in a picture\n", "images");
  for (size_t i = 0; i < statistics->combination_count; i++) {
    const fm_combination *combination = &statistics->combinations[i];
    const char *between = "";
    printf("%7zu  ", combination->images);
    for (int class = 0; class < statistics->class_count; class ++)
      if (combination->has_label[class]) {
        printf("%s%s", between, fm_dataset_class_name(dataset, class + 1));
        between = " + ";
      }
    puts(*between ? "" : "none");
  }
}

static void explore_print_faces(const fm_statistics *statistics) {
  size_t largest = 0;
  for (size_t i = 0; i < statistics->per_image_count; i++)
    if (statistics->per_image[i].images > largest)
      largest = statistics->per_image[i].images;
  printf("\n%7s %7s\n", "faces", "images");
  for (size_t i = 0; i < statistics->per_image_count; i++) {
    printf("%7zu %7zu  ", statistics->per_image[i].faces, statistics->per_image[i].images);
    explore_bar(statistics->per_image[i].images, largest);
  }
}

static void explore_print_sizes(const fm_statistics *statistics) {
  static const double shares[] = {0, 0.05, 0.25, 0.5, 0.75, 0.95, 1};
  static const char *const names[] = {"least", "5 %", "25 %", "median", "75 %", "95 %", "most"};
  printf("\nface sizes, sqrt(width * height) in pixels\n");
  for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
    printf("%9s", names[i]);
  putchar('\n');
  for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
    printf("%9.1f", (double)fm_statistics_size_quantile(statistics, shares[i]));
  putchar('\n');
}

static void explore_print_problems(const fm_dataset *dataset) {
  size_t count;
  const fm_problem *problems = fm_dataset_problems(dataset, &count);
  if (count == 0)
    return;
  printf("\n%zu problem%s\n", count, count == 1 ? "" : "s");
  for (size_t i = 0; i < count && i < EXPLORE_PROBLEMS_SHOWN; i++)
    printf("  %s: %s\n", problems[i].file, problems[i].reason);
  if (count > EXPLORE_PROBLEMS_SHOWN)
    printf("  ... and %zu more; explore.json and --json list all\n",
           count - EXPLORE_PROBLEMS_SHOWN);
}

static void explore_print(const fm_statistics *statistics, const fm_dataset *dataset) {
  printf("%zu images, %zu faces, %.2f faces an image\n", statistics->images, statistics->faces,
         fm_statistics_mean_faces(statistics));
  if (fm_dataset_annotations_only(dataset))
    puts("The pictures are missing: these figures come from the annotations alone.");
  explore_print_classes(statistics, dataset);
  explore_print_combinations(statistics, dataset);
  explore_print_faces(statistics);
  explore_print_sizes(statistics);
  explore_print_problems(dataset);
}

static fm_status explore_write(const char *folder, const char *text) {
  FM_TRY(fm_folder_make(folder));
  char *path = fm_path_join(folder, "explore.json");
  FM_CHECK_ALLOC(path);
  fm_status status = fm_file_write(path, text, strlen(text));
  if (status == FM_OK)
    fm_say("wrote %s", path);
  free(path);
  return status;
}

static fm_status explore_dataset(const fm_cli *cli, fm_dataset *dataset) {
  FM_TRY(fm_dataset_check_pictures(dataset));
  fm_statistics statistics;
  FM_TRY(fm_statistics_make(&statistics, dataset));
  char *text = NULL;
  fm_status status = fm_statistics_format(&text, &statistics, dataset);
  const char *folder = fm_cli_value(cli, "--out");
  if (status == FM_OK && folder)
    status = explore_write(folder, text);
  if (status == FM_OK && cli->json)
    puts(text);
  else if (status == FM_OK && !cli->quiet)
    explore_print(&statistics, dataset);
  free(text);
  fm_statistics_release(&statistics);
  return status;
}

static fm_status explore_run(const fm_cli *cli) {
  fm_dataset *dataset;
  fm_dataset_options options = {
      .images = fm_cli_value(cli, "--images"),
      .classes = fm_cli_value(cli, "--classes"),
      .strict = fm_cli_value(cli, "--strict") != NULL,
  };
  FM_TRY(fm_dataset_open(&dataset, cli->positional[0], &options));
  fm_status status = explore_dataset(cli, dataset);
  fm_dataset_free(dataset);
  return status;
}

const fm_verb fm_verb_explore = {
    .name = "explore",
    .usage = "DATA [options]",
    .summary = "count a data set's pictures, faces and classes, and list what is wrong with it",
    .options = explore_options,
    .positional_min = 1,
    .positional_max = 1,
    .run = explore_run,
};
