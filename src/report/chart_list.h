// The line charts of an evaluation in a file, charts.json, from which a page can be made later: an
// array of what fm_chart_write_json writes.
#ifndef FM_REPORT_CHART_LIST_H
#define FM_REPORT_CHART_LIST_H

#include <stdbool.h>

#include "base/status.h"
#include "report/chart.h"

typedef struct fm_chart_list fm_chart_list;

// FM_ERR_FORMAT names the file. Free with fm_chart_list_free.
FM_MUST_USE fm_status fm_chart_list_read(fm_chart_list **out, const char *path);
void fm_chart_list_free(fm_chart_list *list);
bool fm_chart_list_has(const fm_chart_list *list, const char *name);
// Shows each chart, one after the other; a chart is lent for the call.
FM_MUST_USE fm_status fm_chart_list_show(const fm_chart_list *list, fm_chart_shower show,
                                         void *user);

#endif
