// Creating and reading the folder of a run.
#include "train/run_folder.h"

#include <gnu/libc-version.h>
#include <jansson.h>
#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/file.h"

enum { RUN_FOLDER_JSON_MAX = 1 << 20, RUN_FOLDER_TEXT_BYTES = 256 };

static fm_status run_folder_path(char **out, const char *folder, const char *name) {
  *out = fm_path_join(folder, name);
  FM_CHECK_ALLOC(*out);
  return FM_OK;
}

bool fm_run_folder_exists(const char *path) {
  char *config = fm_path_join(path, "config.yaml");
  bool exists = config && fm_path_exists(config);
  free(config);
  return exists;
}

fm_status fm_run_fold_parse(int *out, const char *text) {
  if (strcmp(text, "all") == 0) {
    *out = FM_RUN_FOLD_ALL;
    return FM_OK;
  }
  if (strcmp(text, "none") == 0) {
    *out = FM_RUN_FOLD_NONE;
    return FM_OK;
  }
  char *end;
  long fold = strtol(text, &end, 10);
  if (end == text || *end != 0 || fold < 1 || fold > INT_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "--fold is a number from 1, all or none, not %s", text);
  *out = (int)fold;
  return FM_OK;
}

void fm_run_fold_format(int fold, char out[16]) {
  if (fold == FM_RUN_FOLD_ALL || fold == FM_RUN_FOLD_NONE)
    snprintf(out, 16, "%s", fold == FM_RUN_FOLD_ALL ? "all" : "none");
  else
    snprintf(out, 16, "%d", fold);
}

char *fm_run_folder_fold(const fm_run_folder *run, int fold) {
  char name[32] = "fold_all";
  if (fold != FM_RUN_FOLD_NONE)
    snprintf(name, sizeof name, "fold_%d", fold);
  return fm_path_join(run->path, name);
}

char *fm_run_folder_logs(const fm_run_folder *run, int fold) {
  char name[64] = "logs/faster_rcnn_fold_all";
  if (fold != FM_RUN_FOLD_NONE)
    snprintf(name, sizeof name, "logs/faster_rcnn_fold_%d", fold);
  return fm_path_join(run->path, name);
}

fm_status fm_run_folder_carried(const fm_run_folder *run, int fold, char **out) {
  *out = NULL;
  if (fold <= 1)
    return FM_OK;
  char *before = fm_run_folder_fold(run, fold - 1);
  char *path = before ? fm_path_join(before, "weights/last.safetensors") : NULL;
  free(before);
  FM_CHECK_ALLOC(path);
  if (fm_path_exists(path))
    *out = path;
  else
    free(path);
  return FM_OK;
}

static void run_folder_processor(char *out, size_t capacity) {
  snprintf(out, capacity, "unknown");
  FILE *file = fopen("/proc/cpuinfo", "re");
  if (!file)
    return;
  char line[RUN_FOLDER_TEXT_BYTES];
  while (fgets(line, sizeof line, file)) {
    char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || !colon)
      continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(out, capacity, "%s", colon + 1 + (colon[1] == ' '));
    break;
  }
  fclose(file);
}

static json_t *run_folder_optional(const char *text) {
  return text ? json_string(text) : json_null();
}

// The document of environment.json; NULL when out of memory.
static json_t *run_folder_environment(const fm_config *config, const fm_run_call *call) {
  char processor[RUN_FOLDER_TEXT_BYTES], date[64], system[RUN_FOLDER_TEXT_BYTES] = "unknown";
  run_folder_processor(processor, sizeof processor);
  time_t now = time(NULL);
  struct tm utc;
  strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  struct utsname name;
  if (uname(&name) == 0)
    snprintf(system, sizeof system, "%.60s %.60s %.60s", name.sysname, name.release, name.machine);
  fm_dtype precision = FM_F32;
  if (fm_config_precision(config, &precision) < 0)
    precision = FM_F32;
  char fold[16];
  fm_run_fold_format(call->fold, fold);
  return json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:{s:s, s:s, s:s, s:i}, s:o, s:s, s:s, s:o}",
                   "facemask", FACEMASK_VERSION, "date", date, "system", system, "processor",
                   processor, "threads", omp_get_max_threads(), "precision",
                   fm_config_precision_name(precision), "libraries", "libc", gnu_get_libc_version(),
                   "jansson", JANSSON_VERSION, "compiler", __VERSION__, "openmp", _OPENMP,
                   "command", run_folder_optional(call->command), "data", call->data, "fold", fold,
                   "weights", run_folder_optional(call->weights));
}

static fm_status run_folder_write_document(const json_t *document, const char *path) {
  char *text = json_dumps(document, JSON_INDENT(2));
  FM_CHECK_ALLOC(text);
  const fm_status status = fm_file_write(path, text, strlen(text));
  free(text);
  return status;
}

static fm_status run_folder_write_environment(const fm_run_folder *run, const fm_run_call *call) {
  json_t *document = run_folder_environment(&run->config, call);
  if (!document)
    return fm_fail(FM_ERR_ARGUMENT, "environment.json: a path or the call is not UTF-8");
  char *path = NULL;
  fm_status status = run_folder_path(&path, run->path, "environment.json");
  if (status >= 0)
    status = run_folder_write_document(document, path);
  json_decref(document);
  free(path);
  return status;
}

fm_status fm_run_folder_write_config(const fm_run_folder *run) {
  char *path;
  FM_TRY(run_folder_path(&path, run->path, "config.yaml"));
  fm_status status = fm_config_write(&run->config, path);
  free(path);
  return status;
}

fm_status fm_run_folder_create(const fm_run_folder *run, const fm_dataset *dataset,
                               const fm_run_call *call) {
  FM_TRY(fm_folder_make(run->path));
  FM_TRY(run_folder_write_environment(run, call));
  char *path;
  FM_TRY(run_folder_path(&path, run->path, "split.json"));
  fm_status status = fm_split_write(&run->split, dataset, path);
  free(path);
  FM_TRY(status);
  return fm_run_folder_write_config(run);
}

static fm_status run_folder_parse_environment(fm_run_folder *run, const char *path,
                                              const json_t *document) {
  const char *fold = json_string_value(json_object_get(document, "fold"));
  const char *weights = json_string_value(json_object_get(document, "weights"));
  fm_status status =
      fold ? fm_run_fold_parse(&run->fold, fold) : fm_fail(FM_ERR_FORMAT, "%s: no \"fold\"", path);
  if (status >= 0 && weights) {
    run->weights = strdup(weights);
    if (!run->weights)
      status = fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  return status;
}

static fm_status run_folder_read_document(json_t **out, const char *path) {
  fm_bytes bytes = {0};
  FM_TRY(fm_file_read(&bytes, path, RUN_FOLDER_JSON_MAX));
  json_error_t error;
  *out = json_loads((const char *)bytes.data, 0, &error);
  free(bytes.data);
  return *out ? FM_OK : fm_fail(FM_ERR_FORMAT, "%s:%d: %s", path, error.line, error.text);
}

static fm_status run_folder_read_environment(fm_run_folder *run) {
  char *path;
  FM_TRY(run_folder_path(&path, run->path, "environment.json"));
  json_t *document = NULL;
  fm_status status = run_folder_read_document(&document, path);
  if (status >= 0)
    status = run_folder_parse_environment(run, path, document);
  json_decref(document);
  free(path);
  return status;
}

fm_status fm_run_folder_write_fold(const fm_run_folder *run) {
  char *path, fold[16];
  FM_TRY(run_folder_path(&path, run->path, "environment.json"));
  json_t *document = NULL;
  fm_status status = run_folder_read_document(&document, path);
  fm_run_fold_format(run->fold, fold);
  if (status >= 0 && json_object_set_new(document, "fold", json_string(fold)) < 0)
    status = fm_fail(FM_ERR_FORMAT, "%s: not a JSON object", path);
  if (status >= 0)
    status = run_folder_write_document(document, path);
  json_decref(document);
  free(path);
  return status;
}

fm_status fm_run_folder_read(fm_run_folder *run) {
  FM_TRY(run_folder_read_environment(run));
  char *path;
  FM_TRY(run_folder_path(&path, run->path, "config.yaml"));
  fm_status status = fm_config_load(&run->config, path, NULL, 0, NULL);
  free(path);
  FM_TRY(status);
  FM_TRY(run_folder_path(&path, run->path, "split.json"));
  status = fm_split_read(&run->split, path);
  free(path);
  return status;
}

void fm_run_folder_release(fm_run_folder *run) {
  free(run->path);
  free(run->weights);
  fm_split_release(&run->split);
}
