// The pass over the validation part.
#include "train/validation.h"

#include <stdlib.h>

#include "base/progress.h"
#include "eval/boxes.h"

enum { VALIDATION_STREAM = 0x7661 };

static fm_status validation_detect(const fm_validation_options *options,
                                   const fm_loader_batch *batch, fm_eval_boxes *boxes) {
  fm_detections *detections = calloc(batch->count, sizeof *detections);
  FM_CHECK_ALLOC(detections);
  fm_status status = fm_detector_detect(options->detector, batch->inputs, batch->count, detections);
  for (size_t i = 0; status >= 0 && i < batch->count; i++) {
    size_t image = batch->samples[i];
    status =
        fm_eval_boxes_add_sample(boxes, (int64_t)image, fm_dataset_sample(options->dataset, image));
    if (status >= 0)
      status = fm_eval_boxes_add_detections(boxes, (int64_t)image, detections[i].items,
                                            detections[i].count);
    if (status >= 0 && options->watch)
      status = options->watch(options->watcher, image, &detections[i]);
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

static fm_status validation_pass(const fm_validation_options *options, fm_eval_boxes *boxes,
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
  fm_eval_boxes boxes = {0};
  fm_validation result = {0};
  fm_status status = validation_pass(options, &boxes, &result.losses);
  if (status == FM_OK) {
    fm_coco_measure measure;
    status = fm_eval_boxes_measure(&boxes, fm_dataset_class_count(options->dataset), &measure);
    if (status >= 0) {
      result.truths = boxes.truth_count;
      result.mAP = measure.mAP;
      result.mAP50 = measure.mAP50;
      result.mAP75 = measure.mAP75;
      fm_coco_measure_release(&measure);
      *out = result;
    }
  }
  fm_eval_boxes_release(&boxes);
  return status;
}
