// facemask synth: a drawn data set in the Kaggle layout.
#include <limits.h>
#include <stdio.h>

#include "base/progress.h"
#include "cli/verb.h"
#include "data/synth.h"

static const fm_cli_option synth_options[] = {
    {"--count", "N", "how many pictures"},
    {"--seed", "S", "the same seed draws the same pictures (default 0)"},
    {"--out", "DIR", "gets images/ and annotations/"},
    {"--min-face", "PX", "the least height of a face in pixels (default 12)"},
    {"--max-face", "PX", "the largest height (default 140)"},
    {"--width", "PX", "of every picture, with --height (default: varied)"},
    {"--height", "PX", "of every picture"},
    {NULL, NULL, NULL},
};

static fm_status synth_run(const fm_cli *cli) {
  int count, seed;
  fm_synth_options options = {.folder = fm_cli_value(cli, "--out")};
  if (!options.folder || !fm_cli_value(cli, "--count"))
    return fm_fail(FM_ERR_ARGUMENT, "%s is needed", options.folder ? "--count N" : "--out DIR");
  FM_TRY(fm_cli_int(cli, "--count", 0, 1, FM_SYNTH_COUNT_MAX, &count));
  FM_TRY(fm_cli_int(cli, "--seed", 0, 0, INT_MAX, &seed));
  FM_TRY(fm_cli_double(cli, "--min-face", 12, 6, 2000, &options.smallest));
  FM_TRY(fm_cli_double(cli, "--max-face", 140, 6, 2000, &options.largest));
  FM_TRY(fm_cli_int(cli, "--width", 0, 32, 4096, &options.width));
  FM_TRY(fm_cli_int(cli, "--height", 0, 32, 4096, &options.height));
  options.count = (size_t)count;
  options.seed = (uint64_t)seed;
  fm_synth_counts counts;
  FM_TRY(fm_synth_write(&options, &counts));
  size_t faces = counts.with_mask + counts.without + counts.incorrect;
  if (cli->json)
    printf("{\"images\":%d,\"faces\":%zu,\"with_mask\":%zu,\"without_mask\":%zu,"
           "\"mask_weared_incorrect\":%zu}\n",
           count, faces, counts.with_mask, counts.without, counts.incorrect);
  else if (!cli->quiet)
    printf("%d pictures with %zu faces in %s: with_mask %zu, without_mask %zu, "
           "mask_weared_incorrect %zu\n",
           count, faces, options.folder, counts.with_mask, counts.without, counts.incorrect);
  return FM_OK;
}

const fm_verb fm_verb_synth = {
    .name = "synth",
    .usage = "--count N --seed S --out DIR",
    .summary = "draw a data set in the Kaggle layout, for tests and the demo",
    .options = synth_options,
    .positional_max = 0,
    .run = synth_run,
};
