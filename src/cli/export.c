// facemask export: a weights file in the form of another program, or with the ranges that int8
// detection needs.
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "base/progress.h"
#include "cli/part.h"
#include "cli/verb.h"
#include "data/dataset.h"
#include "detect/export.h"
#include "predict/calibration.h"

static const fm_cli_option export_options[] = {
    {"--weights", "FILE", "the weights file"},
    {"--format", "onnx|torch|safetensors|fp16|int8",
     "the whole detector or classifier, a state_dict, the tensors alone, or the weights file in "
     "half or a "
     "quarter of its bytes"},
    {"--calibrate", "DATA",
     "instead: the weights file with the ranges for --precision int8, measured on these pictures"},
    {"--split", "FILE", "calibrate on a part of the data, as facemask split wrote it"},
    {"--subset", "train|test|valid", "which part (default train)"},
    {"--fold", "K", "the fold, from 1"},
    {"--pictures", "N", "at most so many of them, spread evenly (default 128)"},
    {"--images", "DIR", "the picture folder, when it is not beside the annotations"},
    {"--out", "FILE", "where to write"},
    {"--size", "WxH", "onnx: pixels of the pictures it takes, multiples of 32 (default: min_size)"},
    {NULL, NULL, NULL},
};
enum { EXPORT_PICTURES = 128 };

static const char *const export_formats[] = {
    [FM_EXPORT_ONNX] = "onnx", [FM_EXPORT_TORCH] = "torch", [FM_EXPORT_SAFETENSORS] = "safetensors",
    [FM_EXPORT_FP16] = "fp16", [FM_EXPORT_INT8] = "int8",   [FM_EXPORT_FORMATS] = NULL};

static fm_status export_parse_format(const char *word, fm_export_format *out) {
  for (int i = 0; word && export_formats[i]; i++)
    if (strcmp(word, export_formats[i]) == 0) {
      *out = (fm_export_format)i;
      return FM_OK;
    }
  const char *near = word ? fm_nearest_word(word, export_formats) : NULL;
  return fm_fail(FM_ERR_ARGUMENT,
                 "--format: onnx, torch, safetensors, fp16 or int8 is "
                 "needed%s%s%s",
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

// At most five digits, so that no number is too large for an int.
static fm_status export_parse_size(const char *text, fm_export_options *out) {
  int used = 0;
  if (text && (sscanf(text, "%5dx%5d%n", &out->width, &out->height, &used) != 2 || text[used]))
    return fm_fail(FM_ERR_ARGUMENT, "--size %s: WIDTHxHEIGHT is expected, such as 640x480", text);
  if (text && (out->width < 1 || out->height < 1))
    return fm_fail(FM_ERR_ARGUMENT, "--size %s: both must be positive", text);
  return FM_OK;
}

// What belongs to calibration, or to another format, must not be passed over in silence.
static fm_status export_refuse_others(const fm_cli *cli, fm_export_format format) {
  static const char *const names[] = {"--split",    "--subset", "--fold",
                                      "--pictures", "--images", NULL};
  const char *given = fm_cli_first_given(cli, names);
  if (given)
    return fm_fail(FM_ERR_ARGUMENT, "%s is of use with --calibrate alone", given);
  if (format != FM_EXPORT_ONNX && fm_cli_value(cli, "--size"))
    return fm_fail(FM_ERR_ARGUMENT, "--size is of use with --format onnx alone");
  return FM_OK;
}

static fm_status export_calibrate(const fm_cli *cli, const char *weights, const char *out) {
  int pictures;
  FM_TRY(fm_cli_int(cli, "--pictures", EXPORT_PICTURES, 1, 1000000, &pictures));
  fm_dataset *dataset;
  FM_TRY(fm_dataset_open(&dataset, fm_cli_value(cli, "--calibrate"),
                         &(fm_dataset_options){.images = fm_cli_value(cli, "--images")}));
  fm_eval_subset subset = {0};
  fm_status status = fm_dataset_require_pictures(dataset);
  if (status >= 0)
    status = fm_cli_choose_part(cli, dataset, FM_SUBSET_TRAIN, &subset);
  const fm_calibration_options options = {
      .weights = weights, .out = out, .subset = &subset, .pictures = (size_t)pictures};
  if (status >= 0)
    status = fm_calibration_run(&options);
  fm_eval_subset_release(&subset);
  fm_dataset_free(dataset);
  return status;
}

static fm_status export_run_calibration(const fm_cli *cli, const char *weights, const char *out) {
  if (fm_cli_value(cli, "--format") || fm_cli_value(cli, "--size"))
    return fm_fail(FM_ERR_ARGUMENT, "--calibrate writes a weights file: without --format, --size");
  FM_TRY(export_calibrate(cli, weights, out));
  if (cli->json)
    puts("{\"format\":\"facemask\"}");
  fm_say("wrote %s", out);
  return FM_OK;
}

static fm_status export_run(const fm_cli *cli) {
  const char *weights = fm_cli_value(cli, "--weights"), *out = fm_cli_value(cli, "--out");
  if (!weights || !out)
    return fm_fail(FM_ERR_ARGUMENT, "%s FILE is needed", weights ? "--out" : "--weights");
  if (fm_cli_value(cli, "--calibrate"))
    return export_run_calibration(cli, weights, out);
  fm_export_options options = {0};
  FM_TRY(export_parse_format(fm_cli_value(cli, "--format"), &options.format));
  FM_TRY(export_refuse_others(cli, options.format));
  FM_TRY(export_parse_size(fm_cli_value(cli, "--size"), &options));
  FM_TRY(fm_weights_export(weights, out, &options));
  if (cli->json)
    printf("{\"format\":\"%s\"}\n", export_formats[options.format]);
  fm_say("wrote %s", out);
  return FM_OK;
}

const fm_verb fm_verb_export = {
    .name = "export",
    .usage = "--weights FILE (--format onnx|torch|safetensors|fp16|int8 | --calibrate DATA) "
             "--out FILE",
    .summary = "write a weights file in the form of another program, or ready for int8",
    .options = export_options,
    .positional_min = 0,
    .positional_max = 0,
    .run = export_run,
};
