// Charts of every kind and of awkward sizes, for the tests of pictures and pages.
#ifndef FM_TESTS_REPORT_GALLERY_H
#define FM_TESTS_REPORT_GALLERY_H

#include "report/chart.h"

enum { GALLERY_CLASSES = 20, GALLERY_FOLDS = 10 };

// A class name that is no harm to anybody who escapes it.
extern const char gallery_hostile[];
typedef void (*gallery_visit)(const fm_chart *chart, void *user);
// Calls visit with each chart; it lives as long as the call. Returns how many there are.
size_t gallery_each(gallery_visit visit, void *user);

#endif
