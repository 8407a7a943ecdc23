// facemask info: the processor, the libraries and what of them will be used.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/verb.h"
#include "nn/library.h"
#include "train/config.h"

static void info_processor(char *out, size_t size) {
  snprintf(out, size, "unknown");
  FILE *file = fopen("/proc/cpuinfo", "r");
  char line[512];
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
      snprintf(out, size, "%s", strchr(line, ':') + 2);
      out[strcspn(out, "\n")] = 0;
      break;
    }
  }
  if (file)
    fclose(file);
}

static fm_status info_run(const fm_cli *cli) {
  char processor[256];
  info_processor(processor, sizeof processor);
  const double gib = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGE_SIZE) / 0x1p30;
  const fm_config automatic = {.train.precision = FM_PRECISION_AUTO};
  fm_dtype plain, with_ranges;
  FM_TRY(fm_config_detection_precision(&automatic, false, &plain));
  FM_TRY(fm_config_detection_precision(&automatic, true, &with_ranges));
  const char *precision = fm_config_precision_name(plain);
  const char *ranged = fm_config_precision_name(with_ranges);
  if (!cli->json) {
    printf("facemask   %s\nprocessor  %s\nthreads    %d\nmemory     %.1f GiB\nengine     %s\n"
           "precision  auto means %s here, %s for detection with weights that have ranges\n",
           FACEMASK_VERSION, processor, cli->threads, gib, fm_nn_library(), precision, ranged);
    return FM_OK;
  }
  json_t *info =
      json_pack("{s:s, s:s, s:i, s:f, s:s, s:s, s:s}", "version", FACEMASK_VERSION, "processor",
                processor, "threads", cli->threads, "memory_gib", gib, "engine", fm_nn_library(),
                "auto_precision", precision, "auto_precision_with_ranges", ranged);
  FM_CHECK_ALLOC(info);
  json_dumpf(info, stdout, JSON_INDENT(1));
  putchar('\n');
  json_decref(info);
  return FM_OK;
}

const fm_verb fm_verb_info = {
    .name = "info",
    .usage = "[options]",
    .summary = "the processor, the libraries, and the precision that auto chooses",
    .run = info_run,
};
