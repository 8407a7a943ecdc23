// Detections of several models as those of one.
#ifndef FM_PREDICT_FUSE_H
#define FM_PREDICT_FUSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "detect/detector.h"

typedef struct fm_fuse_options {
  int class_count;
  float nms; // a box is dropped when its overlap with a stronger one of its class is greater
  bool agnostic;
  size_t limit; // detections kept
} fm_fuse_options;

// lists[0..count) in the order of the models, which decides between equal scores. `out` is new.
FM_MUST_USE fm_status fm_fuse_detections(const fm_fuse_options *options, const fm_detections *lists,
                                         size_t count, fm_detections *out);

#endif
