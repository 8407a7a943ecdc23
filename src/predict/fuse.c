// Puts the lists one behind the other and suppresses what overlaps.
#include "predict/fuse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "detect/nms.h"

typedef struct fuse_arrays {
  fm_detection *items;
  fm_box *boxes;
  float *scores;
  int32_t *groups;
  uint32_t *keep;
  void *scratch;
} fuse_arrays;

static fm_status fuse_allocate(fuse_arrays *arrays, size_t count, int groups) {
  arrays->items = malloc((count + 1) * sizeof *arrays->items);
  arrays->boxes = malloc((count + 1) * sizeof *arrays->boxes);
  arrays->scores = malloc((count + 1) * sizeof *arrays->scores);
  arrays->groups = malloc((count + 1) * sizeof *arrays->groups);
  arrays->keep = malloc((count + 1) * sizeof *arrays->keep);
  arrays->scratch = aligned_alloc(64, (fm_nms_bytes(count, groups) + 127) / 64 * 64);
  if (!arrays->items || !arrays->boxes || !arrays->scores || !arrays->groups || !arrays->keep ||
      !arrays->scratch)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  return FM_OK;
}

static void fuse_release(fuse_arrays *arrays) {
  free(arrays->items);
  free(arrays->boxes);
  free(arrays->scores);
  free(arrays->groups);
  free(arrays->keep);
  free(arrays->scratch);
}

static void fuse_gather(fuse_arrays *arrays, const fm_detections *lists, size_t count) {
  size_t used = 0;
  for (size_t i = 0; i < count; ++i) {
    for (size_t k = 0; k < lists[i].count; ++k, ++used) {
      arrays->items[used] = lists[i].items[k];
      arrays->boxes[used] = lists[i].items[k].box;
      arrays->scores[used] = lists[i].items[k].score;
      arrays->groups[used] = lists[i].items[k].label - 1;
    }
  }
}

fm_status fm_fuse_detections(const fm_fuse_options *options, const fm_detections *lists,
                             size_t count, fm_detections *out) {
  size_t total = 0;
  for (size_t i = 0; i < count; ++i)
    total += lists[i].count;
  *out = (fm_detections){0};
  fuse_arrays arrays = {0};
  const int groups = options->agnostic ? 1 : options->class_count;
  fm_status status = fuse_allocate(&arrays, total, groups);
  if (status == FM_OK) {
    fuse_gather(&arrays, lists, count);
    const fm_nms_input input = {.boxes = arrays.boxes,
                                .scores = arrays.scores,
                                .groups = options->agnostic ? NULL : arrays.groups,
                                .group_count = groups,
                                .count = total,
                                .threshold = (double)options->nms,
                                .limit = options->limit};
    const size_t kept = fm_nms(&input, arrays.keep, arrays.scratch);
    out->items = malloc((kept + 1) * sizeof *out->items);
    for (size_t i = 0; out->items && i < kept; ++i)
      out->items[i] = arrays.items[arrays.keep[i]];
    out->count = out->items ? kept : 0;
    status = out->items ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  fuse_release(&arrays);
  return status;
}
