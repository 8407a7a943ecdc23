// Pointers to boxes, sorted by picture.
#include "eval/pictures.h"

#include <stdlib.h>

// Each list points into one array, so addresses are the order of the input.
static int pictures_compare_truths(const void *a, const void *b) {
  const fm_coco_truth *left = *(const fm_coco_truth *const *)a;
  const fm_coco_truth *right = *(const fm_coco_truth *const *)b;
  if (left->image != right->image)
    return left->image < right->image ? -1 : 1;
  return left < right ? -1 : left > right;
}

static int pictures_compare_results(const void *a, const void *b) {
  const fm_coco_result *left = *(const fm_coco_result *const *)a;
  const fm_coco_result *right = *(const fm_coco_result *const *)b;
  if (left->image != right->image)
    return left->image < right->image ? -1 : 1;
  return left < right ? -1 : left > right;
}

static fm_status pictures_check(const fm_eval_boxes *boxes, int class_count) {
  if (class_count < 1 || class_count > FM_COCO_CATEGORIES_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "%d classes: must be 1 to %d", class_count,
                   FM_COCO_CATEGORIES_MAX);
  for (size_t i = 0; i < boxes->truth_count; ++i)
    if (boxes->truths[i].category < 0 || boxes->truths[i].category >= class_count)
      return fm_fail(FM_ERR_ARGUMENT, "truth %zu: category %d is outside 0 to %d", i,
                     boxes->truths[i].category, class_count - 1);
  for (size_t i = 0; i < boxes->result_count; ++i)
    if (boxes->results[i].category < 0 || boxes->results[i].category >= class_count)
      return fm_fail(FM_ERR_ARGUMENT, "detection %zu: category %d is outside 0 to %d", i,
                     boxes->results[i].category, class_count - 1);
  return FM_OK;
}

fm_status fm_eval_pictures_init(fm_eval_pictures *pictures, const fm_eval_boxes *boxes,
                                int class_count, double score) {
  *pictures = (fm_eval_pictures){0};
  FM_TRY(pictures_check(boxes, class_count));
  pictures->truths = malloc((boxes->truth_count + 1) * sizeof *pictures->truths);
  FM_CHECK_ALLOC(pictures->truths);
  pictures->results = malloc((boxes->result_count + 1) * sizeof *pictures->results);
  FM_CHECK_ALLOC(pictures->results);
  for (size_t i = 0; i < boxes->truth_count; ++i)
    pictures->truths[pictures->truth_count++] = &boxes->truths[i];
  for (size_t i = 0; i < boxes->result_count; ++i)
    if (boxes->results[i].score >= score)
      pictures->results[pictures->result_count++] = &boxes->results[i];
  qsort(pictures->truths, pictures->truth_count, sizeof *pictures->truths, pictures_compare_truths);
  qsort(pictures->results, pictures->result_count, sizeof *pictures->results,
        pictures_compare_results);
  return FM_OK;
}

bool fm_eval_pictures_next(fm_eval_pictures *self, fm_eval_picture *out) {
  const bool truths_left = self->truth < self->truth_count;
  const bool results_left = self->result < self->result_count;
  if (!truths_left && !results_left)
    return false;
  *out = (fm_eval_picture){.truths = self->truths + self->truth,
                           .results = self->results + self->result,
                           .image = truths_left ? self->truths[self->truth]->image : INT64_MAX};
  if (results_left && self->results[self->result]->image < out->image)
    out->image = self->results[self->result]->image;
  while (self->truth < self->truth_count && self->truths[self->truth]->image == out->image) {
    ++out->truth_count;
    ++self->truth;
  }
  while (self->result < self->result_count && self->results[self->result]->image == out->image) {
    ++out->result_count;
    ++self->result;
  }
  return true;
}

void fm_eval_pictures_release(fm_eval_pictures *pictures) {
  free(pictures->truths);
  free(pictures->results);
  *pictures = (fm_eval_pictures){0};
}
