// The faces of a split by fold and class, as charts and on pages.
#ifndef FM_REPORT_SPLIT_REPORT_H
#define FM_REPORT_SPLIT_REPORT_H

#include "base/status.h"
#include "data/split_table.h"
#include "report/page.h"

// The charts and the table, into the section that is being written.
FM_MUST_USE fm_status fm_split_report_add(fm_page *page, const fm_split_table *table);
// folder/report.html; `data` is what the user calls the data set.
FM_MUST_USE fm_status fm_split_report_page(const fm_split_table *table, const char *folder,
                                           const char *data);
// faces_train, faces_valid and deviation as pictures. FM_ERR_UNSUPPORTED without gnuplot.
FM_MUST_USE fm_status fm_split_report_draw(const fm_split_table *table, const char *folder);

#endif
