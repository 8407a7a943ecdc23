// Writing and reading the checkpoint file.
#include "train/checkpoint.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/safetensors.h"

#define CHECKPOINT_FORMAT "facemask-checkpoint-1"
#define CHECKPOINT_INT(field) \
  { #field, FM_OPTION_INT, offsetof(fm_train_state, field), 0, 2147483647, "0", NULL, "" }
#define CHECKPOINT_DOUBLE(field, initial) \
  { #field, FM_OPTION_DOUBLE, offsetof(fm_train_state, field), -1e300, 1e300, initial, NULL, "" }
#define CHECKPOINT_BYTES(field)                                                                  \
  {                                                                                              \
#field, FM_OPTION_DOUBLE, offsetof(fm_train_state, field), 0, 9007199254740992.0, "0", NULL, \
        ""                                                                                       \
  }
#define CHECKPOINT_STRING(field) \
  { #field, FM_OPTION_STRING, offsetof(fm_train_state, field), 0, 0, "", NULL, "" }

// The state as metadata: a key a field.
static const fm_option checkpoint_rows[] = {
    CHECKPOINT_INT(step),
    CHECKPOINT_INT(epoch),
    CHECKPOINT_INT(batch),
    CHECKPOINT_INT(epoch_steps),
    CHECKPOINT_INT(epoch_images),
    CHECKPOINT_DOUBLE(epoch_loss, "0"),
    CHECKPOINT_DOUBLE(epoch_classifier, "0"),
    CHECKPOINT_DOUBLE(epoch_box_reg, "0"),
    CHECKPOINT_DOUBLE(epoch_objectness, "0"),
    CHECKPOINT_DOUBLE(epoch_rpn_box_reg, "0"),
    CHECKPOINT_DOUBLE(epoch_seconds, "0"),
    CHECKPOINT_INT(best_epoch),
    CHECKPOINT_DOUBLE(best_metric, "0"),
    CHECKPOINT_DOUBLE(best_mAP, "-1"),
    CHECKPOINT_BYTES(steps_bytes),
    CHECKPOINT_BYTES(metrics_bytes),
    CHECKPOINT_BYTES(train_events_bytes),
    CHECKPOINT_BYTES(valid_events_bytes),
    CHECKPOINT_INT(threads),
    CHECKPOINT_STRING(config_hash),
    CHECKPOINT_STRING(data_hash),
    CHECKPOINT_INT(cycles),
    {0},
};
enum { CHECKPOINT_ROWS = sizeof checkpoint_rows / sizeof checkpoint_rows[0] - 1 };

// A tensor of a parameter in the file: which one, by its prefix.
typedef enum checkpoint_part {
  CHECKPOINT_VALUE,
  CHECKPOINT_MOMENT0,
  CHECKPOINT_MOMENT1,
  CHECKPOINT_AVERAGE,
  CHECKPOINT_MEAN,
  CHECKPOINT_PARTS,
} checkpoint_part;

static const char *const checkpoint_prefixes[CHECKPOINT_PARTS] = {"value", "moment0", "moment1",
                                                                  "average", "mean"};
enum { CHECKPOINT_NAME_BYTES = FM_PARAM_NAME_BYTES + 16 };

void fm_train_state_init(fm_train_state *state) {
  memset(state, 0, sizeof *state);
  fm_status status = fm_options_defaults(checkpoint_rows, state);
  FM_ASSERT(status >= 0); // the table's own texts
}

void fm_train_state_next_epoch(fm_train_state *state) {
  state->epoch++;
  state->batch = state->epoch_steps = state->epoch_images = 0;
  state->epoch_loss = state->epoch_classifier = state->epoch_box_reg = 0;
  state->epoch_objectness = state->epoch_rpn_box_reg = state->epoch_seconds = 0;
}

static bool checkpoint_has(const fm_params *params, int id, checkpoint_part part,
                           fm_checkpoint_slots slots) {
  fm_param_kind kind = fm_params_spec(params, id)->kind;
  switch (part) {
  case CHECKPOINT_MOMENT0:
    return kind == FM_PARAM_TRAINED && slots.moments[0];
  case CHECKPOINT_MOMENT1:
    return kind == FM_PARAM_TRAINED && slots.moments[1];
  case CHECKPOINT_AVERAGE:
    return kind != FM_PARAM_FROZEN && slots.average;
  case CHECKPOINT_MEAN:
    return kind != FM_PARAM_FROZEN && slots.mean;
  default:
    return true;
  }
}

// What is to be written: tensors, their names and values.
typedef struct checkpoint_content {
  size_t count;
  fm_st_tensor *tensors;
  char (*names)[CHECKPOINT_NAME_BYTES];
  float *values;
  size_t value_count;
} checkpoint_content;

static void checkpoint_content_release(checkpoint_content *content) {
  free(content->tensors);
  free(content->names);
  free(content->values);
}

static fm_status checkpoint_content_allocate(checkpoint_content *content, const fm_params *params,
                                             fm_checkpoint_slots slots) {
  size_t count = 0, values = 0;
  for (int id = 0; id < fm_params_count(params); id++) {
    for (int part = 0; part < CHECKPOINT_PARTS; part++) {
      if (checkpoint_has(params, id, (checkpoint_part)part, slots)) {
        count++;
        values += fm_params_elements(params, id);
      }
    }
  }
  content->tensors = calloc(count + 1, sizeof *content->tensors);
  FM_CHECK_ALLOC(content->tensors);
  content->names = calloc(count + 1, sizeof *content->names);
  FM_CHECK_ALLOC(content->names);
  content->values = malloc((values + 1) * sizeof *content->values);
  FM_CHECK_ALLOC(content->values);
  return FM_OK;
}

static fm_status checkpoint_check_finite(const float *values, size_t count, const char *name) {
  uint32_t wild = 0; // infinities and NaNs have all exponent bits; this loop is vectorised
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    wild |= (bits & 0x7fffffffu) >= 0x7f800000u;
  }
  if (!wild)
    return FM_OK;
  return fm_fail(FM_ERR_NUMERIC, "%s is not finite after the update", name);
}

static fm_status checkpoint_content_add(checkpoint_content *content, const fm_params *params,
                                        int id, checkpoint_part part) {
  const fm_param_spec *spec = fm_params_spec(params, id);
  size_t elements = fm_params_elements(params, id);
  float *values = content->values + content->value_count;
  if (part == CHECKPOINT_VALUE)
    fm_params_get(params, id, values);
  else
    fm_params_get_moment(params, (int)part - CHECKPOINT_MOMENT0, id, values);
  FM_TRY(checkpoint_check_finite(values, elements, spec->name));
  char *name = content->names[content->count];
  snprintf(name, CHECKPOINT_NAME_BYTES, "%s/%s", checkpoint_prefixes[part], spec->name);
  fm_st_tensor *tensor = &content->tensors[content->count++];
  *tensor = (fm_st_tensor){.name = name,
                           .dtype = FM_ST_F32,
                           .rank = spec->rank,
                           .data = values,
                           .bytes = elements * sizeof *values};
  for (int i = 0; i < spec->rank; i++)
    tensor->dims[i] = spec->dims[i];
  content->value_count += elements;
  return FM_OK;
}

static fm_status checkpoint_write_content(const char *path, const checkpoint_content *content,
                                          const fm_train_state *state) {
  fm_st_metadata metadata[CHECKPOINT_ROWS + 1] = {{"format", CHECKPOINT_FORMAT}};
  char *values[CHECKPOINT_ROWS] = {0};
  fm_status status = FM_OK;
  for (int i = 0; i < CHECKPOINT_ROWS && status >= 0; i++) {
    values[i] = fm_options_format(&checkpoint_rows[i], state);
    if (!values[i])
      status = fm_fail(FM_ERR_MEMORY, "out of memory");
    metadata[i + 1] = (fm_st_metadata){checkpoint_rows[i].name, values[i]};
  }
  if (status >= 0)
    status =
        fm_safetensors_write(path, content->tensors, content->count, metadata, CHECKPOINT_ROWS + 1);
  for (int i = 0; i < CHECKPOINT_ROWS; i++)
    free(values[i]);
  return status;
}

fm_status fm_checkpoint_write(const char *path, const fm_params *params, fm_checkpoint_slots slots,
                              const fm_train_state *state) {
  checkpoint_content content = {0};
  fm_status status = checkpoint_content_allocate(&content, params, slots);
  for (int id = 0; status >= 0 && id < fm_params_count(params); id++) {
    for (int part = 0; status >= 0 && part < CHECKPOINT_PARTS; part++) {
      if (checkpoint_has(params, id, (checkpoint_part)part, slots))
        status = checkpoint_content_add(&content, params, id, (checkpoint_part)part);
    }
  }
  if (status >= 0)
    status = checkpoint_write_content(path, &content, state);
  checkpoint_content_release(&content);
  return status;
}

static fm_status checkpoint_parse_state(const fm_safetensors *file, const char *path,
                                        fm_train_state *state) {
  const char *format = fm_safetensors_metadata(file, "format");
  if (!format || strcmp(format, CHECKPOINT_FORMAT) != 0)
    return fm_fail(FM_ERR_FORMAT, "%s: not a checkpoint of this program's version", path);
  fm_train_state_init(state);
  for (const fm_option *row = checkpoint_rows; row->name; row++) {
    const char *value = fm_safetensors_metadata(file, row->name);
    if (!value && strcmp(row->name, "cycles") == 0)
      continue; // written before there were restarts
    if (!value)
      return fm_fail(FM_ERR_FORMAT, "%s: %s is missing from the metadata", path, row->name);
    fm_status status = fm_options_set(checkpoint_rows, state, row->name, value);
    if (status < 0)
      return fm_fail_within(FM_ERR_FORMAT, "%s", path);
  }
  return FM_OK;
}

fm_status fm_checkpoint_read_state(const char *path, fm_train_state *state) {
  fm_safetensors *file;
  FM_TRY(fm_safetensors_open(&file, path));
  fm_status status = checkpoint_parse_state(file, path, state);
  fm_safetensors_free(file);
  return status;
}

static fm_status checkpoint_load(const fm_safetensors *file, const char *path, fm_params *params,
                                 int id, checkpoint_part part) {
  const fm_param_spec *spec = fm_params_spec(params, id);
  char name[CHECKPOINT_NAME_BYTES];
  snprintf(name, sizeof name, "%s/%s", checkpoint_prefixes[part], spec->name);
  const fm_st_tensor *tensor = fm_safetensors_find(file, name);
  if (!tensor)
    return fm_fail(FM_ERR_FORMAT, "%s: %s is missing", path, name);
  bool fits = tensor->dtype == FM_ST_F32 && tensor->rank == spec->rank;
  for (int i = 0; fits && i < spec->rank; i++)
    fits = tensor->dims[i] == spec->dims[i];
  if (!fits)
    return fm_fail(FM_ERR_FORMAT, "%s: %s has another shape than the model's", path, name);
  float *values = malloc(tensor->bytes + sizeof *values);
  FM_CHECK_ALLOC(values);
  fm_status status = fm_st_tensor_to_f32(tensor, values);
  if (status >= 0 && part == CHECKPOINT_VALUE)
    fm_params_set(params, id, values);
  else if (status >= 0)
    status = fm_params_set_moment(params, (int)part - CHECKPOINT_MOMENT0, id, values);
  free(values);
  return status;
}

fm_status fm_checkpoint_read(const char *path, fm_params *params, fm_checkpoint_slots slots,
                             fm_train_state *state) {
  fm_safetensors *file;
  FM_TRY(fm_safetensors_open(&file, path));
  fm_status status = checkpoint_parse_state(file, path, state);
  for (int id = 0; status >= 0 && id < fm_params_count(params); id++) {
    for (int part = 0; status >= 0 && part < CHECKPOINT_PARTS; part++) {
      if (checkpoint_has(params, id, (checkpoint_part)part, slots))
        status = checkpoint_load(file, path, params, id, (checkpoint_part)part);
    }
  }
  fm_safetensors_free(file);
  return status;
}
