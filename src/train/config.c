// The configuration of a run: its table of options, and reading and writing it. The rows of the
// model are detect/config.c's.
#include "train/config.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file.h"
#include "data/augment/augment.h"

#define CONFIG_DEFAULT_ARCH FM_ARCH_MOBILENET_V3_LARGE_320_FPN
#define CONFIG_DEFAULT_AUGMENT "[{\"horizontal_flip\": {\"p\": 0.5}}]"

#define TRAIN(field) offsetof(fm_config, train.field)
#define LOG(field) offsetof(fm_config, log.field)

static const fm_option config_rows[] = {
    {"train.epochs", FM_OPTION_INT, TRAIN(epochs), 1, 100000, "20", NULL,
     "passes over the training part"},
    {"train.batch_size", FM_OPTION_INT, TRAIN(batch_size), 1, 1024, "4", NULL,
     "pictures a step; the last batch of an epoch may be smaller"},
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
    {"train.gamma", FM_OPTION_FLOAT, TRAIN(gamma), 0, 1, "0.1", NULL,
     "factor of a fall of the schedules step and multi_step"},
    {"train.warmup_steps", FM_OPTION_INT, TRAIN(warmup_steps), 0, 10000000, "0", NULL,
     "steps in which the learning rate rises from near 0"},
    {"train.clip_norm", FM_OPTION_FLOAT, TRAIN(clip_norm), 0, 1e30, "0", NULL,
     "largest L2 norm of the gradient; 0 for none"},
    {"train.ema", FM_OPTION_FLOAT, TRAIN(ema), 0, 0.9999999, "0", NULL,
     "decay of the moving average of the weights; 0 for none"},
    {"train.precision", FM_OPTION_ENUM, TRAIN(precision), 0, 0, "auto", "auto|fp32|bf16|int8",
     "numbers between the layers; auto takes bf16 where the processor has it"},
    {"train.seed", FM_OPTION_INT, TRAIN(seed), 0, 2147483647, "42", NULL,
     "seed of everything random"},
    {"train.shuffle", FM_OPTION_BOOL, TRAIN(shuffle), 0, 0, "true", NULL,
     "a new order each epoch; false takes the order of the split's list"},
    {"train.carry_weights", FM_OPTION_BOOL, TRAIN(carry_weights), 0, 0, "false", NULL,
     "a fold goes on from the last weights of the fold before it"},
    {"train.checkpoint_steps", FM_OPTION_INT, TRAIN(checkpoint_steps), 0, 10000000, "500", NULL,
     "a checkpoint every so many steps besides each epoch's; 0 for epochs only"},
    {"train.loader_threads", FM_OPTION_INT, TRAIN(loader_threads), 0, 256, "0", NULL,
     "threads that prepare pictures; 0 lets the program choose"},
    {"train.cache_mb", FM_OPTION_INT, TRAIN(cache_mb), 0, 1000000, "1024", NULL,
     "decoded pictures kept in memory, at most so many MiB"},
    {"log.every_steps", FM_OPTION_INT, LOG(every_steps), 1, 10000000, "1", NULL,
     "steps between two lines of steps.jsonl"},
    {"log.tensorboard", FM_OPTION_BOOL, LOG(tensorboard), 0, 0, "false", NULL,
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

// Text that grows in a fixed buffer; what does not fit sets `full`.
typedef struct config_text {
  char *data;
  size_t size, capacity;
  bool full;
} config_text;

static void config_put(config_text *text, const char *piece, size_t size) {
  if (size >= text->capacity - text->size) {
    text->full = true;
    return;
  }
  memcpy(text->data + text->size, piece, size);
  text->size += size;
  text->data[text->size] = 0;
}

static void config_put_string(config_text *text, const char *value, size_t size) {
  config_put(text, "\"", 1);
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)value[i];
    if (c == '"' || c == '\\') {
      config_put(text, "\\", 1);
      config_put(text, value + i, 1);
    } else if (c < 0x20) {
      char escape[8];
      snprintf(escape, sizeof escape, "\\u%04x", c);
      config_put(text, escape, 6);
    } else {
      config_put(text, value + i, 1);
    }
  }
  config_put(text, "\"", 1);
}

// JSON of a plain scalar: a number, true, false, null, else a string.
static void config_put_scalar(config_text *text, const yaml_node_t *node) {
  const char *value = (const char *)node->data.scalar.value;
  size_t size = node->data.scalar.length;
  if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
    config_put_string(text, value, size);
    return;
  }
  static const char *const words[] = {"true", "false", "null", NULL};
  for (const char *const *word = words; *word; word++) {
    if (strcmp(value, *word) == 0) {
      config_put(text, value, size);
      return;
    }
  }
  char *end;
  double number = strtod(value, &end);
  if (size == 0 || strcmp(value, "~") == 0) {
    config_put(text, "null", 4);
  } else if (*end == 0 && isfinite(number)) {
    char digits[32];
    for (int precision = 6; precision <= 17; precision++) {
      snprintf(digits, sizeof digits, "%.*g", precision, number);
      if (strtod(digits, NULL) == number)
        break;
    }
    config_put(text, digits, strlen(digits));
  } else {
    config_put_string(text, value, size);
  }
}

enum { CONFIG_DEPTH_MAX = 16 };

static void config_put_node(config_text *text, yaml_document_t *document, const yaml_node_t *node,
                            int depth) {
  if (!node || depth > CONFIG_DEPTH_MAX) {
    text->full = true;
  } else if (node->type == YAML_SEQUENCE_NODE) {
    config_put(text, "[", 1);
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top && !text->full; item++) {
      if (item > node->data.sequence.items.start)
        config_put(text, ", ", 2);
      config_put_node(text, document, yaml_document_get_node(document, *item), depth + 1);
    }
    config_put(text, "]", 1);
  } else if (node->type == YAML_MAPPING_NODE) {
    config_put(text, "{", 1);
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top && !text->full; pair++) {
      if (pair > node->data.mapping.pairs.start)
        config_put(text, ", ", 2);
      const yaml_node_t *key = yaml_document_get_node(document, pair->key);
      if (key && key->type == YAML_SCALAR_NODE)
        config_put_string(text, (const char *)key->data.scalar.value, key->data.scalar.length);
      else
        text->full = true;
      config_put(text, ": ", 2);
      config_put_node(text, document, yaml_document_get_node(document, pair->value), depth + 1);
    }
    config_put(text, "}", 1);
  } else {
    config_put_scalar(text, node);
  }
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

// The one key that is no row of the table.
static fm_status config_read_other(void *user, const char *name, void *document, void *node) {
  fm_config *config = user;
  if (strcmp(name, "augment") != 0)
    return config_unknown_key(name);
  const yaml_node_t *list = node;
  if (!list || list->type != YAML_SEQUENCE_NODE)
    return fm_fail(FM_ERR_ARGUMENT,
                   "augment is a list such as [{horizontal_flip: {p: 0.5}}], or [] for none");
  config_text text = {.data = config->augment, .capacity = sizeof config->augment};
  config_put_node(&text, document, list, 0);
  if (text.full)
    return fm_fail(FM_ERR_ARGUMENT, "augment: the list is longer than %d bytes or nested too deep",
                   FM_AUGMENT_TEXT_BYTES);
  return FM_OK;
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

static fm_status config_check(const fm_config *config) {
  FM_TRY(fm_model_config_check(&config->model));
  if (config->train.schedule == FM_SCHEDULE_MULTI_STEP && config->train.milestones.count == 0)
    return fm_fail(FM_ERR_ARGUMENT, "train.milestones is empty, schedule multi_step needs some");
  for (int i = 1; i < config->train.milestones.count; i++) {
    if (config->train.milestones.values[i] <= config->train.milestones.values[i - 1])
      return fm_fail(FM_ERR_ARGUMENT, "train.milestones must rise");
  }
  fm_augment *augment;
  FM_TRY(fm_augment_parse(&augment, config->augment));
  fm_augment_free(augment);
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

fm_status fm_config_precision(const fm_config *config, fm_dtype *out) {
  switch ((fm_precision)config->train.precision) {
  case FM_PRECISION_FP32:
    *out = FM_F32;
    return FM_OK;
  case FM_PRECISION_BF16:
    *out = FM_BF16;
    return FM_OK;
  case FM_PRECISION_AUTO:
    __builtin_cpu_init();
    *out = __builtin_cpu_supports("avx512bf16") ? FM_BF16 : FM_F32;
    return FM_OK;
  default:
    return fm_fail(FM_ERR_ARGUMENT, "train.precision int8 is not for this job; use fp32 or bf16");
  }
}
