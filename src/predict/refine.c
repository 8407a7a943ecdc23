// Groups of detections, cut-outs of their faces, and scores dealt out anew.
#include "predict/refine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detect/box.h"
#include "detect/face_crop.h"
#include "image/crop.h"

// Cut-outs reach beyond what they show by this many pixels, for the samples at their edge.
enum { REFINE_RIM = 2 };
// No picture reaches so far; predictions of others may.
#define REFINE_REACH 1e6f

// The part of the picture that the classifier's cut-outs of a face show, as its input; `face` in
// pixels of that input. FM_END for a face outside the picture.
static fm_status refine_input(const fm_model_config *config, const fm_image *image, fm_box *face,
                              fm_input *out) {
  float widest = 0;
  for (int i = 0; i < config->crops.count; ++i)
    widest = fmaxf(widest, fabsf(config->crops.values[i]));
  const fm_box region = fm_face_crop_region(*face, widest);
  if (!(region.x1 > -REFINE_REACH && region.y1 > -REFINE_REACH && region.x2 < REFINE_REACH &&
        region.y2 < REFINE_REACH))
    return FM_END;
  const float x1 = fmaxf(floorf(region.x1) - REFINE_RIM, 0);
  const float y1 = fmaxf(floorf(region.y1) - REFINE_RIM, 0);
  const float x2 = fminf(ceilf(region.x2) + REFINE_RIM, (float)image->width);
  const float y2 = fminf(ceilf(region.y2) + REFINE_RIM, (float)image->height);
  if (!(x2 > x1 && y2 > y1))
    return FM_END;
  const int width = (int)(x2 - x1), height = (int)(y2 - y1);
  fm_image part;
  FM_TRY(fm_image_crop(&part, image, (int)x1, (int)y1, width, height));
  const fm_status status = fm_input_make_sized(out, config, &part, width, height);
  fm_image_release(&part);
  *face = (fm_box){face->x1 - x1, face->y1 - y1, face->x2 - x1, face->y2 - y1};
  return status;
}

// The mean of all classifiers' probabilities (class_count), FM_END for a face outside the picture.
static fm_status refine_classify(const fm_refine_options *options, const fm_image *image,
                                 fm_box box, float *own, float *mean) {
  memset(mean, 0, (size_t)options->class_count * sizeof *mean);
  for (int i = 0; i < options->classifier_count; ++i) {
    fm_detector *classifier = options->classifiers[i];
    fm_box face = box;
    fm_input input;
    fm_status status = refine_input(fm_detector_config(classifier), image, &face, &input);
    if (status != FM_OK)
      return status;
    status = fm_detector_classify(classifier, &input, &face, 1, own);
    fm_input_release(&input);
    FM_TRY(status);
    for (int k = 0; k < options->class_count; ++k)
      mean[k] += own[k] / (float)options->classifier_count;
  }
  return FM_OK;
}

// What a picture's detections are gathered with. `taken` tells which are of a face already; `group`
// holds the detections of one face by class, NULL where there is none.
typedef struct refine_work {
  bool *taken;
  const fm_detection **group;
  float *own, *mean;
  fm_detections out;
} refine_work;

static void refine_work_release(refine_work *work) {
  free(work->taken);
  free(work->group);
  free(work->own);
  free(work->mean);
}

static fm_status refine_work_make(refine_work *work, size_t count, size_t classes) {
  *work = (refine_work){calloc(count, sizeof *work->taken),
                        calloc(classes, sizeof *work->group),
                        malloc(classes * sizeof *work->own),
                        malloc(classes * sizeof *work->mean),
                        {malloc(count * classes * sizeof *work->out.items), 0}};
  if (work->taken && work->group && work->own && work->mean && work->out.items)
    return FM_OK;
  refine_work_release(work);
  fm_detections_release(&work->out);
  return fm_fail(FM_ERR_MEMORY, "out of memory");
}

static float refine_iou(fm_box a, fm_box b) {
  return fm_box_iou(a, fm_box_area(a), b, fm_box_area(b));
}

// The detections of the face of `first`, which no stronger one has taken.
static void refine_gather(refine_work *work, const fm_detections *list, size_t first,
                          int class_count) {
  memset(work->group, 0, (size_t)class_count * sizeof *work->group);
  for (size_t i = first; i < list->count; ++i) {
    const fm_detection *d = &list->items[i];
    const fm_detection **place = &work->group[d->label - 1];
    if (work->taken[i] || *place || refine_iou(list->items[first].box, d->box) < FM_REFINE_SAME)
      continue;
    *place = d;
    work->taken[i] = true;
  }
}

static void refine_keep(refine_work *work, fm_detection d) {
  work->out.items[work->out.count++] = d;
}

static void refine_deal(refine_work *work, const fm_refine_options *options,
                        const fm_detection *leader) {
  float sum = 0;
  for (int k = 0; k < options->class_count; ++k)
    sum += work->group[k] ? work->group[k]->score : 0;
  const float face = fminf(sum, 1);
  for (int k = 0; k < options->class_count; ++k) {
    const fm_detection *before = work->group[k];
    const float share = before ? before->score / sum : 0;
    const float score = face * (share + work->mean[k]) / 2;
    if (score >= options->score)
      refine_keep(work, (fm_detection){before ? before->box : leader->box, k + 1, score});
  }
}

static fm_status refine_face(refine_work *work, const fm_refine_options *options,
                             const fm_image *image, const fm_detection *leader) {
  const fm_status status =
      leader->score < FM_REFINE_LEAST
          ? FM_END
          : refine_classify(options, image, leader->box, work->own, work->mean);
  FM_TRY(status);
  if (status == FM_OK)
    refine_deal(work, options, leader);
  else
    for (int k = 0; k < options->class_count; ++k)
      if (work->group[k])
        refine_keep(work, *work->group[k]);
  return FM_OK;
}

fm_status fm_refine_detections(const fm_refine_options *options, const fm_image *image,
                               fm_detections *list) {
  if (list->count == 0)
    return FM_OK;
  refine_work work;
  FM_TRY(refine_work_make(&work, list->count, (size_t)options->class_count));
  fm_status status = FM_OK;
  for (size_t i = 0; status >= 0 && i < list->count; ++i) {
    if (work.taken[i])
      continue;
    refine_gather(&work, list, i, options->class_count);
    status = refine_face(&work, options, image, &list->items[i]);
  }
  refine_work_release(&work);
  if (status < 0) {
    fm_detections_release(&work.out);
    return status;
  }
  fm_detections_sort(&work.out);
  work.out.count = work.out.count < options->limit ? work.out.count : options->limit;
  fm_detections_release(list);
  *list = work.out;
  return FM_OK;
}
