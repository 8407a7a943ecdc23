// Groups of detections, cut-outs of their faces, and scores dealt out anew.
#include "predict/refine.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/classes.h"
#include "detect/box.h"
#include "detect/face_crop.h"
#include "image/crop.h"

// Cut-outs reach beyond what they show by this many pixels, for the samples at their edge.
enum { REFINE_RIM = 2 };
// No picture reaches so far; predictions of others may.
#define REFINE_REACH 1e6f

// The part of the picture that the classifier's cut-outs of a face show; false where there is none.
static bool refine_part(const fm_model_config *config, const fm_image *image, fm_box face,
                        fm_box *part) {
  float widest = 0;
  for (int i = 0; i < config->crops.count; ++i)
    widest = fmaxf(widest, fabsf(config->crops.values[i]));
  const fm_box region = fm_face_crop_region(face, widest);
  if (!(region.x1 > -REFINE_REACH && region.y1 > -REFINE_REACH && region.x2 < REFINE_REACH &&
        region.y2 < REFINE_REACH))
    return false;
  *part =
      (fm_box){fmaxf(floorf(region.x1) - REFINE_RIM, 0), fmaxf(floorf(region.y1) - REFINE_RIM, 0),
               fminf(ceilf(region.x2) + REFINE_RIM, (float)image->width),
               fminf(ceilf(region.y2) + REFINE_RIM, (float)image->height)};
  return part->x2 > part->x1 && part->y2 > part->y1;
}

// The face as the classifier sees it.
static fm_status refine_cut(const fm_detector *classifier, const fm_image *image, fm_box face,
                            float *pixels) {
  const fm_model_config *config = fm_detector_config(classifier);
  fm_box part;
  const bool shown = refine_part(config, image, face, &part);
  FM_ASSERT(shown);
  const int width = (int)(part.x2 - part.x1), height = (int)(part.y2 - part.y1);
  fm_image seen;
  FM_TRY(fm_image_crop(&seen, image, (int)part.x1, (int)part.y1, width, height));
  fm_input input;
  const fm_status status = fm_input_make_sized(&input, config, &seen, width, height);
  fm_image_release(&seen);
  FM_TRY(status);
  const fm_box there = {face.x1 - part.x1, face.y1 - part.y1, face.x2 - part.x1, face.y2 - part.y1};
  fm_detector_cut_face(classifier, &input, there, pixels);
  fm_input_release(&input);
  return FM_OK;
}

// The detections of one face by class, NULL where there is none, and what their scores add up to;
// its scores now, and how surely it is a face; the sum of the probabilities, given that it is one,
// of the `asked` classifiers, and of that by the `knowing` ones of them that know the background.
typedef struct refine_face {
  const fm_detection *leader, **group;
  float sum, *scores, sure, *words, is_face;
  int asked, knowing;
} refine_face;

// `taken` tells which detections are of a face already; `doubted` are the faces that the next
// classifier sees.
typedef struct refine_work {
  const fm_refine_options *options;
  const fm_image *image;
  refine_face *faces, **doubted;
  size_t face_count, doubted_count;
  bool *taken;
  const fm_detection **groups;
  float *scores, *words, *own, *pixels; // own: of the faces that are classified at once
  fm_detections out;
} refine_work;

static void refine_work_release(refine_work *work) {
  free(work->faces);
  free(work->doubted);
  free(work->taken);
  free(work->groups);
  free(work->scores);
  free(work->words);
  free(work->own);
  free(work->pixels);
}

static fm_status refine_work_make(refine_work *work, const fm_refine_options *options,
                                  const fm_image *image, size_t count) {
  const size_t classes = (size_t)options->class_count;
  size_t floats = 1; // which no classifier stays below
  for (int i = 0; i < options->classifier_count; ++i) {
    const size_t own = fm_detector_cut_floats(options->classifiers[i]);
    floats = own > floats ? own : floats;
  }
  *work = (refine_work){
      .options = options,
      .image = image,
      .faces = malloc(count * sizeof *work->faces),
      .doubted = malloc(count * sizeof *work->doubted),
      .taken = calloc(count, sizeof *work->taken),
      .groups = calloc(count * classes, sizeof *work->groups),
      .scores = calloc(count * classes, sizeof *work->scores),
      .words = calloc(count * classes, sizeof *work->words),
      .own = malloc(FM_FACES_AT_ONCE * (classes + 1) * sizeof *work->own),
      .pixels = malloc(FM_FACES_AT_ONCE * floats * sizeof *work->pixels),
      .out = {malloc(count * classes * sizeof *work->out.items), 0},
  };
  if (work->faces && work->doubted && work->taken && work->groups && work->scores && work->words &&
      work->own && work->pixels && work->out.items)
    return FM_OK;
  refine_work_release(work);
  fm_detections_release(&work->out);
  return fm_fail(FM_ERR_MEMORY, "out of memory");
}

static float refine_iou(fm_box a, fm_box b) {
  return fm_box_iou(a, fm_box_area(a), b, fm_box_area(b));
}

static bool refine_sees(const refine_work *work, const fm_detection *leader) {
  bool sees = true;
  for (int i = 0; sees && i < work->options->classifier_count; ++i) {
    fm_box part;
    sees = refine_part(fm_detector_config(work->options->classifiers[i]), work->image, leader->box,
                       &part);
  }
  return sees;
}

// Whether the detectors leave doubts about a face that may still have a score that is asked for.
static bool refine_doubts(const refine_work *work, const refine_face *face) {
  const float most = face->leader->score;
  const bool clear = face->sum > FM_REFINE_SURE && most > FM_REFINE_CLEAR * face->sum;
  return most >= FM_REFINE_LEAST && !clear &&
         powf(fminf(face->sum, 1), 1 - FM_REFINE_FACE) >= work->options->score;
}

// The face of `first`, a detection that no stronger one has taken.
static void refine_gather(refine_work *work, const fm_detections *list, size_t first) {
  const size_t classes = (size_t)work->options->class_count, at = work->face_count++;
  const fm_detection *leader = &list->items[first];
  refine_face *face = &work->faces[at];
  *face = (refine_face){.leader = leader,
                        .group = work->groups + at * classes,
                        .scores = work->scores + at * classes,
                        .words = work->words + at * classes};
  for (size_t i = first; i < list->count; ++i) {
    const fm_detection *d = &list->items[i];
    const fm_detection **place = &face->group[d->label - 1];
    if (work->taken[i] || *place || refine_iou(leader->box, d->box) < FM_REFINE_SAME)
      continue;
    *place = d;
    face->scores[d->label - 1] = d->score;
    face->sum += d->score;
    work->taken[i] = true;
  }
  face->sure = fminf(face->sum, 1);
  if (refine_doubts(work, face) && refine_sees(work, leader))
    work->doubted[work->doubted_count++] = face;
}

// Adds a classifier's probabilities, of one class more if it knows the background.
static void refine_add(refine_face *face, const float *own, int classes, bool knows) {
  float sum = 0;
  for (int k = 0; k < classes; ++k)
    sum += own[k];
  sum = fmaxf(sum, FLT_MIN);
  for (int k = 0; k < classes; ++k)
    face->words[k] += own[k] / sum;
  ++face->asked;
  if (!knows)
    return;
  face->is_face += sum;
  ++face->knowing;
}

// How surely a face is there: what its detections add up to, and what the classifiers say.
static float refine_sure(const refine_face *face) {
  const float sure = fminf(face->sum, 1);
  if (face->knowing == 0)
    return sure;
  const float known = fminf(face->is_face / (float)face->knowing + FM_REFINE_FLOOR, 1);
  return powf(sure, 1 - FM_REFINE_FACE) * powf(known, FM_REFINE_FACE);
}

// The face's scores by all that were asked.
static void refine_deal(const refine_work *work, refine_face *face) {
  const int classes = work->options->class_count;
  FM_ASSERT(classes <= FM_CLASSES_MAX);
  float pooled[FM_CLASSES_MAX], total = 0;
  for (int k = 0; k < classes; ++k) {
    const float share = face->group[k] ? face->group[k]->score / face->sum : 0;
    pooled[k] = powf(share + FM_REFINE_FLOOR, 1 - FM_REFINE_SHARE) *
                powf(face->words[k] / (float)face->asked + FM_REFINE_FLOOR, FM_REFINE_SHARE);
    total += pooled[k];
  }
  face->sure = refine_sure(face);
  for (int k = 0; k < classes; ++k)
    face->scores[k] = face->sure * pooled[k] / total;
}

// Asks a classifier about `count` faces.
static fm_status refine_classify(refine_work *work, fm_detector *classifier,
                                 refine_face *const *faces, size_t count) {
  const size_t each = fm_detector_cut_floats(classifier);
  const int classes = fm_detector_class_count(classifier);
  for (size_t i = 0; i < count; ++i)
    FM_TRY(refine_cut(classifier, work->image, faces[i]->leader->box, work->pixels + i * each));
  FM_TRY(fm_detector_classify(classifier, work->pixels, count, work->own));
  for (size_t i = 0; i < count; ++i) {
    refine_add(faces[i], work->own + i * (size_t)classes, work->options->class_count,
               classes > work->options->class_count);
    refine_deal(work, faces[i]);
  }
  return FM_OK;
}

// Whether another classifier's word on the face's class is worth its time.
static bool refine_still_doubts(const refine_work *work, const refine_face *face) {
  float most = 0;
  for (int k = 0; k < work->options->class_count; ++k)
    most = fmaxf(most, face->scores[k]);
  return face->sure >= FM_REFINE_WORTH && most < FM_REFINE_AGREED * face->sure;
}

static fm_status refine_classify_all(refine_work *work) {
  for (int i = 0; i < work->options->classifier_count; ++i) {
    for (size_t done = 0; done < work->doubted_count; done += FM_FACES_AT_ONCE) {
      const size_t left = work->doubted_count - done;
      const size_t now = left < FM_FACES_AT_ONCE ? left : FM_FACES_AT_ONCE;
      FM_TRY(refine_classify(work, work->options->classifiers[i], work->doubted + done, now));
    }
    size_t kept = 0;
    for (size_t at = 0; at < work->doubted_count; ++at)
      if (refine_still_doubts(work, work->doubted[at]))
        work->doubted[kept++] = work->doubted[at];
    work->doubted_count = kept;
  }
  return FM_OK;
}

// Predictions of others may have boxes of no area, or of more than a float holds.
static double refine_log_size(const refine_face *face) {
  return log((double)fminf(fmaxf(fm_box_area(face->leader->box), FLT_MIN), FLT_MAX)) / 2;
}

// What the detectors say, so that who is asked changes nothing for others.
static double refine_weight(const refine_face *face) {
  return fmin((double)face->sum, 1);
}

// What a face's scores are multiplied by. `weights` and `sizes`: of all faces the sums of the
// weights, and of the logarithms of the sizes times these.
static float refine_company(const refine_face *face, double weights, double sizes, float context) {
  const double own = refine_weight(face), size = refine_log_size(face), others = weights - own;
  const double sure = (double)face->sure;
  if (sure <= 0 || sure >= 1 || others < (double)FM_REFINE_COMPANY)
    return 1;
  const double smaller = fmin(size - (sizes - own * size) / others, 0);
  const double odds = sure / (1 - sure) * exp((double)context * smaller);
  return (float)(odds / (1 + odds) / sure);
}

static void refine_compare_sizes(refine_work *work) {
  double weights = 0, sizes = 0;
  for (size_t i = 0; i < work->face_count; ++i) {
    weights += refine_weight(&work->faces[i]);
    sizes += refine_weight(&work->faces[i]) * refine_log_size(&work->faces[i]);
  }
  for (size_t i = 0; i < work->face_count; ++i) {
    const float factor =
        refine_company(&work->faces[i], weights, sizes, work->options->size_context);
    for (int k = 0; k < work->options->class_count; ++k)
      work->faces[i].scores[k] *= factor;
  }
}

static void refine_keep(refine_work *work, const refine_face *face) {
  for (int k = 0; k < work->options->class_count; ++k) {
    const fm_detection *before = face->group[k];
    if ((before || face->asked > 0) && face->scores[k] >= work->options->score)
      work->out.items[work->out.count++] =
          (fm_detection){before ? before->box : face->leader->box, k + 1, face->scores[k]};
  }
}

fm_status fm_refine_detections(const fm_refine_options *options, const fm_image *image,
                               fm_detections *list) {
  if (list->count == 0)
    return FM_OK;
  refine_work work;
  FM_TRY(refine_work_make(&work, options, image, list->count));
  for (size_t i = 0; i < list->count; ++i)
    if (!work.taken[i])
      refine_gather(&work, list, i);
  const fm_status status = refine_classify_all(&work);
  if (status >= 0 && options->size_context > 0)
    refine_compare_sizes(&work);
  for (size_t i = 0; status >= 0 && i < work.face_count; ++i)
    refine_keep(&work, &work.faces[i]);
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
