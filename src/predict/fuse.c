// Gathers overlapping boxes into groups and takes their means.
#include "predict/fuse.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "detect/box.h"

// Of the logarithm of a face's size around the best one. Chosen on the five folds, and flat there
// between 0.33 and 0.8 (docs/accuracy.md).
#define FUSE_VARIANCE 0.5
// What the corners of annotations may be off by, in pixels.
#define FUSE_PIXEL 1.0

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

typedef struct fuse_work {
  const fm_fuse_options *options;
  fuse_box *boxes; // (count) by falling score
  size_t count;
  size_t lists;
  const fm_box **parts; // (lists) the box that takes part in this group, NULL: none
  double *weights;      // (lists) of this group, 1 together; times the score where a part is
} fuse_work;

// What a list counts for a face of this size: a normal curve over the logarithm of the size it
// shows the face in. Exponents are taken against the largest, so that one weight is never lost.
static void fuse_weigh(const fuse_work *work, fm_box box) {
  const float *sizes = work->options->sizes;
  const fm_box *seen = work->options->seen;
  const float x = (box.x1 + box.x2) / 2, y = (box.y1 + box.y2) / 2;
  const double side = sqrt(fmax((double)fm_box_area(box), 1e-6));
  double largest = -INFINITY, sum = 0;
  for (size_t i = 0; i < work->lists; ++i) {
    const double distance = sizes ? log(side * (double)sizes[i]) : 0;
    work->weights[i] = -distance * distance / (2 * FUSE_VARIANCE);
    if (seen && !(x >= seen[i].x1 && x <= seen[i].x2 && y >= seen[i].y1 && y <= seen[i].y2))
      work->weights[i] = -INFINITY;
    largest = fmax(largest, work->weights[i]);
  }
  for (size_t i = 0; i < work->lists; ++i)
    sum += work->weights[i] = exp(work->weights[i] - largest);
  for (size_t i = 0; i < work->lists; ++i)
    work->weights[i] /= sum;
}

// The overlap that the mean of a group is likely to have with the truth: what its boxes have with
// it, weighted by score, and what is left of that to the pixel grid the truth is drawn on.
static double fuse_overlap(const fuse_work *work, fm_box mean) {
  const float area = fm_box_area(mean);
  double sum = 0, weight = 0;
  for (size_t i = 0; i < work->lists; ++i) {
    if (!work->parts[i])
      continue;
    const fm_box part = *work->parts[i];
    // Of two empty boxes it is no number.
    const double overlap = fmax((double)fm_box_iou(mean, area, part, fm_box_area(part)), 0);
    sum += work->weights[i] * overlap;
    weight += work->weights[i];
  }
  const double side = sqrt(fmax((double)area, 0));
  return sum / weight * side / (side + FUSE_PIXEL);
}

// The group of boxes[first], the strongest that is in none.
static fm_detection fuse_group(const fuse_work *work, size_t first) {
  const fm_fuse_options *options = work->options;
  const fm_detection *leader = &work->boxes[first].detection;
  const float area = fm_box_area(leader->box);
  fm_box_mean mean = {{0}, 0};
  memset(work->parts, 0, work->lists * sizeof(const fm_box *));
  fuse_weigh(work, leader->box);
  for (size_t i = first; i < work->count; ++i) {
    fuse_box *box = &work->boxes[i];
    const fm_detection *d = &box->detection;
    if (box->gathered || (!options->agnostic && d->label != leader->label))
      continue;
    if (i != first &&
        !(fm_box_iou(leader->box, area, d->box, fm_box_area(d->box)) > options->threshold))
      continue;
    box->gathered = true;
    if (work->parts[box->list])
      continue;
    work->parts[box->list] = &d->box;
    work->weights[box->list] *= (double)d->score;
    fm_box_mean_add(&mean, d->box, (float)work->weights[box->list]);
  }
  fm_detection out = *leader;
  if (mean.weight > 0)
    out.box = fm_box_mean_get(&mean);
  out.score = (float)mean.weight;
  if (options->overlap && mean.weight > 0)
    out.score *= (float)fuse_overlap(work, out.box);
  return out;
}

static size_t fuse_run(const fuse_work *work) {
  fuse_box *boxes = work->boxes;
  size_t groups = 0;
  for (size_t i = 0; i < work->count; ++i) {
    if (boxes[i].gathered)
      continue;
    const fm_detection found = fuse_group(work, i);
    // A group's place is behind its leader's, so this overwrites nothing that is still read.
    if (found.score >= work->options->score) {
      boxes[groups] = (fuse_box){.detection = found, .place = groups, .gathered = true};
      ++groups;
    }
  }
  qsort(boxes, groups, sizeof *boxes, fuse_compare);
  return groups < work->options->limit ? groups : work->options->limit;
}

fm_status fm_fuse_detections(const fm_fuse_options *options, const fm_detections *lists,
                             size_t count, fm_detections *out) {
  size_t total = 0;
  for (size_t i = 0; i < count; ++i)
    total += lists[i].count;
  *out = (fm_detections){0};
  fuse_work work = {.options = options,
                    .boxes = malloc((total + 1) * sizeof *work.boxes),
                    .lists = count,
                    .parts = calloc(count + 1, sizeof *work.parts),
                    .weights = calloc(count + 1, sizeof *work.weights)};
  fm_status status = FM_OK;
  if (work.boxes && work.parts && work.weights) {
    work.count = fuse_gather(work.boxes, lists, count);
    const size_t kept = fuse_run(&work);
    out->items = malloc((kept + 1) * sizeof *out->items);
    for (size_t i = 0; out->items && i < kept; ++i)
      out->items[i] = work.boxes[i].detection;
    out->count = out->items ? kept : 0;
  }
  if (!out->items)
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  free(work.boxes);
  free((void *)work.parts);
  free(work.weights);
  return status;
}
