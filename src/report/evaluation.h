// The pictures of an evaluation: precision against recall per class and threshold, mAP against the
// threshold, precision, recall and F1 against the score, confusion matrices, and the pictures with
// most errors, ground truth beside prediction.
#ifndef FM_REPORT_EVALUATION_H
#define FM_REPORT_EVALUATION_H

#include <stddef.h>

#include "base/status.h"
#include "eval/analysis.h"
#include "report/chart.h"

enum { FM_EVALUATION_WORST = 12, FM_EVALUATION_CLASSES = 20 };

// Shows each chart of the evaluation, one after the other; a chart is lent for the call. Of more
// than FM_EVALUATION_CLASSES classes those with most faces are drawn. A failure of `show` ends it.
FM_MUST_USE fm_status fm_evaluation_charts(const fm_analysis *analysis, fm_chart_shower show,
                                           void *user);
// All of the above into `folder`: the charts, those of lines also in charts.json
// (report/chart_list.h), worst/01.png, 02.png ... the pictures with most
// errors, and worst.png with all of these. Where gnuplot is missing the rest is written, then
// FM_ERR_UNSUPPORTED returned.
FM_MUST_USE fm_status fm_evaluation_draw(const fm_analysis *analysis, const char *folder);

#endif
