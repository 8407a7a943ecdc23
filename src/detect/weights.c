// Weights files: what they say of themselves, comparing their tensors with a detector's parameters,
// loading and saving. The bytes are format/safetensors.c's.
#include "detect/weights.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clones.h"
#include "base/file.h"
#include "detect/weight_bytes.h"
#include "detect/weight_names.h"
#include "detect/weight_ranges.h"
#include "format/safetensors.h"

// Metadata keys: the options of fm_model_options as YAML, and the class names as a JSON list.
#define WEIGHTS_CONFIG "config"
#define WEIGHTS_CLASSES "classes"
// The layers whose first dimension follows the number of classes, of all stages of the cascade.
#define WEIGHTS_PREDICTOR "roi_heads.box_predictor"
// A counter that torch's BatchNorm keeps and no layer here reads; older files lack it, and frozen
// norms have none.
#define WEIGHTS_TRACKED ".num_batches_tracked"

enum {
  WEIGHTS_CLASSES_MAX = 1000,
  WEIGHTS_SHAPE_BYTES = 160,
  WEIGHTS_PIECE = 1 << 16, // numbers a thread checks at a time
};

// --- what a file says of itself

void fm_weights_info_release(fm_weights_info *info) {
  for (int i = 0; i < info->class_count; i++)
    free(info->class_names[i]);
  free(info->class_names);
  *info = (fm_weights_info){0};
}

// Twice: the first time for the architecture, whose preset stands where the file says nothing.
static fm_status weights_parse_config(fm_model_config *config, const char *text) {
  fm_model_config_preset(config, FM_ARCH_RESNET50_FPN);
  FM_TRY(fm_options_parse_yaml(fm_model_options, config, text, "configuration", NULL, NULL));
  fm_model_config_preset(config, (fm_arch)config->arch);
  FM_TRY(fm_options_parse_yaml(fm_model_options, config, text, "configuration", NULL, NULL));
  return fm_model_config_check(config);
}

static fm_status weights_read_config(fm_weights_info *info, const char *text, const char *path) {
  const fm_status status = weights_parse_config(&info->config, text);
  if (status == FM_ERR_MEMORY)
    return status;
  // The mistake is the file's, not a word of the call.
  if (status < 0)
    return fm_fail_within(FM_ERR_FORMAT, "%s", path);
  info->has_config = true;
  return FM_OK;
}

static fm_status weights_fill_classes(fm_weights_info *info, const json_t *list, const char *path) {
  const size_t count = json_array_size(list);
  if (count < 1 || count > WEIGHTS_CLASSES_MAX)
    return fm_fail(FM_ERR_FORMAT, "%s: the class names in the file are no list of 1 to %d", path,
                   WEIGHTS_CLASSES_MAX);
  info->class_names = calloc(count, sizeof *info->class_names);
  FM_CHECK_ALLOC(info->class_names);
  for (size_t i = 0; i < count; i++) {
    const char *name = json_string_value(json_array_get(list, i));
    if (!name || !*name)
      return fm_fail(FM_ERR_FORMAT, "%s: class %zu in the file has no name", path, i + 1);
    info->class_names[i] = strdup(name);
    FM_CHECK_ALLOC(info->class_names[i]);
    info->class_count++;
  }
  return FM_OK;
}

static fm_status weights_read_classes(fm_weights_info *info, const char *text, const char *path) {
  json_t *list = json_loads(text, 0, NULL);
  const fm_status status = weights_fill_classes(info, list, path);
  json_decref(list);
  return status;
}

fm_status fm_weights_info_read(fm_weights_info *out, const char *path) {
  *out = (fm_weights_info){0};
  fm_safetensors *file;
  FM_TRY(fm_safetensors_open(&file, path));
  const char *config = fm_safetensors_metadata(file, WEIGHTS_CONFIG);
  const char *classes = fm_safetensors_metadata(file, WEIGHTS_CLASSES);
  out->has_ranges = fm_safetensors_metadata(file, FM_WEIGHTS_RANGES) != NULL;
  fm_status status = FM_OK;
  if (config)
    status = weights_read_config(out, config, path);
  if (classes && status >= 0)
    status = weights_read_classes(out, classes, path);
  fm_safetensors_free(file);
  if (status < 0)
    fm_weights_info_release(out);
  return status;
}

fm_status fm_weights_count_classes(int *out, const char *path) {
  fm_safetensors *file;
  FM_TRY(fm_safetensors_open(&file, path));
  const fm_st_tensor *scores = fm_safetensors_find(file, FM_WEIGHTS_CLASSIFIER);
  const bool counts =
      scores && scores->rank == 2 && scores->dims[0] > 1 && scores->dims[0] <= INT_MAX;
  *out = counts ? (int)scores->dims[0] - 1 : 0;
  fm_safetensors_free(file);
  return FM_OK;
}

// --- loading

static bool weights_ends_with(const char *text, const char *end) {
  const size_t length = strlen(text), wanted = strlen(end);
  return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

static bool weights_in_predictor(const char *name) {
  return strncmp(name, WEIGHTS_PREDICTOR, sizeof WEIGHTS_PREDICTOR - 1) == 0;
}

// The tensor of each parameter, NULL where the file has none, and its scales where it has 8 bits a
// number; and what is left over.
typedef struct weights_match {
  const char *path;
  fm_params *params;
  const fm_st_tensor **tensors, **scales; // [number of parameters]
  int found;
} weights_match;

// Writes a line a name, num_batches_tracked left out.
typedef struct weights_list {
  FILE *stream;
  char *text;
  size_t bytes, count;
} weights_list;

static fm_status weights_list_open(weights_list *list) {
  *list = (weights_list){0};
  list->stream = open_memstream(&list->text, &list->bytes);
  FM_CHECK_ALLOC(list->stream);
  return FM_OK;
}

static void weights_list_add(weights_list *list, const char *name) {
  if (!weights_ends_with(name, WEIGHTS_TRACKED))
    fprintf(list->stream, "%s%s", list->count++ ? "\n" : "", name);
}

static fm_status weights_list_close(weights_list *list, char **names, size_t *count) {
  if (fclose(list->stream) != 0) {
    free(list->text);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  *names = list->text;
  *count = list->count;
  return FM_OK;
}

static fm_status weights_match_tensors(weights_match *match, const fm_safetensors *file,
                                       fm_weights_report *report) {
  weights_list superfluous;
  FM_TRY(weights_list_open(&superfluous));
  for (size_t i = 0; i < fm_safetensors_count(file); i++) {
    const fm_st_tensor *tensor = fm_safetensors_tensor(file, i);
    char renamed[FM_PARAM_NAME_BYTES];
    int id = fm_params_find(match->params, tensor->name);
    if (id < 0 && fm_weight_name_modernise(renamed, tensor->name))
      id = fm_params_find(match->params, renamed);
    if (id < 0 && fm_weight_is_scales(file, tensor))
      continue;
    if (id < 0 || match->tensors[id]) {
      weights_list_add(&superfluous, tensor->name);
      continue;
    }
    match->tensors[id] = tensor;
    match->found++;
  }
  return weights_list_close(&superfluous, &report->superfluous, &report->superfluous_count);
}

static fm_status weights_find_scales(weights_match *match, const fm_safetensors *file) {
  for (int id = 0; id < fm_params_count(match->params); id++)
    if (match->tensors[id])
      FM_TRY(fm_weight_scales(&match->scales[id], file, match->tensors[id], match->path));
  return FM_OK;
}

static fm_status weights_list_missing(const weights_match *match, fm_weights_report *report) {
  weights_list missing;
  FM_TRY(weights_list_open(&missing));
  for (int id = 0; id < fm_params_count(match->params); id++)
    if (!match->tensors[id])
      weights_list_add(&missing, fm_params_spec(match->params, id)->name);
  return weights_list_close(&missing, &report->missing, &report->missing_count);
}

// Whether the shapes agree from dimension `first` on.
static bool weights_fits(const fm_st_tensor *tensor, const fm_param_spec *spec, int first) {
  bool fits = tensor->rank == spec->rank;
  for (int i = first; fits && i < spec->rank; i++)
    fits = tensor->dims[i] == spec->dims[i];
  return fits;
}

static void weights_format_shape(char *out, const int64_t *dims, int rank) {
  size_t used = (size_t)snprintf(out, WEIGHTS_SHAPE_BYTES, "(");
  for (int i = 0; i < rank; i++) // at most 8 numbers of 19 digits
    used += (size_t)snprintf(out + used, WEIGHTS_SHAPE_BYTES - used, "%s%lld", i ? "," : "",
                             (long long)dims[i]);
  snprintf(out + used, WEIGHTS_SHAPE_BYTES - used, ")");
}

static fm_status weights_fail_shape(const fm_st_tensor *tensor, const fm_param_spec *spec,
                                    const char *path) {
  int64_t dims[FM_PARAM_RANK_MAX] = {0};
  for (int i = 0; i < spec->rank; i++)
    dims[i] = spec->dims[i];
  char found[WEIGHTS_SHAPE_BYTES], expected[WEIGHTS_SHAPE_BYTES];
  weights_format_shape(found, tensor->dims, tensor->rank);
  weights_format_shape(expected, dims, spec->rank);
  return fm_fail(FM_ERR_SHAPE, "%s: tensor %s has shape %s, the model's is %s", path, spec->name,
                 found, expected);
}

// The predictor's tensors that differ in the number of classes alone are dropped, and with them the
// others of the predictor.
static fm_status weights_check_shapes(weights_match *match, fm_weights_report *report) {
  const int count = fm_params_count(match->params);
  for (int id = 0; id < count; id++) {
    const fm_param_spec *spec = fm_params_spec(match->params, id);
    const fm_st_tensor *tensor = match->tensors[id];
    if (!tensor || weights_fits(tensor, spec, 0))
      continue;
    if (!weights_in_predictor(spec->name) || !weights_fits(tensor, spec, 1))
      return weights_fail_shape(tensor, spec, match->path);
    report->predictor_replaced = true;
  }
  for (int id = 0; report->predictor_replaced && id < count; id++)
    if (weights_in_predictor(fm_params_spec(match->params, id)->name))
      match->tensors[id] = NULL;
  return FM_OK;
}

// The exponent of what is not finite is all ones.
FM_KERNEL static bool weights_finite(const uint32_t *bits, size_t count) {
  uint32_t bad = 0;
  for (size_t i = 0; i < count; i++)
    bad |= (bits[i] & 0x7f800000u) == 0x7f800000u;
  return !bad;
}

static fm_status weights_check_finite(const weights_match *match, const fm_st_tensor *tensor,
                                      const float *values, size_t count) {
  bool finite = true;
#pragma omp parallel for schedule(static) reduction(&& : finite) if (count > WEIGHTS_PIECE)
  for (size_t at = 0; at < count; at += WEIGHTS_PIECE)
    finite = finite && weights_finite((const uint32_t *)(const void *)(values + at),
                                      count - at < WEIGHTS_PIECE ? count - at : WEIGHTS_PIECE);
  return finite ? FM_OK
                : fm_fail(FM_ERR_NUMERIC, "%s: tensor %s has a value that is not finite",
                          match->path, tensor->name);
}

// fp32 stays where it is mapped; what is of another type or oddly placed is copied.
static fm_status weights_set(const weights_match *match, int id) {
  const fm_st_tensor *tensor = match->tensors[id];
  const size_t count = fm_params_elements(match->params, id);
  if (tensor->dtype == FM_ST_F32 && (uintptr_t)tensor->data % sizeof(float) == 0) {
    FM_TRY(weights_check_finite(match, tensor, tensor->data, count));
    fm_params_lend(match->params, id, tensor->data);
    return FM_OK;
  }
  float *values = malloc(count * sizeof *values);
  FM_CHECK_ALLOC(values);
  fm_status status = fm_weight_to_f32(tensor, match->scales[id], values);
  if (status >= 0)
    status = weights_check_finite(match, tensor, values, count);
  if (status >= 0)
    fm_params_set(match->params, id, values);
  free(values);
  return status;
}

static void weights_release_file(void *file) {
  fm_safetensors_free(file);
}

// The file is the parameters' from the moment they could point into it.
static fm_status weights_take(weights_match *match, fm_safetensors **file,
                              fm_weights_report *report) {
  const fm_param_memory memory = {*file, weights_release_file, fm_mapping_rest};
  FM_TRY(fm_params_keep(match->params, &memory));
  *file = NULL;
  for (int id = 0; id < fm_params_count(match->params); id++) {
    if (!match->tensors[id])
      continue;
    FM_TRY(weights_set(match, id));
    report->taken_count += !weights_ends_with(match->tensors[id]->name, WEIGHTS_TRACKED);
  }
  return FM_OK;
}

static fm_status weights_load_file(weights_match *match, fm_safetensors **file,
                                   fm_weights_report *report) {
  const int count = fm_params_count(match->params);
  match->tensors = calloc((size_t)count + 1, sizeof *match->tensors);
  FM_CHECK_ALLOC(match->tensors);
  match->scales = calloc((size_t)count + 1, sizeof *match->scales);
  FM_CHECK_ALLOC(match->scales);
  FM_TRY(weights_match_tensors(match, *file, report));
  if (match->found == 0)
    return fm_fail(FM_ERR_FORMAT, "%s: none of its tensors has a name of the model", match->path);
  FM_TRY(weights_list_missing(match, report));
  // All shapes before anything is set, so that a file that does not fit changes nothing.
  FM_TRY(weights_check_shapes(match, report));
  FM_TRY(weights_find_scales(match, *file));
  return weights_take(match, file, report);
}

fm_status fm_weights_load(fm_detector *detector, const char *path, fm_weights_report *report) {
  *report = (fm_weights_report){0};
  fm_safetensors *file;
  FM_TRY(fm_safetensors_open(&file, path));
  weights_match match = {.path = path, .params = fm_detector_params(detector)};
  const fm_status status = weights_load_file(&match, &file, report);
  free(match.tensors);
  free(match.scales);
  fm_safetensors_free(file);
  if (status < 0)
    fm_weights_report_release(report);
  return status;
}

void fm_weights_report_release(fm_weights_report *report) {
  free(report->missing);
  free(report->superfluous);
  *report = (fm_weights_report){0};
}

// How many of the names, one a line, begin with `part`.
static size_t weights_count_in(const char *names, const char *part) {
  const size_t length = strlen(part);
  size_t count = 0;
  for (const char *at = names; *at; at += strcspn(at, "\n"), at += *at == '\n')
    count += strncmp(at, part, length) == 0;
  return count;
}

static void weights_describe_missing(FILE *out, const fm_weights_report *report) {
  static const char *const parts[] = {"backbone.body.", "backbone.fpn.", "rpn.", "roi_heads.",
                                      "classifier."};
  const char *comma = "; ";
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    const size_t count = weights_count_in(report->missing, parts[i]);
    if (count == 0)
      continue;
    fprintf(out, "%s%zu of %.*s", comma, count, (int)strlen(parts[i]) - 1, parts[i]);
    comma = ", ";
  }
  if (report->predictor_replaced)
    fprintf(out, "%sthe box predictor (another number of classes)", comma);
  fputs(" keep their random values", out);
}

char *fm_weights_report_describe(const fm_weights_report *report) {
  char *text = NULL;
  size_t bytes;
  FILE *out = open_memstream(&text, &bytes);
  if (!out)
    return NULL;
  fprintf(out, "%zu tensors taken", report->taken_count);
  if (report->missing_count > 0 || report->predictor_replaced)
    weights_describe_missing(out, report);
  if (report->superfluous_count > 0)
    fprintf(out, "; not used: %zu (%.*s%s)", report->superfluous_count,
            (int)strcspn(report->superfluous, "\n"), report->superfluous,
            report->superfluous_count > 1 ? ", ..." : "");
  if (fclose(out) == 0)
    return text;
  free(text);
  return NULL;
}

// --- saving

typedef struct weights_content {
  fm_st_tensor *tensors; // [number of parameters]
  float *values;         // of all of them
  int64_t *counters;     // [number of parameters], of those that torch keeps as such
} weights_content;

static void weights_content_release(weights_content *content) {
  free(content->tensors);
  free(content->values);
  free(content->counters);
}

static fm_status weights_content_allocate(weights_content *content, const fm_params *params) {
  const size_t count = (size_t)fm_params_count(params) + 1;
  size_t values = 1;
  for (int id = 0; id < fm_params_count(params); id++)
    values += fm_params_elements(params, id);
  content->tensors = calloc(count, sizeof *content->tensors);
  FM_CHECK_ALLOC(content->tensors);
  content->values = malloc(values * sizeof *content->values);
  FM_CHECK_ALLOC(content->values);
  content->counters = calloc(count, sizeof *content->counters);
  FM_CHECK_ALLOC(content->counters);
  return FM_OK;
}

static void weights_content_fill(weights_content *content, const fm_params *params, int slot) {
  float *values = content->values;
  for (int id = 0; id < fm_params_count(params); id++) {
    const fm_param_spec *spec = fm_params_spec(params, id);
    const size_t elements = fm_params_elements(params, id);
    // Frozen ones have no average.
    fm_params_get_moment(params, spec->kind == FM_PARAM_FROZEN ? FM_MOMENT_NONE : slot, id, values);
    fm_st_tensor *tensor = &content->tensors[id];
    *tensor = (fm_st_tensor){.name = spec->name,
                             .dtype = FM_ST_F32,
                             .rank = spec->rank,
                             .data = values,
                             .bytes = elements * sizeof *values};
    for (int i = 0; i < spec->rank; i++)
      tensor->dims[i] = spec->dims[i];
    if (spec->rank == 0 && weights_ends_with(spec->name, WEIGHTS_TRACKED)) {
      content->counters[id] = llroundf(values[0]);
      tensor->dtype = FM_ST_I64;
      tensor->data = &content->counters[id];
      tensor->bytes = sizeof *content->counters;
    }
    values += elements;
  }
}

static fm_status weights_format_config(char **out, const fm_model_config *config) {
  size_t bytes;
  FILE *stream = open_memstream(out, &bytes);
  FM_CHECK_ALLOC(stream);
  const fm_status status = fm_options_write_yaml(fm_model_options, config, stream);
  if (fclose(stream) != 0 && status >= 0)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  return status;
}

static fm_status weights_format_classes(char **out, const fm_weights_info *info) {
  json_t *list = json_array();
  for (int i = 0; i < info->class_count; i++)
    if (json_array_append_new(list, json_string(info->class_names[i])) != 0) {
      json_decref(list);
      return fm_fail(FM_ERR_ARGUMENT, "class %d has no name in UTF-8", i + 1);
    }
  *out = json_dumps(list, JSON_COMPACT);
  json_decref(list);
  FM_CHECK_ALLOC(*out);
  return FM_OK;
}

fm_status fm_weights_write(const char *path, const fm_st_tensor *tensors, size_t count,
                           const fm_weights_info *info) {
  char *config = NULL, *classes = NULL;
  fm_st_metadata metadata[3];
  size_t metadata_count = 0;
  fm_status status = FM_OK;
  if (info->has_config) {
    FM_TRY_OUT(weights_format_config(&config, &info->config));
    metadata[metadata_count++] = (fm_st_metadata){WEIGHTS_CONFIG, config};
  }
  if (info->class_names) {
    FM_TRY_OUT(weights_format_classes(&classes, info));
    metadata[metadata_count++] = (fm_st_metadata){WEIGHTS_CLASSES, classes};
  }
  if (info->ranges)
    metadata[metadata_count++] = (fm_st_metadata){FM_WEIGHTS_RANGES, info->ranges};
  status = fm_safetensors_write(path, tensors, count, metadata, metadata_count);
out:
  free(config);
  free(classes);
  return status;
}

fm_status fm_weights_save(fm_detector *detector, const char *path, const char *const *class_names,
                          int class_count, int slot) {
  const fm_params *params = fm_detector_params(detector);
  fm_weights_info info = {.has_config = true,
                          .config = *fm_detector_config(detector),
                          .class_names = (char **)class_names,
                          .class_count = class_count};
  weights_content content = {0};
  fm_status status = FM_OK;
  if (fm_weight_ranges_complete(detector))
    status = fm_weight_ranges_format(&info.ranges, detector);
  if (status >= 0)
    status = weights_content_allocate(&content, params);
  if (status >= 0) {
    weights_content_fill(&content, params, slot);
    status = fm_weights_write(path, content.tensors, (size_t)fm_params_count(params), &info);
  }
  weights_content_release(&content);
  free(info.ranges);
  return status;
}
