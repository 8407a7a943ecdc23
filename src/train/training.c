// The run of a training: what is new, what is resumed, and the folds one after the other.
#include "train/training.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "data/picture_cache.h"
#include "detect/weights.h"
#include "train/checkpoint.h"
#include "train/run_folder.h"

enum { TRAINING_FOLD_INITIAL = 1, TRAINING_FOLDS = 5, TRAINING_LABEL_BYTES = 32 };
#define TRAINING_TEST_FRACTION 0.1

typedef struct training {
  const fm_training_options *options;
  fm_run_folder run;
  fm_picture_cache *cache;
  int fold; // asked for
} training;

// --- the run's settings

static fm_status training_load_config(training *self) {
  const fm_training_options *options = self->options;
  fm_weights_info info = {0};
  if (options->weights)
    FM_TRY(fm_weights_info_read(&info, options->weights));
  fm_status status =
      fm_config_load(&self->run.config, options->config_file, options->assignments,
                     options->assignment_count, info.has_config ? &info.config : NULL);
  fm_weights_info_release(&info);
  return status;
}

static fm_status training_make_split(training *self) {
  if (self->options->split)
    return fm_split_read(&self->run.split, self->options->split);
  const fm_split_options split = {.test_fraction = TRAINING_TEST_FRACTION,
                                  .folds = TRAINING_FOLDS,
                                  .seed = (uint32_t)self->run.config.train.seed};
  return fm_split_make(&self->run.split, self->options->dataset, &split);
}

static fm_status training_check_fold(const training *self) {
  size_t count = self->run.split.fold_count;
  if (self->fold == FM_RUN_FOLD_ALL && count == 0)
    return fm_fail(FM_ERR_ARGUMENT, "--fold all: the split has no folds; use --fold none");
  if (self->fold > 0 && (size_t)self->fold > count)
    return fm_fail(FM_ERR_ARGUMENT, "--fold %d: the split has %zu folds", self->fold, count);
  return FM_OK;
}

static fm_status training_create(training *self) {
  const fm_training_options *options = self->options;
  FM_TRY(training_load_config(self));
  fm_dtype precision;
  FM_TRY(fm_config_training_precision(&self->run.config, &precision)); // before anything is written
  // What `auto` means is measured; a resumed run must not measure it otherwise.
  self->run.config.train.precision = precision == FM_BF16 ? FM_PRECISION_BF16 : FM_PRECISION_FP32;
  FM_TRY(training_make_split(self));
  self->fold = TRAINING_FOLD_INITIAL;
  if (options->fold)
    FM_TRY(fm_run_fold_parse(&self->fold, options->fold));
  FM_TRY(training_check_fold(self));
  if (options->weights) {
    self->run.weights = strdup(options->weights);
    FM_CHECK_ALLOC(self->run.weights);
  }
  const fm_run_call call = {.data = options->data,
                            .command = options->command,
                            .fold = self->fold,
                            .weights = options->weights};
  return fm_run_folder_create(&self->run, options->dataset, &call);
}

static bool training_same_list(const fm_split_list *a, const fm_split_list *b) {
  bool same = a->count == b->count;
  for (size_t i = 0; same && i < a->count; i++)
    same = strcmp(a->names[i], b->names[i]) == 0;
  return same;
}

static fm_status training_check_split(const training *self) {
  fm_split wanted = {0};
  FM_TRY(fm_split_read(&wanted, self->options->split));
  const fm_split *stored = &self->run.split;
  bool same = training_same_list(&wanted.train, &stored->train) &&
              training_same_list(&wanted.test, &stored->test) &&
              wanted.fold_count == stored->fold_count;
  for (size_t i = 0; same && i < stored->fold_count; i++)
    same = training_same_list(&wanted.folds[i], &stored->folds[i]);
  fm_split_release(&wanted);
  if (same)
    return FM_OK;
  return fm_fail(FM_ERR_ARGUMENT, "--split %s differs from %s/split.json of the run to be resumed",
                 self->options->split, self->run.path);
}

static bool training_same_floats(const fm_float_list *a, const fm_float_list *b) {
  bool same = a->count == b->count;
  for (int i = 0; same && i < a->count; i++)
    same = a->values[i] == b->values[i];
  return same;
}

static bool training_same_detection(const fm_model_config *a, const fm_model_config *b) {
  return training_same_floats(&a->views, &b->views) && a->focus == b->focus &&
         a->score == b->score && a->whole_pixels == b->whole_pixels;
}

// The stored settings hold; what the call says must agree with them, or is a change that a run
// can take.
static fm_status training_resume_config(training *self, bool *changed) {
  const fm_training_options *options = self->options;
  fm_config *wanted = malloc(sizeof *wanted);
  FM_CHECK_ALLOC(wanted);
  *wanted = self->run.config;
  fm_status status = fm_config_apply(wanted, options->config_file, options->assignments,
                                     options->assignment_count);
  if (wanted->train.precision == FM_PRECISION_AUTO)
    wanted->train.precision = self->run.config.train.precision;
  if (status >= 0)
    status = fm_config_compare(&self->run.config, wanted);
  const int epochs = self->run.config.train.epochs;
  *changed = !training_same_detection(&self->run.config.model, &wanted->model);
  if (status >= 0)
    self->run.config = *wanted;
  free(wanted);
  FM_TRY(status);
  if (self->run.config.train.epochs == epochs)
    return FM_OK;
  fm_say("train.epochs: %d becomes %d", epochs, self->run.config.train.epochs);
  *changed = true;
  return FM_OK;
}

// Another fold than the stored one may be asked for; a run of all folds stays one.
static fm_status training_resume_fold(training *self, const char *fold) {
  self->fold = self->run.fold;
  if (fold)
    FM_TRY(fm_run_fold_parse(&self->fold, fold));
  FM_TRY(training_check_fold(self));
  if (self->fold != FM_RUN_FOLD_ALL || self->run.fold == FM_RUN_FOLD_ALL)
    return FM_OK;
  self->run.fold = self->fold;
  return fm_run_folder_write_fold(&self->run);
}

static fm_status training_resume(training *self) {
  const fm_training_options *options = self->options;
  bool changed = false;
  FM_TRY(fm_run_folder_read(&self->run));
  FM_TRY(training_resume_config(self, &changed));
  if (options->split)
    FM_TRY(training_check_split(self));
  if (options->weights && (!self->run.weights || strcmp(options->weights, self->run.weights) != 0))
    return fm_fail(FM_ERR_ARGUMENT, "--weights is %s in the run to be resumed, not %s",
                   self->run.weights ? self->run.weights : "not given", options->weights);
  FM_TRY(training_resume_fold(self, options->fold));
  return changed ? fm_run_folder_write_config(&self->run) : FM_OK;
}

static fm_status training_open(training *self) {
  const fm_training_options *options = self->options;
  if (!options->name[0] || strchr(options->name, '/') || options->name[0] == '.')
    return fm_fail(FM_ERR_ARGUMENT, "--name %s: a plain folder name is expected", options->name);
  self->run.path = fm_path_join(options->runs, options->name);
  FM_CHECK_ALLOC(self->run.path);
  if (fm_run_folder_exists(self->run.path)) {
    if (options->resume)
      return training_resume(self);
    return fm_fail(FM_ERR_IO, "%s exists; --resume continues it, --name NAME begins another",
                   self->run.path);
  }
  // A folder without config.yaml is what a kill in the first moments leaves: it begins anew.
  if (options->resume && !fm_path_is_folder(self->run.path))
    return fm_fail(FM_ERR_IO, "--resume: there is no run %s", self->run.path);
  return training_create(self);
}

// --- the pictures of a fold

typedef struct training_lists {
  size_t *train, *valid;
  size_t train_count, valid_count;
} training_lists;

static fm_status training_find(const training *self, const char *name, size_t *missing,
                               ptrdiff_t *out) {
  *out = fm_dataset_find(self->options->dataset, name);
  if (*out < 0 && self->options->strict)
    return fm_fail(FM_ERR_FORMAT, "%s of the split is not in the data", name);
  if (*out < 0 && (*missing)++ == 0)
    fm_say("left out: %s of the split is not in the data", name);
  return FM_OK;
}

static fm_status training_fill_lists(const training *self, int fold, training_lists *lists,
                                     bool *is_valid) {
  const fm_split *split = &self->run.split;
  size_t missing = 0;
  ptrdiff_t index;
  if (fold > 0) {
    const fm_split_list *valid = &split->folds[fold - 1];
    for (size_t i = 0; i < valid->count; i++) {
      FM_TRY(training_find(self, valid->names[i], &missing, &index));
      if (index < 0)
        continue;
      is_valid[index] = true;
      lists->valid[lists->valid_count++] = (size_t)index;
    }
  }
  for (size_t i = 0; i < split->train.count; i++) {
    FM_TRY(training_find(self, split->train.names[i], &missing, &index));
    if (index >= 0 && !is_valid[index])
      lists->train[lists->train_count++] = (size_t)index;
  }
  if (missing > 1)
    fm_say("left out: %zu names of the split are not in the data", missing);
  if (lists->train_count == 0)
    return fm_fail(FM_ERR_FORMAT, "the data have none of the pictures of the split's train part");
  return FM_OK;
}

static fm_status training_make_lists(const training *self, int fold, training_lists *lists) {
  const fm_split *split = &self->run.split;
  size_t valid_room = fold > 0 ? split->folds[fold - 1].count : 0;
  lists->train = calloc(split->train.count + 1, sizeof *lists->train);
  lists->valid = calloc(valid_room + 1, sizeof *lists->valid);
  bool *is_valid = calloc(fm_dataset_count(self->options->dataset) + 1, sizeof *is_valid);
  fm_status status = lists->train && lists->valid && is_valid
                         ? training_fill_lists(self, fold, lists, is_valid)
                         : fm_fail(FM_ERR_MEMORY, "out of memory");
  free(is_valid);
  return status;
}

// --- the folds

// A fold goes on from the end of the one before, not from its middle.
static fm_status training_check_carried(const training *self, int fold) {
  char *folder = fm_run_folder_fold(&self->run, fold);
  char *path = folder ? fm_path_join(folder, "checkpoint.safetensors") : NULL;
  free(folder);
  FM_CHECK_ALLOC(path);
  fm_train_state state = {.epoch = self->run.config.train.epochs};
  const fm_status status = fm_path_exists(path) ? fm_checkpoint_read_state(path, &state) : FM_OK;
  free(path);
  FM_TRY(status);
  return state.epoch >= self->run.config.train.epochs
             ? FM_OK
             : fm_fail(FM_ERR_ARGUMENT,
                       "train.carry_weights: fold %d is not finished; go on with --fold %d first",
                       fold, fold);
}

// The start weights of a fold: with train.carry_weights the last ones of the fold before.
static fm_status training_start_weights(const training *self, fm_training_fold *fold, char **out) {
  *out = NULL;
  if (self->run.config.train.carry_weights && fold->fold > 1) {
    FM_TRY(fm_run_folder_carried(&self->run, fold->fold, out));
    if (*out)
      FM_TRY(training_check_carried(self, fold->fold - 1));
    fold->carried = *out != NULL;
    if (!*out && self->fold == FM_RUN_FOLD_ALL)
      return fm_fail(FM_ERR_IO, "train.carry_weights: fold %d has no last weights", fold->fold - 1);
  }
  if (!*out && self->run.weights) {
    *out = strdup(self->run.weights);
    FM_CHECK_ALLOC(*out);
  }
  return FM_OK;
}

static fm_status training_run_lists(const training *self, fm_training_fold *fold,
                                    const training_lists *lists, const char *weights) {
  char label[TRAINING_LABEL_BYTES] = "all";
  if (fold->fold > 0)
    snprintf(label, sizeof label, "fold %d", fold->fold);
  FM_TRY(fm_folder_make(fold->folder));
  char *logs = fm_run_folder_logs(&self->run, fold->fold);
  FM_CHECK_ALLOC(logs);
  const fm_trainer_options options = {
      .config = &self->run.config,
      .dataset = self->options->dataset,
      .cache = self->cache,
      .train = lists->train,
      .valid = lists->valid,
      .train_count = lists->train_count,
      .valid_count = lists->valid_count,
      .folder = fold->folder,
      .logs = logs,
      .label = label,
      .weights = weights,
      .max_steps = self->options->max_steps,
      .strict = self->options->strict,
      .stop = self->options->stop,
  };
  const fm_status status = fm_trainer_run(&options, &fold->result);
  free(logs);
  return status;
}

static fm_status training_run_fold(const training *self, int number, fm_training_result *result) {
  fm_training_fold *fold = &result->folds[result->fold_count];
  fold->fold = number;
  fold->folder = fm_run_folder_fold(&self->run, number);
  FM_CHECK_ALLOC(fold->folder);
  result->fold_count++;
  training_lists lists = {0};
  char *weights = NULL;
  fm_status status = training_make_lists(self, number, &lists);
  if (status >= 0)
    status = training_start_weights(self, fold, &weights);
  if (status >= 0)
    status = training_run_lists(self, fold, &lists, weights);
  free(weights);
  free(lists.train);
  free(lists.valid);
  return status;
}

static void training_summarise(fm_training_result *result) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < result->fold_count; i++) {
    const fm_trainer_result *fold = &result->folds[i].result;
    if (!fold->finished || fold->best_epoch == 0 || fold->best_mAP < 0)
      continue;
    sum += fold->best_mAP;
    squares += fold->best_mAP * fold->best_mAP;
    result->measured++;
  }
  if (result->measured == 0)
    return;
  double count = (double)result->measured;
  result->mean_mAP = sum / count;
  if (result->measured > 1)
    result->deviation_mAP = sqrt(fmax((squares - sum * sum / count) / (count - 1), 0));
}

static bool training_is_finished(const fm_training_result *result) {
  for (size_t i = 0; i < result->fold_count; i++)
    if (!result->folds[i].result.finished)
      return false;
  return true;
}

static fm_status training_run_folds(training *self, fm_training_result *result) {
  size_t cache = (size_t)self->run.config.train.cache_mb << 20;
  FM_TRY(fm_picture_cache_new(&self->cache, self->options->dataset, cache));
  bool all = self->fold == FM_RUN_FOLD_ALL;
  size_t count = all ? self->run.split.fold_count : 1;
  result->folds = calloc(count, sizeof *result->folds);
  FM_CHECK_ALLOC(result->folds);
  for (size_t i = 0; i < count; i++) {
    fm_status status = training_run_fold(self, all ? (int)i + 1 : self->fold, result);
    if (status != FM_OK)
      return status;
    // What comes next would begin with half-trained weights.
    if (self->run.config.train.carry_weights && !training_is_finished(result))
      break;
  }
  result->finished = training_is_finished(result) && result->fold_count == count;
  return FM_OK;
}

static void training_warn(const training *self) {
  if (!self->run.weights && !self->options->resume)
    fm_say("no --weights: everything begins with random values%s",
           self->run.config.model.norm == FM_CONFIG_NORM_FROZEN
               ? ", which learn little with model.norm=frozen; --set model.norm=batch is for that"
               : "");
  if (self->fold == FM_RUN_FOLD_ALL && self->run.config.train.carry_weights)
    fm_say("train.carry_weights: each fold goes on from the one before, so all but the first are "
           "validated on pictures they were trained on");
}

fm_status fm_training_run(const fm_training_options *options, fm_training_result *result) {
  *result = (fm_training_result){0};
  FM_TRY(fm_dataset_require_pictures(options->dataset));
  training *self = calloc(1, sizeof *self);
  FM_CHECK_ALLOC(self);
  self->options = options;
  fm_status status = training_open(self);
  if (status >= 0) {
    training_warn(self);
    result->folder = strdup(self->run.path);
    const float beyond = fm_model_config_beyond(&self->run.config.model);
    fm_dataset_move_starts(options->dataset, -beyond);
    status =
        result->folder ? training_run_folds(self, result) : fm_fail(FM_ERR_MEMORY, "out of memory");
    fm_dataset_move_starts(options->dataset, beyond);
    training_summarise(result);
    result->fold = self->fold;
    result->detects = fm_arch_detects(self->run.config.model.arch);
    for (size_t i = 0; i < result->fold_count; i++)
      result->leaking = result->leaking || result->folds[i].carried;
  }
  fm_picture_cache_free(self->cache);
  fm_run_folder_release(&self->run);
  free(self);
  return status;
}

void fm_training_result_release(fm_training_result *result) {
  for (size_t i = 0; i < result->fold_count; i++)
    free(result->folds[i].folder);
  free(result->folds);
  free(result->folder);
  *result = (fm_training_result){0};
}
