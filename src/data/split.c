// Train, test and folds, and the JSON file that holds them.
#include "data/split.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "data/mt19937.h"
#include "data/stratify.h"

enum { SPLIT_FILE_BYTES_MAX = 256 * 1024 * 1024, SPLIT_FOLDS_MAX = 1000 };

static fm_status split_list_new(fm_split_list *list, size_t capacity) {
  *list = (fm_split_list){0};
  list->names = calloc(capacity + 1, sizeof *list->names);
  FM_CHECK_ALLOC(list->names);
  return FM_OK;
}

// The list must have room.
static fm_status split_list_add(fm_split_list *list, const char *name) {
  list->names[list->count] = strdup(name);
  FM_CHECK_ALLOC(list->names[list->count]);
  list->count++;
  return FM_OK;
}

static void split_list_release(fm_split_list *list) {
  for (size_t i = 0; i < list->count; i++)
    free(list->names[i]);
  free(list->names);
  *list = (fm_split_list){0};
}

void fm_split_release(fm_split *split) {
  split_list_release(&split->train);
  split_list_release(&split->test);
  for (size_t i = 0; i < split->fold_count; i++)
    split_list_release(&split->folds[i]);
  free(split->folds);
  *split = (fm_split){0};
}

static fm_status split_folds_new(fm_split *split, size_t count) {
  split->folds = calloc(count + 1, sizeof *split->folds);
  FM_CHECK_ALLOC(split->folds);
  split->fold_count = count;
  return FM_OK;
}

// What stays on one side: a picture, or a group of near duplicates. Unit u has members[starts[u]]
// to members[starts[u + 1] - 1]; units stand in the order of their first members.
typedef struct split_units {
  uint32_t *members; // (samples)
  size_t *starts;    // (count + 1)
  size_t count;
} split_units;

static void split_units_release(split_units *units) {
  free(units->members);
  free(units->starts);
}

// `group` (samples): the lowest member of each sample's group; NULL: each for itself.
static fm_status split_units_make(split_units *units, size_t samples, const size_t *group) {
  *units = (split_units){.members = calloc(samples + 1, sizeof *units->members),
                         .starts = calloc(samples + 1, sizeof *units->starts)};
  size_t *unit_of = calloc(samples + 1, sizeof *unit_of);
  if (!units->members || !units->starts || !unit_of) {
    split_units_release(units);
    free(unit_of);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  for (size_t i = 0; i < samples; i++) {
    FM_ASSERT(!group || (group[i] <= i && group[group[i]] == group[i]));
    const bool first = !group || group[i] == i;
    unit_of[i] = first ? units->count++ : unit_of[group[i]];
    units->starts[unit_of[i] + 1]++;
  }
  for (size_t i = 0; i < units->count; i++)
    units->starts[i + 1] += units->starts[i];
  // Each start moves over its unit's members while they are put down, and is then the next one's.
  for (size_t i = 0; i < samples; i++)
    units->members[units->starts[unit_of[i]]++] = (uint32_t)i;
  for (size_t i = units->count; i > 0; i--)
    units->starts[i] = units->starts[i - 1];
  units->starts[0] = 0;
  free(unit_of);
  return FM_OK;
}

// train_test_split: the first ceil(fraction * count) of a permutation are the test part, the
// others, in their order, train. `order` (count) becomes the units of train behind those of test;
// without a test part all units in their order.
static fm_status split_deal(uint32_t *order, size_t count, const fm_split_options *options,
                            size_t *test_count) {
  if (!(options->test_fraction >= 0 && options->test_fraction < 1))
    return fm_fail(FM_ERR_ARGUMENT, "the test fraction must be in [0, 1), not %g",
                   options->test_fraction);
  *test_count = (size_t)ceil(options->test_fraction * (double)count);
  if (*test_count >= count)
    return fm_fail(FM_ERR_ARGUMENT, "a test fraction of %g leaves none of %zu pictures for train",
                   options->test_fraction, count);
  fm_mt19937 generator;
  fm_mt19937_seed(&generator, options->seed);
  if (*test_count > 0)
    fm_mt19937_permutation(&generator, order, count);
  else
    for (size_t i = 0; i < count; i++)
      order[i] = (uint32_t)i;
  return FM_OK;
}

// One splitting: units of train in their order.
typedef struct split_making {
  fm_split *split;
  const fm_dataset *dataset;
  const fm_split_options *options;
  split_units units;
  const uint32_t *rows; // (row_count): the units of train
  size_t row_count;
} split_making;

static fm_status split_add_unit(const split_making *making, fm_split_list *list, uint32_t unit) {
  for (size_t i = making->units.starts[unit]; i < making->units.starts[unit + 1]; i++)
    FM_TRY(
        split_list_add(list, fm_dataset_sample(making->dataset, making->units.members[i])->name));
  return FM_OK;
}

// has_label (row_count, classes): the classes that stand in each unit of train.
static void split_mark_labels(const split_making *making, uint8_t *has_label) {
  const size_t classes = (size_t)fm_dataset_class_count(making->dataset);
  for (size_t row = 0; row < making->row_count; row++) {
    const uint32_t unit = making->rows[row];
    for (size_t i = making->units.starts[unit]; i < making->units.starts[unit + 1]; i++) {
      const fm_sample *sample = fm_dataset_sample(making->dataset, making->units.members[i]);
      for (size_t j = 0; j < sample->object_count; j++)
        has_label[row * classes + (size_t)sample->objects[j].label - 1] = 1;
    }
  }
}

static fm_status split_fill_folds(const split_making *making, const uint32_t *fold_of) {
  fm_split *split = making->split;
  FM_TRY(split_folds_new(split, (size_t)making->options->folds));
  for (size_t fold = 0; fold < split->fold_count; fold++) {
    FM_TRY(split_list_new(&split->folds[fold], split->train.count));
    for (size_t row = 0; row < making->row_count; row++)
      if (fold_of[row] == fold)
        FM_TRY(split_add_unit(making, &split->folds[fold], making->rows[row]));
  }
  return FM_OK;
}

static fm_status split_stratify(const split_making *making) {
  const fm_split_options *options = making->options;
  const int classes = fm_dataset_class_count(making->dataset);
  const size_t count = making->row_count;
  if (options->folds > SPLIT_FOLDS_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "at most %d folds, not %d", SPLIT_FOLDS_MAX, options->folds);
  uint8_t *has_label = calloc(count * (size_t)classes + 1, 1);
  uint32_t *fold_of = calloc(count + 1, sizeof *fold_of);
  fm_status status = has_label && fold_of ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status == FM_OK) {
    split_mark_labels(making, has_label);
    status =
        fm_stratify(fold_of, has_label, count, classes,
                    &(fm_stratify_options){options->folds, options->seed, !options->no_shuffle});
  }
  if (status == FM_OK)
    status = split_fill_folds(making, fold_of);
  free(has_label);
  free(fold_of);
  return status;
}

static fm_status split_make(split_making *making, uint32_t *order) {
  fm_split *out = making->split;
  const size_t units = making->units.count, samples = fm_dataset_count(making->dataset);
  size_t test_count;
  FM_TRY(split_deal(order, units, making->options, &test_count));
  FM_TRY(split_list_new(&out->test, samples));
  FM_TRY(split_list_new(&out->train, samples));
  for (size_t i = 0; i < units; i++)
    FM_TRY(split_add_unit(making, i < test_count ? &out->test : &out->train, order[i]));
  making->rows = order + test_count;
  making->row_count = units - test_count;
  return split_stratify(making);
}

fm_status fm_split_make(fm_split *out, const fm_dataset *dataset, const fm_split_options *options) {
  *out = (fm_split){.seed = options->seed};
  split_making making = {.split = out, .dataset = dataset, .options = options};
  FM_TRY(split_units_make(&making.units, fm_dataset_count(dataset), options->group));
  uint32_t *order = calloc(making.units.count + 1, sizeof *order);
  fm_status status = order ? split_make(&making, order) : fm_fail(FM_ERR_MEMORY, "out of memory");
  free(order);
  split_units_release(&making.units);
  if (status < 0)
    fm_split_release(out);
  return status;
}

static fm_status split_read_list(fm_split_list *out, const json_t *array, const char *key) {
  if (!json_is_array(array))
    return fm_fail(FM_ERR_FORMAT, "\"%s\" is not a list of names", key);
  FM_TRY(split_list_new(out, json_array_size(array)));
  for (size_t i = 0; i < json_array_size(array); i++) {
    const char *name = json_string_value(json_array_get(array, i));
    if (!name)
      return fm_fail(FM_ERR_FORMAT, "\"%s\": entry %zu is not a name", key, i);
    FM_TRY(split_list_add(out, name));
  }
  return FM_OK;
}

static int split_compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

// The names, sorted, lent by the list; FM_ERR_FORMAT when one stands twice.
static fm_status split_sorted(char ***out, const fm_split_list *list, const char *key) {
  char **sorted = malloc((list->count + 1) * sizeof *sorted);
  FM_CHECK_ALLOC(sorted);
  if (list->count > 0)
    memcpy(sorted, list->names, list->count * sizeof *sorted);
  if (list->count > 1)
    qsort(sorted, list->count, sizeof *sorted, split_compare_names);
  for (size_t i = 1; i < list->count; i++)
    if (strcmp(sorted[i - 1], sorted[i]) == 0) {
      fm_status status = fm_fail(FM_ERR_FORMAT, "\"%s\": %s stands there twice", key, sorted[i]);
      free(sorted);
      return status;
    }
  *out = sorted;
  return FM_OK;
}

static fm_status split_check(const fm_split *split) {
  char **train, **fold;
  FM_TRY(split_sorted(&train, &split->train, "train"));
  fm_status status = FM_OK;
  for (size_t i = 0; i < split->fold_count && status == FM_OK; i++) {
    status = split_sorted(&fold, &split->folds[i], "folds");
    if (status < 0)
      break;
    for (size_t j = 0; j < split->folds[i].count && status == FM_OK; j++)
      if (!bsearch(&fold[j], train, split->train.count, sizeof *train, split_compare_names))
        status = fm_fail(FM_ERR_FORMAT, "fold %zu: %s is not in \"train\"", i + 1, fold[j]);
    free(fold);
  }
  free(train);
  return status;
}

static fm_status split_parse(fm_split *out, const json_t *root) {
  if (!json_is_object(root))
    return fm_fail(FM_ERR_FORMAT, "not a JSON object");
  json_int_t seed = json_integer_value(json_object_get(root, "seed"));
  out->seed = seed >= 0 && seed <= UINT32_MAX ? (uint32_t)seed : 0;
  FM_TRY(split_read_list(&out->train, json_object_get(root, "train"), "train"));
  if (json_object_get(root, "test"))
    FM_TRY(split_read_list(&out->test, json_object_get(root, "test"), "test"));
  const json_t *folds = json_object_get(root, "folds");
  const json_t *lists = json_object_get(root, "valid_folds");
  const json_t *array = folds ? folds : lists;
  if (!array)
    return fm_fail(FM_ERR_FORMAT, "neither \"folds\" nor \"valid_folds\"");
  if (!json_is_array(array) || json_array_size(array) > SPLIT_FOLDS_MAX)
    return fm_fail(FM_ERR_FORMAT, "the folds are not a list of at most %d", SPLIT_FOLDS_MAX);
  FM_TRY(split_folds_new(out, json_array_size(array)));
  for (size_t i = 0; i < out->fold_count; i++) {
    const json_t *item = json_array_get(array, i);
    FM_TRY(split_read_list(&out->folds[i], folds ? json_object_get(item, "valid") : item, "valid"));
  }
  return split_check(out);
}

fm_status fm_split_read(fm_split *out, const char *path) {
  *out = (fm_split){0};
  fm_bytes bytes;
  FM_TRY(fm_file_read(&bytes, path, SPLIT_FILE_BYTES_MAX));
  json_error_t error;
  json_t *root = json_loadb((const char *)bytes.data, bytes.size, JSON_REJECT_DUPLICATES, &error);
  free(bytes.data);
  if (!root)
    return fm_fail(FM_ERR_FORMAT, "%s:%d: %s", path, error.line, error.text);
  fm_status status = split_parse(out, root);
  json_decref(root);
  if (status < 0) {
    fm_split_release(out);
    return fm_fail_within(status, "%s", path);
  }
  return FM_OK;
}

void fm_split_list_count_faces(const fm_split_list *list, const fm_dataset *dataset,
                               size_t *faces) {
  for (size_t i = 0; i < list->count; i++) {
    const ptrdiff_t index = fm_dataset_find(dataset, list->names[i]);
    if (index < 0)
      continue;
    const fm_sample *sample = fm_dataset_sample(dataset, (size_t)index);
    for (size_t j = 0; j < sample->object_count; j++)
      faces[sample->objects[j].label - 1]++;
  }
}

void fm_split_count_faces(const fm_split *split, const fm_dataset *dataset, size_t fold,
                          size_t *counts) {
  FM_ASSERT(fold < split->fold_count);
  const size_t classes = (size_t)fm_dataset_class_count(dataset);
  memset(counts, 0, classes * sizeof *counts);
  fm_split_list_count_faces(&split->folds[fold], dataset, counts);
  for (size_t i = 0; i < classes; i++)
    counts[i] = 0 - counts[i];
  fm_split_list_count_faces(&split->train, dataset, counts);
}

// All builders below return NULL when out of memory or for a name that is not UTF-8; jansson's
// *_new functions take that over.
static json_t *split_list_json(const fm_split_list *list) {
  json_t *array = json_array();
  for (size_t i = 0; i < list->count; i++)
    if (json_array_append_new(array, json_string(list->names[i])) < 0) {
      json_decref(array);
      return NULL;
    }
  return array;
}

static json_t *split_faces_json(const fm_split *split, const fm_dataset *dataset, size_t fold) {
  size_t classes = (size_t)fm_dataset_class_count(dataset);
  size_t *counts = calloc(classes + 1, sizeof *counts);
  json_t *object = counts ? json_object() : NULL;
  if (object)
    fm_split_count_faces(split, dataset, fold, counts);
  for (size_t i = 0; object && i < classes; i++)
    if (json_object_set_new(object, fm_dataset_class_name(dataset, (int)i + 1),
                            json_integer((json_int_t)counts[i])) < 0) {
      json_decref(object);
      object = NULL;
    }
  free(counts);
  return object;
}

static json_t *split_json(const fm_split *split, const fm_dataset *dataset) {
  json_t *folds = json_array(), *table = json_array();
  int failed = 0;
  for (size_t i = 0; i < split->fold_count; i++) {
    size_t valid = split->folds[i].count;
    failed |= json_array_append_new(folds,
                                    json_pack("{s:o}", "valid", split_list_json(&split->folds[i])));
    failed |= json_array_append_new(
        table, json_pack("{s:I,s:I,s:I,s:o}", "fold", (json_int_t)i + 1, "train",
                         (json_int_t)(split->train.count - valid), "valid", (json_int_t)valid,
                         "faces", split_faces_json(split, dataset, i)));
  }
  json_t *root = json_pack("{s:I,s:o,s:o,s:o,s:o}", "seed", (json_int_t)split->seed, "train",
                           split_list_json(&split->train), "test", split_list_json(&split->test),
                           "folds", folds, "table", table);
  if (root && failed) {
    json_decref(root);
    root = NULL;
  }
  return root;
}

// Names have to read back from the file, so what is not UTF-8 has no place in it.
static fm_status split_tell_name(const fm_dataset *dataset) {
  for (size_t i = 0; i < fm_dataset_count(dataset); i++)
    if (!fm_utf8_is(fm_dataset_sample(dataset, i)->name))
      return fm_fail(FM_ERR_FORMAT,
                     "%s: the name is not UTF-8, as a split needs it; rename the file",
                     fm_dataset_sample(dataset, i)->name);
  for (int i = 1; i <= fm_dataset_class_count(dataset); i++)
    if (!fm_utf8_is(fm_dataset_class_name(dataset, i)))
      return fm_fail(FM_ERR_FORMAT, "%s: the class's name is not UTF-8",
                     fm_dataset_class_name(dataset, i));
  return fm_fail(FM_ERR_MEMORY, "out of memory");
}

fm_status fm_split_format(char **out, const fm_split *split, const fm_dataset *dataset) {
  json_t *root = split_json(split, dataset);
  *out = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
  json_decref(root);
  return *out ? FM_OK : split_tell_name(dataset);
}

fm_status fm_split_write(const fm_split *split, const fm_dataset *dataset, const char *path) {
  char *text;
  FM_TRY(fm_split_format(&text, split, dataset));
  fm_status status = fm_file_write(path, text, strlen(text));
  free(text);
  return status;
}
