// Making, restoring and saving the parts of a training.
#include "train/trainer_parts.h"

#include <inttypes.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/progress.h"
#include "detect/weights.h"
#include "train/feed.h"

// The names, sizes and boxes it trains on.
static uint64_t trainer_parts_data_hash(const fm_trainer_options *options) {
  uint64_t hash = FM_HASH_START;
  for (size_t i = 0; i < options->train_count; i++) {
    const fm_sample *sample = fm_dataset_sample(options->dataset, options->train[i]);
    hash = fm_hash(hash, sample->name, strlen(sample->name) + 1);
    for (size_t k = 0; k < sample->object_count; k++) {
      hash = fm_hash(hash, &sample->objects[k].box, sizeof sample->objects[k].box);
      hash = fm_hash(hash, &sample->objects[k].label, sizeof sample->objects[k].label);
    }
  }
  return hash;
}

// What a kill left of files that were being written.
static fm_status trainer_parts_sweep(const char *folder) {
  fm_name_list list;
  FM_TRY(fm_folder_list(&list, folder));
  for (size_t i = 0; i < list.count; i++) {
    if (!strstr(list.names[i], ".safetensors.") ||
        strcmp(fm_path_extension(list.names[i]), "tmp") != 0)
      continue;
    char *path = fm_path_join(folder, list.names[i]);
    if (path)
      unlink(path);
    free(path);
  }
  fm_name_list_release(&list);
  return FM_OK;
}

static fm_status trainer_parts_make_paths(fm_trainer_parts *self) {
  const char *folder = self->options->folder;
  self->checkpoint = fm_path_join(folder, "checkpoint.safetensors");
  self->best = fm_path_join(folder, "weights/best.safetensors");
  self->last = fm_path_join(folder, "weights/last.safetensors");
  char *weights = fm_path_join(folder, "weights");
  fm_status status = self->checkpoint && self->best && self->last && weights
                         ? fm_folder_make(weights)
                         : fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status >= 0)
    status = trainer_parts_sweep(weights);
  free(weights);
  return status;
}

static fm_status trainer_parts_make_loaders(fm_trainer_parts *self) {
  const fm_trainer_options *options = self->options;
  FM_TRY(fm_augment_parse(&self->augment, options->config->augment));
  fm_config_training_model(options->config, &self->training_model);
  fm_loader_options loading = {
      .dataset = options->dataset,
      .cache = options->cache,
      .samples = options->train,
      .sample_count = options->train_count,
      .batch_size = (size_t)self->config->batch_size,
      .shuffle = self->config->shuffle,
      .repeat_threshold = self->config->repeat_threshold,
      .group_aspect = self->config->group_aspect,
      .augment = self->augment,
      .seed = (uint64_t)self->config->seed,
      .threads = self->config->loader_threads,
      .strict = options->strict,
      .maker = fm_feed_maker(&self->training_model),
  };
  FM_TRY(fm_loader_new(&self->loader, &loading));
  if (options->valid_count == 0)
    return FM_OK;
  loading.samples = options->valid;
  loading.sample_count = options->valid_count;
  loading.shuffle = false;
  loading.repeat_threshold = 0;
  loading.augment = NULL;
  loading.maker = fm_feed_maker(&options->config->model);
  return fm_loader_new(&self->valid_loader, &loading);
}

static fm_status trainer_parts_load_weights(fm_trainer_parts *self) {
  fm_weights_report report = {0};
  FM_TRY(fm_weights_load(self->detector, self->options->weights, &report));
  char *text = fm_weights_report_describe(&report);
  fm_weights_report_release(&report);
  FM_CHECK_ALLOC(text);
  fm_say("%s: %s", self->options->weights, text);
  free(text);
  return FM_OK;
}

static fm_status trainer_parts_make_detector(fm_trainer_parts *self) {
  const fm_trainer_options *options = self->options;
  int classes = fm_dataset_class_count(options->dataset);
  self->class_names = calloc((size_t)classes + 1, sizeof *self->class_names);
  FM_CHECK_ALLOC(self->class_names);
  for (int label = 1; label <= classes; label++)
    self->class_names[label - 1] = fm_dataset_class_name(options->dataset, label);
  fm_dtype precision;
  FM_TRY(fm_config_training_precision(options->config, &precision));
  FM_TRY(fm_detector_new(&self->detector, &(fm_detector_options){
                                              .config = &options->config->model,
                                              .class_count = classes,
                                              .precision = precision,
                                              .training = true,
                                              .together = self->config->together,
                                              .seed = (uint64_t)self->config->seed,
                                          }));
  self->params = fm_detector_params(self->detector);
  return FM_OK;
}

fm_status fm_trainer_save_checkpoint(fm_trainer_parts *self) {
  FM_TRY(fm_run_log_sync(&self->log));
  self->state.steps_bytes = self->log.steps_bytes;
  self->state.metrics_bytes = self->log.metrics_bytes;
  FM_TRY(fm_tensorboard_sync(&self->board, &self->state.train_events_bytes,
                             &self->state.valid_events_bytes));
  FM_TRY(fm_checkpoint_write(self->checkpoint, self->params, self->slots, &self->state));
  self->saved_step = self->state.step;
  return FM_OK;
}

int fm_trainer_kept_slot(const fm_trainer_parts *self) {
  if (self->state.cycles > 0)
    return FM_MOMENT_MEAN;
  return self->slots.average && self->state.step > 0 ? FM_MOMENT_AVERAGE : FM_MOMENT_NONE;
}

static fm_status trainer_parts_save_file(fm_trainer_parts *self, const char *path) {
  return fm_weights_save(self->detector, path, self->class_names,
                         fm_dataset_class_count(self->options->dataset),
                         fm_trainer_kept_slot(self));
}

// The weights files follow from the checkpoint that was just written or read, so a kill between the
// two loses nothing.
fm_status fm_trainer_save_weights(fm_trainer_parts *self) {
  const fm_train_state *state = &self->state;
  if (state->batch == 0 && state->best_epoch > 0 && state->best_epoch == state->epoch)
    FM_TRY(trainer_parts_save_file(self, self->best));
  return trainer_parts_save_file(self, self->last);
}

static fm_status trainer_parts_check_same(const fm_train_state *stored, const fm_train_state *now) {
  if (strcmp(stored->config_hash, now->config_hash) != 0)
    return fm_fail(FM_ERR_FORMAT, "config.yaml was changed since the checkpoint was written");
  if (strcmp(stored->data_hash, now->data_hash) != 0)
    return fm_fail(FM_ERR_FORMAT, "the data differ from those the run began with");
  if (stored->threads != now->threads)
    fm_say("%d threads now, %d before: the weights will differ in their last bits", now->threads,
           stored->threads);
  return FM_OK;
}

static fm_status trainer_parts_restore(fm_trainer_parts *self) {
  fm_train_state stored;
  FM_TRY(fm_checkpoint_read(self->checkpoint, self->params, self->slots, &stored));
  FM_TRY(trainer_parts_check_same(&stored, &self->state));
  stored.threads = self->state.threads;
  self->state = stored;
  self->saved_step = stored.step;
  return FM_OK;
}

static void trainer_parts_make_optimizer(fm_trainer_parts *self) {
  const fm_train_config *config = self->config;
  self->optimizer = (fm_optimizer_options){.kind = (fm_optimizer_kind)config->optimizer,
                                           .momentum = config->momentum,
                                           .weight_decay = config->weight_decay,
                                           .clip_norm = config->clip_norm,
                                           .ema = config->ema};
  unsigned slots = fm_optimizer_slots(&self->optimizer);
  self->slots = (fm_checkpoint_slots){.moments = {slots & 1u, slots & 2u},
                                      .average = slots & 4u,
                                      .mean = config->restarts.count > 0};
}

static fm_status trainer_parts_open_board(fm_trainer_parts *self) {
  const fm_trainer_options *options = self->options;
  return fm_tensorboard_open(&self->board, &(fm_tensorboard_options){
                                               .prefix = options->logs,
                                               .config = options->config,
                                               .valid = options->valid,
                                               .valid_count = options->valid_count,
                                               .train_bytes = self->state.train_events_bytes,
                                               .valid_bytes = self->state.valid_events_bytes,
                                           });
}

static fm_status trainer_parts_begin(fm_trainer_parts *self, bool *resumed) {
  fm_train_state_init(&self->state);
  uint64_t config_hash;
  FM_TRY(fm_config_hash(self->options->config, &config_hash));
  snprintf(self->state.config_hash, sizeof self->state.config_hash, "%016" PRIx64, config_hash);
  snprintf(self->state.data_hash, sizeof self->state.data_hash, "%016" PRIx64,
           trainer_parts_data_hash(self->options));
  self->state.threads = omp_get_max_threads();
  FM_TRY(fm_run_log_open(&self->log, self->options->folder));
  FM_TRY(trainer_parts_sweep(self->options->folder));
  *resumed = fm_path_exists(self->checkpoint);
  if (*resumed)
    FM_TRY(trainer_parts_restore(self));
  else if (self->options->weights)
    FM_TRY(trainer_parts_load_weights(self));
  FM_TRY(fm_run_log_cut(&self->log, self->state.steps_bytes, self->state.metrics_bytes));
  FM_TRY(trainer_parts_open_board(self));
  if (*resumed && self->state.batch == 0)
    FM_TRY(fm_trainer_save_weights(self));
  return FM_OK;
}

fm_status fm_trainer_parts_init(fm_trainer_parts *parts, const fm_trainer_options *options,
                                bool *resumed) {
  *parts =
      (fm_trainer_parts){.options = options, .config = &options->config->train, .saved_step = -1};
  parts->log = (fm_run_log){.steps = -1, .metrics = -1};
  FM_TRY(trainer_parts_make_paths(parts));
  FM_TRY(trainer_parts_make_loaders(parts));
  FM_TRY(trainer_parts_make_detector(parts));
  trainer_parts_make_optimizer(parts);
  return trainer_parts_begin(parts, resumed);
}

void fm_trainer_parts_release(fm_trainer_parts *parts) {
  fm_loader_free(parts->loader);
  fm_loader_free(parts->valid_loader);
  fm_augment_free(parts->augment);
  fm_detector_free(parts->detector);
  fm_run_log_release(&parts->log);
  fm_tensorboard_release(&parts->board);
  free(parts->class_names);
  free(parts->checkpoint);
  free(parts->best);
  free(parts->last);
}
