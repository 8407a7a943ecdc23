// facemask export: a weights file in the form of another program.
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "base/progress.h"
#include "cli/verb.h"
#include "detect/export.h"

static const fm_cli_option export_options[] = {
    {"--weights", "FILE", "the weights file"},
    {"--format", "onnx|torch|safetensors",
     "the whole detector, a state_dict, or the tensors alone"},
    {"--out", "FILE", "where to write"},
    {"--size", "WxH", "onnx: pixels of the pictures it takes, multiples of 32 (default: min_size)"},
    {NULL, NULL, NULL},
};
static const char *const export_formats[] = {[FM_EXPORT_ONNX] = "onnx",
                                             [FM_EXPORT_TORCH] = "torch",
                                             [FM_EXPORT_SAFETENSORS] = "safetensors",
                                             [FM_EXPORT_FORMATS] = NULL};

static fm_status export_parse_format(const char *word, fm_export_format *out) {
  for (int i = 0; word && export_formats[i]; i++)
    if (strcmp(word, export_formats[i]) == 0) {
      *out = (fm_export_format)i;
      return FM_OK;
    }
  const char *near = word ? fm_nearest_word(word, export_formats) : NULL;
  return fm_fail(FM_ERR_ARGUMENT, "--format: onnx, torch or safetensors is needed%s%s%s",
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static fm_status export_parse_size(const char *text, fm_export_options *out) {
  char rest;
  if (text && sscanf(text, "%dx%d%c", &out->width, &out->height, &rest) != 2)
    return fm_fail(FM_ERR_ARGUMENT, "--size %s: WIDTHxHEIGHT is expected, such as 640x480", text);
  if (text && (out->width < 1 || out->height < 1))
    return fm_fail(FM_ERR_ARGUMENT, "--size %s: both must be positive", text);
  return FM_OK;
}

static fm_status export_run(const fm_cli *cli) {
  const char *weights = fm_cli_value(cli, "--weights"), *out = fm_cli_value(cli, "--out");
  if (!weights || !out)
    return fm_fail(FM_ERR_ARGUMENT, "%s FILE is needed", weights ? "--out" : "--weights");
  fm_export_options options = {0};
  FM_TRY(export_parse_format(fm_cli_value(cli, "--format"), &options.format));
  FM_TRY(export_parse_size(fm_cli_value(cli, "--size"), &options));
  FM_TRY(fm_weights_export(weights, out, &options));
  if (cli->json)
    printf("{\"format\":\"%s\"}\n", export_formats[options.format]);
  fm_say("wrote %s", out);
  return FM_OK;
}

const fm_verb fm_verb_export = {
    .name = "export",
    .usage = "--weights FILE --format onnx|torch|safetensors --out FILE",
    .summary = "write a weights file in the form of another program",
    .options = export_options,
    .positional_min = 0,
    .positional_max = 0,
    .run = export_run,
};
