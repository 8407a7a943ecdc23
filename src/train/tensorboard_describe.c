// A training's configuration as TensorBoard shows it: a row of hyper-parameters to compare runs by,
// and a text with all of it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/tensorboard.h"

enum { DESCRIBE_HPARAMS_MAX = 96 };

// The text values of the row, which the session lends.
typedef struct describe {
  fm_event_hparam hparams[DESCRIBE_HPARAMS_MAX];
  char *texts[DESCRIBE_HPARAMS_MAX];
  size_t count;
} describe;

// What runs differ by: the training's keys and what of the model is usually chosen.
static bool describe_wants(const char *key) {
  static const char *const wanted[] = {"model.arch", "model.min_size", "model.max_size",
                                       "model.norm", "model.trainable_backbone_layers"};
  static const char *const idle[] = {"train.loader_threads", "train.cache_mb",
                                     "train.checkpoint_steps"};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
    if (strcmp(key, wanted[i]) == 0)
      return true;
  for (size_t i = 0; i < sizeof idle / sizeof *idle; i++)
    if (strcmp(key, idle[i]) == 0)
      return false;
  return strncmp(key, "train.", 6) == 0 || strncmp(key, "loss.", 5) == 0;
}

static fm_status describe_add(describe *self, const fm_option *row, const fm_config *config) {
  char *text = fm_options_format(row, config);
  FM_CHECK_ALLOC(text);
  fm_event_hparam *hparam = &self->hparams[self->count];
  self->texts[self->count++] = text;
  *hparam = (fm_event_hparam){.name = row->name};
  if (row->type == FM_OPTION_BOOL) {
    hparam->is_bool = true;
    hparam->number = strcmp(text, "true") == 0;
  } else if (row->type == FM_OPTION_INT || row->type == FM_OPTION_FLOAT ||
             row->type == FM_OPTION_DOUBLE) {
    hparam->number = strtod(text, NULL);
  } else {
    hparam->text = text;
  }
  return FM_OK;
}

static fm_status describe_collect(describe *self, const fm_config *config) {
  for (const fm_option *row = fm_config_options(); row->name; row++)
    if (describe_wants(row->name) && self->count + 1 < DESCRIBE_HPARAMS_MAX)
      FM_TRY(describe_add(self, row, config));
  self->hparams[self->count++] = (fm_event_hparam){.name = "augment", .text = config->augment};
  return FM_OK;
}

static fm_status describe_session(fm_event_file *file, const fm_tensorboard_options *options) {
  static const char *const results[] = {"mAP", "mAP50", "average_loss"};
  const bool validates = options->valid_count > 0;
  describe *self = calloc(1, sizeof *self);
  FM_CHECK_ALLOC(self);
  fm_status status = describe_collect(self, options->config);
  if (status >= 0) {
    const fm_event_session session = {.hparams = self->hparams,
                                      .hparam_count = self->count,
                                      .metrics = validates ? results : results + 2,
                                      .metric_count = validates ? 3 : 1,
                                      .of_validation = validates};
    status = fm_event_file_begin_session(file, &session);
  }
  for (size_t i = 0; i < self->count; i++)
    free(self->texts[i]);
  free(self);
  return status;
}

// YAML in a block of Markdown.
static fm_status describe_text(char **out, const fm_config *config) {
  *out = NULL;
  size_t size;
  FILE *stream = open_memstream(out, &size);
  FM_CHECK_ALLOC(stream);
  fputs("```yaml\n", stream);
  fm_status status = fm_options_write_yaml(fm_config_options(), config, stream);
  fprintf(stream, "augment: %s\n```\n", config->augment);
  if (config->train.carry_weights)
    fputs("\ntrain.carry_weights: a fold goes on from the weights of the fold before, which was "
          "trained on this fold's validation pictures. The figures of validation are leaking.\n",
          stream);
  if (fclose(stream) != 0 && status >= 0)
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  return status;
}

fm_status fm_tensorboard_describe(fm_event_file *file, const fm_tensorboard_options *options) {
  FM_TRY(describe_session(file, options));
  char *text;
  fm_status status = describe_text(&text, options->config);
  if (status >= 0)
    status = fm_event_file_text(file, 0, "configuration", text);
  free(text);
  return status;
}
