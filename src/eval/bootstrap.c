// Draws pictures, measures them, and sorts what came out.
#include "eval/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

enum { BOOTSTRAP_STREAM = 0x626f6f74, BOOTSTRAP_FIGURES = 3 };
#define BOOTSTRAP_TAIL 0.025

// The truths and results of each picture, as positions in `boxes`, picture after picture.
typedef struct bootstrap_index {
  size_t *truth_starts, *result_starts; // (images + 1)
  size_t *truths, *results;
} bootstrap_index;

static void bootstrap_index_release(bootstrap_index *index) {
  free(index->truth_starts);
  free(index->result_starts);
  free(index->truths);
  free(index->results);
}

static fm_status bootstrap_check(int64_t image, size_t images) {
  if (image < 0 || (uint64_t)image >= images)
    return fm_fail(FM_ERR_ARGUMENT, "picture %lld of %zu", (long long)image, images);
  return FM_OK;
}

// Counting sort by picture; the order within a picture stays, for it decides between equal scores.
static fm_status bootstrap_index_make(bootstrap_index *index, const fm_eval_boxes *boxes,
                                      size_t images) {
  index->truth_starts = calloc(images + 2, sizeof *index->truth_starts);
  index->result_starts = calloc(images + 2, sizeof *index->result_starts);
  index->truths = malloc((boxes->truth_count + 1) * sizeof *index->truths);
  index->results = malloc((boxes->result_count + 1) * sizeof *index->results);
  FM_CHECK_ALLOC(index->truth_starts && index->result_starts && index->truths && index->results);
  for (size_t i = 0; i < boxes->truth_count; ++i) {
    FM_TRY(bootstrap_check(boxes->truths[i].image, images));
    ++index->truth_starts[boxes->truths[i].image + 2];
  }
  for (size_t i = 0; i < boxes->result_count; ++i) {
    FM_TRY(bootstrap_check(boxes->results[i].image, images));
    ++index->result_starts[boxes->results[i].image + 2];
  }
  // Shifted by one, so that filling moves each start to where it belongs.
  for (size_t i = 2; i < images + 2; ++i) {
    index->truth_starts[i] += index->truth_starts[i - 1];
    index->result_starts[i] += index->result_starts[i - 1];
  }
  for (size_t i = 0; i < boxes->truth_count; ++i)
    index->truths[index->truth_starts[boxes->truths[i].image + 1]++] = i;
  for (size_t i = 0; i < boxes->result_count; ++i)
    index->results[index->result_starts[boxes->results[i].image + 1]++] = i;
  return FM_OK;
}

static fm_status bootstrap_draw(fm_eval_boxes *drawn, const fm_eval_boxes *boxes,
                                const bootstrap_index *index, size_t images, fm_random *random) {
  drawn->truth_count = drawn->result_count = 0;
  for (size_t i = 0; i < images; ++i) {
    const size_t image = (size_t)fm_random_below(random, images);
    for (size_t k = index->truth_starts[image]; k < index->truth_starts[image + 1]; ++k) {
      fm_coco_truth truth = boxes->truths[index->truths[k]];
      truth.image = (int64_t)i; // drawn twice, it is two pictures
      FM_TRY(fm_eval_boxes_add_truth(drawn, &truth));
    }
    for (size_t k = index->result_starts[image]; k < index->result_starts[image + 1]; ++k) {
      fm_coco_result result = boxes->results[index->results[k]];
      result.image = (int64_t)i;
      FM_TRY(fm_eval_boxes_add_result(drawn, &result));
    }
  }
  return FM_OK;
}

// values: (figures, rounds), a figure's rounds one after another.
static fm_status bootstrap_round(const fm_eval_boxes *drawn, int class_count, double *values,
                                 size_t rounds) {
  fm_coco_measure measure;
  FM_TRY(fm_eval_boxes_measure(drawn, class_count, &measure));
  values[0] = measure.mAP;
  values[rounds] = measure.mAP50;
  values[2 * rounds] = measure.mAP75;
  for (int k = 0; k < class_count; ++k) {
    values[(size_t)(BOOTSTRAP_FIGURES + 2 * k) * rounds] = measure.category_AP[k];
    values[(size_t)(BOOTSTRAP_FIGURES + 2 * k + 1) * rounds] = measure.category_AP50[k];
  }
  fm_coco_measure_release(&measure);
  return FM_OK;
}

static int bootstrap_compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// The quantile as numpy.quantile's default gives it.
static double bootstrap_quantile(const double *sorted, size_t count, double part) {
  const double at = part * (double)(count - 1);
  const size_t low = (size_t)at, high = low + 1 < count ? low + 1 : low;
  return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

static fm_interval bootstrap_interval(double *values, size_t rounds) {
  qsort(values, rounds, sizeof *values, bootstrap_compare);
  size_t missing = 0; // figures that are not there are -1, and first
  while (missing < rounds && values[missing] < 0)
    ++missing;
  if (missing == rounds)
    return (fm_interval){-1, -1};
  return (fm_interval){bootstrap_quantile(values + missing, rounds - missing, BOOTSTRAP_TAIL),
                       bootstrap_quantile(values + missing, rounds - missing, 1 - BOOTSTRAP_TAIL)};
}

static fm_status bootstrap_run(fm_bootstrap *out, const fm_eval_boxes *boxes,
                               const bootstrap_index *index, size_t images, uint64_t seed) {
  const size_t rounds = (size_t)out->rounds;
  double *values =
      malloc((size_t)(BOOTSTRAP_FIGURES + 2 * out->class_count) * rounds * sizeof *values);
  FM_CHECK_ALLOC(values);
  fm_eval_boxes drawn = {0};
  fm_status status = FM_OK;
  for (size_t round = 0; status >= 0 && round < rounds; ++round) {
    fm_random random = fm_random_make(seed, BOOTSTRAP_STREAM, round);
    status = bootstrap_draw(&drawn, boxes, index, images, &random);
    if (status >= 0)
      status = bootstrap_round(&drawn, out->class_count, values + round, rounds);
  }
  fm_interval *const figures[BOOTSTRAP_FIGURES] = {&out->mAP, &out->mAP50, &out->mAP75};
  for (int i = 0; status >= 0 && i < BOOTSTRAP_FIGURES; ++i)
    *figures[i] = bootstrap_interval(values + (size_t)i * rounds, rounds);
  for (int k = 0; status >= 0 && k < out->class_count; ++k) {
    double *own = values + (size_t)(BOOTSTRAP_FIGURES + 2 * k) * rounds;
    out->class_AP[k] = bootstrap_interval(own, rounds);
    out->class_AP50[k] = bootstrap_interval(own + rounds, rounds);
  }
  fm_eval_boxes_release(&drawn);
  free(values);
  return status;
}

fm_status fm_bootstrap_make(fm_bootstrap *out, const fm_eval_boxes *boxes, size_t images,
                            int class_count, int rounds, uint64_t seed) {
  *out = (fm_bootstrap){.rounds = rounds, .class_count = class_count};
  if (images < 1 || rounds < 1)
    return fm_fail(FM_ERR_ARGUMENT, "%d rounds over %zu pictures", rounds, images);
  bootstrap_index index = {0};
  out->class_AP = calloc((size_t)class_count + 1, sizeof *out->class_AP);
  out->class_AP50 = calloc((size_t)class_count + 1, sizeof *out->class_AP50);
  fm_status status = out->class_AP && out->class_AP50 ? bootstrap_index_make(&index, boxes, images)
                                                      : fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status >= 0)
    status = bootstrap_run(out, boxes, &index, images, seed);
  bootstrap_index_release(&index);
  if (status < 0)
    fm_bootstrap_release(out);
  return status;
}

void fm_bootstrap_release(fm_bootstrap *bootstrap) {
  free(bootstrap->class_AP);
  free(bootstrap->class_AP50);
  *bootstrap = (fm_bootstrap){0};
}
