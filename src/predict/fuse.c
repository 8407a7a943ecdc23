// Gathers overlapping boxes into groups and takes their means.
#include "predict/fuse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "detect/box.h"

// A box among those of all lists.
typedef struct fuse_box {
  fm_detection detection;
  size_t list, place; // place: among all, list by list
  bool gathered;
} fuse_box;

static int fuse_compare(const void *a, const void *b) {
  const fuse_box *x = a, *y = b;
  if (x->detection.score != y->detection.score)
    return x->detection.score < y->detection.score ? 1 : -1;
  return (x->place > y->place) - (x->place < y->place);
}

static size_t fuse_gather(fuse_box *boxes, const fm_detections *lists, size_t count) {
  size_t used = 0;
  for (size_t i = 0; i < count; ++i)
    for (size_t k = 0; k < lists[i].count; ++k, ++used)
      boxes[used] = (fuse_box){.detection = lists[i].items[k], .list = i, .place = used};
  qsort(boxes, used, sizeof *boxes, fuse_compare);
  return used;
}

// The group of boxes[first], the strongest that is in none. seen (lists): lists that took part.
static fm_detection fuse_group(const fm_fuse_options *options, fuse_box *boxes, size_t count,
                               size_t first, bool *seen, size_t lists) {
  const fm_detection *leader = &boxes[first].detection;
  const float area = fm_box_area(leader->box);
  fm_box_mean mean = {{0}, 0};
  memset(seen, 0, lists * sizeof *seen);
  for (size_t i = first; i < count; ++i) {
    fuse_box *box = &boxes[i];
    const fm_detection *d = &box->detection;
    if (box->gathered || (!options->agnostic && d->label != leader->label))
      continue;
    if (i != first &&
        !(fm_box_iou(leader->box, area, d->box, fm_box_area(d->box)) > options->overlap))
      continue;
    box->gathered = true;
    if (!seen[box->list])
      fm_box_mean_add(&mean, d->box, d->score);
    seen[box->list] = true;
  }
  fm_detection out = *leader;
  if (mean.weight > 0)
    out.box = fm_box_mean_get(&mean);
  out.score = (float)(mean.weight / (double)lists);
  return out;
}

static size_t fuse_run(const fm_fuse_options *options, fuse_box *boxes, size_t count, bool *seen,
                       size_t lists) {
  size_t groups = 0;
  for (size_t i = 0; i < count; ++i) {
    if (boxes[i].gathered)
      continue;
    const fm_detection found = fuse_group(options, boxes, count, i, seen, lists);
    // A group's place is behind its leader's, so this overwrites nothing that is still read.
    if (found.score >= options->score) {
      boxes[groups] = (fuse_box){.detection = found, .place = groups, .gathered = true};
      ++groups;
    }
  }
  qsort(boxes, groups, sizeof *boxes, fuse_compare);
  return groups < options->limit ? groups : options->limit;
}

fm_status fm_fuse_detections(const fm_fuse_options *options, const fm_detections *lists,
                             size_t count, fm_detections *out) {
  size_t total = 0;
  for (size_t i = 0; i < count; ++i)
    total += lists[i].count;
  *out = (fm_detections){0};
  fuse_box *boxes = malloc((total + 1) * sizeof *boxes);
  bool *seen = calloc(count + 1, sizeof *seen);
  fm_status status = FM_OK;
  if (boxes && seen) {
    total = fuse_gather(boxes, lists, count);
    const size_t kept = fuse_run(options, boxes, total, seen, count);
    out->items = malloc((kept + 1) * sizeof *out->items);
    for (size_t i = 0; out->items && i < kept; ++i)
      out->items[i] = boxes[i].detection;
    out->count = out->items ? kept : 0;
  }
  if (!out->items)
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  free(boxes);
  free(seen);
  return status;
}
