// The ranges that int8 detection needs, as a weights file keeps them: a JSON object of the
// network's parts ("trunk", "head", "head_2" ...), each an object {"NAME": [low, high], ...} with a
// row for every value that fm_ranges_count counts.
#ifndef FM_DETECT_WEIGHT_RANGES_H
#define FM_DETECT_WEIGHT_RANGES_H

#include <stdbool.h>

#include "base/status.h"
#include "detect/detector.h"

#define FM_WEIGHTS_RANGES "ranges" // metadata key

// Whether all of the detector's ranges are known.
bool fm_weight_ranges_complete(const fm_detector *detector);
FM_MUST_USE fm_status fm_weight_ranges_format(char **out, const fm_detector *detector); // heap
// FM_ERR_FORMAT, with `path` and what is wrong, unless the text has all ranges of the detector and
// nothing else; some of them may be set by then.
FM_MUST_USE fm_status fm_weight_ranges_parse(const fm_detector *detector, const char *text,
                                             const char *path);
// Of a weights file; one without any is an error that says how to measure them.
FM_MUST_USE fm_status fm_weight_ranges_load(const fm_detector *detector, const char *path);

#endif
