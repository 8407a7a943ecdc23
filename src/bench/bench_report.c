// The figures of a bench for people and as JSON.
#include <jansson.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "nn/library.h"

static void report_profile(FILE *out, const fm_bench_result *result) {
  size_t count;
  const fm_profile_row *rows = fm_profile_rows(result->profile, &count);
  double total = 0;
  for (size_t i = 0; i < count; i++)
    total += rows[i].seconds;
  fprintf(out, "%9s %6s %6s %9s %7s  %s\n", "ms", "share", "calls", "GFLOP/s", "GB/s", "work");
  for (size_t i = 0; i < count; i++) {
    const fm_profile_row *row = &rows[i];
    fprintf(out, "%9.3f %5.1f%% %6.0f", row->seconds * 1e3 / result->profile_steps,
            100 * row->seconds / total, (double)row->calls / result->profile_steps);
    if (row->flops > 0)
      fprintf(out, " %9.1f", row->flops / row->seconds * 1e-9);
    else
      fprintf(out, " %9s", "");
    if (row->bytes > 0)
      fprintf(out, " %7.1f", row->bytes / row->seconds * 1e-9);
    else
      fprintf(out, " %7s", "");
    fprintf(out, "  %s\n", row->name);
  }
  fprintf(out, "%9.3f 100.0%%\n", total * 1e3 / result->profile_steps);
}

void fm_bench_print(FILE *out, const fm_bench_result *result, bool profile) {
  fprintf(out, "%s: %.1f ms for %d picture%s (least %.1f, mean %.1f, %d times)", result->job,
          result->median * 1e3, result->pictures, result->pictures == 1 ? "" : "s",
          result->least * 1e3, result->mean * 1e3, result->steps);
  if (result->data > 0)
    fprintf(out, ", of it %.2f ms waiting for the loader", result->data * 1e3);
  fprintf(out, ", peak %.0f MiB\n", result->peak_bytes / 0x1p20);
  if (result->has_bound)
    fprintf(out, "products alone: %.1f ms, %.1f GFLOP, %.0f GFLOP/s; the %s takes %.2f x that\n",
            result->bound * 1e3, result->flops * 1e-9, result->flops / result->bound * 1e-9,
            result->job, result->median / result->bound);
  if (profile && result->profile)
    report_profile(out, result);
}

static json_t *report_rows(const fm_bench_result *result) {
  json_t *list = json_array();
  size_t count;
  const fm_profile_row *rows = fm_profile_rows(result->profile, &count);
  for (size_t i = 0; i < count; i++)
    json_array_append_new(list, json_pack("{s:s, s:f, s:f, s:f, s:f}", "work", rows[i].name, "ms",
                                          rows[i].seconds * 1e3 / result->profile_steps, "calls",
                                          (double)rows[i].calls / result->profile_steps, "gflop",
                                          rows[i].flops * 1e-9 / result->profile_steps, "gbyte",
                                          rows[i].bytes * 1e-9 / result->profile_steps));
  return list;
}

static json_t *report_result(const fm_bench_result *result, bool profile) {
  json_t *object = json_pack("{s:i, s:i, s:f, s:f, s:f, s:f, s:f}", "pictures", result->pictures,
                             "steps", result->steps, "ms", result->median * 1e3, "least_ms",
                             result->least * 1e3, "mean_ms", result->mean * 1e3, "data_ms",
                             result->data * 1e3, "peak_mib", result->peak_bytes / 0x1p20);
  if (object && result->has_bound) {
    json_object_set_new(object, "bound_ms", json_real(result->bound * 1e3));
    json_object_set_new(object, "bound_gflop", json_real(result->flops * 1e-9));
    json_object_set_new(object, "ratio", json_real(result->median / result->bound));
  }
  if (object && profile && result->profile)
    json_object_set_new(object, "profile", report_rows(result));
  return object;
}

static char *report_arch(const fm_model_config *model) {
  const fm_option *row = fm_model_options;
  while (strcmp(row->name, "model.arch") != 0)
    row++;
  return fm_options_format(row, model);
}

char *fm_bench_json(const fm_bench_options *options, const fm_bench_result *results, int count) {
  const fm_model_config *model = &options->config->model;
  char *arch = report_arch(model);
  fm_dtype precision = FM_F32;
  if (fm_config_precision(options->config, &precision) < 0)
    precision = FM_F32;
  json_t *root =
      json_pack("{s:s, s:s, s:i, s:s, s:i, s:i}", "arch", arch ? arch : "", "precision",
                fm_config_precision_name(precision), "threads", omp_get_max_threads(), "engine",
                fm_nn_library(), "min_size", model->min_size, "max_size", model->max_size);
  for (int i = 0; root && i < count; i++)
    json_object_set_new(root, results[i].key, report_result(&results[i], options->profile));
  char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) : NULL;
  json_decref(root);
  free(arch);
  return text;
}
