// The configuration of a run: its table of options, and reading and writing it. The rows of the
// model are detect/config.c's.
#include "train/config.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/yaml_json.h"
#include "data/augment/augment.h"
#include "nn/library.h"

#define CONFIG_DEFAULT_ARCH FM_ARCH_MOBILENET_V3_LARGE_320_FPN
#define CONFIG_DEFAULT_AUGMENT "[{\"horizontal_flip\": {\"p\": 0.5}}]"

#define TRAIN(field) offsetof(fm_config, train.field)
#define LOG(field) offsetof(fm_config, log.field)

static const fm_option config_rows[] = {
    {"train.epochs", FM_OPTION_INT, TRAIN(epochs), 1, 100000, "20", NULL,
     "passes over the training part"},
    {"train.batch_size", FM_OPTION_INT, TRAIN(batch_size), 1, 1024, "4", NULL,
     "pictures a step; the last batch of an epoch may be smaller"},
    {"train.together", FM_OPTION_INT, TRAIN(together), 0, 1024, "0", NULL,
     "pictures of a batch in the network at once; fewer need less memory and give the same "
     "gradients; 0: all of up to 4, of larger batches 2; with norm batch always all"},
    {"train.min_size", FM_OPTION_INT, TRAIN(min_size), 0, FM_CONFIG_SIDE_MAX, "0", NULL,
     "model.min_size while training; 0 for the model's own"},
    {"train.max_size", FM_OPTION_INT, TRAIN(max_size), 0, FM_CONFIG_SIDE_MAX, "0", NULL,
     "model.max_size while training; 0 for the model's own"},
    {"train.optimizer", FM_OPTION_ENUM, TRAIN(optimizer), 0, 0, "sgd", "sgd|adam|adamw",
     "rule of the update"},
    {"train.lr", FM_OPTION_FLOAT, TRAIN(lr), 0, 1e30, "0.005", NULL, "learning rate"},
    {"train.momentum", FM_OPTION_FLOAT, TRAIN(momentum), 0, 1, "0.9", NULL, "momentum of sgd"},
    {"train.weight_decay", FM_OPTION_FLOAT, TRAIN(weight_decay), 0, 1e6, "0.0005", NULL,
     "L2 penalty (decoupled for adamw)"},
    {"train.schedule", FM_OPTION_ENUM, TRAIN(schedule), 0, 0, "step",
     "step|multi_step|cosine|constant", "how the learning rate falls"},
    {"train.step_size", FM_OPTION_INT, TRAIN(step_size), 1, 100000, "5", NULL,
     "epochs between two falls of schedule step"},
    {"train.milestones", FM_OPTION_FLOATS, TRAIN(milestones), 0, 100000, "[]", NULL,
     "epochs at which schedule multi_step falls"},
    {"train.restarts", FM_OPTION_FLOATS, TRAIN(restarts), 1, 100000, "[]", NULL,
     "epochs at which schedule cosine begins anew, warm-up included; what is measured and kept is "
     "then the mean of the weights at each restart and at the end"},
    {"train.gamma", FM_OPTION_FLOAT, TRAIN(gamma), 0, 1, "0.1", NULL,
     "factor of a fall of the schedules step and multi_step"},
    {"train.warmup_steps", FM_OPTION_INT, TRAIN(warmup_steps), 0, 10000000, "0", NULL,
     "steps in which the learning rate rises from near 0"},
    {"train.clip_norm", FM_OPTION_FLOAT, TRAIN(clip_norm), 0, 1e30, "0", NULL,
     "largest L2 norm of the gradient; 0 for none"},
    {"train.ema", FM_OPTION_FLOAT, TRAIN(ema), 0, 0.9999999, "0", NULL,
     "decay of the moving average of the weights; 0 for none"},
    {"train.precision", FM_OPTION_ENUM, TRAIN(precision), 0, 0, "auto", "auto|fp32|bf16|int8",
     "numbers between the layers; auto takes bf16 where it is faster, and detection int8 where "
     "the weights have ranges and the processor instructions for it"},
    {"train.seed", FM_OPTION_INT, TRAIN(seed), 0, 2147483647, "42", NULL,
     "seed of everything random"},
    {"train.shuffle", FM_OPTION_BOOL, TRAIN(shuffle), 0, 0, "true", NULL,
     "a new order each epoch; false takes the order of the split's list"},
    {"train.repeat_threshold", FM_OPTION_DOUBLE, TRAIN(repeat_threshold), 0, 1, "0", NULL,
     "pictures with classes that fewer than this share of the pictures have come several times an "
     "epoch (LVIS); 0 for once"},
    {"train.group_aspect", FM_OPTION_BOOL, TRAIN(group_aspect), 0, 0, "true", NULL,
     "pictures of a similar shape share a batch, so that less of it is padding (when shuffled)"},
    {"train.carry_weights", FM_OPTION_BOOL, TRAIN(carry_weights), 0, 0, "false", NULL,
     "a fold goes on from the last weights of the fold before it"},
    {"train.validate_every", FM_OPTION_INT, TRAIN(validate_every), 0, 100000, "1", NULL,
     "epochs between two validations; the last epoch always has one, with 0 only that"},
    {"train.checkpoint_steps", FM_OPTION_INT, TRAIN(checkpoint_steps), 0, 10000000, "500", NULL,
     "a checkpoint every so many steps besides each epoch's; 0 for epochs only"},
    {"train.loader_threads", FM_OPTION_INT, TRAIN(loader_threads), 0, 256, "0", NULL,
     "threads that prepare pictures; 0 lets the program choose"},
    {"train.cache_mb", FM_OPTION_INT, TRAIN(cache_mb), 0, 1000000, "1024", NULL,
     "decoded pictures kept in memory, at most so many MiB"},
    {"log.every_steps", FM_OPTION_INT, LOG(every_steps), 1, 10000000, "1", NULL,
     "steps between two lines of steps.jsonl"},
    {"log.tensorboard", FM_OPTION_BOOL, LOG(tensorboard), 0, 0, "true", NULL,
     "write event files for TensorBoard"},
};

enum { CONFIG_ROWS_MAX = 128, CONFIG_ROWS = sizeof config_rows / sizeof config_rows[0] };

static fm_option config_table[CONFIG_ROWS_MAX];
static pthread_once_t config_once = PTHREAD_ONCE_INIT;

static void config_compose(void) {
  _Static_assert(offsetof(fm_config, model) == 0, "the model's offsets are used as they are");
  size_t count = 0;
  for (const fm_option *row = fm_model_options; row->name; row++) {
    FM_ASSERT(count + CONFIG_ROWS + 1 < CONFIG_ROWS_MAX);
    config_table[count++] = *row;
  }
  memcpy(config_table + count, config_rows, sizeof config_rows);
}

const fm_option *fm_config_options(void) {
  pthread_once(&config_once, config_compose);
  return config_table;
}

static fm_status config_unknown_key(const char *name) {
  const char *words[CONFIG_ROWS_MAX + 1];
  size_t count = 0;
  for (const fm_option *row = fm_config_options(); row->name; row++)
    words[count++] = row->name;
  words[count++] = "augment";
  words[count] = NULL;
  const char *near = fm_nearest_word(name, words);
  return near ? fm_fail(FM_ERR_ARGUMENT, "unknown key %s; did you mean %s?", name, near)
              : fm_fail(FM_ERR_ARGUMENT, "unknown key %s", name);
}

// The name of a list becomes the list, so that a run's config.yaml says what was done.
static fm_status config_expand_augment(fm_config *config) {
  char name[FM_OPTION_STRING_BYTES];
  size_t size = strlen(config->augment);
  bool quoted = size >= 2 && size < sizeof name && config->augment[0] == '"';
  snprintf(name, sizeof name, "%.*s", quoted ? (int)size - 2 : (int)sizeof name - 1,
           config->augment + quoted);
  const char *text;
  FM_TRY(fm_augment_preset(name, &text));
  const int length = snprintf(config->augment, sizeof config->augment, "%s", text);
  FM_ASSERT(length < (int)sizeof config->augment);
  return FM_OK;
}

// The one key that is no row of the table.
static fm_status config_read_other(void *user, const char *name, void *document, void *node) {
  fm_config *config = user;
  if (strcmp(name, "augment") != 0)
    return config_unknown_key(name);
  if (!fm_yaml_to_json(config->augment, sizeof config->augment, document, node))
    return fm_fail(FM_ERR_ARGUMENT, "augment: the list is longer than %d bytes or nested too deep",
                   FM_AUGMENT_TEXT_BYTES);
  return config->augment[0] == '[' ? FM_OK : config_expand_augment(config);
}

static fm_status config_assign(fm_config *config, const char *assignment) {
  static const char key[] = "augment";
  size_t key_size = sizeof key - 1;
  if (strncmp(assignment, key, key_size) != 0 || assignment[key_size] != '=')
    return fm_options_assign(fm_config_options(), config, assignment);
  const char *value = assignment + key_size + 1;
  size_t capacity = strlen(value) + sizeof key + 4;
  char *text = malloc(capacity);
  FM_CHECK_ALLOC(text);
  snprintf(text, capacity, "%s: %s\n", key, value);
  fm_status status = fm_options_parse_yaml(fm_config_options(), config, text, "--set augment",
                                           config_read_other, config);
  free(text);
  return status;
}

// What a user wrote, in the order of its weight: the file, then the assignments.
static fm_status config_read(fm_config *config, const char *file, const char *const *assignments,
                             int assignment_count) {
  if (file)
    FM_TRY(fm_options_read_yaml(fm_config_options(), config, file, config_read_other, config));
  for (int i = 0; i < assignment_count; i++)
    FM_TRY(config_assign(config, assignments[i]));
  return FM_OK;
}

static fm_status config_check_restarts(const fm_train_config *config) {
  const fm_float_list *restarts = &config->restarts;
  float before = 0;
  for (int i = 0; i < restarts->count; i++) {
    const float epoch = restarts->values[i];
    if (epoch != floorf(epoch) || epoch <= before || epoch >= (float)config->epochs)
      return fm_fail(FM_ERR_ARGUMENT,
                     "train.restarts: %g: must be whole epochs that rise and lie before the end, "
                     "train.epochs %d",
                     (double)epoch, config->epochs);
    before = epoch;
  }
  if (restarts->count > 0 && config->schedule != FM_SCHEDULE_COSINE)
    return fm_fail(FM_ERR_ARGUMENT, "train.restarts are of train.schedule cosine alone");
  return FM_OK;
}

static fm_status config_check(const fm_config *config) {
  FM_TRY(fm_model_config_check(&config->model));
  fm_model_config training;
  fm_config_training_model(config, &training);
  if (training.min_size > training.max_size)
    return fm_fail(FM_ERR_ARGUMENT, "train.min_size (%d) is greater than train.max_size (%d)",
                   training.min_size, training.max_size);
  if (config->train.schedule == FM_SCHEDULE_MULTI_STEP && config->train.milestones.count == 0)
    return fm_fail(FM_ERR_ARGUMENT, "train.milestones is empty, schedule multi_step needs some");
  for (int i = 1; i < config->train.milestones.count; i++) {
    if (config->train.milestones.values[i] <= config->train.milestones.values[i - 1])
      return fm_fail(FM_ERR_ARGUMENT, "train.milestones must rise");
  }
  FM_TRY(config_check_restarts(&config->train));
  fm_augment *augment;
  FM_TRY(fm_augment_parse(&augment, config->augment));
  fm_augment_free(augment);
  return FM_OK;
}

fm_status fm_config_apply(fm_config *config, const char *file, const char *const *assignments,
                          int assignment_count) {
  FM_TRY(config_read(config, file, assignments, assignment_count));
  return config_check(config);
}

static fm_status config_begin(fm_config *config, const fm_model_config *base, int arch) {
  memset(config, 0, sizeof *config);
  FM_TRY(fm_options_defaults(fm_config_options(), config));
  if (base && base->arch == arch)
    config->model = *base;
  else
    fm_model_config_preset(&config->model, (fm_arch)arch);
  memcpy(config->augment, CONFIG_DEFAULT_AUGMENT, sizeof CONFIG_DEFAULT_AUGMENT);
  return FM_OK;
}

fm_status fm_config_load(fm_config *out, const char *file, const char *const *assignments,
                         int assignment_count, const fm_model_config *base) {
  int arch = base ? base->arch : CONFIG_DEFAULT_ARCH;
  // Once for model.arch alone, whose preset then lies under every other key.
  FM_TRY(config_begin(out, base, arch));
  FM_TRY(config_read(out, file, assignments, assignment_count));
  if (out->model.arch != arch) {
    arch = out->model.arch;
    FM_TRY(config_begin(out, base, arch));
    FM_TRY(config_read(out, file, assignments, assignment_count));
  }
  return config_check(out);
}

fm_status fm_config_write(const fm_config *config, const char *path) {
  fm_atomic_file file;
  FM_TRY(fm_atomic_file_open(&file, path));
  fm_status status = fm_options_write_yaml(fm_config_options(), config, file.stream);
  if (status >= 0 && fprintf(file.stream, "augment: %s\n", config->augment) < 0)
    status = fm_fail(FM_ERR_IO, "%s: cannot write", path);
  if (status < 0) {
    fm_atomic_file_discard(&file);
    return status;
  }
  return fm_atomic_file_commit(&file);
}

void fm_config_training_model(const fm_config *config, fm_model_config *out) {
  *out = config->model;
  if (config->train.min_size > 0)
    out->min_size = config->train.min_size;
  if (config->train.max_size > 0)
    out->max_size = config->train.max_size;
}

fm_status fm_config_precision(const fm_config *config, fm_dtype *out) {
  switch ((fm_precision)config->train.precision) {
  case FM_PRECISION_FP32:
    *out = FM_F32;
    return FM_OK;
  case FM_PRECISION_BF16:
    if (!fm_nn_knows_bf16())
      return fm_fail(FM_ERR_UNSUPPORTED,
                     "train.precision bf16 needs a processor with AVX-512, and this one has or is "
                     "allowed none (%s); use fp32 or auto",
                     fm_nn_library());
    *out = FM_BF16;
    return FM_OK;
  case FM_PRECISION_AUTO:
    *out = fm_nn_prefers_bf16() ? FM_BF16 : FM_F32;
    return FM_OK;
  default:
    *out = FM_S8;
    return FM_OK;
  }
}

fm_status fm_config_detection_precision(const fm_config *config, bool has_ranges, fm_dtype *out) {
  FM_TRY(fm_config_precision(config, out));
  if (config->train.precision == FM_PRECISION_AUTO && has_ranges && fm_nn_prefers_int8())
    *out = FM_S8;
  return FM_OK;
}

fm_status fm_config_training_precision(const fm_config *config, fm_dtype *out) {
  FM_TRY(fm_config_precision(config, out));
  return *out == FM_S8 ? fm_fail(FM_ERR_ARGUMENT,
                                 "train.precision int8 is for detection; train with fp32 or bf16")
                       : FM_OK;
}

const char *fm_config_precision_name(fm_dtype precision) {
  return precision == FM_BF16 ? "bf16" : precision == FM_S8 ? "int8" : "fp32";
}

// The keys that no training reads.
static bool config_is_of_detection(const char *key) {
  return strcmp(key, "model.views") == 0 || strcmp(key, "model.focus") == 0 ||
         strcmp(key, "model.score") == 0 || strcmp(key, "model.whole_pixels") == 0;
}

// The keys that change how a run is carried out or how long, but no step of it.
static bool config_is_free(const char *key) {
  static const char *const keys[] = {
      "train.epochs",   "train.validate_every", "train.checkpoint_steps", "train.loader_threads",
      "train.cache_mb", "log.every_steps",      "log.tensorboard"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    if (strcmp(key, keys[i]) == 0)
      return true;
  }
  return config_is_of_detection(key);
}

static uint64_t config_hash_text(uint64_t hash, const char *text) {
  return fm_hash(hash, text, strlen(text) + 1);
}

// A key that has its default counts for nothing, so that a run goes on under a later program with
// more keys.
fm_status fm_config_hash(const fm_config *config, uint64_t *out) {
  fm_config *defaults = calloc(1, sizeof *defaults);
  FM_CHECK_ALLOC(defaults);
  uint64_t hash = FM_HASH_START;
  fm_status status = fm_options_defaults(fm_config_options(), defaults);
  for (const fm_option *row = fm_config_options(); status >= 0 && row->name; row++) {
    if (config_is_free(row->name))
      continue;
    char *value = fm_options_format(row, config), *unset = fm_options_format(row, defaults);
    if (!value || !unset)
      status = fm_fail(FM_ERR_MEMORY, "out of memory");
    else if (strcmp(value, unset) != 0)
      hash = config_hash_text(config_hash_text(hash, row->name), value);
    free(value);
    free(unset);
  }
  free(defaults);
  *out = config_hash_text(hash, config->augment);
  return status;
}

// More epochs are more of the same, unless the steps already done would have been others.
static fm_status config_compare_epochs(const fm_config *stored, const fm_config *wanted) {
  const int before = stored->train.epochs, now = wanted->train.epochs;
  if (now < before)
    return fm_fail(FM_ERR_ARGUMENT,
                   "train.epochs is %d in the run to be resumed and can only grow, not become %d",
                   before, now);
  if (now == before)
    return FM_OK;
  if (stored->train.schedule == FM_SCHEDULE_COSINE)
    return fm_fail(
        FM_ERR_ARGUMENT,
        "train.epochs cannot grow from %d to %d: with train.schedule cosine the learning "
        "rates of the steps already done follow from it; begin another run with "
        "--weights",
        before, now);
  if (stored->train.carry_weights)
    return fm_fail(FM_ERR_ARGUMENT,
                   "train.epochs cannot grow from %d to %d: with train.carry_weights a fold begins "
                   "where the one before it ended; begin another run",
                   before, now);
  return FM_OK;
}

static bool config_may_change(const char *key) {
  return config_is_of_detection(key) || strcmp(key, "train.epochs") == 0 ||
         strcmp(key, "train.checkpoint_steps") == 0 || strcmp(key, "train.loader_threads") == 0 ||
         strcmp(key, "train.cache_mb") == 0;
}

fm_status fm_config_compare(const fm_config *stored, const fm_config *wanted) {
  fm_status status = config_compare_epochs(stored, wanted);
  for (const fm_option *row = fm_config_options(); status >= 0 && row->name; row++) {
    if (config_may_change(row->name))
      continue;
    char *before = fm_options_format(row, stored), *now = fm_options_format(row, wanted);
    if (!before || !now)
      status = fm_fail(FM_ERR_MEMORY, "out of memory");
    else if (strcmp(before, now) != 0)
      status = fm_fail(FM_ERR_ARGUMENT, "%s is %s in the run to be resumed, not %s", row->name,
                       before, now);
    free(before);
    free(now);
  }
  if (status >= 0 && strcmp(stored->augment, wanted->augment) != 0)
    status = fm_fail(FM_ERR_ARGUMENT, "augment is %s in the run to be resumed, not %s",
                     stored->augment, wanted->augment);
  return status;
}
