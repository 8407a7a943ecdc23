// How sure the figures of a set of pictures are: intervals by the bootstrap over pictures (Efron
// 1979), which are the unit that is drawn independently; faces of one picture are not.
#ifndef FM_EVAL_BOOTSTRAP_H
#define FM_EVAL_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "eval/boxes.h"

// 2.5 and 97.5 of 100 of the rounds lie below; -1 where no round has the figure.
typedef struct fm_interval {
  double low, high;
} fm_interval;

typedef struct fm_bootstrap {
  int rounds, class_count;
  fm_interval mAP, mAP50, mAP75;
  fm_interval *class_AP, *class_AP50; // (class_count)
} fm_bootstrap;

// Each round measures `images` pictures drawn with replacement from those numbered 0 to images - 1.
// A class that a round's pictures do not have is left out of that round. The same seed gives the
// same intervals on any number of threads. `out` needs no release after a failure.
FM_MUST_USE fm_status fm_bootstrap_make(fm_bootstrap *out, const fm_eval_boxes *boxes,
                                        size_t images, int class_count, int rounds, uint64_t seed);
void fm_bootstrap_release(fm_bootstrap *bootstrap);

#endif
