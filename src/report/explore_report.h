// What `explore` found, as pictures and as a page.
#ifndef FM_REPORT_EXPLORE_REPORT_H
#define FM_REPORT_EXPLORE_REPORT_H

#include "base/status.h"
#include "data/exploration.h"

// folder/report.html.
FM_MUST_USE fm_status fm_explore_report_page(const fm_exploration *exploration, const char *folder,
                                             const char *data);
// A picture (PNG and SVG, with .csv and .gp) of each chart. FM_ERR_UNSUPPORTED without gnuplot.
FM_MUST_USE fm_status fm_explore_report_draw(const fm_exploration *exploration, const char *folder);

#endif
