// Detections of several models, or of one model in several views of a picture, as those of one:
// weighted boxes fusion (Solovyev, Wang, Gabruseva 2021).
#ifndef FM_PREDICT_FUSE_H
#define FM_PREDICT_FUSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "detect/detector.h"

typedef struct fm_fuse_options {
  float threshold; // boxes that overlap the strongest of a group by more are of that group
  bool agnostic;   // groups may hold boxes of several classes; the strongest says which
  float score;     // groups below are left out
  size_t limit;    // detections kept
  // Of each list: the size its network sees of what is a pixel wide and high here, as a part of the
  // size it sees best. NULL: all lists count alike.
  const float *sizes;
  // The part of the picture that each list's network saw: a list does not count for boxes whose
  // middle lies outside. NULL: all saw all of it. At least one list has seen each box's place.
  const fm_box *seen;
  bool overlap; // a score is also lowered by the overlap that its box is likely to have
} fm_fuse_options;

// From the strongest box down, boxes gather into groups. A group becomes one detection: of each
// list its best box takes part, the score is the mean over all lists, so that what few lists see
// counts less, and corners are the mean weighted by score. With `sizes` a list counts the more in
// both means, the nearer the face is to the size its network sees best. With `overlap` the score is
// multiplied by the mean overlap (IoU) of the group's boxes with their mean, and by s / (s + 1) for
// a box of s pixels (the root of its area), since the truth is drawn in whole pixels: a score then
// also tells how closely a box is likely to fit, as COCO's measure at an IoU of 0.5 to 0.95 asks.
// `out` is new, by falling score; between equals the earlier list, then the earlier box comes
// first.
FM_MUST_USE fm_status fm_fuse_detections(const fm_fuse_options *options, const fm_detections *lists,
                                         size_t count, fm_detections *out);

#endif
