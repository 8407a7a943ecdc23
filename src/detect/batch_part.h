// Which pictures of a batch go through the network now. The losses are means over everything that
// the whole batch samples, so a part has to know how much that is.
#ifndef FM_DETECT_BATCH_PART_H
#define FM_DETECT_BATCH_PART_H

#include <stddef.h>
#include <stdint.h>

typedef struct fm_batch_part {
  uint64_t seed; // of the samplers
  size_t first;  // pictures of the batch before this part: the samplers' streams go on there
  size_t anchors, regions; // sampled in the whole batch; 0: this part is all of it
} fm_batch_part;

#endif
