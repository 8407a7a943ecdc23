// Counting faces by fold and class.
#include "data/split_table.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { SPLIT_TABLE_BYTES_MAX = 256 << 20, SPLIT_TABLE_SIDE_MAX = 1000 };

static fm_status split_table_new(fm_split_table *out, size_t folds, size_t classes) {
  *out = (fm_split_table){.fold_count = folds, .class_count = classes};
  out->classes = calloc(classes + 1, sizeof *out->classes);
  out->faces = calloc(classes + 1, sizeof *out->faces);
  out->train = calloc(folds * classes + 1, sizeof *out->train);
  out->images = calloc(folds + 1, sizeof *out->images);
  FM_CHECK_ALLOC(out->classes && out->faces && out->train && out->images);
  return FM_OK;
}

void fm_split_table_release(fm_split_table *table) {
  for (size_t i = 0; table->classes && i < table->class_count; i++)
    free(table->classes[i]);
  free(table->classes);
  free(table->faces);
  free(table->train);
  free(table->images);
  *table = (fm_split_table){0};
}

static fm_status split_table_fill(fm_split_table *out, const fm_split *split,
                                  const fm_dataset *dataset) {
  for (size_t i = 0; i < out->class_count; i++) {
    out->classes[i] = strdup(fm_dataset_class_name(dataset, (int)i + 1));
    FM_CHECK_ALLOC(out->classes[i]);
  }
  fm_split_list_count_faces(&split->train, dataset, out->faces);
  for (size_t fold = 0; fold < out->fold_count; fold++) {
    size_t *row = out->train + fold * out->class_count;
    fm_split_list_count_faces(&split->folds[fold], dataset, row);
    for (size_t i = 0; i < out->class_count; i++)
      row[i] = out->faces[i] - row[i];
    out->images[fold] = split->folds[fold].count;
  }
  out->train_images = split->train.count;
  out->test_images = split->test.count;
  return FM_OK;
}

fm_status fm_split_table_make(fm_split_table *out, const fm_split *split,
                              const fm_dataset *dataset) {
  fm_status status =
      split_table_new(out, split->fold_count, (size_t)fm_dataset_class_count(dataset));
  if (status == FM_OK)
    status = split_table_fill(out, split, dataset);
  if (status < 0)
    fm_split_table_release(out);
  return status;
}

static fm_status split_table_names(fm_split_table *out, json_t *faces) {
  const char *name;
  json_t *value;
  size_t i = 0;
  json_object_foreach(faces, name, value) {
    out->classes[i] = strdup(name);
    FM_CHECK_ALLOC(out->classes[i]);
    i++;
  }
  return FM_OK;
}

static fm_status split_table_row(fm_split_table *out, size_t fold, const json_t *row) {
  const json_t *faces = json_object_get(row, "faces");
  const json_int_t valid = json_integer_value(json_object_get(row, "valid"));
  out->images[fold] = valid > 0 ? (size_t)valid : 0;
  for (size_t i = 0; i < out->class_count; i++) {
    const json_t *value = json_object_get(faces, out->classes[i]);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
      return fm_fail(FM_ERR_FORMAT, "\"table\": fold %zu: no number of faces of %s", fold + 1,
                     out->classes[i]);
    out->train[fold * out->class_count + i] = (size_t)json_integer_value(value);
  }
  return FM_OK;
}

// The file counts the train parts only. Each picture of train is valid in exactly one fold, so the
// train parts together hold every face fold_count - 1 times.
static fm_status split_table_total(fm_split_table *out) {
  for (size_t i = 0; i < out->class_count; i++) {
    size_t sum = 0;
    for (size_t fold = 0; fold < out->fold_count; fold++)
      sum += out->train[fold * out->class_count + i];
    out->faces[i] = sum / (out->fold_count - 1);
    for (size_t fold = 0; fold < out->fold_count; fold++)
      if (sum % (out->fold_count - 1) || out->train[fold * out->class_count + i] > out->faces[i])
        return fm_fail(FM_ERR_FORMAT, "\"table\": the faces of %s are not those of folds",
                       out->classes[i]);
  }
  return FM_OK;
}

static fm_status split_table_parse(fm_split_table *out, const json_t *root) {
  const json_t *table = json_object_get(root, "table");
  const size_t folds = json_array_size(table);
  json_t *faces = json_object_get(json_array_get(table, 0), "faces");
  if (folds < 2 || json_object_size(faces) == 0)
    return FM_END;
  if (folds > SPLIT_TABLE_SIDE_MAX || json_object_size(faces) > SPLIT_TABLE_SIDE_MAX)
    return fm_fail(FM_ERR_FORMAT, "\"table\": more than %d folds or classes", SPLIT_TABLE_SIDE_MAX);
  FM_TRY(split_table_new(out, folds, json_object_size(faces)));
  FM_TRY(split_table_names(out, faces));
  for (size_t fold = 0; fold < folds; fold++)
    FM_TRY(split_table_row(out, fold, json_array_get(table, fold)));
  out->train_images = json_array_size(json_object_get(root, "train"));
  out->test_images = json_array_size(json_object_get(root, "test"));
  return split_table_total(out);
}

fm_status fm_split_table_read(fm_split_table *out, const char *path) {
  *out = (fm_split_table){0};
  fm_bytes bytes;
  FM_TRY(fm_file_read(&bytes, path, SPLIT_TABLE_BYTES_MAX));
  json_error_t error;
  json_t *root = json_loadb((const char *)bytes.data, bytes.size, JSON_REJECT_DUPLICATES, &error);
  free(bytes.data);
  if (!root)
    return fm_fail(FM_ERR_FORMAT, "%s:%d: %s", path, error.line, error.text);
  const fm_status status = split_table_parse(out, root);
  json_decref(root);
  if (status != FM_OK)
    fm_split_table_release(out);
  return status < 0 ? fm_fail_within(status, "%s", path) : status;
}

size_t fm_split_table_valid(const fm_split_table *table, size_t fold, size_t class_index) {
  return table->faces[class_index] - table->train[fold * table->class_count + class_index];
}

double fm_split_table_deviation(const fm_split_table *table, size_t fold, size_t class_index) {
  if (table->faces[class_index] == 0)
    return 0;
  return (double)fm_split_table_valid(table, fold, class_index) /
             (double)table->faces[class_index] -
         1 / (double)table->fold_count;
}
