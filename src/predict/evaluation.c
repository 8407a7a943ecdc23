// The loader of training feeds the predictor, a picture at a time: padding to a common size would
// change what is found.
#include "predict/evaluation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "data/loader.h"
#include "data/picture_cache.h"
#include "eval/pictures.h"
#include "image/crop.h"

typedef struct evaluation {
  const fm_evaluation_options *options;
  int32_t *labels;         // label of the data by label of the weights
  size_t *position;        // in the subset, by sample of the data set
  fm_eval_pictures given;  // the pictures of what is given, by position as the loader's,
  fm_eval_picture picture; // and the one that has been come to
  fm_picture_cache *cache;
  fm_loader *loader;
} evaluation;

// What the loader makes of a picture. The loader releases inputs without saying of whom they are.
typedef struct evaluation_item {
  const fm_predictor *predictor;
  fm_image image; // for views that follow from what the first one found
  fm_input *inputs;
} evaluation_item;

static fm_status evaluation_make(const void *user, const fm_image *image, const fm_object *objects,
                                 size_t object_count, void *out) {
  (void)objects;
  (void)object_count;
  evaluation_item *item = out;
  fm_input *inputs = calloc((size_t)fm_predictor_inputs(user), sizeof *inputs);
  FM_CHECK_ALLOC(inputs);
  *item = (evaluation_item){.predictor = user};
  fm_status status = fm_image_crop(&item->image, image, 0, 0, image->width, image->height);
  if (status >= 0)
    status = fm_predictor_prepare(user, &item->image, inputs);
  if (status >= 0) {
    item->inputs = inputs;
    return FM_OK;
  }
  fm_image_release(&item->image);
  free(inputs);
  return status;
}

static void evaluation_release_item(void *input) {
  evaluation_item *item = input;
  if (item->inputs)
    fm_predictor_inputs_release(item->predictor, item->inputs);
  free(item->inputs);
  fm_image_release(&item->image);
  *item = (evaluation_item){0};
}

static int evaluation_find_class(const fm_dataset *dataset, const char *name) {
  for (int label = 1; label <= fm_dataset_class_count(dataset); ++label)
    if (strcmp(fm_dataset_class_name(dataset, label), name) == 0)
      return label;
  return 0;
}

static fm_status evaluation_map_labels(evaluation *self) {
  const fm_predictor *predictor = self->options->predictor;
  const fm_dataset *dataset = self->options->subset->dataset;
  const fm_classes *classes = fm_predictor_classes(predictor);
  const int count = classes->count;
  if (count != fm_dataset_class_count(dataset))
    return fm_fail(FM_ERR_FORMAT, "the weights know %d classes, the data have %d", count,
                   fm_dataset_class_count(dataset));
  self->labels = malloc(((size_t)count + 1) * sizeof *self->labels);
  FM_CHECK_ALLOC(self->labels);
  for (int label = 1; label <= count; ++label) {
    const char *name = classes->names[label - 1];
    const bool known = fm_predictor_names_known(predictor);
    self->labels[label] = known ? evaluation_find_class(dataset, name) : label;
    if (self->labels[label] == 0)
      return fm_fail(FM_ERR_FORMAT, "the weights know a class %s, the data do not", name);
  }
  return FM_OK;
}

static fm_status evaluation_open(evaluation *self) {
  const fm_eval_subset *subset = self->options->subset;
  FM_TRY(evaluation_map_labels(self));
  if (self->options->given)
    FM_TRY(fm_eval_pictures_init(&self->given, self->options->given,
                                 fm_dataset_class_count(subset->dataset), -INFINITY));
  self->position = calloc(fm_dataset_count(subset->dataset) + 1, sizeof *self->position);
  FM_CHECK_ALLOC(self->position);
  for (size_t i = 0; i < subset->count; ++i)
    self->position[subset->samples[i]] = i;
  FM_TRY(fm_picture_cache_new(&self->cache, subset->dataset, 0));
  const fm_loader_options options = {
      .dataset = subset->dataset,
      .cache = self->cache,
      .samples = subset->samples,
      .sample_count = subset->count,
      .batch_size = 1,
      .strict = self->options->strict,
      .maker = {.input_bytes = sizeof(evaluation_item),
                .make = evaluation_make,
                .release = evaluation_release_item,
                .user = self->options->predictor},
  };
  return fm_loader_new(&self->loader, &options);
}

// The label of the weights for one of the data; weights that name two classes alike lack one.
static fm_status evaluation_own_label(const evaluation *self, int32_t label, int32_t *out) {
  const fm_classes *classes = fm_predictor_classes(self->options->predictor);
  for (*out = 1; *out <= classes->count; ++*out)
    if (self->labels[*out] == label)
      return FM_OK;
  return fm_fail(FM_ERR_FORMAT, "the weights do not know the class %s",
                 fm_dataset_class_name(self->options->subset->dataset, label));
}

// What is given of a picture, with the labels of the weights.
static fm_status evaluation_gather(evaluation *self, int64_t image, fm_detections *out) {
  fm_eval_picture *picture = &self->picture;
  while (picture->image < image && fm_eval_pictures_next(&self->given, picture)) {
  }
  const size_t count = picture->image == image ? picture->result_count : 0;
  *out = (fm_detections){malloc((count + 1) * sizeof *out->items), 0};
  FM_CHECK_ALLOC(out->items);
  for (size_t i = 0; i < count; ++i) {
    const fm_coco_result *r = picture->results[i];
    fm_detection *d = &out->items[out->count++];
    d->box = (fm_box){(float)r->x, (float)r->y, (float)(r->x + r->w), (float)(r->y + r->h)};
    d->score = (float)r->score;
    FM_TRY(evaluation_own_label(self, r->category + 1, &d->label));
  }
  fm_detections_sort(out);
  return FM_OK;
}

static fm_status evaluation_find(evaluation *self, const evaluation_item *item, int64_t image,
                                 fm_detections *out) {
  fm_predictor *predictor = self->options->predictor;
  if (!self->options->given)
    return fm_predictor_detect(predictor, &item->image, item->inputs, out);
  fm_status status = evaluation_gather(self, image, out);
  if (status >= 0)
    status = fm_predictor_refine(predictor, &item->image, out);
  if (status < 0)
    fm_detections_release(out);
  return status;
}

static fm_status evaluation_picture(evaluation *self, const fm_loader_batch *batch,
                                    fm_eval_boxes *boxes) {
  const evaluation_item *item = batch->inputs;
  const int64_t image = (int64_t)self->position[batch->samples[0]];
  fm_detections found;
  FM_TRY(evaluation_find(self, item, image, &found));
  for (size_t i = 0; i < found.count; ++i)
    found.items[i].label = self->labels[found.items[i].label];
  fm_status status = fm_eval_boxes_add_sample(
      boxes, image, fm_dataset_sample(self->options->subset->dataset, batch->samples[0]));
  if (status >= 0)
    status = fm_eval_boxes_add_detections(boxes, image, found.items, found.count);
  fm_detections_release(&found);
  return status;
}

static bool evaluation_is_stopped(const evaluation *self) {
  return self->options->stop && *self->options->stop;
}

static fm_status evaluation_pictures(evaluation *self, fm_eval_boxes *boxes, size_t *images) {
  FM_TRY(fm_loader_start(self->loader, 0, 0));
  fm_progress progress;
  fm_progress_start(&progress, self->options->label ? self->options->label : "evaluate",
                    self->options->subset->count);
  fm_status status = FM_OK;
  while (status >= 0) {
    fm_loader_batch batch;
    status = evaluation_is_stopped(self) ? FM_STOPPED : fm_loader_next(self->loader, &batch);
    if (status != FM_OK)
      break;
    status = evaluation_picture(self, &batch, boxes);
    fm_progress_step(&progress, batch.index + 1, "%zu faces", boxes->result_count);
    ++*images;
  }
  fm_progress_end(&progress);
  return status == FM_END ? FM_OK : status;
}

fm_status fm_evaluation_run(const fm_evaluation_options *options, fm_eval_boxes *boxes,
                            size_t *images) {
  evaluation self = {.options = options, .picture = {.image = -1}};
  *images = 0;
  fm_status status = evaluation_open(&self);
  if (status >= 0)
    status = evaluation_pictures(&self, boxes, images);
  fm_loader_free(self.loader);
  fm_picture_cache_free(self.cache);
  free(self.position);
  fm_eval_pictures_release(&self.given);
  free(self.labels);
  return status;
}
