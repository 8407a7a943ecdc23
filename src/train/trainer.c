// The training of one fold.
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/progress.h"
#include "nn/schedule.h"
#include "train/average.h"
#include "train/trainer_parts.h"
#include "train/validation.h"

enum { TRAINER_STREAM_SAMPLE = 0x7472, TRAINER_LABEL_BYTES = 96, TRAINER_NAMES_BYTES = 512 };
static const double TRAINER_METRIC_WORST = -1e300;

// The rate of a step of the epoch under way.
static double trainer_rate(const fm_trainer_parts *self, int batch) {
  const fm_train_config *config = self->config;
  const fm_schedule schedule = {
      .kind = (fm_schedule_kind)config->schedule,
      .lr = config->lr,
      .step_size = config->step_size,
      .gamma = config->gamma,
      .milestones = config->milestones.values,
      .milestone_count = config->milestones.count,
      .restarts = config->restarts.values,
      .restart_count = config->restarts.count,
      .epochs = config->epochs,
      .steps_per_epoch = (int)fm_loader_batch_count(self->loader),
      .warmup_steps = config->warmup_steps,
  };
  return fm_schedule_rate(&schedule, self->state.epoch, batch);
}

static void trainer_names(const fm_trainer_parts *self, const fm_loader_batch *batch, char *out,
                          size_t capacity) {
  size_t used = 0;
  for (size_t i = 0; i < batch->count && used < capacity; i++) {
    const char *name = fm_dataset_sample(self->options->dataset, batch->samples[i])->name;
    int size = snprintf(out + used, capacity - used, "%s%s", i ? ", " : "", name);
    used += size > 0 ? (size_t)size : 0;
  }
}

static fm_status trainer_fail_step(const fm_trainer_parts *self, int step,
                                   const fm_loader_batch *batch, const char *what) {
  char names[TRAINER_NAMES_BYTES], kept[64] = "no checkpoint was written yet";
  trainer_names(self, batch, names, sizeof names);
  if (self->saved_step >= 0)
    snprintf(kept, sizeof kept, "the checkpoint of step %d is kept", self->saved_step);
  return fm_fail(FM_ERR_NUMERIC, "step %d: %s; pictures %s; %s", step, what, names, kept);
}

static fm_status trainer_check_losses(const fm_trainer_parts *self, const fm_loader_batch *batch,
                                      const fm_losses *losses) {
  if (isfinite(losses->loss))
    return FM_OK;
  char what[256];
  snprintf(what, sizeof what,
           "the loss is not finite: loss %g, loss_classifier %g, loss_box_reg %g, loss_objectness "
           "%g, loss_rpn_box_reg %g",
           losses->loss, losses->classifier, losses->box_reg, losses->objectness,
           losses->rpn_box_reg);
  return trainer_fail_step(self, self->state.step + 1, batch, what);
}

static void trainer_add_losses(fm_train_state *state, const fm_losses *losses) {
  state->epoch_loss += losses->loss;
  state->epoch_classifier += losses->classifier;
  state->epoch_box_reg += losses->box_reg;
  state->epoch_objectness += losses->objectness;
  state->epoch_rpn_box_reg += losses->rpn_box_reg;
}

// A value that is not finite is reported with the step and its pictures.
static fm_status trainer_explain(const fm_trainer_parts *self, int step,
                                 const fm_loader_batch *batch, fm_status status) {
  if (status != FM_ERR_NUMERIC)
    return status;
  char what[256];
  snprintf(what, sizeof what, "%s", fm_error_message());
  return trainer_fail_step(self, step, batch, what);
}

static fm_status trainer_update(fm_trainer_parts *self, const fm_loader_batch *batch,
                                fm_step_line *line, double *gradient_norm) {
  fm_random random = fm_random_make((uint64_t)self->config->seed, TRAINER_STREAM_SAMPLE,
                                    (uint64_t)self->state.step);
  int step = self->state.step + 1;
  FM_TRY(trainer_explain(
      self, step, batch,
      fm_detector_train(self->detector, batch->inputs, batch->count, &random, &line->losses)));
  FM_TRY(trainer_check_losses(self, batch, &line->losses));
  self->optimizer.lr = line->lr;
  fm_optimizer_state state = {.step = self->state.step};
  FM_TRY(trainer_explain(self, step, batch,
                         fm_optimizer_step(&self->optimizer, self->params, &state)));
  *gradient_norm = state.gradient_norm;
  return FM_OK;
}

static fm_status trainer_step(fm_trainer_parts *self, fm_progress *progress) {
  double started = fm_clock();
  fm_loader_batch batch;
  fm_status status = fm_loader_next(self->loader, &batch);
  FM_TRY(status);
  if (status == FM_END) { // no readable picture in what is left
    self->state.batch = (int)fm_loader_batch_count(self->loader);
    return FM_OK;
  }
  double loaded = fm_clock();
  fm_train_state *state = &self->state;
  fm_step_line line = {.lr = trainer_rate(self, (int)batch.index), .images = batch.count};
  double gradient_norm;
  FM_TRY(trainer_update(self, &batch, &line, &gradient_norm));
  state->step++;
  state->batch = (int)batch.index + 1;
  state->epoch_steps++;
  state->epoch_images += (int)batch.count;
  trainer_add_losses(state, &line.losses);
  line.seconds = fm_clock() - started;
  line.data_seconds = loaded - started;
  state->epoch_seconds += line.seconds;
  line.step = state->step;
  line.epoch = state->epoch + 1;
  if (state->step % self->options->config->log.every_steps == 0) {
    FM_TRY(fm_run_log_step(&self->log, &line));
    FM_TRY(fm_tensorboard_step(&self->board, &line, gradient_norm));
  }
  fm_progress_step(progress, (size_t)state->batch,
                   "loss %.4f class %.4f box %.4f objectness %.4f rpn box %.4f", line.losses.loss,
                   line.losses.classifier, line.losses.box_reg, line.losses.objectness,
                   line.losses.rpn_box_reg);
  int every = self->config->checkpoint_steps;
  if (every > 0 && state->step % every == 0)
    return trainer_explain(self, state->step, &batch, fm_trainer_save_checkpoint(self));
  return FM_OK;
}

static fm_metrics_row trainer_row(const fm_trainer_parts *self) {
  const fm_train_state *state = &self->state;
  double count = state->epoch_steps > 0 ? state->epoch_steps : 1;
  return (fm_metrics_row){
      .epoch = state->epoch + 1,
      .step = state->step,
      .lr = trainer_rate(self, state->batch > 0 ? state->batch - 1 : 0),
      .train = {state->epoch_loss / count, state->epoch_classifier / count,
                state->epoch_box_reg / count, state->epoch_objectness / count,
                state->epoch_rpn_box_reg / count},
      .seconds = state->epoch_seconds,
  };
}

static fm_status trainer_watch(void *user, size_t sample, const fm_detections *found) {
  fm_trainer_parts *self = user;
  return fm_tensorboard_watch(&self->board, self->options->dataset, sample, found);
}

// The averaged weights are what is measured.
static fm_status trainer_validate(fm_trainer_parts *self, fm_validation *out) {
  char label[TRAINER_LABEL_BYTES];
  snprintf(label, sizeof label, "%s validation %d", self->options->label, self->state.epoch + 1);
  const fm_validation_options options = {
      .detector = self->detector,
      .loader = self->valid_loader,
      .dataset = self->options->dataset,
      .seed = (uint64_t)self->config->seed,
      .label = label,
      .stop = self->options->stop,
      .watch = trainer_watch,
      .watcher = self,
  };
  const int slot = fm_trainer_kept_slot(self);
  FM_TRY(fm_average_swap(self->params, slot));
  fm_status status = fm_validation_run(&options, out);
  if (status >= 0)
    FM_TRY(fm_average_swap(self->params, slot));
  return status;
}

static void trainer_take_best(fm_train_state *state, const fm_validation *validation) {
  double metric = validation->truths > 0 ? validation->mAP : -validation->losses.loss;
  if (!isfinite(metric))
    metric = TRAINER_METRIC_WORST;
  if (state->best_epoch > 0 && !(metric > state->best_metric))
    return;
  state->best_epoch = state->epoch + 1;
  state->best_metric = metric;
  state->best_mAP = validation->truths > 0 ? validation->mAP : -1;
}

static void trainer_say_epoch(const fm_trainer_parts *self, const fm_metrics_row *row) {
  const char *label = self->options->label;
  if (row->has_valid)
    fm_say("%s epoch %d of %d: loss %.4f, validation loss %.4f, mAP %.4f, mAP50 %.4f", label,
           row->epoch, self->config->epochs, row->train.loss, row->valid.loss, row->mAP,
           row->mAP50);
  else
    fm_say("%s epoch %d of %d: loss %.4f", label, row->epoch, self->config->epochs,
           row->train.loss);
}

// Is the epoch under way one that ends with a validation?
static bool trainer_validates(const fm_trainer_parts *self) {
  const int every = self->config->validate_every, epoch = self->state.epoch + 1;
  return self->valid_loader && (epoch == self->config->epochs || (every > 0 && epoch % every == 0));
}

// The cycles between restarts that are over with the epoch under way.
static int trainer_cycles(const fm_trainer_parts *self) {
  const int epoch = self->state.epoch + 1;
  const fm_float_list *restarts = &self->config->restarts;
  int cycles = restarts->count > 0 && epoch == self->config->epochs;
  for (int i = 0; i < restarts->count; i++)
    cycles += (int)restarts->values[i] <= epoch;
  return cycles;
}

// At a cycle's end, where the rate is 0, the weights join the mean of all such (Izmailov et al.
// 2018). An epoch whose validation was stopped comes here twice.
static fm_status trainer_take_mean(fm_trainer_parts *self) {
  fm_train_state *state = &self->state;
  if (state->cycles >= trainer_cycles(self))
    return FM_OK;
  const int slot = self->slots.average ? FM_MOMENT_AVERAGE : FM_MOMENT_NONE;
  FM_TRY(fm_average_include(self->params, slot, state->cycles));
  state->cycles++;
  return FM_OK;
}

// All batches of the epoch are done: measure, write the row, go to the next epoch, save. FM_STOPPED
// leaves the state as it is, so that a resumed run begins with the measuring.
static fm_status trainer_end_epoch(fm_trainer_parts *self) {
  fm_train_state *state = &self->state;
  fm_metrics_row row = trainer_row(self);
  if (state->epoch_steps == 0)
    return fm_fail(FM_ERR_FORMAT, "no picture of the train part could be read");
  FM_TRY(trainer_take_mean(self));
  if (trainer_validates(self)) {
    fm_validation validation;
    fm_status status = trainer_validate(self, &validation);
    if (status != FM_OK)
      return status;
    row.has_valid = true;
    row.valid = validation.losses;
    row.mAP = validation.mAP;
    row.mAP50 = validation.mAP50;
    row.mAP75 = validation.mAP75;
    trainer_take_best(state, &validation);
  }
  FM_TRY(fm_run_log_metrics(&self->log, &row));
  FM_TRY(fm_tensorboard_epoch(&self->board, &row));
  trainer_say_epoch(self, &row);
  fm_train_state_next_epoch(state);
  FM_TRY(fm_trainer_save_checkpoint(self));
  return fm_trainer_save_weights(self);
}

static bool trainer_is_stopped(const fm_trainer_parts *self) {
  return self->options->stop && *self->options->stop;
}

// FM_END when the limit of steps is reached with batches of this epoch left.
static fm_status trainer_run_batches(fm_trainer_parts *self) {
  const fm_trainer_options *options = self->options;
  fm_train_state *state = &self->state;
  size_t total = fm_loader_batch_count(self->loader);
  FM_TRY(fm_loader_start(self->loader, (uint64_t)state->epoch, (size_t)state->batch));
  char label[TRAINER_LABEL_BYTES];
  snprintf(label, sizeof label, "%s epoch %d/%d", options->label, state->epoch + 1,
           self->config->epochs);
  fm_progress progress;
  fm_progress_resume(&progress, label, total, (size_t)state->batch);
  fm_status status = FM_OK;
  while (status == FM_OK && (size_t)state->batch < total) {
    if (trainer_is_stopped(self))
      status = FM_STOPPED;
    else if (options->max_steps > 0 && state->step >= options->max_steps)
      status = FM_END;
    else
      status = trainer_step(self, &progress);
  }
  fm_progress_end(&progress);
  return status;
}

static fm_status trainer_run_epochs(fm_trainer_parts *self) {
  while (self->state.epoch < self->config->epochs) {
    fm_status status = trainer_run_batches(self);
    if (status == FM_OK)
      status = trainer_is_stopped(self) ? FM_STOPPED : trainer_end_epoch(self);
    if (status != FM_OK)
      return status;
  }
  return FM_OK;
}

// A stop in the middle of an epoch: the whole state, and the weights as they are.
static fm_status trainer_save_stop(fm_trainer_parts *self) {
  if (self->saved_step != self->state.step)
    FM_TRY(fm_trainer_save_checkpoint(self));
  return fm_trainer_save_weights(self);
}

static fm_status trainer_run(fm_trainer_parts *self) {
  fm_status status = trainer_run_epochs(self);
  FM_TRY(status);
  if (status != FM_OK)
    FM_TRY(trainer_save_stop(self));
  else
    FM_TRY(fm_tensorboard_finish(&self->board));
  return status == FM_STOPPED ? FM_STOPPED : FM_OK;
}

fm_status fm_trainer_run(const fm_trainer_options *options, fm_trainer_result *result) {
  *result = (fm_trainer_result){.best_mAP = -1};
  fm_trainer_parts parts;
  fm_status status = fm_trainer_parts_init(&parts, options, &result->resumed);
  if (status >= 0) {
    result->first_step = parts.state.step;
    status = trainer_run(&parts);
    result->finished = parts.state.epoch >= parts.config->epochs;
    result->steps = parts.state.step;
    result->epochs = parts.state.epoch;
    result->best_epoch = parts.state.best_epoch;
    result->best_mAP = parts.state.best_mAP;
  }
  fm_trainer_parts_release(&parts);
  return status;
}
