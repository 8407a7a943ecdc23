// facemask explore: what a data set holds and what is wrong with it, as a table, as files and a
// report, or as JSON on standard output.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "cli/verb.h"
#include "data/exploration.h"
#include "report/explore_charts.h"
#include "report/explore_report.h"

enum { EXPLORE_BAR = 40, EXPLORE_ROWS_SHOWN = 20, EXPLORE_TEXT_BYTES = 512 };

static const fm_cli_option explore_options[] = {
    {"--out", "DIR", "write explore.json, explore_details.json, report.html and the charts there"},
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
  printf("\n%-*s %7s %7s\n", FM_CLI_NAME, "class", "faces", "images");
  for (int i = 0; i < statistics->class_count; i++) {
    fm_cli_print_name(fm_dataset_class_name(dataset, i + 1));
    printf(" %7zu %7zu  ", statistics->classes[i].faces, statistics->classes[i].images);
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

static fm_status explore_print_quantiles(const char *name, const double *values, size_t count) {
  static const double shares[] = {0, 0.05, 0.25, 0.5, 0.75, 0.95, 1};
  printf("%-28s", name);
  for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
    double value;
    FM_TRY(fm_shapes_quantile(&value, values, count, shares[i]));
    printf("%9.3g", value);
  }
  putchar('\n');
  return FM_OK;
}

static fm_status explore_print_shapes(const fm_shapes *shapes) {
  static const char *const heads[] = {"least", "5 %", "25 %", "median", "75 %", "95 %", "most"};
  printf("\n%-28s", "faces");
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
    printf("%9s", heads[i]);
  putchar('\n');
  FM_TRY(explore_print_quantiles("sqrt(width * height), pixels", shapes->sizes, shapes->faces));
  FM_TRY(explore_print_quantiles("... as a share of the image", shapes->shares, shapes->faces));
  FM_TRY(explore_print_quantiles("height / width", shapes->aspects, shapes->faces));
  printf("\n%zu image sizes; the most frequent:", shapes->picture_count);
  for (size_t i = 0; i < shapes->picture_count && i < 5; i++)
    printf("%s %d x %d (%zu)", i ? "," : "", shapes->pictures[i].width, shapes->pictures[i].height,
           shapes->pictures[i].images);
  putchar('\n');
  return FM_OK;
}

static void explore_print_suspects(const fm_exploration *exploration) {
  const fm_suspects *suspects = &exploration->suspects;
  if (suspects->count == 0)
    return;
  printf("\n%zu suspicious annotation%s\n", suspects->count, suspects->count == 1 ? "" : "s");
  for (size_t i = 0; i < suspects->count && i < EXPLORE_ROWS_SHOWN; i++) {
    const fm_suspect *suspect = &suspects->items[i];
    char text[EXPLORE_TEXT_BYTES];
    fm_suspect_format(text, sizeof text, suspect, exploration->dataset);
    printf("  %s: object %zu: %s: %s\n",
           fm_dataset_sample(exploration->dataset, suspect->sample)->name, suspect->object + 1,
           fm_suspect_kind_name(suspect->kind), text);
  }
  if (suspects->count > EXPLORE_ROWS_SHOWN)
    printf("  ... and %zu more; --out writes all of them\n", suspects->count - EXPLORE_ROWS_SHOWN);
}

static void explore_print_contradictions(const fm_exploration *exploration) {
  const fm_duplicates *duplicates = &exploration->duplicates;
  const size_t count = duplicates->contradiction_count;
  if (count == 0)
    return;
  printf("\n%zu contradictory label%s on them\n", count, count == 1 ? "" : "s");
  for (size_t i = 0; i < count && i < EXPLORE_ROWS_SHOWN; i++) {
    const fm_contradiction *found = &duplicates->contradictions[i];
    const fm_duplicate *pair = &duplicates->pairs[found->pair];
    const fm_dataset *dataset = exploration->dataset;
    char first[EXPLORE_TEXT_BYTES], second[EXPLORE_TEXT_BYTES];
    fm_contradiction_format(first, sizeof first, dataset, pair->first, found->first_object);
    fm_contradiction_format(second, sizeof second, dataset, pair->second, found->second_object);
    printf("  %s: %s; %s: %s\n", fm_dataset_sample(dataset, pair->first)->name, first,
           fm_dataset_sample(dataset, pair->second)->name, second);
  }
  if (count > EXPLORE_ROWS_SHOWN)
    printf("  ... and %zu more; --out writes all of them\n", count - EXPLORE_ROWS_SHOWN);
}

static void explore_print_duplicates(const fm_exploration *exploration) {
  const fm_duplicates *duplicates = &exploration->duplicates;
  if (duplicates->count == 0)
    return;
  printf("\n%zu pair%s of images the same or nearly so\n", duplicates->pair_count,
         duplicates->pair_count == 1 ? "" : "s");
  for (size_t i = 0; i < duplicates->count && i < EXPLORE_ROWS_SHOWN; i++) {
    const fm_duplicate *pair = &duplicates->pairs[i];
    printf("  %s, %s: %s (%.2f grey levels apart)\n",
           fm_dataset_sample(exploration->dataset, pair->first)->name,
           fm_dataset_sample(exploration->dataset, pair->second)->name,
           pair->same ? "the same" : "near", (double)pair->difference);
  }
  if (duplicates->pair_count > EXPLORE_ROWS_SHOWN)
    printf("  ... and %zu more; --out writes them\n", duplicates->pair_count - EXPLORE_ROWS_SHOWN);
  explore_print_contradictions(exploration);
}

static void explore_print_problems(const fm_dataset *dataset) {
  size_t count;
  const fm_problem *problems = fm_dataset_problems(dataset, &count);
  if (count == 0)
    return;
  printf("\n%zu problem%s\n", count, count == 1 ? "" : "s");
  for (size_t i = 0; i < count && i < EXPLORE_ROWS_SHOWN; i++)
    printf("  %s: %s\n", problems[i].file, problems[i].reason);
  if (count > EXPLORE_ROWS_SHOWN)
    printf("  ... and %zu more; --json lists all of them\n", count - EXPLORE_ROWS_SHOWN);
}

static fm_status explore_print(const fm_exploration *exploration) {
  const fm_statistics *statistics = &exploration->statistics;
  const fm_dataset *dataset = exploration->dataset;
  printf("%zu images, %zu faces, %.2f faces an image\n", statistics->images, statistics->faces,
         fm_statistics_mean_faces(statistics));
  if (fm_dataset_annotations_only(dataset))
    puts("The pictures are missing: these figures come from the annotations alone.");
  explore_print_classes(statistics, dataset);
  explore_print_combinations(statistics, dataset);
  explore_print_faces(statistics);
  FM_TRY(explore_print_shapes(&exploration->shapes));
  explore_print_problems(dataset);
  explore_print_suspects(exploration);
  explore_print_duplicates(exploration);
  return FM_OK;
}

static fm_status explore_write(const char *folder, const char *name, const char *text) {
  char *path = fm_path_join(folder, name);
  FM_CHECK_ALLOC(path);
  fm_status status = fm_file_write(path, text, strlen(text));
  if (status == FM_OK)
    fm_say("wrote %s", path);
  free(path);
  return status;
}

// Everything that needs no gnuplot comes first.
static fm_status explore_write_all(const fm_exploration *exploration, const char *folder,
                                   const char *data, const char *counts) {
  FM_TRY(fm_folder_make(folder));
  FM_TRY(explore_write(folder, "explore.json", counts));
  char *details;
  FM_TRY(fm_exploration_format(&details, exploration));
  fm_status status = explore_write(folder, "explore_details.json", details);
  free(details);
  FM_TRY(status);
  FM_TRY(fm_explore_report_page(exploration, folder, data));
  fm_say("wrote %s/report.html", folder);
  FM_TRY(fm_explore_report_draw(exploration, folder));
  fm_say("wrote %d charts to %s", FM_EXPLORE_CHART_COUNT, folder);
  return FM_OK;
}

static fm_status explore_output(const fm_cli *cli, const fm_exploration *exploration) {
  char *counts;
  FM_TRY(fm_statistics_format(&counts, &exploration->statistics, exploration->dataset));
  fm_status status = FM_OK;
  if (cli->json)
    puts(counts);
  else if (!cli->quiet)
    status = explore_print(exploration);
  const char *folder = fm_cli_value(cli, "--out");
  if (status == FM_OK && folder)
    status = explore_write_all(exploration, folder, cli->positional[0], counts);
  free(counts);
  return status;
}

static fm_status explore_dataset(const fm_cli *cli, fm_dataset *dataset) {
  fm_exploration exploration;
  FM_TRY(fm_exploration_make(&exploration, dataset));
  const fm_status status = explore_output(cli, &exploration);
  fm_exploration_release(&exploration);
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
