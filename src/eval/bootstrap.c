// Draws pictures, measures them, and sorts what came out.
#include "eval/bootstrap.h"

#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "eval/pictures.h"

enum { BOOTSTRAP_STREAM = 0x626f6f74, BOOTSTRAP_FIGURES = 3 };
#define BOOTSTRAP_TAIL 0.025

// The pictures by their number; those without boxes are empty.
static fm_status bootstrap_index(fm_eval_pictures *pictures, size_t images, fm_eval_picture **out) {
  *out = calloc(images, sizeof **out);
  FM_CHECK_ALLOC(*out);
  fm_eval_picture picture;
  while (fm_eval_pictures_next(pictures, &picture)) {
    if (picture.image < 0 || (uint64_t)picture.image >= images)
      return fm_fail(FM_ERR_ARGUMENT, "picture %lld of %zu", (long long)picture.image, images);
    (*out)[picture.image] = picture;
  }
  return FM_OK;
}

static fm_status bootstrap_draw(fm_eval_boxes *drawn, const fm_eval_picture *pictures,
                                size_t images, fm_random *random) {
  drawn->truth_count = drawn->result_count = 0;
  for (size_t i = 0; i < images; ++i) {
    const fm_eval_picture *picture = &pictures[fm_random_below(random, images)];
    for (size_t k = 0; k < picture->truth_count; ++k) {
      fm_coco_truth truth = *picture->truths[k];
      truth.image = (int64_t)i; // drawn twice, it is two pictures
      FM_TRY(fm_eval_boxes_add_truth(drawn, &truth));
    }
    for (size_t k = 0; k < picture->result_count; ++k) {
      fm_coco_result result = *picture->results[k];
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

static fm_status bootstrap_run(fm_bootstrap *out, const fm_eval_picture *pictures, size_t images,
                               uint64_t seed) {
  const size_t rounds = (size_t)out->rounds;
  double *values =
      malloc((size_t)(BOOTSTRAP_FIGURES + 2 * out->class_count) * rounds * sizeof *values);
  FM_CHECK_ALLOC(values);
  fm_eval_boxes drawn = {0};
  fm_status status = FM_OK;
  for (size_t round = 0; status >= 0 && round < rounds; ++round) {
    fm_random random = fm_random_make(seed, BOOTSTRAP_STREAM, round);
    status = bootstrap_draw(&drawn, pictures, images, &random);
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
  fm_eval_pictures boxes_by_picture;
  fm_eval_picture *pictures = NULL;
  fm_status status = fm_eval_pictures_init(&boxes_by_picture, boxes, class_count, -INFINITY);
  if (status >= 0 && boxes_by_picture.result_count < boxes->result_count)
    status = fm_fail(FM_ERR_NUMERIC, "a score is not a number");
  if (status >= 0)
    status = bootstrap_index(&boxes_by_picture, images, &pictures);
  out->class_AP = calloc((size_t)class_count + 1, sizeof *out->class_AP);
  out->class_AP50 = calloc((size_t)class_count + 1, sizeof *out->class_AP50);
  if (status >= 0 && !(out->class_AP && out->class_AP50))
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status >= 0)
    status = bootstrap_run(out, pictures, images, seed);
  free(pictures);
  fm_eval_pictures_release(&boxes_by_picture);
  if (status < 0)
    fm_bootstrap_release(out);
  return status;
}

void fm_bootstrap_release(fm_bootstrap *bootstrap) {
  free(bootstrap->class_AP);
  free(bootstrap->class_AP50);
  *bootstrap = (fm_bootstrap){0};
}
