// Matching detections to truths of one class in one picture: COCOeval.computeIoU and evaluateImg.
// For coco.c.
#ifndef FM_EVAL_COCO_MATCH_H
#define FM_EVAL_COCO_MATCH_H

#include <stddef.h>
#include <stdint.h>

#include "eval/coco.h"

enum { FM_COCO_DETECTIONS = 100 }; // of a class in a picture; the rest is not looked at

// What became of one detection; bit t is IoU threshold t.
typedef struct fm_coco_flags {
  uint16_t matched[FM_COCO_AREAS], ignored[FM_COCO_AREAS];
} fm_coco_flags;

// One class in one picture. `detections` by falling score, at most FM_COCO_DETECTIONS of them.
typedef struct fm_coco_group {
  const fm_coco_result *results; // all
  const uint32_t *detections;    // indices into results
  size_t detection_count;
  const fm_coco_truth *all_truths;
  const uint32_t *truths; // indices into all_truths, in their order
  size_t truth_count;
} fm_coco_group;

// Memory of one thread, reused from group to group. Starts as {0}.
typedef struct fm_coco_scratch {
  double *overlaps;     // (candidates)
  uint32_t *candidates; // truths that overlap by half at least, detection after detection
  size_t *starts;       // (detections + 1) into both
  uint8_t *used;        // (truths)
  size_t candidate_room, truth_room;
} fm_coco_scratch;

// flags[i] for detection i of the group.
FM_MUST_USE fm_status fm_coco_match(const fm_coco_group *group, fm_coco_scratch *scratch,
                                    fm_coco_flags *flags);
void fm_coco_scratch_release(fm_coco_scratch *scratch);
// Whether a truth does not count in area range `area`.
bool fm_coco_truth_ignored(const fm_coco_truth *truth, int area);

#endif
