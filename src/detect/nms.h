// Non-maximum suppression: torchvision's nms and batched_nms, to the bit of the overlaps it
// compares.
#ifndef FM_DETECT_NMS_H
#define FM_DETECT_NMS_H

#include <stddef.h>
#include <stdint.h>

#include "base/box.h"

typedef struct fm_nms_input {
  const fm_box *boxes;   // (count)
  const float *scores;   // (count)
  const int32_t *groups; // (count), 0 to group_count - 1: boxes suppress within their group only;
                         // NULL: one group
  int group_count;
  size_t count;
  double threshold; // a box is dropped when its IoU with a stronger kept one is greater; >= 0
  size_t limit;     // at most so many are kept
} fm_nms_input;

// Bytes of scratch for one call; it must be 64-byte aligned.
size_t fm_nms_bytes(size_t count, int group_count);
// keep (count): indices of the kept boxes by falling score, equal scores by index. Returns their
// number.
size_t fm_nms(const fm_nms_input *input, uint32_t *keep, void *scratch);

#endif
