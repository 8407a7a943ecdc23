// Importing weights: finding out what naming a file has, renaming, and which models it fits.
#include "detect/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "detect/model/model.h"
#include "detect/weight_names.h"
#include "detect/weight_ranges.h"
#include "detect/weights.h"
#include "format/torch_archive.h"

enum { IMPORT_COCO_CLASSES = 91, IMPORT_NAMES_SHOWN = 3 };

// What wrappers and trainers put before the names of the model.
static const char *const import_prefixes[] = {"",
                                              "module.",
                                              "model.",
                                              "state_dict.",
                                              "model_state_dict.",
                                              "model.module.",
                                              "state_dict.module.",
                                              "model_state_dict.module."};
enum { IMPORT_PREFIXES = sizeof import_prefixes / sizeof *import_prefixes };

typedef struct import_file {
  const char *path;
  fm_torch_archive *archive; // one of the two
  fm_safetensors *safetensors;
  size_t count;
  const fm_weight_naming *naming;
  const char *prefix;
  // as they will be written
  fm_st_tensor *tensors;
  char (*names)[FM_PARAM_NAME_BYTES];
  float **values; // of those that were no fp32; NULL elsewhere
  size_t kept;
} import_file;

static void import_release(import_file *self) {
  for (size_t i = 0; self->values && i < self->kept; i++)
    free(self->values[i]);
  free(self->values);
  free(self->tensors);
  free(self->names);
  fm_torch_archive_free(self->archive);
  fm_safetensors_free(self->safetensors);
}

static fm_status import_open(import_file *self) {
  if (fm_torch_archive_is(self->path)) {
    FM_TRY(fm_torch_archive_open(&self->archive, self->path));
    self->count = fm_torch_archive_count(self->archive);
  } else {
    FM_TRY(fm_safetensors_open(&self->safetensors, self->path));
    self->count = fm_safetensors_count(self->safetensors);
  }
  return FM_OK;
}

static const fm_st_tensor *import_tensor(const import_file *self, size_t index) {
  return self->archive ? fm_torch_archive_tensor(self->archive, index)
                       : fm_safetensors_tensor(self->safetensors, index);
}

// --- naming

// NAME behind the prefix of the file; NULL when it has another beginning.
static const char *import_strip(const char *prefix, const char *name) {
  const size_t length = strlen(prefix);
  return strncmp(name, prefix, length) == 0 ? name + length : NULL;
}

static bool import_signed(const import_file *self, const char *prefix, const char *signature) {
  const size_t length = strlen(signature);
  for (size_t i = 0; i < self->count; i++) {
    const char *name = import_strip(prefix, import_tensor(self, i)->name);
    if (name && strncmp(name, signature, length) == 0 &&
        (name[length] == 0 || signature[length - 1] == '.'))
      return true;
  }
  return false;
}

static fm_status import_find_naming(import_file *self) {
  for (int p = 0; p < IMPORT_PREFIXES; p++)
    for (const fm_weight_naming *naming = fm_weight_namings; naming->family; naming++)
      if (import_signed(self, import_prefixes[p], naming->signature)) {
        self->naming = naming;
        self->prefix = import_prefixes[p];
        return FM_OK;
      }
  const char *shown[IMPORT_NAMES_SHOWN] = {"", "", ""};
  for (size_t i = 0; i < self->count && i < IMPORT_NAMES_SHOWN; i++)
    shown[i] = import_tensor(self, i)->name;
  return fm_fail(FM_ERR_FORMAT, "%s: names of no known kind: %s %s %s ...", self->path, shown[0],
                 shown[1], shown[2]);
}

// --- tensors

static fm_status import_keep(import_file *self, const fm_st_tensor *tensor) {
  fm_st_tensor *kept = &self->tensors[self->kept];
  *kept = *tensor;
  kept->name = self->names[self->kept];
  self->values[self->kept] = NULL;
  self->kept++;
  // Counters stay whole numbers; everything else that is not fp32 becomes it.
  if (tensor->dtype == FM_ST_F32 || tensor->dtype == FM_ST_I64)
    return FM_OK;
  const size_t count = tensor->bytes / fm_st_dtype_bytes(tensor->dtype);
  float *values = malloc((count + 1) * sizeof *values);
  FM_CHECK_ALLOC(values);
  self->values[self->kept - 1] = values;
  kept->dtype = FM_ST_F32;
  kept->data = values;
  kept->bytes = count * sizeof *values;
  return fm_st_tensor_to_f32(tensor, values);
}

static fm_status import_rename(import_file *self, fm_import_report *report) {
  self->tensors = calloc(self->count + 1, sizeof *self->tensors);
  FM_CHECK_ALLOC(self->tensors);
  self->names = calloc(self->count + 1, sizeof *self->names);
  FM_CHECK_ALLOC(self->names);
  self->values = calloc(self->count + 1, sizeof *self->values);
  FM_CHECK_ALLOC(self->values);
  size_t bytes;
  FILE *dropped = open_memstream(&report->dropped, &bytes);
  FM_CHECK_ALLOC(dropped);
  fm_status status = FM_OK;
  for (size_t i = 0; status >= 0 && i < self->count; i++) {
    const fm_st_tensor *tensor = import_tensor(self, i);
    const char *name = import_strip(self->prefix, tensor->name);
    if (name && fm_weight_name_translate(self->naming, self->names[self->kept], name))
      status = import_keep(self, tensor);
    else
      fprintf(dropped, "%s%s", report->dropped_count++ ? "\n" : "", tensor->name);
  }
  if (fclose(dropped) != 0 && status >= 0)
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  report->tensor_count = self->kept;
  return status;
}

// --- which models it fits

static const fm_st_tensor *import_find(const import_file *self, const char *name) {
  for (size_t i = 0; i < self->kept; i++)
    if (strcmp(self->names[i], name) == 0)
      return &self->tensors[i];
  return NULL;
}

static bool import_has(const import_file *self, const fm_param_spec *spec) {
  const fm_st_tensor *tensor = import_find(self, spec->name);
  bool fits = tensor && tensor->rank == spec->rank;
  for (int i = 0; fits && i < spec->rank; i++)
    fits = tensor->dims[i] == spec->dims[i];
  return fits;
}

static int import_class_count(const import_file *self) {
  const fm_st_tensor *scores = import_find(self, "roi_heads.box_predictor.cls_score.weight");
  const bool plausible =
      scores && scores->rank == 2 && scores->dims[0] > 1 && scores->dims[0] < 1001;
  return plausible ? (int)scores->dims[0] - 1 : 1;
}

typedef enum import_fit { IMPORT_FITS_NOT, IMPORT_FITS_BACKBONE, IMPORT_FITS_WHOLLY } import_fit;

static fm_status import_compare(const import_file *self, const fm_model_config *config,
                                import_fit *out) {
  fm_params *params;
  fm_model model;
  FM_TRY(fm_params_new(&params));
  const fm_status status = fm_model_build(&model, params, config, import_class_count(self));
  *out = IMPORT_FITS_WHOLLY;
  for (int id = 0; status >= 0 && id < fm_params_count(params); id++) {
    const fm_param_spec *spec = fm_params_spec(params, id);
    if (import_has(self, spec))
      continue;
    *out = IMPORT_FITS_BACKBONE;
    if (strncmp(spec->name, "backbone.body.", 14) == 0) {
      *out = IMPORT_FITS_NOT;
      break;
    }
  }
  if (status >= 0)
    fm_model_release(&model);
  fm_params_free(params);
  return status;
}

// Fills info with the model when there is just one.
static fm_status import_find_archs(const import_file *self, fm_import_report *report,
                                   fm_weights_info *info) {
  size_t bytes;
  FILE *archs = open_memstream(&report->archs, &bytes);
  FM_CHECK_ALLOC(archs);
  fm_status status = FM_OK;
  int found = 0;
  for (int arch = 0; status >= 0 && arch < FM_ARCH_COUNT; arch++) {
    import_fit fit = IMPORT_FITS_NOT;
    fm_model_config config;
    fm_model_config_preset(&config, (fm_arch)arch);
    if (self->naming->has_arch(arch))
      status = import_compare(self, &config, &fit);
    if (status < 0 || fit == IMPORT_FITS_NOT)
      continue;
    char *name = fm_options_format(fm_model_options, &config); // the first row is model.arch
    fprintf(archs, "%s%s", found++ ? ", " : "", name ? name : "");
    free(name);
    report->complete = fit == IMPORT_FITS_WHOLLY;
    // torchvision's overwrite_eps for its COCO weights of this model.
    if (report->complete && arch == FM_ARCH_RESNET50_FPN &&
        import_class_count(self) == IMPORT_COCO_CLASSES - 1)
      config.frozen_bn_eps = 0;
    info->config = config;
  }
  if (fclose(archs) != 0 && status >= 0)
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  info->has_config = found == 1;
  return status;
}

// Its classes and, with its configuration, the ranges for int8 are the file's own in any case.
static fm_status import_write(const import_file *self, const char *path, const fm_weights_info *own,
                              const fm_weights_info *found) {
  fm_weights_info info = own->has_config ? *own : *found;
  info.class_names = own->class_names;
  info.class_count = own->class_count;
  const char *ranges =
      own->has_ranges ? fm_safetensors_metadata(self->safetensors, FM_WEIGHTS_RANGES) : NULL;
  if (ranges && own->has_config) {
    info.ranges = strdup(ranges);
    FM_CHECK_ALLOC(info.ranges);
  }
  const fm_status status = fm_weights_write(path, self->tensors, self->kept, &info);
  free(info.ranges);
  return status;
}

static fm_status import_run(import_file *self, const char *path, fm_import_report *report) {
  fm_weights_info info = {0};
  FM_TRY(import_open(self));
  FM_TRY(import_find_naming(self));
  report->family = self->naming->family;
  FM_TRY(import_rename(self, report));
  FM_TRY(import_find_archs(self, report, &info));
  fm_weights_info own = {0}; // what the file says of itself is better than what its shapes say
  if (self->safetensors)
    FM_TRY(fm_weights_info_read(&own, self->path));
  const fm_status status = import_write(self, path, &own, &info);
  fm_weights_info_release(&own);
  return status;
}

fm_status fm_weights_import(const char *source, const char *path, fm_import_report *report) {
  *report = (fm_import_report){0};
  import_file self = {.path = source};
  const fm_status status = import_run(&self, path, report);
  import_release(&self);
  if (status < 0)
    fm_import_report_release(report);
  return status;
}

void fm_import_report_release(fm_import_report *report) {
  free(report->archs);
  free(report->dropped);
  *report = (fm_import_report){0};
}
