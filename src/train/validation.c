// The pass over the validation part.
#include "train/validation.h"

#include <stdlib.h>

#include "base/progress.h"

enum { VALIDATION_STREAM = 0x7661 };

// Truth and detections of the pictures seen so far, as the COCO measure takes them.
typedef struct validation_boxes {
  fm_coco_truth *truths;
  size_t truth_count, truth_room;
  fm_coco_result *results;
  size_t result_count, result_room;
} validation_boxes;

// Room for `more` items behind `count`.
static fm_status validation_grow(void **items, size_t *room, size_t count, size_t more,
                                 size_t item_bytes) {
  if (count + more <= *room)
    return FM_OK;
  size_t wanted = (count + more) * 2;
  void *grown = realloc(*items, wanted * item_bytes);
  FM_CHECK_ALLOC(grown);
  *items = grown;
  *room = wanted;
  return FM_OK;
}

static fm_status validation_add_truth(validation_boxes *boxes, size_t image,
                                      const fm_sample *sample) {
  FM_TRY(validation_grow((void **)&boxes->truths, &boxes->truth_room, boxes->truth_count,
                         sample->object_count, sizeof *boxes->truths));
  for (size_t i = 0; i < sample->object_count; i++) {
    const fm_object *object = &sample->objects[i];
    double width = (double)object->box.x2 - (double)object->box.x1;
    double height = (double)object->box.y2 - (double)object->box.y1;
    boxes->truths[boxes->truth_count++] = (fm_coco_truth){.image = (int64_t)image,
                                                          .category = object->label - 1,
                                                          .x = object->box.x1,
                                                          .y = object->box.y1,
                                                          .w = width,
                                                          .h = height,
                                                          .area = width * height};
  }
  return FM_OK;
}

static fm_status validation_add_detections(validation_boxes *boxes, size_t image,
                                           const fm_detections *detections) {
  FM_TRY(validation_grow((void **)&boxes->results, &boxes->result_room, boxes->result_count,
                         detections->count, sizeof *boxes->results));
  for (size_t i = 0; i < detections->count; i++) {
    const fm_detection *item = &detections->items[i];
    boxes->results[boxes->result_count++] =
        (fm_coco_result){.image = (int64_t)image,
                         .category = item->label - 1,
                         .x = item->box.x1,
                         .y = item->box.y1,
                         .w = (double)item->box.x2 - (double)item->box.x1,
                         .h = (double)item->box.y2 - (double)item->box.y1,
                         .score = item->score};
  }
  return FM_OK;
}

static fm_status validation_detect(const fm_validation_options *options,
                                   const fm_loader_batch *batch, validation_boxes *boxes) {
  fm_detections *detections = calloc(batch->count, sizeof *detections);
  FM_CHECK_ALLOC(detections);
  fm_status status = fm_detector_detect(options->detector, batch->inputs, batch->count, detections);
  for (size_t i = 0; status >= 0 && i < batch->count; i++) {
    size_t image = batch->samples[i];
    status = validation_add_truth(boxes, image, fm_dataset_sample(options->dataset, image));
    if (status >= 0)
      status = validation_add_detections(boxes, image, &detections[i]);
  }
  for (size_t i = 0; i < batch->count; i++)
    fm_detections_release(&detections[i]);
  free(detections);
  return status;
}

static void validation_add_losses(fm_losses *sum, const fm_losses *losses) {
  sum->loss += losses->loss;
  sum->classifier += losses->classifier;
  sum->box_reg += losses->box_reg;
  sum->objectness += losses->objectness;
  sum->rpn_box_reg += losses->rpn_box_reg;
}

static void validation_divide_losses(fm_losses *sum, double count) {
  sum->loss /= count;
  sum->classifier /= count;
  sum->box_reg /= count;
  sum->objectness /= count;
  sum->rpn_box_reg /= count;
}

static fm_status validation_pass(const fm_validation_options *options, validation_boxes *boxes,
                                 fm_losses *mean) {
  FM_TRY(fm_loader_start(options->loader, 0, 0));
  size_t batches = 0, total = fm_loader_batch_count(options->loader);
  fm_progress progress;
  fm_progress_start(&progress, options->label, total);
  fm_status status = FM_OK;
  while (status >= 0) {
    fm_loader_batch batch;
    status = options->stop && *options->stop ? FM_STOPPED : fm_loader_next(options->loader, &batch);
    if (status != FM_OK)
      break;
    fm_random random = fm_random_make(options->seed, VALIDATION_STREAM, batch.index);
    fm_losses losses;
    status = fm_detector_validate(options->detector, batch.inputs, batch.count, &random, &losses);
    if (status < 0)
      break;
    validation_add_losses(mean, &losses);
    batches++;
    status = validation_detect(options, &batch, boxes);
    fm_progress_step(&progress, batch.index + 1, "loss %.4f", mean->loss / (double)batches);
  }
  fm_progress_end(&progress);
  if (batches > 0)
    validation_divide_losses(mean, (double)batches);
  return status == FM_END ? FM_OK : status;
}

fm_status fm_validation_run(const fm_validation_options *options, fm_validation *out) {
  validation_boxes boxes = {0};
  fm_validation result = {0};
  fm_status status = validation_pass(options, &boxes, &result.losses);
  if (status == FM_OK) {
    fm_coco_measure measure;
    status = fm_coco_evaluate(&measure, boxes.truths, boxes.truth_count, boxes.results,
                              boxes.result_count, fm_dataset_class_count(options->dataset));
    if (status >= 0) {
      result.truths = boxes.truth_count;
      result.mAP = measure.mAP;
      result.mAP50 = measure.mAP50;
      result.mAP75 = measure.mAP75;
      fm_coco_measure_release(&measure);
      *out = result;
    }
  }
  free(boxes.truths);
  free(boxes.results);
  return status;
}
