// Pairing faces and detections picture by picture.
#include "eval/confusion.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "eval/overlap.h"
#include "eval/pictures.h"

// A face and a detection that overlap enough; indices into the picture's lists.
typedef struct confusion_pair {
  double overlap, score;
  size_t truth, result;
} confusion_pair;

// One picture's pairing.
typedef struct confusion_job {
  const fm_eval_boxes *boxes;
  double iou;
  fm_eval_picture picture;
  bool *truth_taken, *result_taken; // room for the largest picture
  confusion_pair *pairs;
  size_t pair_count, pair_room;
} confusion_job;

static void confusion_job_release(confusion_job *job) {
  free(job->truth_taken);
  free(job->result_taken);
  free(job->pairs);
}

static int confusion_compare_pairs(const void *a, const void *b) {
  const confusion_pair *left = a, *right = b;
  if (left->overlap != right->overlap)
    return left->overlap > right->overlap ? -1 : 1;
  if (left->score != right->score)
    return left->score > right->score ? -1 : 1;
  if (left->result != right->result)
    return left->result < right->result ? -1 : 1;
  return left->truth < right->truth ? -1 : left->truth > right->truth;
}

static size_t confusion_errors(const fm_confusion_picture *picture) {
  return picture->confused + picture->missed + picture->background;
}

static int confusion_compare_pictures(const void *a, const void *b) {
  const fm_confusion_picture *left = a, *right = b;
  const size_t left_errors = confusion_errors(left), right_errors = confusion_errors(right);
  if (left_errors != right_errors)
    return left_errors > right_errors ? -1 : 1;
  if (left->right != right->right)
    return left->right < right->right ? -1 : 1;
  return left->image < right->image ? -1 : left->image > right->image;
}

static bool confusion_ignores(const fm_coco_truth *truth) {
  return truth->crowd || truth->ignore;
}

static fm_status confusion_add_pair(confusion_job *job, const confusion_pair *pair) {
  if (job->pair_count == job->pair_room) {
    const size_t room = job->pair_room ? 2 * job->pair_room : 256;
    confusion_pair *pairs = realloc(job->pairs, room * sizeof *pairs);
    FM_CHECK_ALLOC(pairs);
    job->pairs = pairs;
    job->pair_room = room;
  }
  job->pairs[job->pair_count++] = *pair;
  return FM_OK;
}

// A face to ignore takes any number of detections, after the faces that count took theirs.
static fm_status confusion_find_pairs(confusion_job *job) {
  const fm_eval_picture *picture = &job->picture;
  job->pair_count = 0;
  for (size_t d = 0; d < picture->result_count; ++d) {
    job->result_taken[d] = false;
    for (size_t g = 0; g < picture->truth_count; ++g) {
      const double overlap = fm_overlap_truth(picture->results[d], picture->truths[g]);
      if (!(overlap >= job->iou))
        continue;
      const confusion_pair pair = {.overlap = confusion_ignores(picture->truths[g]) ? -1 : overlap,
                                   .score = picture->results[d]->score,
                                   .truth = g,
                                   .result = d};
      FM_TRY(confusion_add_pair(job, &pair));
    }
  }
  for (size_t g = 0; g < picture->truth_count; ++g)
    job->truth_taken[g] = false;
  if (job->pair_count > 1)
    qsort(job->pairs, job->pair_count, sizeof *job->pairs, confusion_compare_pairs);
  return FM_OK;
}

static size_t *confusion_cell(const fm_confusion *out, int truth, int prediction) {
  return &out->counts[truth * (out->class_count + 1) + prediction];
}

static void confusion_take_pairs(confusion_job *job, fm_confusion *out,
                                 fm_confusion_picture *errors) {
  for (size_t i = 0; i < job->pair_count; ++i) {
    const confusion_pair *pair = &job->pairs[i];
    const fm_coco_truth *truth = job->picture.truths[pair->truth];
    if (job->truth_taken[pair->truth] || job->result_taken[pair->result])
      continue;
    job->result_taken[pair->result] = true;
    if (confusion_ignores(truth))
      continue;
    job->truth_taken[pair->truth] = true;
    const fm_coco_result *result = job->picture.results[pair->result];
    const bool right = result->category == truth->category;
    ++*confusion_cell(out, truth->category, result->category);
    ++*(right ? &errors->right : &errors->confused);
    out->truth_fates[truth - job->boxes->truths] = out->result_fates[result - job->boxes->results] =
        right ? FM_CONFUSION_RIGHT : FM_CONFUSION_CONFUSED;
  }
}

static void confusion_take_rest(const confusion_job *job, fm_confusion *out,
                                fm_confusion_picture *errors) {
  const fm_eval_picture *picture = &job->picture;
  const int background = out->class_count;
  for (size_t g = 0; g < picture->truth_count; ++g) {
    if (job->truth_taken[g] || confusion_ignores(picture->truths[g]))
      continue;
    ++*confusion_cell(out, picture->truths[g]->category, background);
    ++errors->missed;
    out->truth_fates[picture->truths[g] - job->boxes->truths] = FM_CONFUSION_ALONE;
  }
  for (size_t d = 0; d < picture->result_count; ++d) {
    if (job->result_taken[d])
      continue;
    ++*confusion_cell(out, background, picture->results[d]->category);
    ++errors->background;
    out->result_fates[picture->results[d] - job->boxes->results] = FM_CONFUSION_ALONE;
  }
  errors->faces = errors->right + errors->confused + errors->missed;
}

static fm_status confusion_run(confusion_job *job, fm_eval_pictures *pictures, fm_confusion *out) {
  while (fm_eval_pictures_next(pictures, &job->picture)) {
    fm_confusion_picture *errors = &out->pictures[out->picture_count++];
    *errors = (fm_confusion_picture){.image = job->picture.image};
    FM_TRY(confusion_find_pairs(job));
    confusion_take_pairs(job, out, errors);
    confusion_take_rest(job, out, errors);
  }
  qsort(out->pictures, out->picture_count, sizeof *out->pictures, confusion_compare_pictures);
  return FM_OK;
}

static fm_status confusion_allocate(confusion_job *job, fm_confusion *out,
                                    const fm_eval_boxes *boxes) {
  const size_t side = (size_t)out->class_count + 1;
  out->counts = calloc(side * side, sizeof *out->counts);
  out->pictures = malloc((boxes->truth_count + boxes->result_count + 1) * sizeof *out->pictures);
  job->truth_taken = malloc((boxes->truth_count + 1) * sizeof *job->truth_taken);
  job->result_taken = malloc((boxes->result_count + 1) * sizeof *job->result_taken);
  out->truth_fates = calloc(boxes->truth_count + 1, sizeof *out->truth_fates);
  out->result_fates = calloc(boxes->result_count + 1, sizeof *out->result_fates);
  if (!out->counts || !out->pictures || !out->truth_fates || !out->result_fates ||
      !job->truth_taken || !job->result_taken)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  return FM_OK;
}

fm_status fm_confusion_make(fm_confusion *out, const fm_eval_boxes *boxes, int class_count,
                            const fm_confusion_options *options) {
  *out = (fm_confusion){.class_count = class_count};
  fm_eval_pictures pictures;
  confusion_job job = {.boxes = boxes, .iou = options->iou > 0 ? options->iou : 0.5};
  const double score = options->score > 0 ? options->score : 0.5;
  fm_status status = fm_eval_pictures_init(&pictures, boxes, class_count, score);
  if (status >= 0)
    status = confusion_allocate(&job, out, boxes);
  if (status >= 0)
    status = confusion_run(&job, &pictures, out);
  if (status < 0)
    fm_confusion_release(out);
  confusion_job_release(&job);
  fm_eval_pictures_release(&pictures);
  return status;
}

void fm_confusion_release(fm_confusion *confusion) {
  free(confusion->truth_fates);
  free(confusion->result_fates);
  free(confusion->counts);
  free(confusion->pictures);
  *confusion = (fm_confusion){0};
}

size_t fm_confusion_count(const fm_confusion *confusion, int truth, int prediction) {
  return *confusion_cell(confusion, truth, prediction);
}

double fm_confusion_share(const fm_confusion *confusion, int truth, int prediction) {
  size_t sum = 0;
  for (int k = 0; k <= confusion->class_count; ++k)
    sum += fm_confusion_count(confusion, truth, k);
  if (sum == 0)
    return (double)NAN;
  return (double)fm_confusion_count(confusion, truth, prediction) / (double)sum;
}
