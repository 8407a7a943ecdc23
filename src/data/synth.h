// A drawn data set in the Kaggle layout, for tests and the demo.
#ifndef FM_DATA_SYNTH_H
#define FM_DATA_SYNTH_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct fm_synth_options {
  size_t count;
  uint64_t seed;
  const char *folder;                   // gets images/ and annotations/
  double smallest, largest;             // heights of faces in pixels; 0: 12 and 140
  int width, height;                    // of every picture; 0: varied, as in the Kaggle set
  double with_mask, without, incorrect; // shares of the classes; all 0: 0.45, 0.33, 0.22
} fm_synth_options;

typedef struct fm_synth_counts {
  size_t with_mask, without, incorrect; // faces
} fm_synth_counts;

enum { FM_SYNTH_COUNT_MAX = 100 * 1000 };

// Writes synth00000.png, .xml ... in parallel. A picture depends on the seed and its number only.
// `counts` may be NULL.
FM_MUST_USE fm_status fm_synth_write(const fm_synth_options *options, fm_synth_counts *counts);

#endif
