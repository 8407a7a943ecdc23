// Folds one after the other, their pictures renumbered into one list.
#include "predict/cross_validation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "eval/results.h"
#include "predict/evaluation.h"
#include "train/checkpoint.h"
#include "train/run_folder.h"

enum { CROSS_LABEL_BYTES = 64 };

typedef struct cross {
  const fm_cross_validation_options *options;
  fm_cross_validation *out;
  fm_run_folder run;
  size_t *positions; // in the pooled subset, by sample of the data set
  bool *taken;       // by sample: an earlier fold has it
} cross;

static fm_status cross_allocate(cross *self) {
  const size_t samples = fm_dataset_count(self->options->dataset) + 1;
  self->positions = calloc(samples, sizeof *self->positions);
  self->taken = calloc(samples, sizeof *self->taken);
  self->out->folds = calloc(self->run.split.fold_count + 1, sizeof *self->out->folds);
  self->out->missing = calloc(self->run.split.fold_count + 1, sizeof *self->out->missing);
  self->out->subset.samples = calloc(samples, sizeof *self->out->subset.samples);
  if (!self->positions || !self->taken || !self->out->folds || !self->out->missing ||
      !self->out->subset.samples)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  return FM_OK;
}

// FM_END when the fold is not trained to its end.
static fm_status cross_read_fold(const cross *self, int number, fm_cross_fold *out) {
  static const char *const names[] = {"weights/best.safetensors", "weights/last.safetensors"};
  char *folder = fm_run_folder_fold(&self->run, number);
  char *checkpoint = folder ? fm_path_join(folder, "checkpoint.safetensors") : NULL;
  free(folder);
  FM_CHECK_ALLOC(checkpoint);
  fm_train_state state;
  fm_status status =
      fm_path_exists(checkpoint) ? fm_checkpoint_read_state(checkpoint, &state) : FM_END;
  free(checkpoint);
  if (status == FM_OK && state.epoch < self->run.config.train.epochs)
    status = FM_END;
  if (status != FM_OK)
    return status;
  *out = (fm_cross_fold){.fold = number, .best_epoch = state.best_epoch};
  snprintf(out->weights, sizeof out->weights, "fold_%d/%s", number, names[state.best_epoch == 0]);
  return FM_OK;
}

// The folds that are finished, and those that are not.
static fm_status cross_list_folds(cross *self) {
  fm_cross_validation *out = self->out;
  const int count = (int)self->run.split.fold_count, asked = self->options->fold;
  if (asked == FM_RUN_FOLD_NONE)
    return fm_fail(FM_ERR_ARGUMENT, "%s has no validation part", self->run.path);
  if (asked > count)
    return fm_fail(FM_ERR_ARGUMENT, "%s: fold %d, but the split has %d", self->run.path, asked,
                   count);
  for (int fold = 1; fold <= count; ++fold) {
    const fm_status status = cross_read_fold(self, fold, &out->folds[out->fold_count]);
    FM_TRY(status);
    if (status == FM_OK)
      ++out->fold_count;
    else if (asked == FM_RUN_FOLD_ALL || asked == fold)
      return fm_fail(FM_ERR_ARGUMENT, "%s: fold %d is not finished", self->run.path, fold);
    else
      out->missing[out->missing_count++] = fold;
  }
  return FM_OK;
}

static fm_status cross_find_leak(cross *self) {
  for (size_t i = 0; i < self->out->fold_count && self->run.config.train.carry_weights; ++i) {
    char *before;
    FM_TRY(fm_run_folder_carried(&self->run, self->out->folds[i].fold, &before));
    self->out->leaking = self->out->leaking || before;
    free(before);
  }
  return FM_OK;
}

// The pooled subset: every picture of a fold, by name.
static fm_status cross_pool(cross *self) {
  const fm_split *split = &self->run.split;
  fm_eval_subset *subset = &self->out->subset;
  subset->dataset = self->options->dataset;
  for (size_t k = 0; k < self->out->fold_count; ++k) {
    const fm_split_list *valid = &split->folds[self->out->folds[k].fold - 1];
    for (size_t i = 0; i < valid->count; ++i) {
      const ptrdiff_t at = fm_dataset_find(subset->dataset, valid->names[i]);
      if (at >= 0)
        self->taken[at] = true;
    }
  }
  for (size_t i = 0; i < fm_dataset_count(subset->dataset); ++i) {
    self->positions[i] = subset->count;
    if (self->taken[i])
      subset->samples[subset->count++] = i;
    self->taken[i] = false;
  }
  if (subset->count == 0)
    return fm_fail(FM_ERR_FORMAT, "the data have none of the pictures of the folds of %s",
                   self->run.path);
  return FM_OK;
}

// The pictures of the fold's validation part that no earlier fold has.
static fm_status cross_subset(cross *self, int fold, fm_eval_subset *out) {
  FM_TRY(fm_eval_subset_make(out, self->options->dataset, &self->run.split, FM_SUBSET_VALID, fold,
                             NULL));
  size_t kept = 0;
  for (size_t i = 0; i < out->count; ++i) {
    if (self->taken[out->samples[i]])
      continue;
    self->taken[out->samples[i]] = true;
    out->samples[kept++] = out->samples[i];
  }
  out->count = kept;
  return FM_OK;
}

// In the number type the run was trained in.
static fm_status cross_open(const cross *self, size_t at, fm_predictor **out) {
  static const char *const words[] = {[FM_PRECISION_AUTO] = "train.precision=auto",
                                      [FM_PRECISION_FP32] = "train.precision=fp32",
                                      [FM_PRECISION_BF16] = "train.precision=bf16",
                                      [FM_PRECISION_INT8] = "train.precision=int8"};
  char *path = fm_path_join(self->run.path, self->out->folds[at].weights);
  FM_CHECK_ALLOC(path);
  const fm_predictor_options options = {.weights = &(const char *){path},
                                        .weights_count = 1,
                                        .assignments = &words[self->run.config.train.precision],
                                        .assignment_count = 1,
                                        .score = -1,
                                        .nms = -1};
  const fm_status status = fm_predictor_open(out, &options);
  free(path);
  return status;
}

static fm_status cross_run_fold(const cross *self, const fm_eval_subset *subset, size_t at,
                                fm_eval_boxes *boxes) {
  char label[CROSS_LABEL_BYTES];
  snprintf(label, sizeof label, "fold %d, best weights", self->out->folds[at].fold);
  fm_predictor *predictor;
  FM_TRY(cross_open(self, at, &predictor));
  const fm_evaluation_options options = {.predictor = predictor,
                                         .subset = subset,
                                         .strict = self->options->strict,
                                         .label = label,
                                         .stop = self->options->stop};
  const fm_status status = fm_evaluation_run(&options, boxes, &self->out->folds[at].images);
  fm_predictor_free(predictor);
  return status;
}

// Adds a fold's boxes under the numbers of the pooled subset.
static fm_status cross_add(const cross *self, const fm_eval_subset *subset, fm_eval_boxes *boxes) {
  const size_t truths = boxes->truth_count, results = boxes->result_count;
  for (size_t i = 0; i < truths; ++i) {
    fm_coco_truth truth = boxes->truths[i];
    truth.image = (int64_t)self->positions[subset->samples[(size_t)truth.image]];
    FM_TRY(fm_eval_boxes_add_truth(&self->out->boxes, &truth));
  }
  for (size_t i = 0; i < results; ++i) {
    fm_coco_result result = boxes->results[i];
    result.image = (int64_t)self->positions[subset->samples[(size_t)result.image]];
    FM_TRY(fm_eval_boxes_add_result(&self->out->boxes, &result));
  }
  return FM_OK;
}

static fm_status cross_measure_fold(cross *self, size_t at) {
  fm_eval_subset subset = {0};
  fm_eval_boxes boxes = {0};
  const int classes = fm_dataset_class_count(self->options->dataset);
  fm_status status = cross_subset(self, self->out->folds[at].fold, &subset);
  if (status == FM_OK && subset.count > 0)
    status = cross_run_fold(self, &subset, at, &boxes);
  if (status == FM_OK)
    status = fm_eval_boxes_measure(&boxes, classes, &self->out->folds[at].coco);
  if (status == FM_OK)
    status = cross_add(self, &subset, &boxes);
  fm_eval_boxes_release(&boxes);
  fm_eval_subset_release(&subset);
  return status;
}

static fm_status cross_analyse(fm_cross_validation *out) {
  double *values = calloc(out->fold_count + 1, sizeof *values);
  FM_CHECK_ALLOC(values);
  size_t images = 0;
  for (size_t i = 0; i < out->fold_count; ++i) {
    values[i] = out->folds[i].coco.mAP;
    images += out->folds[i].images;
  }
  fm_analysis_spread(values, out->fold_count, &out->mean_mAP, &out->deviation_mAP);
  free(values);
  const fm_analysis_options options = {
      .subset = &out->subset, .boxes = &out->boxes, .images = images, .notebook = true};
  return fm_analysis_make(&out->analysis, &options);
}

static fm_status cross_run(cross *self) {
  fm_cross_validation *out = self->out;
  FM_TRY(fm_run_folder_read(&self->run));
  FM_TRY(cross_allocate(self));
  FM_TRY(cross_list_folds(self));
  FM_TRY(cross_find_leak(self));
  FM_TRY(cross_pool(self));
  for (size_t i = 0; i < out->fold_count; ++i) {
    const fm_status status = cross_measure_fold(self, i);
    if (status != FM_OK)
      return status;
  }
  return cross_analyse(out);
}

fm_status fm_cross_validation_measure(fm_cross_validation *out,
                                      const fm_cross_validation_options *options) {
  *out = (fm_cross_validation){0};
  cross self = {.options = options, .out = out};
  self.run.path = strdup(options->run);
  fm_status status = self.run.path ? cross_run(&self) : fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status != FM_OK)
    fm_cross_validation_release(out);
  free(self.positions);
  free(self.taken);
  fm_run_folder_release(&self.run);
  return status;
}

static fm_status cross_write_file(const char *folder, const char *name, const char *text) {
  char *path = fm_path_join(folder, name);
  FM_CHECK_ALLOC(path);
  const fm_status status = fm_file_write(path, text, strlen(text));
  free(path);
  return status;
}

static fm_status cross_write_metrics(const fm_cross_validation *self, const char *folder) {
  fm_analysis_fold *list = calloc(self->fold_count + 1, sizeof *list);
  FM_CHECK_ALLOC(list);
  for (size_t i = 0; i < self->fold_count; ++i)
    list[i] = (fm_analysis_fold){.fold = self->folds[i].fold,
                                 .best_epoch = self->folds[i].best_epoch,
                                 .weights = self->folds[i].weights,
                                 .images = self->folds[i].images,
                                 .coco = &self->folds[i].coco};
  const fm_analysis_folds folds = {.folds = list,
                                   .count = self->fold_count,
                                   .missing = self->missing,
                                   .missing_count = self->missing_count,
                                   .leaking = self->leaking};
  char *text;
  fm_status status = fm_analysis_format(&text, &self->analysis, &folds);
  if (status >= 0)
    status = cross_write_file(folder, "metrics.json", text);
  free(text);
  free(list);
  return status;
}

fm_status fm_cross_validation_write(const fm_cross_validation *validation, const char *folder) {
  FM_TRY(fm_folder_make(folder));
  FM_TRY(cross_write_metrics(validation, folder));
  char *path = fm_path_join(folder, "predictions.json");
  FM_CHECK_ALLOC(path);
  const fm_status status = fm_results_write(&validation->boxes, &validation->subset, path);
  free(path);
  return status;
}

void fm_cross_validation_release(fm_cross_validation *validation) {
  for (size_t i = 0; i < validation->fold_count; ++i)
    fm_coco_measure_release(&validation->folds[i].coco);
  free(validation->folds);
  free(validation->missing);
  fm_analysis_release(&validation->analysis);
  fm_eval_boxes_release(&validation->boxes);
  fm_eval_subset_release(&validation->subset);
  *validation = (fm_cross_validation){0};
}
