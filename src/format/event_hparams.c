// The three messages behind a row of TensorBoard's page of hyper-parameters: which parameters and
// metrics there are, a training's start with its values, and its end. They travel as metadata of
// values that hold nothing themselves.
#include <stdlib.h>

#include "event_hparams.pb-c.h"
#include "format/event_private.h"

enum { HPARAMS_FLOAT = 1, HPARAMS_STRING = 1, HPARAMS_BOOL = 2, HPARAMS_NUMBER = 3 };
enum { HPARAMS_TRAINING = 1, HPARAMS_VALIDATION = 2, HPARAMS_SUCCESS = 1, HPARAMS_FAILURE = 2 };

static fm_status hparams_put(fm_event_file *file, const char *tag,
                             const Tensorboard__Hparams__HParamsPluginData *data) {
  const size_t size = tensorboard__hparams__hparams_plugin_data__get_packed_size(data);
  uint8_t *content = malloc(size + 1);
  FM_CHECK_ALLOC(content);
  tensorboard__hparams__hparams_plugin_data__pack(data, content);
  Tensorboard__SummaryMetadata__PluginData plugin =
      TENSORBOARD__SUMMARY_METADATA__PLUGIN_DATA__INIT;
  char name[] = "hparams";
  plugin.plugin_name = name;
  plugin.content = (ProtobufCBinaryData){.len = size, .data = content};
  Tensorboard__SummaryMetadata metadata = TENSORBOARD__SUMMARY_METADATA__INIT;
  metadata.plugin_data = &plugin;
  Tensorboard__TensorShape__Dim none = TENSORBOARD__TENSOR_SHAPE__DIM__INIT; // of size 0
  Tensorboard__TensorShape shape = TENSORBOARD__TENSOR_SHAPE__INIT;
  shape.dim = &(Tensorboard__TensorShape__Dim *){&none};
  shape.n_dim = 1;
  Tensorboard__Tensor tensor = TENSORBOARD__TENSOR__INIT;
  tensor.dtype = HPARAMS_FLOAT;
  tensor.tensor_shape = &shape;
  Tensorboard__Summary__Value value = TENSORBOARD__SUMMARY__VALUE__INIT;
  value.tag = (char *)tag; // packing only reads
  value.metadata = &metadata;
  value.value_case = TENSORBOARD__SUMMARY__VALUE__VALUE_TENSOR;
  value.tensor = &tensor;
  const fm_status status = fm_event_file_put(file, 0, &(Tensorboard__Summary__Value *){&value}, 1);
  free(content);
  return status;
}

// The messages of a session and the lists of pointers that protobuf-c wants to them.
typedef struct hparams_messages {
  Tensorboard__Hparams__HParamInfo *infos, **info_list;
  Tensorboard__Hparams__Value *values;
  Tensorboard__Hparams__HParamEntry *entries, **entry_list;
  Tensorboard__Hparams__MetricName *names;
  Tensorboard__Hparams__MetricInfo *metrics, **metric_list;
} hparams_messages;

static void hparams_release(hparams_messages *self) {
  free(self->infos);
  free(self->info_list);
  free(self->values);
  free(self->entries);
  free(self->entry_list);
  free(self->names);
  free(self->metrics);
  free(self->metric_list);
}

static fm_status hparams_allocate(hparams_messages *self, const fm_event_session *session) {
  const size_t hparams = session->hparam_count + 1, metrics = session->metric_count + 1;
  self->infos = calloc(hparams, sizeof *self->infos);
  self->info_list = calloc(hparams, sizeof *self->info_list);
  self->values = calloc(hparams, sizeof *self->values);
  self->entries = calloc(hparams, sizeof *self->entries);
  self->entry_list = calloc(hparams, sizeof *self->entry_list);
  self->names = calloc(metrics, sizeof *self->names);
  self->metrics = calloc(metrics, sizeof *self->metrics);
  self->metric_list = calloc(metrics, sizeof *self->metric_list);
  if (!self->infos || !self->info_list || !self->values || !self->entries || !self->entry_list ||
      !self->names || !self->metrics || !self->metric_list)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  return FM_OK;
}

static void hparams_fill_value(Tensorboard__Hparams__Value *value, const fm_event_hparam *hparam) {
  tensorboard__hparams__value__init(value);
  if (hparam->text) {
    value->kind_case = TENSORBOARD__HPARAMS__VALUE__KIND_STRING_VALUE;
    value->string_value = (char *)hparam->text;
  } else if (hparam->is_bool) {
    value->kind_case = TENSORBOARD__HPARAMS__VALUE__KIND_BOOL_VALUE;
    value->bool_value = hparam->number != 0;
  } else {
    value->kind_case = TENSORBOARD__HPARAMS__VALUE__KIND_NUMBER_VALUE;
    value->number_value = hparam->number;
  }
}

static void hparams_fill(hparams_messages *self, const fm_event_session *session) {
  for (size_t i = 0; i < session->hparam_count; i++) {
    const fm_event_hparam *hparam = &session->hparams[i];
    tensorboard__hparams__hparam_info__init(&self->infos[i]);
    self->infos[i].name = (char *)hparam->name;
    self->infos[i].type = hparam->text      ? HPARAMS_STRING
                          : hparam->is_bool ? HPARAMS_BOOL
                                            : HPARAMS_NUMBER;
    self->info_list[i] = &self->infos[i];
    hparams_fill_value(&self->values[i], hparam);
    tensorboard__hparams__hparam_entry__init(&self->entries[i]);
    self->entries[i].key = (char *)hparam->name;
    self->entries[i].value = &self->values[i];
    self->entry_list[i] = &self->entries[i];
  }
  for (size_t i = 0; i < session->metric_count; i++) {
    tensorboard__hparams__metric_name__init(&self->names[i]);
    self->names[i].tag = (char *)session->metrics[i];
    tensorboard__hparams__metric_info__init(&self->metrics[i]);
    self->metrics[i].name = &self->names[i];
    self->metrics[i].dataset_type = session->of_validation ? HPARAMS_VALIDATION : HPARAMS_TRAINING;
    self->metric_list[i] = &self->metrics[i];
  }
}

static fm_status hparams_put_experiment(fm_event_file *file, const hparams_messages *messages,
                                        const fm_event_session *session) {
  Tensorboard__Hparams__Experiment experiment = TENSORBOARD__HPARAMS__EXPERIMENT__INIT;
  experiment.time_created_secs = fm_event_now();
  experiment.hparam_infos = messages->info_list;
  experiment.n_hparam_infos = session->hparam_count;
  experiment.metric_infos = messages->metric_list;
  experiment.n_metric_infos = session->metric_count;
  Tensorboard__Hparams__HParamsPluginData data = TENSORBOARD__HPARAMS__HPARAMS_PLUGIN_DATA__INIT;
  data.data_case = TENSORBOARD__HPARAMS__HPARAMS_PLUGIN_DATA__DATA_EXPERIMENT;
  data.experiment = &experiment;
  return hparams_put(file, "_hparams_/experiment", &data);
}

static fm_status hparams_put_start(fm_event_file *file, const hparams_messages *messages,
                                   const fm_event_session *session) {
  Tensorboard__Hparams__SessionStartInfo start = TENSORBOARD__HPARAMS__SESSION_START_INFO__INIT;
  start.hparams = messages->entry_list;
  start.n_hparams = session->hparam_count;
  if (session->group)
    start.group_name = (char *)session->group;
  start.start_time_secs = fm_event_now();
  Tensorboard__Hparams__HParamsPluginData data = TENSORBOARD__HPARAMS__HPARAMS_PLUGIN_DATA__INIT;
  data.data_case = TENSORBOARD__HPARAMS__HPARAMS_PLUGIN_DATA__DATA_SESSION_START_INFO;
  data.session_start_info = &start;
  return hparams_put(file, "_hparams_/session_start_info", &data);
}

fm_status fm_event_file_begin_session(fm_event_file *file, const fm_event_session *session) {
  hparams_messages messages = {0};
  fm_status status = hparams_allocate(&messages, session);
  if (status >= 0) {
    hparams_fill(&messages, session);
    status = hparams_put_experiment(file, &messages, session);
  }
  if (status >= 0)
    status = hparams_put_start(file, &messages, session);
  hparams_release(&messages);
  return status;
}

fm_status fm_event_file_end_session(fm_event_file *file, bool success) {
  Tensorboard__Hparams__SessionEndInfo end = TENSORBOARD__HPARAMS__SESSION_END_INFO__INIT;
  end.status = success ? HPARAMS_SUCCESS : HPARAMS_FAILURE;
  end.end_time_secs = fm_event_now();
  Tensorboard__Hparams__HParamsPluginData data = TENSORBOARD__HPARAMS__HPARAMS_PLUGIN_DATA__INIT;
  data.data_case = TENSORBOARD__HPARAMS__HPARAMS_PLUGIN_DATA__DATA_SESSION_END_INFO;
  data.session_end_info = &end;
  return hparams_put(file, "_hparams_/session_end_info", &data);
}
