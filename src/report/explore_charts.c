// The charts of an exploration.
#include "report/explore_charts.h"

#include <stdlib.h>
#include <string.h>

#include "image/draw.h"

enum { EXPLORE_BINS = 40, EXPLORE_COMBINATIONS_SHOWN = 40, EXPLORE_FACES_SHOWN = 24 };

typedef struct explore_target {
  fm_chart_shower show;
  void *user;
} explore_target;

typedef fm_status (*explore_maker)(const fm_exploration *exploration, explore_target target);

// Faces, and images in which they stand, by class.
static fm_status explore_classes(const fm_exploration *exploration, explore_target target) {
  const fm_statistics *statistics = &exploration->statistics;
  const size_t count = (size_t)statistics->class_count;
  const char **names = calloc(count + 1, sizeof *names);
  double *values = calloc(2 * count + 1, sizeof *values);
  fm_status status = names && values ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < count && status == FM_OK; i++) {
    names[i] = fm_dataset_class_name(exploration->dataset, (int)i + 1);
    values[i] = (double)statistics->classes[i].faces;
    values[count + i] = (double)statistics->classes[i].images;
  }
  const fm_chart_series series[] = {
      {.name = "faces", .y = values, .count = count},
      {.name = "images with such a face", .y = values + count, .count = count}};
  if (status == FM_OK)
    status = target.show(target.user, &(fm_chart){.kind = FM_CHART_BARS,
                                                  .name = "classes",
                                                  .title = "Faces by class",
                                                  .x.label = "class",
                                                  .y.label = "number",
                                                  .categories = names,
                                                  .category_count = count,
                                                  .series = series,
                                                  .series_count = 2});
  free(names);
  free(values);
  return status;
}

// "with_mask + without_mask"; heap, NULL when out of memory.
static char *explore_combination_name(const fm_exploration *exploration,
                                      const fm_combination *combination) {
  char *name = NULL;
  size_t size;
  FILE *out = open_memstream(&name, &size);
  if (!out)
    return NULL;
  const char *between = "";
  for (int class = 0; class < exploration->statistics.class_count; class ++) {
    if (!combination->has_label[class])
      continue;
    fprintf(out, "%s%s", between, fm_dataset_class_name(exploration->dataset, class + 1));
    between = " + ";
  }
  fputs(*between ? "" : "no face", out);
  if (fclose(out) == 0)
    return name;
  free(name);
  return NULL;
}

static fm_status explore_combinations(const fm_exploration *exploration, explore_target target) {
  const fm_statistics *statistics = &exploration->statistics;
  const size_t all = statistics->combination_count;
  const size_t count = all < EXPLORE_COMBINATIONS_SHOWN ? all : EXPLORE_COMBINATIONS_SHOWN;
  char **names = calloc(count + 1, sizeof *names);
  double *values = calloc(count + 1, sizeof *values);
  fm_status status = names && values ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < count && status == FM_OK; i++) {
    names[i] = explore_combination_name(exploration, &statistics->combinations[i]);
    values[i] = (double)statistics->combinations[i].images;
    if (!names[i])
      status = fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  const fm_chart_series series = {.y = values, .count = count};
  char note[96];
  snprintf(note, sizeof note, "the %zu most frequent of %zu combinations", count, all);
  if (status == FM_OK)
    status = target.show(target.user, &(fm_chart){.kind = FM_CHART_BARS,
                                                  .name = "combinations",
                                                  .title = "Classes together in an image",
                                                  .note = count < all ? note : NULL,
                                                  .x.label = "classes",
                                                  .y.label = "images",
                                                  .categories = (const char *const *)names,
                                                  .category_count = count,
                                                  .series = &series,
                                                  .series_count = 1});
  for (size_t i = 0; names && i < count; i++)
    free(names[i]);
  free(names);
  free(values);
  return status;
}

// A histogram of values as `chart`, which has everything but the bins.
static fm_status explore_histogram(const double *values, size_t count,
                                   const fm_histogram_options *options, fm_chart chart,
                                   explore_target target) {
  fm_histogram histogram;
  FM_TRY(fm_histogram_make(&histogram, values, count, options));
  const fm_chart_series series = {.y = histogram.counts, .count = histogram.bins};
  chart.kind = FM_CHART_HISTOGRAM;
  chart.edges = histogram.edges;
  chart.bin_count = histogram.bins;
  chart.series = &series;
  chart.series_count = 1;
  const fm_status status = target.show(target.user, &chart);
  fm_histogram_release(&histogram);
  return status;
}

// A bar for each number of faces from none or one on; the last one holds all from there on.
static fm_status explore_faces(const fm_exploration *exploration, explore_target target) {
  const fm_statistics *statistics = &exploration->statistics;
  const size_t rows = statistics->per_image_count;
  const size_t least = rows && statistics->per_image[0].faces == 0 ? 0 : 1;
  const size_t most = rows ? statistics->per_image[rows - 1].faces : 0;
  const size_t last = most < EXPLORE_FACES_SHOWN ? most : EXPLORE_FACES_SHOWN;
  const size_t count = last >= least ? last - least + 1 : 0;
  char texts[EXPLORE_FACES_SHOWN + 1][32];
  const char *names[EXPLORE_FACES_SHOWN + 1];
  double values[EXPLORE_FACES_SHOWN + 1] = {0};
  for (size_t i = 0; i < count; i++) {
    const bool rest = least + i == last && most > last;
    snprintf(texts[i], sizeof texts[i], "%zu%s", least + i, rest ? "+" : "");
    names[i] = texts[i];
  }
  for (size_t i = 0; i < rows; i++) {
    const size_t faces = statistics->per_image[i].faces;
    values[(faces < last ? faces : last) - least] += (double)statistics->per_image[i].images;
  }
  const fm_chart_series series = {.y = values, .count = count};
  char note[64];
  snprintf(note, sizeof note, "up to %zu faces in an image", most);
  return target.show(target.user, &(fm_chart){.kind = FM_CHART_BARS,
                                              .name = "faces_per_image",
                                              .title = "Faces in an image",
                                              .note = note,
                                              .x.label = "faces",
                                              .y.label = "images",
                                              .categories = names,
                                              .category_count = count,
                                              .series = &series,
                                              .series_count = 1});
}

static fm_status explore_face_sizes(const fm_exploration *exploration, explore_target target) {
  const fm_shapes *shapes = &exploration->shapes;
  return explore_histogram(shapes->sizes, shapes->faces,
                           &(fm_histogram_options){.bins = EXPLORE_BINS, .log = true},
                           (fm_chart){.name = "face_sizes",
                                      .title = "Sizes of the faces",
                                      .x = {.label = "sqrt(width x height) in pixels", .log = true},
                                      .y.label = "faces"},
                           target);
}

static fm_status explore_face_shares(const fm_exploration *exploration, explore_target target) {
  const fm_shapes *shapes = &exploration->shapes;
  return explore_histogram(
      shapes->shares, shapes->faces, &(fm_histogram_options){.bins = EXPLORE_BINS, .log = true},
      (fm_chart){.name = "face_shares",
                 .title = "Sizes of the faces against their images",
                 .note = "1 is a face as large as its image",
                 .x = {.label = "sqrt(area of the face / area of the image)", .log = true},
                 .y.label = "faces"},
      target);
}

static fm_status explore_aspects(const fm_exploration *exploration, explore_target target) {
  const fm_shapes *shapes = &exploration->shapes;
  return explore_histogram(shapes->aspects, shapes->faces,
                           &(fm_histogram_options){.bins = EXPLORE_BINS, .log = true},
                           (fm_chart){.name = "face_aspects",
                                      .title = "Shapes of the faces",
                                      .note = "2 is a box twice as tall as wide",
                                      .x = {.label = "height / width", .log = true},
                                      .y.label = "faces"},
                           target);
}

static fm_status explore_places(const fm_exploration *exploration, explore_target target) {
  return target.show(target.user, &(fm_chart){.kind = FM_CHART_MATRIX,
                                              .name = "face_places",
                                              .title = "Where the faces lie",
                                              .note = "all images laid over each other",
                                              .x.label = "share of the image's width",
                                              .y.label = "share of the image's height",
                                              .matrix = {.values = exploration->shapes.places,
                                                         .rows = FM_SHAPES_FIELDS,
                                                         .columns = FM_SHAPES_FIELDS,
                                                         .label = "faces over the place"}});
}

// A dot a size, the larger the more images have it.
static fm_status explore_image_sizes(const fm_exploration *exploration, explore_target target) {
  const fm_shapes *shapes = &exploration->shapes;
  const size_t count = shapes->picture_count;
  double *x = calloc(3 * count + 1, sizeof *x);
  FM_CHECK_ALLOC(x);
  double *y = x + count, *weights = y + count;
  for (size_t i = 0; i < count; i++) {
    x[i] = shapes->pictures[i].width;
    y[i] = shapes->pictures[i].height;
    weights[i] = (double)shapes->pictures[i].images;
  }
  const fm_chart_series series = {.x = x, .y = y, .count = count, .weights = weights};
  char note[96];
  snprintf(note, sizeof note, "%zu different sizes; larger dots are more frequent ones", count);
  const fm_status status = target.show(target.user, &(fm_chart){.kind = FM_CHART_LINES,
                                                                .name = "image_sizes",
                                                                .title = "Sizes of the images",
                                                                .note = note,
                                                                .x.label = "width in pixels",
                                                                .y.label = "height in pixels",
                                                                .series = &series,
                                                                .series_count = 1});
  free(x);
  return status;
}

fm_status fm_explore_chart_make(const fm_exploration *exploration, fm_explore_chart which,
                                fm_chart_shower show, void *user) {
  static const explore_maker makers[FM_EXPLORE_CHART_COUNT] = {
      [FM_EXPLORE_CLASSES] = explore_classes,
      [FM_EXPLORE_COMBINATIONS] = explore_combinations,
      [FM_EXPLORE_FACES] = explore_faces,
      [FM_EXPLORE_FACE_SIZES] = explore_face_sizes,
      [FM_EXPLORE_FACE_SHARES] = explore_face_shares,
      [FM_EXPLORE_ASPECTS] = explore_aspects,
      [FM_EXPLORE_PLACES] = explore_places,
      [FM_EXPLORE_IMAGE_SIZES] = explore_image_sizes,
  };
  FM_ASSERT(which < FM_EXPLORE_CHART_COUNT);
  return makers[which](exploration, (explore_target){show, user});
}
