// Exporting weights files.
#include "detect/export.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detect/onnx_detector.h"
#include "detect/weight_ranges.h"
#include "detect/weights.h"
#include "format/torch_archive.h"

enum { EXPORT_MULTIPLE = 32, EXPORT_SIDE_MAX = 8192, EXPORT_CLASSES_MAX = 1001 };

// --- the tensors

static fm_status export_tensors(const char *weights, const char *path, fm_export_format format) {
  fm_safetensors *file;
  FM_TRY(fm_safetensors_open(&file, weights));
  const size_t count = fm_safetensors_count(file);
  fm_st_tensor *tensors = calloc(count + 1, sizeof *tensors);
  fm_status status = tensors ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  for (size_t i = 0; status >= 0 && i < count; i++)
    tensors[i] = *fm_safetensors_tensor(file, i);
  if (status >= 0 && format == FM_EXPORT_TORCH)
    status = fm_torch_archive_write(path, tensors, count);
  else if (status >= 0)
    status = fm_safetensors_write(path, tensors, count, NULL, 0);
  free(tensors);
  fm_safetensors_free(file);
  return status;
}

// --- 16 bits a number

// What has no rows, such as statistics, is small and stays as it is; so does what fp16 cannot hold.
static bool export_fits_fp16(const fm_st_tensor *tensor) {
  static const float largest = 65504;
  if (tensor->dtype != FM_ST_F32 || tensor->rank < 2)
    return false;
  for (size_t at = 0; at < tensor->bytes; at += sizeof(float)) {
    float value;
    memcpy(&value, (const char *)tensor->data + at, sizeof value);
    if (!(fabsf(value) <= largest))
      return false;
  }
  return true;
}

static fm_status export_halve(fm_st_tensor *tensor, void **memory) {
  const size_t count = tensor->bytes / sizeof(float);
  uint16_t *halves = malloc(count * sizeof *halves + 1);
  FM_CHECK_ALLOC(halves);
  for (size_t i = 0; i < count; i++) {
    float value;
    memcpy(&value, (const char *)tensor->data + i * sizeof value, sizeof value);
    halves[i] = fm_st_half(value);
  }
  tensor->dtype = FM_ST_F16;
  tensor->data = *memory = halves;
  tensor->bytes = count * sizeof *halves;
  return FM_OK;
}

static fm_status export_write_halves(const fm_safetensors *file, const char *path,
                                     const fm_weights_info *info) {
  const size_t count = fm_safetensors_count(file);
  fm_st_tensor *tensors = calloc(count + 1, sizeof *tensors);
  void **memory = calloc(count + 1, sizeof *memory);
  fm_status status = tensors && memory ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  for (size_t i = 0; status >= 0 && i < count; i++) {
    tensors[i] = *fm_safetensors_tensor(file, i);
    if (export_fits_fp16(&tensors[i]))
      status = export_halve(&tensors[i], &memory[i]);
  }
  if (status >= 0)
    status = fm_weights_write(path, tensors, count, info);
  for (size_t i = 0; memory && i < count; i++)
    free(memory[i]);
  free(memory);
  free(tensors);
  return status;
}

static fm_status export_fp16(const char *weights, const char *path) {
  fm_weights_info info;
  fm_safetensors *file;
  FM_TRY(fm_weights_info_read(&info, weights));
  fm_status status = fm_safetensors_open(&file, weights);
  if (status >= 0) {
    const char *ranges = fm_safetensors_metadata(file, FM_WEIGHTS_RANGES);
    info.ranges = (char *)(uintptr_t)ranges; // lent
    status = export_write_halves(file, path, &info);
    info.ranges = NULL;
    fm_safetensors_free(file);
  }
  fm_weights_info_release(&info);
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

static fm_status export_build(fm_onnx *onnx, const char *weights, const fm_weights_info *info,
                              const fm_export_options *options, int class_count) {
  fm_onnx_detector parts = {.config = &info->config,
                            .class_count = class_count,
                            .width = options->width,
                            .height = options->height};
  FM_TRY(export_check_size(&parts.width, "width", &info->config));
  FM_TRY(export_check_size(&parts.height, "height", &info->config));
  fm_detector *detector;
  const fm_detector_options detector_options = {
      .config = &info->config, .class_count = class_count, .precision = FM_F32};
  FM_TRY(fm_detector_new(&detector, &detector_options));
  fm_status status = export_load(detector, weights);
  parts.params = fm_detector_params(detector);
  if (status >= 0)
    status = fm_onnx_detector_add(onnx, &parts);
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
  return options->format == FM_EXPORT_FP16 ? export_fp16(weights, path)
                                           : export_tensors(weights, path, options->format);
}
