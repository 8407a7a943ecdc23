// Annotations that are possible but suspicious: too small to be seen, as large as the picture, too
// narrow, or the same face twice. What cannot be at all stands in the data set's problems.
#ifndef FM_DATA_SUSPECTS_H
#define FM_DATA_SUSPECTS_H

#include <stddef.h>
#include <stdio.h>

#include "base/status.h"
#include "data/dataset.h"

typedef enum fm_suspect_kind {
  FM_SUSPECT_TINY,      // its shorter side is less than FM_SUSPECT_SIDE pixels
  FM_SUSPECT_HUGE,      // it covers more than FM_SUSPECT_AREA of its picture
  FM_SUSPECT_STRETCHED, // its longer side is more than FM_SUSPECT_RATIO times its shorter one
  FM_SUSPECT_DOUBLED,   // it overlaps another one (IoU) by more than FM_SUSPECT_IOU
  FM_SUSPECT_KIND_COUNT,
} fm_suspect_kind;

#define FM_SUSPECT_SIDE 4.0
#define FM_SUSPECT_AREA 0.8
#define FM_SUSPECT_RATIO 3.0
#define FM_SUSPECT_IOU 0.7

typedef struct fm_suspect {
  fm_suspect_kind kind;
  size_t sample, object;
  size_t other; // doubled: the object it overlaps, otherwise `object`
  double value; // pixels, share, ratio or IoU
} fm_suspect;

typedef struct fm_suspects {
  fm_suspect *items; // by sample, object, kind
  size_t count, capacity;
  size_t kinds[FM_SUSPECT_KIND_COUNT]; // how many of each
  size_t clipped;                      // boxes that reached outside their picture (see problems)
} fm_suspects;

FM_MUST_USE fm_status fm_suspects_find(fm_suspects *out, const fm_dataset *dataset);
void fm_suspects_release(fm_suspects *suspects);
const char *fm_suspect_kind_name(fm_suspect_kind kind); // "tiny"
// "with_mask (108, 10, 122, 22): overlaps with_mask (108, 7, 120, 22) by 0.71".
void fm_suspect_format(char *out, size_t capacity, const fm_suspect *suspect,
                       const fm_dataset *dataset);

#endif
