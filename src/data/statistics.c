// Counts over a data set.
#include "data/statistics.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static fm_status statistics_allocate(fm_statistics *out, const fm_dataset *dataset) {
  size_t classes = (size_t)out->class_count;
  for (size_t i = 0; i < out->images; i++)
    out->faces += fm_dataset_sample(dataset, i)->object_count;
  out->classes = calloc(classes + 1, sizeof *out->classes);
  out->combinations = calloc(out->images + 1, sizeof *out->combinations);
  out->per_image = calloc(out->images + 1, sizeof *out->per_image);
  out->sizes = calloc(out->faces + 1, sizeof *out->sizes);
  out->has_label = calloc(out->images * classes + 1, 1);
  FM_CHECK_ALLOC(out->classes && out->combinations && out->per_image && out->sizes &&
                 out->has_label);
  return FM_OK;
}

static void statistics_count(fm_statistics *out, const fm_dataset *dataset) {
  size_t classes = (size_t)out->class_count, face = 0;
  for (size_t i = 0; i < out->images; i++) {
    const fm_sample *sample = fm_dataset_sample(dataset, i);
    uint8_t *row = out->has_label + i * classes;
    for (size_t j = 0; j < sample->object_count; j++) {
      const fm_box *box = &sample->objects[j].box;
      size_t class = (size_t)sample->objects[j].label - 1;
      out->sizes[face++] = sqrtf((box->x2 - box->x1) * (box->y2 - box->y1));
      out->classes[class].faces++;
      out->classes[class].images += row[class] == 0;
      row[class] = 1;
    }
    out->combinations[i] = (fm_combination){row, 1};
    out->per_image[i] = (fm_face_count){sample->object_count, 1};
  }
}

// Equal rows stand together, those with a lower label first ahead.
static int statistics_compare_rows(const void *a, const void *b, void *width) {
  const fm_combination *left = a, *right = b;
  return memcmp(right->has_label, left->has_label, *(const size_t *)width);
}

static int statistics_compare_combinations(const void *a, const void *b, void *width) {
  const fm_combination *left = a, *right = b;
  if (left->images != right->images)
    return left->images < right->images ? 1 : -1;
  return statistics_compare_rows(a, b, width);
}

static void statistics_merge_combinations(fm_statistics *out) {
  size_t width = (size_t)out->class_count, kept = 0;
  fm_combination *items = out->combinations;
  qsort_r(items, out->images, sizeof *items, statistics_compare_rows, &width);
  for (size_t i = 0; i < out->images; i++)
    if (kept > 0 && memcmp(items[kept - 1].has_label, items[i].has_label, width) == 0)
      items[kept - 1].images++;
    else
      items[kept++] = items[i];
  qsort_r(items, kept, sizeof *items, statistics_compare_combinations, &width);
  out->combination_count = kept;
}

static int statistics_compare_faces(const void *a, const void *b) {
  const fm_face_count *left = a, *right = b;
  return (left->faces > right->faces) - (left->faces < right->faces);
}

static void statistics_merge_faces(fm_statistics *out) {
  size_t kept = 0;
  fm_face_count *items = out->per_image;
  qsort(items, out->images, sizeof *items, statistics_compare_faces);
  for (size_t i = 0; i < out->images; i++)
    if (kept > 0 && items[kept - 1].faces == items[i].faces)
      items[kept - 1].images++;
    else
      items[kept++] = items[i];
  out->per_image_count = kept;
}

static int statistics_compare_sizes(const void *a, const void *b) {
  float left = *(const float *)a, right = *(const float *)b;
  return (left > right) - (left < right);
}

fm_status fm_statistics_make(fm_statistics *out, const fm_dataset *dataset) {
  *out = (fm_statistics){
      .images = fm_dataset_count(dataset),
      .class_count = fm_dataset_class_count(dataset),
  };
  fm_status status = statistics_allocate(out, dataset);
  if (status < 0) {
    fm_statistics_release(out);
    return status;
  }
  statistics_count(out, dataset);
  statistics_merge_combinations(out);
  statistics_merge_faces(out);
  qsort(out->sizes, out->faces, sizeof *out->sizes, statistics_compare_sizes);
  return FM_OK;
}

void fm_statistics_release(fm_statistics *statistics) {
  free(statistics->classes);
  free(statistics->combinations);
  free(statistics->per_image);
  free(statistics->sizes);
  free(statistics->has_label);
  *statistics = (fm_statistics){0};
}

double fm_statistics_mean_faces(const fm_statistics *statistics) {
  return statistics->images ? (double)statistics->faces / (double)statistics->images : 0;
}

float fm_statistics_size_quantile(const fm_statistics *statistics, double share) {
  if (statistics->faces == 0)
    return 0;
  double place = share * (double)(statistics->faces - 1);
  size_t below = (size_t)place;
  size_t above = below + 1 < statistics->faces ? below + 1 : below;
  float part = (float)(place - (double)below);
  return statistics->sizes[below] * (1 - part) + statistics->sizes[above] * part;
}

// The builders return NULL when out of memory or for text that is not UTF-8; `failed` collects
// that.
static json_t *statistics_classes_json(const fm_statistics *statistics, const fm_dataset *dataset,
                                       int *failed) {
  json_t *array = json_array();
  for (int i = 0; i < statistics->class_count; i++)
    *failed |= json_array_append_new(
        array, json_pack("{s:s,s:I,s:I}", "name", fm_dataset_class_name(dataset, i + 1), "faces",
                         (json_int_t)statistics->classes[i].faces, "images",
                         (json_int_t)statistics->classes[i].images));
  return array;
}

static json_t *statistics_combinations_json(const fm_statistics *statistics,
                                            const fm_dataset *dataset, int *failed) {
  json_t *array = json_array();
  for (size_t i = 0; i < statistics->combination_count; i++) {
    const fm_combination *combination = &statistics->combinations[i];
    json_t *names = json_array();
    for (int class = 0; class < statistics->class_count; class ++)
      if (combination->has_label[class])
        *failed |=
            json_array_append_new(names, json_string(fm_dataset_class_name(dataset, class + 1)));
    *failed |= json_array_append_new(
        array, json_pack("{s:o,s:I}", "classes", names, "images", (json_int_t)combination->images));
  }
  return array;
}

static json_t *statistics_per_image_json(const fm_statistics *statistics, int *failed) {
  json_t *array = json_array();
  for (size_t i = 0; i < statistics->per_image_count; i++)
    *failed |= json_array_append_new(
        array, json_pack("{s:I,s:I}", "faces", (json_int_t)statistics->per_image[i].faces, "images",
                         (json_int_t)statistics->per_image[i].images));
  return array;
}

static json_t *statistics_problems_json(const fm_dataset *dataset, int *failed) {
  size_t count;
  const fm_problem *problems = fm_dataset_problems(dataset, &count);
  json_t *array = json_array();
  for (size_t i = 0; i < count; i++)
    *failed |= json_array_append_new(
        array, json_pack("{s:s,s:s}", "file", problems[i].file, "reason", problems[i].reason));
  return array;
}

fm_status fm_statistics_format(char **out, const fm_statistics *statistics,
                               const fm_dataset *dataset) {
  int failed = 0;
  json_t *root = json_pack("{s:I,s:I,s:f,s:o,s:o,s:o,s:o}", "images",
                           (json_int_t)statistics->images, "faces", (json_int_t)statistics->faces,
                           "faces_per_image_mean", fm_statistics_mean_faces(statistics), "classes",
                           statistics_classes_json(statistics, dataset, &failed), "combinations",
                           statistics_combinations_json(statistics, dataset, &failed),
                           "faces_per_image", statistics_per_image_json(statistics, &failed),
                           "problems", statistics_problems_json(dataset, &failed));
  *out = root && !failed ? json_dumps(root, JSON_INDENT(1)) : NULL;
  json_decref(root);
  if (!*out)
    return fm_fail(FM_ERR_FORMAT, "a class's name is not UTF-8 text");
  return FM_OK;
}
