// The overlaps of a group are computed once and only those of 0.5 and more kept: no threshold lies
// below, so no other pair can match.
#include "eval/coco_match.h"

#include <stdlib.h>
#include <string.h>

#include "eval/overlap.h"

static const struct {
  double low, high;
} match_areas[FM_COCO_AREAS] = {
    {0.0, 1e10},
    {0.0, 32.0 * 32.0},
    {32.0 * 32.0, 96.0 * 96.0},
    {96.0 * 96.0, 1e10},
};

static bool match_outside(double area, int range) {
  return area < match_areas[range].low || area > match_areas[range].high;
}

bool fm_coco_truth_ignored(const fm_coco_truth *truth, int area) {
  return truth->crowd || truth->ignore || match_outside(truth->area, area);
}

static fm_status match_room(fm_coco_scratch *scratch, size_t truths) {
  if (!scratch->starts) {
    scratch->starts = malloc((FM_COCO_DETECTIONS + 1) * sizeof *scratch->starts);
    FM_CHECK_ALLOC(scratch->starts);
  }
  if (truths > scratch->truth_room) {
    uint8_t *used = realloc(scratch->used, truths);
    FM_CHECK_ALLOC(used);
    scratch->used = used;
    scratch->truth_room = truths;
  }
  return FM_OK;
}

static fm_status match_push(fm_coco_scratch *scratch, size_t at, uint32_t truth, double overlap) {
  if (at == scratch->candidate_room) {
    const size_t room = at ? 2 * at : 256;
    double *overlaps = realloc(scratch->overlaps, room * sizeof *overlaps);
    FM_CHECK_ALLOC(overlaps);
    scratch->overlaps = overlaps;
    uint32_t *candidates = realloc(scratch->candidates, room * sizeof *candidates);
    FM_CHECK_ALLOC(candidates);
    scratch->candidates = candidates;
    scratch->candidate_room = room;
  }
  scratch->overlaps[at] = overlap;
  scratch->candidates[at] = truth;
  return FM_OK;
}

static fm_status match_candidates(const fm_coco_group *group, fm_coco_scratch *scratch) {
  FM_TRY(match_room(scratch, group->truth_count));
  size_t used = 0;
  for (size_t d = 0; d < group->detection_count; ++d) {
    scratch->starts[d] = used;
    const fm_coco_result *result = &group->results[group->detections[d]];
    for (size_t g = 0; g < group->truth_count; ++g) {
      const double overlap = fm_overlap_truth(result, &group->all_truths[group->truths[g]]);
      if (!(overlap < 0.5))
        FM_TRY(match_push(scratch, used++, (uint32_t)g, overlap));
    }
  }
  scratch->starts[group->detection_count] = used;
  return FM_OK;
}

// The best free truth of a detection among those that count (ignored false) or those that do not;
// among equals the last one. -1 when there is none.
static ptrdiff_t match_best(const fm_coco_group *group, const fm_coco_scratch *scratch, size_t d,
                            double threshold, int area, bool ignored) {
  ptrdiff_t best = -1;
  double overlap = threshold;
  for (size_t i = scratch->starts[d]; i < scratch->starts[d + 1]; ++i) {
    const uint32_t g = scratch->candidates[i];
    const fm_coco_truth *truth = &group->all_truths[group->truths[g]];
    if (fm_coco_truth_ignored(truth, area) != ignored || (scratch->used[g] && !truth->crowd) ||
        scratch->overlaps[i] < overlap)
      continue;
    overlap = scratch->overlaps[i];
    best = (ptrdiff_t)g;
  }
  return best;
}

// pycocotools sorts truths that do not count behind the others and stops before them once one that
// counts is found; two searches are the same.
static void match_threshold(const fm_coco_group *group, fm_coco_scratch *scratch, int area,
                            int threshold, fm_coco_flags *flags) {
  const uint16_t bit = (uint16_t)(1u << threshold);
  memset(scratch->used, 0, group->truth_count);
  for (size_t d = 0; d < group->detection_count; ++d) {
    if (scratch->starts[d] == scratch->starts[d + 1])
      continue;
    const double iou = fm_coco_iou(threshold);
    ptrdiff_t best = match_best(group, scratch, d, iou, area, false);
    if (best < 0) {
      best = match_best(group, scratch, d, iou, area, true);
      if (best < 0)
        continue;
      flags[d].ignored[area] |= bit;
    }
    flags[d].matched[area] |= bit;
    scratch->used[best] = 1;
  }
}

fm_status fm_coco_match(const fm_coco_group *group, fm_coco_scratch *scratch,
                        fm_coco_flags *flags) {
  FM_TRY(match_candidates(group, scratch));
  memset(flags, 0, group->detection_count * sizeof *flags);
  for (int area = 0; area < FM_COCO_AREAS; ++area) {
    if (scratch->starts[group->detection_count] > 0)
      for (int t = 0; t < FM_COCO_IOUS; ++t)
        match_threshold(group, scratch, area, t, flags);
    for (size_t d = 0; d < group->detection_count; ++d) {
      const fm_coco_result *result = &group->results[group->detections[d]];
      if (match_outside(result->w * result->h, area)) // unmatched ones do not count either
        flags[d].ignored[area] |= (uint16_t)~flags[d].matched[area];
    }
  }
  return FM_OK;
}

void fm_coco_scratch_release(fm_coco_scratch *scratch) {
  free(scratch->overlaps);
  free(scratch->candidates);
  free(scratch->starts);
  free(scratch->used);
  *scratch = (fm_coco_scratch){0};
}
