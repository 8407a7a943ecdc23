// Samples of a data set as pictures, as they are or as training would see them.
#ifndef FM_REPORT_SAMPLES_H
#define FM_REPORT_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "data/dataset.h"

enum { FM_SAMPLES_MAX = 300 };

typedef struct fm_samples_options {
  const fm_dataset *dataset;
  size_t count;        // at most FM_SAMPLES_MAX; at most all pictures are taken
  uint64_t seed;       // chooses the pictures; with `augment` also what becomes of them
  const char *augment; // the list of transforms; NULL: pictures as they are
  const char *folder;  // made when it is missing
} fm_samples_options;

// Writes contact_sheet.png and NAME.png for every picture (…_augmented.png with `augment`: what the
// first epoch of a training on all pictures with this seed sees). A picture that cannot be read is
// named and left out. *json, heap: {"sheet", "samples": [{"name", "file", "width", "height",
// "faces": [{"class", "label", "box"}]}]}.
FM_MUST_USE fm_status fm_samples_write(const fm_samples_options *options, char **json);

#endif
