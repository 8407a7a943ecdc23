// The whole configuration of a run: the detector's settings and train.*, augment, log.*. One table
// (config.c) for YAML, --set and docs.
#ifndef FM_TRAIN_CONFIG_H
#define FM_TRAIN_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/options.h"
#include "base/status.h"
#include "detect/config.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"
#include "nn/tensor.h"

typedef enum fm_precision {
  FM_PRECISION_AUTO,
  FM_PRECISION_FP32,
  FM_PRECISION_BF16,
  FM_PRECISION_INT8
} fm_precision;
typedef struct fm_train_config {
  int epochs, batch_size;
  int together;           // pictures in the network at once, 0: chosen
  int min_size, max_size; // 0: the model's
  int optimizer;          // fm_optimizer_kind
  float lr, momentum, weight_decay;
  int schedule;             // fm_schedule_kind
  int step_size;            // epochs, schedule step
  fm_float_list milestones; // epochs, schedule multi_step
  fm_float_list restarts;   // epochs, schedule cosine
  float gamma;
  int warmup_steps;
  float clip_norm; // 0: none
  float ema;       // 0: none, else the decay
  int precision;   // fm_precision
  int seed;
  bool shuffle, carry_weights;
  double repeat_threshold; // 0: every picture once an epoch
  bool group_aspect;       // pictures of similar shape share a batch, when shuffled
  int validate_every;      // epochs between two validations, besides the last; 0: only the last
  int checkpoint_steps;    // a checkpoint every so many steps besides each epoch; 0: epochs only
  int loader_threads;      // 0: chosen
  int cache_mb;            // decoded pictures kept, at most so many MiB
} fm_train_config;

typedef struct fm_log_config {
  int every_steps;
  bool tensorboard;
} fm_log_config;

enum { FM_AUGMENT_TEXT_BYTES = 4096 };
typedef struct fm_config {
  fm_model_config model;
  fm_train_config train;
  fm_log_config log;
  char augment[FM_AUGMENT_TEXT_BYTES]; // the list as JSON (so as flow YAML too):
                                       // [{"horizontal_flip": {"p": 0.5}}]; "[]" for none;
                                       // names of lists are replaced by what they stand for
} fm_config;

// Every key of cli.md except `augment`, which is text; offsets into fm_config; ends with name NULL.
// The rows of the model come from fm_model_options: fm_config begins with its fm_model_config.
const fm_option *fm_config_options(void);

// Defaults, then FILE (may be NULL), then assignments "key=value"; model.arch is looked up first so
// that its preset comes before the other keys. `base` (may be NULL): start from the configuration
// of a weights file instead of the default architecture.
FM_MUST_USE fm_status fm_config_load(fm_config *out, const char *file,
                                     const char *const *assignments, int assignment_count,
                                     const fm_model_config *base);
// FILE (may be NULL), then assignments, over what is there.
FM_MUST_USE fm_status fm_config_apply(fm_config *config, const char *file,
                                      const char *const *assignments, int assignment_count);
// May a run with `stored` settings go on with `wanted` ones? train.epochs may grow where that
// leaves the steps already done as they are; how the machine is used (train.checkpoint_steps,
// train.loader_threads, train.cache_mb) may change. FM_ERR_ARGUMENT names the first key that
// differs otherwise.
FM_MUST_USE fm_status fm_config_compare(const fm_config *stored, const fm_config *wanted);
// A fingerprint of every key that decides a step's result (so not of train.epochs,
// train.validate_every, model.views, the loader's or the log's keys).
FM_MUST_USE fm_status fm_config_hash(const fm_config *config, uint64_t *out);
FM_MUST_USE fm_status fm_config_write(const fm_config *config, const char *path);
// The model as training sees it: with train.min_size and train.max_size where they are given.
void fm_config_training_model(const fm_config *config, fm_model_config *out);
// What `auto` means on this processor is bf16 where that is faster, else fp32; FM_S8 is int8.
FM_MUST_USE fm_status fm_config_precision(const fm_config *config, fm_dtype *out);
// The same, for what detects: `auto` is int8 where the weights have ranges and the processor has
// instructions for whole numbers.
FM_MUST_USE fm_status fm_config_detection_precision(const fm_config *config, bool has_ranges,
                                                    fm_dtype *out);
// The same, for what trains: int8 is an error.
FM_MUST_USE fm_status fm_config_training_precision(const fm_config *config, fm_dtype *out);
const char *fm_config_precision_name(fm_dtype precision); // "fp32", "bf16", "int8"

#endif
