// Exporting weights files.
#include "detect/export.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/onnx_classifier.h"
#include "detect/onnx_detector.h"
#include "detect/weight_bytes.h"
#include "detect/weight_ranges.h"
#include "detect/weights.h"
#include "format/torch_archive.h"

enum { EXPORT_MULTIPLE = 32, EXPORT_SIDE_MAX = 8192, EXPORT_CLASSES_MAX = 1001 };

// --- the tensors

// What is written, and the memory of what is not as in the file.
typedef struct export_content {
  fm_st_tensor *tensors;
  void **memory;
  size_t count, held;
} export_content;

static void export_content_release(export_content *content) {
  for (size_t i = 0; i < content->held; i++)
    free(content->memory[i]);
  free(content->memory);
  free(content->tensors);
}

static fm_status export_hold(export_content *content, size_t bytes, void **out) {
  *out = malloc(bytes + 1);
  FM_CHECK_ALLOC(*out);
  content->memory[content->held++] = *out;
  return FM_OK;
}

static size_t export_elements(const fm_st_tensor *tensor) {
  return tensor->bytes / fm_st_dtype_bytes(tensor->dtype);
}

static fm_status export_widen(export_content *content, fm_st_tensor *tensor,
                              const fm_st_tensor *scales) {
  const size_t bytes = export_elements(tensor) * sizeof(float);
  void *values;
  FM_TRY(export_hold(content, bytes, &values));
  FM_TRY(fm_weight_to_f32(tensor, scales, values));
  tensor->dtype = FM_ST_F32;
  tensor->data = values;
  tensor->bytes = bytes;
  return FM_OK;
}

// Of a tensor in fp32.
static float export_largest(const fm_st_tensor *tensor) {
  float largest = 0;
  for (size_t at = 0; at < tensor->bytes; at += sizeof(float)) {
    float value;
    memcpy(&value, (const char *)tensor->data + at, sizeof value);
    if (!isfinite(value))
      return INFINITY;
    largest = fmaxf(largest, fabsf(value));
  }
  return largest;
}

// What fp16 cannot hold stays as it is.
static fm_status export_halve(export_content *content, fm_st_tensor *tensor) {
  static const float most = 65504;
  if (tensor->dtype != FM_ST_F32 || export_largest(tensor) > most)
    return FM_OK;
  const size_t count = export_elements(tensor), bytes = count * sizeof(uint16_t);
  void *memory;
  FM_TRY(export_hold(content, bytes, &memory));
  uint16_t *halves = memory;
  for (size_t i = 0; i < count; i++) {
    float value;
    memcpy(&value, (const char *)tensor->data + i * sizeof value, sizeof value);
    halves[i] = fm_st_half(value);
  }
  tensor->dtype = FM_ST_F16;
  tensor->data = halves;
  tensor->bytes = bytes;
  return FM_OK;
}

// The tensor in 8 bits, and its scales behind it.
static fm_status export_quarter(export_content *content, fm_st_tensor *tensor) {
  const bool floats =
      tensor->dtype == FM_ST_F32 || tensor->dtype == FM_ST_F16 || tensor->dtype == FM_ST_BF16;
  if (!floats || tensor->bytes == 0)
    return FM_OK;
  fm_st_tensor wide = *tensor;
  FM_TRY(export_widen(content, &wide, NULL));
  if (isinf(export_largest(&wide)))
    return FM_OK;
  const size_t count = export_elements(&wide), rows = (size_t)wide.dims[0];
  void *bytes, *factors, *name;
  FM_TRY(export_hold(content, count, &bytes));
  FM_TRY(export_hold(content, rows * sizeof(float), &factors));
  const size_t length = strlen(tensor->name) + sizeof FM_WEIGHT_SCALES;
  FM_TRY(export_hold(content, length, &name));
  fm_weight_to_bytes(wide.data, rows, count / rows, bytes, factors);
  snprintf(name, length, "%s" FM_WEIGHT_SCALES, tensor->name);
  tensor->dtype = FM_ST_I8;
  tensor->data = bytes;
  tensor->bytes = count;
  content->tensors[content->count++] = (fm_st_tensor){.name = name,
                                                      .dtype = FM_ST_F32,
                                                      .rank = 1,
                                                      .dims = {(int64_t)rows},
                                                      .data = factors,
                                                      .bytes = rows * sizeof(float)};
  return FM_OK;
}

// What has no rows, such as statistics, is small and stays as it is.
static fm_status export_add(export_content *content, const fm_safetensors *file, size_t index,
                            const char *path, fm_export_format format) {
  const fm_st_tensor *own = fm_safetensors_tensor(file, index), *scales;
  if (fm_weight_is_scales(file, own))
    return FM_OK;
  FM_TRY(fm_weight_scales(&scales, file, own, path));
  fm_st_tensor *tensor = &content->tensors[content->count++];
  *tensor = *own;
  if (scales)
    FM_TRY(export_widen(content, tensor, scales));
  if (format == FM_EXPORT_FP16 && tensor->rank >= 2)
    return export_halve(content, tensor);
  if (format == FM_EXPORT_INT8 && tensor->rank >= 2)
    return export_quarter(content, tensor);
  return FM_OK;
}

static fm_status export_content_make(export_content *content, const fm_safetensors *file,
                                     const char *path, fm_export_format format) {
  // Of each tensor, itself and its scales; fp32, bytes, scales and their name.
  const size_t count = fm_safetensors_count(file);
  *content = (export_content){.tensors = calloc(2 * count + 1, sizeof *content->tensors),
                              .memory = calloc(5 * count + 1, sizeof *content->memory)};
  FM_CHECK_ALLOC(content->tensors);
  FM_CHECK_ALLOC(content->memory);
  for (size_t i = 0; i < count; i++)
    FM_TRY(export_add(content, file, i, path, format));
  return FM_OK;
}

// The tensors alone, for others; or the weights file, smaller, with all that it says of itself.
static fm_status export_write(const fm_safetensors *file, const export_content *content,
                              const char *weights, const char *path, fm_export_format format) {
  if (format == FM_EXPORT_TORCH)
    return fm_torch_archive_write(path, content->tensors, content->count);
  if (format == FM_EXPORT_SAFETENSORS)
    return fm_safetensors_write(path, content->tensors, content->count, NULL, 0);
  fm_weights_info info;
  FM_TRY(fm_weights_info_read(&info, weights));
  info.ranges = (char *)(uintptr_t)fm_safetensors_metadata(file, FM_WEIGHTS_RANGES); // lent
  const fm_status status = fm_weights_write(path, content->tensors, content->count, &info);
  info.ranges = NULL;
  fm_weights_info_release(&info);
  return status;
}

static fm_status export_tensors(const char *weights, const char *path, fm_export_format format) {
  fm_safetensors *file;
  FM_TRY(fm_safetensors_open(&file, weights));
  export_content content;
  fm_status status = export_content_make(&content, file, weights, format);
  if (status >= 0)
    status = export_write(file, &content, weights, path, format);
  export_content_release(&content);
  fm_safetensors_free(file);
  return status;
}

// --- ONNX

static fm_status export_check_size(int *side, const char *what, const fm_model_config *config) {
  if (*side == 0)
    *side = (config->min_size + EXPORT_MULTIPLE - 1) / EXPORT_MULTIPLE * EXPORT_MULTIPLE;
  if (*side < EXPORT_MULTIPLE || *side > EXPORT_SIDE_MAX || *side % EXPORT_MULTIPLE)
    return fm_fail(FM_ERR_ARGUMENT,
                   "--size: a %s of %d; multiples of %d from %d to %d are possible", what, *side,
                   EXPORT_MULTIPLE, EXPORT_MULTIPLE, EXPORT_SIDE_MAX);
  return FM_OK;
}

// All tensors must be there: a random part makes a detector of nothing.
static fm_status export_load(fm_detector *detector, const char *weights) {
  fm_weights_report report;
  FM_TRY(fm_weights_load(detector, weights, &report));
  fm_status status = FM_OK;
  if (report.missing_count > 0 || report.predictor_replaced)
    status =
        fm_fail(FM_ERR_FORMAT, "%s: not a whole detector: %zu tensors are missing, such as %.*s",
                weights, report.missing_count, (int)strcspn(report.missing, "\n"), report.missing);
  fm_weights_report_release(&report);
  return status;
}

static void export_describe(fm_onnx *onnx, const fm_weights_info *info) {
  char *names = NULL;
  size_t bytes;
  FILE *stream = open_memstream(&names, &bytes);
  if (!stream)
    return;
  for (int i = 0; i < info->class_count; i++)
    fprintf(stream, "%s%s", i ? "\n" : "", info->class_names[i]);
  if (fclose(stream) == 0)
    fm_onnx_metadata(onnx, "classes", names); // label 1 first, a name a line
  free(names);
}

static fm_status export_add_detector(fm_onnx *onnx, const fm_weights_info *info,
                                     const fm_export_options *options, fm_detector *detector) {
  fm_onnx_detector parts = {.config = &info->config,
                            .params = fm_detector_params(detector),
                            .class_count = fm_detector_class_count(detector),
                            .width = options->width,
                            .height = options->height};
  FM_TRY(export_check_size(&parts.width, "width", &info->config));
  FM_TRY(export_check_size(&parts.height, "height", &info->config));
  return fm_onnx_detector_add(onnx, &parts);
}

static fm_status export_add_classifier(fm_onnx *onnx, const fm_weights_info *info,
                                       const fm_export_options *options, fm_detector *classifier) {
  if (options->width > 0 || options->height > 0)
    return fm_fail(FM_ERR_ARGUMENT, "--size: a face classifier takes %d x %d pixels",
                   info->config.crop_size, info->config.crop_size);
  return fm_onnx_classifier_add(onnx, &info->config, fm_detector_params(classifier),
                                fm_detector_class_count(classifier));
}

static fm_status export_build(fm_onnx *onnx, const char *weights, const fm_weights_info *info,
                              const fm_export_options *options, int class_count) {
  fm_detector *detector;
  const fm_detector_options detector_options = {
      .config = &info->config, .class_count = class_count, .precision = FM_F32};
  FM_TRY(fm_detector_new(&detector, &detector_options));
  fm_status status = export_load(detector, weights);
  if (status >= 0)
    status = fm_arch_detects(info->config.arch)
                 ? export_add_detector(onnx, info, options, detector)
                 : export_add_classifier(onnx, info, options, detector);
  fm_detector_free(detector);
  if (info->class_names)
    export_describe(onnx, info);
  return status;
}

static fm_status export_count_classes(const char *weights, int *out) {
  FM_TRY(fm_weights_count_classes(out, weights));
  if (*out < 1 || *out >= EXPORT_CLASSES_MAX)
    return fm_fail(FM_ERR_FORMAT, "%s: not a whole detector: it has no " FM_WEIGHTS_CLASSIFIER,
                   weights);
  return FM_OK;
}

static fm_status export_onnx(const char *weights, const char *path,
                             const fm_export_options *options) {
  fm_weights_info info;
  fm_onnx *onnx = NULL;
  fm_status status;
  FM_TRY(fm_weights_info_read(&info, weights));
  int class_count = info.class_count;
  if (!info.has_config)
    FM_TRY_OUT(fm_fail(FM_ERR_FORMAT,
                       "%s does not say what model it is; facemask import can find out", weights));
  if (class_count == 0)
    FM_TRY_OUT(export_count_classes(weights, &class_count));
  FM_TRY_OUT(fm_onnx_new(&onnx));
  FM_TRY_OUT(export_build(onnx, weights, &info, options, class_count));
  status = fm_onnx_write(onnx, path);
out:
  fm_onnx_free(onnx);
  fm_weights_info_release(&info);
  return status;
}

fm_status fm_weights_export(const char *weights, const char *path,
                            const fm_export_options *options) {
  if (options->format == FM_EXPORT_ONNX)
    return export_onnx(weights, path, options);
  return export_tensors(weights, path, options->format);
}
