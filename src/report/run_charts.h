// The curves of a run as charts.
#ifndef FM_REPORT_RUN_CHARTS_H
#define FM_REPORT_RUN_CHARTS_H

#include "report/chart.h"
#include "report/run.h"

typedef enum fm_run_curves {
  FM_RUN_CURVES_FOLDS, // each scalar by epoch, a line a fold and part: graphs/folds
  FM_RUN_CURVES_MODEL, // the folds one after the other as one series ("entire model"): graphs/model
  FM_RUN_CURVES_STEPS, // each scalar by step, a line a fold: graphs/steps
  FM_RUN_CURVES_COUNT,
} fm_run_curves;

const char *fm_run_curves_folder(fm_run_curves curves); // "folds"
FM_MUST_USE fm_status fm_run_charts(const fm_run *run, fm_run_curves curves, fm_chart_shower show,
                                    void *user);

#endif
