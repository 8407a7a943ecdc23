// The report of a run: its page and its graphs.
#ifndef FM_REPORT_RUN_REPORT_H
#define FM_REPORT_RUN_REPORT_H

#include "base/status.h"
#include "report/page.h"
#include "report/run.h"

// RUN/report.html: overview, curves, split, evaluation, predictions, configuration. What the run
// does not have (yet) is said to be missing.
FM_MUST_USE fm_status fm_run_report_page(const fm_run *run);
// RUN/graphs/{folds,model,steps}/*.{png,svg,csv,gp}. FM_ERR_UNSUPPORTED without gnuplot.
FM_MUST_USE fm_status fm_run_report_draw(const fm_run *run);

// For run_report.c, the sections of run_results.c: what lies in RUN/evaluation, and the last
// pictures that the training showed to TensorBoard.
FM_MUST_USE fm_status fm_run_report_evaluation(fm_page *page, const fm_run *run);
FM_MUST_USE fm_status fm_run_report_predictions(fm_page *page, const fm_run *run);

#endif
