// Reads the folder of a run.
#include "report/run.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "train/run_folder.h"

enum { RUN_TEXT_BYTES_MAX = 1 << 20 };

static fm_status run_read_text(char **out, const char *folder, const char *name) {
  char *path = fm_path_join(folder, name);
  FM_CHECK_ALLOC(path);
  fm_bytes bytes = {0};
  const fm_status status = fm_file_read(&bytes, path, RUN_TEXT_BYTES_MAX);
  free(path);
  *out = (char *)bytes.data;
  return status;
}

// The number in "fold_3"; 0 for "fold_all", -1 for other names.
static int run_fold_number(const char *name) {
  if (strcmp(name, "fold_all") == 0)
    return 0;
  if (strncmp(name, "fold_", 5) != 0 || name[5] < '1' || name[5] > '9')
    return -1;
  char *end;
  const long number = strtol(name + 5, &end, 10);
  return *end || number > INT_MAX ? -1 : (int)number;
}

static fm_status run_read_fold(fm_run_fold *fold, const char *run, const char *name) {
  if (fold->number)
    snprintf(fold->name, sizeof fold->name, "fold %d", fold->number);
  else
    snprintf(fold->name, sizeof fold->name, "fold all");
  char *steps = NULL, *epochs = NULL;
  fm_status status = FM_OK;
  if (asprintf(&steps, "%s/%s/steps.jsonl", run, name) < 0 ||
      asprintf(&epochs, "%s/%s/metrics.csv", run, name) < 0)
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status >= 0)
    status = fm_run_table_read_steps(&fold->steps, steps);
  if (status >= 0)
    status = fm_run_table_read_epochs(&fold->epochs, epochs);
  free(steps);
  free(epochs);
  return status;
}

static int run_compare_folds(const void *a, const void *b) {
  const fm_run_fold *left = a, *right = b;
  return (left->number > right->number) - (left->number < right->number);
}

static fm_status run_read_folds(fm_run *out) {
  fm_name_list list;
  FM_TRY(fm_folder_list(&list, out->path));
  out->folds = calloc(list.count + 1, sizeof *out->folds);
  fm_status status = out->folds ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < list.count && status >= 0; i++) {
    const int number = run_fold_number(list.names[i]);
    if (number < 0)
      continue;
    fm_run_fold *fold = &out->folds[out->fold_count++];
    fold->number = number;
    status = run_read_fold(fold, out->path, list.names[i]);
  }
  fm_name_list_release(&list);
  if (status >= 0 && out->fold_count)
    qsort(out->folds, out->fold_count, sizeof *out->folds, run_compare_folds);
  return status;
}

static fm_status run_read_config(fm_run *out) {
  char *path = fm_path_join(out->path, "config.yaml");
  FM_CHECK_ALLOC(path);
  const fm_status status = fm_config_load(&out->config, path, NULL, 0, NULL);
  free(path);
  FM_TRY(status);
  return run_read_text(&out->config_text, out->path, "config.yaml");
}

static fm_status run_read_split(fm_run *out) {
  char *path = fm_path_join(out->path, "split.json");
  FM_CHECK_ALLOC(path);
  const fm_status status = fm_split_table_read(&out->table, path);
  free(path);
  FM_TRY(status);
  out->has_table = status == FM_OK;
  return FM_OK;
}

// One fold, or all of the split's.
static fm_status run_count_wanted(fm_run *out) {
  json_error_t error;
  json_t *document = json_loads(out->environment_text, 0, &error);
  const char *fold = json_string_value(json_object_get(document, "fold"));
  const bool all = fold && strcmp(fold, "all") == 0;
  const bool valid = json_is_object(document);
  out->validates = !fold || strcmp(fold, "none") != 0;
  for (size_t i = 0; i < out->fold_count; i++)
    out->validates = out->validates || out->folds[i].number > 0;
  json_decref(document);
  if (!valid)
    return fm_fail(FM_ERR_FORMAT, "%s/environment.json: not a JSON object", out->path);
  out->folds_wanted = all && out->has_table ? out->table.fold_count : 1;
  if (out->fold_count > out->folds_wanted)
    out->folds_wanted = out->fold_count;
  return FM_OK;
}

static fm_status run_read(fm_run *out, const char *path) {
  if (!fm_path_is_folder(path))
    return fm_fail(FM_ERR_IO, "%s: there is no such folder", path);
  if (!fm_run_folder_exists(path))
    return fm_fail(FM_ERR_FORMAT, "%s: not the folder of a run: it has no config.yaml", path);
  out->path = strdup(path);
  FM_CHECK_ALLOC(out->path);
  for (size_t length = strlen(out->path); length > 1 && out->path[length - 1] == '/'; length--)
    out->path[length - 1] = 0;
  out->name = strdup(fm_path_name(out->path));
  FM_CHECK_ALLOC(out->name);
  FM_TRY(run_read_config(out));
  FM_TRY(run_read_text(&out->environment_text, out->path, "environment.json"));
  FM_TRY(run_read_split(out));
  FM_TRY(run_read_folds(out));
  return run_count_wanted(out);
}

fm_status fm_run_read(fm_run *out, const char *path) {
  memset(out, 0, sizeof *out);
  const fm_status status = run_read(out, path);
  if (status < 0)
    fm_run_release(out);
  return status;
}

void fm_run_release(fm_run *run) {
  for (size_t i = 0; i < run->fold_count; i++) {
    fm_run_table_release(&run->folds[i].epochs);
    fm_run_table_release(&run->folds[i].steps);
  }
  free(run->folds);
  free(run->path);
  free(run->name);
  free(run->config_text);
  free(run->environment_text);
  fm_split_table_release(&run->table);
  memset(run, 0, sizeof *run);
}

bool fm_run_is_complete(const fm_run *run) {
  for (size_t i = 0; i < run->fold_count; i++)
    if (run->folds[i].epochs.rows < (size_t)run->config.train.epochs)
      return false;
  return run->fold_count >= run->folds_wanted;
}
