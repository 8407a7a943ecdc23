// Pictures of the duplicates in a data set, for the page of explore.
#ifndef FM_REPORT_EXPLORE_PAIRS_H
#define FM_REPORT_EXPLORE_PAIRS_H

#include "base/status.h"
#include "data/exploration.h"
#include "report/page.h"

enum { FM_EXPLORE_PAIRS_SHOWN = 12 };

// Both pictures of a pair side by side with their faces, those named on which they contradict each
// other; first the pairs that do, then others, FM_EXPLORE_PAIRS_SHOWN in all.
FM_MUST_USE fm_status fm_explore_pairs_add(fm_page *page, const fm_exploration *exploration);

#endif
