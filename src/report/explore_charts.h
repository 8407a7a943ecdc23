// The charts of an exploration, one by one, for whoever shows them.
#ifndef FM_REPORT_EXPLORE_CHARTS_H
#define FM_REPORT_EXPLORE_CHARTS_H

#include "data/exploration.h"
#include "report/chart.h"

typedef enum fm_explore_chart {
  FM_EXPLORE_CLASSES,
  FM_EXPLORE_COMBINATIONS,
  FM_EXPLORE_FACES,
  FM_EXPLORE_FACE_SIZES,
  FM_EXPLORE_FACE_SHARES,
  FM_EXPLORE_ASPECTS,
  FM_EXPLORE_PLACES,
  FM_EXPLORE_IMAGE_SIZES,
  FM_EXPLORE_CHART_COUNT,
} fm_explore_chart;

// Makes the chart and hands it to `show`; returns what that returns.
FM_MUST_USE fm_status fm_explore_chart_make(const fm_exploration *exploration,
                                            fm_explore_chart which, fm_chart_shower show,
                                            void *user);

#endif
