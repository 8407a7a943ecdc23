// facemask import: weights that others trained, as a weights file.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "cli/verb.h"
#include "detect/import.h"

static const fm_cli_option import_options[] = {
    {"--out", "FILE", "the weights file to write (safetensors)"},
    {NULL, NULL, NULL},
};

static json_t *import_names(const char *lines) {
  json_t *list = json_array();
  for (const char *at = lines; *at;) {
    const size_t length = strcspn(at, "\n");
    json_array_append_new(list, json_stringn(at, length));
    at += length + (at[length] == '\n');
  }
  return list;
}

static fm_status import_print_json(const fm_import_report *report, const char *out) {
  json_t *root =
      json_pack("{s:s, s:s, s:s, s:b, s:I, s:o}", "out", out, "family", report->family, "archs",
                report->archs, "complete", report->complete, "tensors",
                (json_int_t)report->tensor_count, "dropped", import_names(report->dropped));
  char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
  json_decref(root);
  FM_CHECK_ALLOC(text);
  puts(text);
  free(text);
  return FM_OK;
}

static void import_print(const fm_import_report *report, const char *out) {
  printf("%s: %zu tensors, from %s\n", out, report->tensor_count, report->family);
  if (report->archs[0])
    printf("%s of %s\n", report->complete ? "the whole" : "the backbone", report->archs);
  else
    puts("they are those of no model here; training with them lists what differs");
  if (report->dropped_count > 0)
    printf("left out: %zu that detectors have no use for\n", report->dropped_count);
}

static fm_status import_run(const fm_cli *cli) {
  const char *out = fm_cli_value(cli, "--out");
  if (!out)
    return fm_fail(FM_ERR_ARGUMENT, "--out FILE is needed");
  fm_import_report report;
  FM_TRY(fm_weights_import(cli->positional[0], out, &report));
  fm_status status = FM_OK;
  if (cli->json)
    status = import_print_json(&report, out);
  else if (!cli->quiet)
    import_print(&report, out);
  fm_import_report_release(&report);
  return status;
}

const fm_verb fm_verb_import = {
    .name = "import",
    .usage = "FILE.pth|FILE.safetensors --out FILE",
    .summary = "turn weights of PyTorch models into a weights file",
    .options = import_options,
    .positional_min = 1,
    .positional_max = 1,
    .run = import_run,
};
