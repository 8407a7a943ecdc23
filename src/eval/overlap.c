// Areas common to boxes.
#include "eval/overlap.h"

// What two intervals have in common; negative when nothing.
static double overlap_common(double a, double a_length, double b, double b_length) {
  const double a_end = a_length + a, b_end = b_length + b;
  return (a_end < b_end ? a_end : b_end) - (a > b ? a : b);
}

double fm_overlap_truth(const fm_coco_result *d, const fm_coco_truth *g) {
  const double w = overlap_common(d->x, d->w, g->x, g->w);
  if (w <= 0)
    return 0;
  const double h = overlap_common(d->y, d->h, g->y, g->h);
  if (h <= 0)
    return 0;
  const double common = w * h, detection = d->w * d->h;
  return common / (g->crowd ? detection : detection + g->w * g->h - common);
}

double fm_overlap_results(const fm_coco_result *a, const fm_coco_result *b) {
  return fm_overlap_truth(a, &(fm_coco_truth){.x = b->x, .y = b->y, .w = b->w, .h = b->h});
}
