// facemask report: the graphs and the page of a run.
#include <stdio.h>

#include "base/progress.h"
#include "cli/verb.h"
#include "report/run_report.h"

// The page needs no gnuplot and comes first.
static fm_status report_write(const fm_run *run) {
  FM_TRY(fm_run_report_page(run));
  fm_say("wrote %s/report.html", run->path);
  FM_TRY(fm_run_report_draw(run));
  fm_say("wrote %s/graphs", run->path);
  return FM_OK;
}

static fm_status report_run(const fm_cli *cli) {
  fm_run run;
  FM_TRY(fm_run_read(&run, cli->positional[0]));
  const fm_status status = report_write(&run);
  if (status >= 0 && cli->json) {
    printf("{\"complete\": %s, \"folds\": [", fm_run_is_complete(&run) ? "true" : "false");
    for (size_t i = 0; i < run.fold_count; i++)
      printf("%s{\"fold\": %d, \"epochs\": %zu, \"steps\": %zu}", i ? ", " : "",
             run.folds[i].number, run.folds[i].epochs.rows, run.folds[i].steps.rows);
    puts("]}");
  }
  fm_run_release(&run);
  return status;
}

const fm_verb fm_verb_report = {
    .name = "report",
    .usage = "RUN [options]",
    .summary = "draw a run's graphs and write its report.html; also of one that is still going",
    .positional_min = 1,
    .positional_max = 1,
    .run = report_run,
};
