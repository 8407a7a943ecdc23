// Class names and their labels.
#ifndef FM_DATA_CLASSES_H
#define FM_DATA_CLASSES_H

#include <stddef.h>

#include "base/status.h"

enum { FM_CLASSES_MAX = 1000 };

// names[label - 1] is the class of `label`; 0 is background and has no name here.
typedef struct fm_classes {
  char **names;
  int count;
} fm_classes;

// "a,b,c". FM_ERR_ARGUMENT for an empty or repeated name.
FM_MUST_USE fm_status fm_classes_parse(fm_classes *out, const char *list);
// Adds a name that is not there yet; fm_classes_order must follow.
FM_MUST_USE fm_status fm_classes_collect(fm_classes *classes, const char *name);
// Labels for collected names: exactly the Kaggle three get 1 without_mask, 2 with_mask, 3
// mask_weared_incorrect, all others alphabetical order.
void fm_classes_order(fm_classes *classes);
int fm_classes_find(const fm_classes *classes, const char *name); // the label, 0 when there is none
void fm_classes_release(fm_classes *classes);

#endif
