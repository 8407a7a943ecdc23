// ONNX models as protobuf messages.
#include "format/onnx_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "onnx.pb-c.h"

enum { ONNX_IR_VERSION = 8, ONNX_OPERATOR_SET = 16 };

// Pointers that grow; protobuf-c wants its repeated messages so.
typedef struct onnx_list {
  void **items;
  size_t count, capacity;
} onnx_list;

struct fm_onnx {
  fm_status failure;
  onnx_list blocks; // every piece of memory that the messages point to
  onnx_list nodes, tensors, inputs, outputs, metadata;
  onnx_list names; // of the values, by number
};

// --- memory

static void onnx_fail(fm_onnx *onnx) {
  if (onnx->failure >= 0)
    onnx->failure = fm_fail(FM_ERR_MEMORY, "the ONNX model: out of memory");
}

static bool onnx_append(fm_onnx *onnx, onnx_list *list, void *item) {
  if (list->count == list->capacity) {
    const size_t capacity = list->capacity ? list->capacity * 2 : 64;
    void **grown = realloc(list->items, capacity * sizeof *grown);
    if (!grown) {
      onnx_fail(onnx);
      return false;
    }
    list->items = grown;
    list->capacity = capacity;
  }
  list->items[list->count++] = item;
  return true;
}

// Memory that lives as long as the model; NULL once it has failed.
static void *onnx_allocate(fm_onnx *onnx, size_t size) {
  if (onnx->failure < 0)
    return NULL;
  void *memory = calloc(1, size ? size : 1);
  if (!memory)
    onnx_fail(onnx);
  else if (!onnx_append(onnx, &onnx->blocks, memory)) {
    free(memory);
    memory = NULL;
  }
  return memory;
}

static void *onnx_copy(fm_onnx *onnx, const void *data, size_t size) {
  void *copy = onnx_allocate(onnx, size);
  if (copy && size)
    memcpy(copy, data, size);
  return copy;
}

static char *onnx_copy_text(fm_onnx *onnx, const char *text) {
  return onnx_copy(onnx, text, strlen(text) + 1);
}

fm_status fm_onnx_new(fm_onnx **out) {
  *out = calloc(1, sizeof **out);
  FM_CHECK_ALLOC(*out);
  onnx_append(*out, &(*out)->names, NULL); // the number 0 is none
  return FM_OK;
}

void fm_onnx_free(fm_onnx *onnx) {
  if (!onnx)
    return;
  for (size_t i = 0; i < onnx->blocks.count; i++)
    free(onnx->blocks.items[i]);
  onnx_list *const lists[] = {&onnx->blocks,  &onnx->nodes,    &onnx->tensors, &onnx->inputs,
                              &onnx->outputs, &onnx->metadata, &onnx->names};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    free(lists[i]->items);
  free(onnx);
}

// --- values

// A new value; without a name it gets one from its number.
static fm_onnx_value onnx_value(fm_onnx *onnx, const char *name) {
  char text[24];
  snprintf(text, sizeof text, "v%zu", onnx->names.count);
  char *kept = onnx_copy_text(onnx, name ? name : text);
  if (!kept || !onnx_append(onnx, &onnx->names, kept))
    return (fm_onnx_value){0};
  return (fm_onnx_value){(int)onnx->names.count - 1};
}

static char *onnx_name(const fm_onnx *onnx, fm_onnx_value value) {
  static char none[] = "";
  return value.id > 0 && (size_t)value.id < onnx->names.count ? onnx->names.items[value.id] : none;
}

static Onnx__Shape *onnx_make_shape(fm_onnx *onnx, fm_onnx_shape shape) {
  static char open[] = "n";
  Onnx__Shape *message = onnx_allocate(onnx, sizeof *message);
  Onnx__Shape__Dimension **dims =
      onnx_allocate(onnx, (size_t)shape.rank * sizeof(Onnx__Shape__Dimension *));
  if (!message || !dims)
    return NULL;
  onnx__shape__init(message);
  message->dim = dims;
  for (int i = 0; i < shape.rank; i++) {
    dims[i] = onnx_allocate(onnx, sizeof **dims);
    if (!dims[i])
      return NULL;
    onnx__shape__dimension__init(dims[i]);
    if (shape.dims[i] < 0) {
      dims[i]->value_case = ONNX__SHAPE__DIMENSION__VALUE_DIM_PARAM;
      dims[i]->dim_param = open;
    } else {
      dims[i]->value_case = ONNX__SHAPE__DIMENSION__VALUE_DIM_VALUE;
      dims[i]->dim_value = shape.dims[i];
    }
    message->n_dim++;
  }
  return message;
}

// An entry of the list of inputs or of outputs.
static void onnx_add_info(fm_onnx *onnx, onnx_list *list, const char *name, fm_onnx_type type,
                          fm_onnx_shape shape) {
  Onnx__ValueInfo *info = onnx_allocate(onnx, sizeof *info);
  Onnx__Type *kind = onnx_allocate(onnx, sizeof *kind);
  Onnx__Type__Tensor *tensor = onnx_allocate(onnx, sizeof *tensor);
  Onnx__Shape *dims = onnx_make_shape(onnx, shape);
  char *kept = onnx_copy_text(onnx, name);
  if (!info || !kind || !tensor || !dims || !kept)
    return;
  onnx__type__tensor__init(tensor);
  tensor->elem_type = (int)type;
  tensor->shape = dims;
  onnx__type__init(kind);
  kind->value_case = ONNX__TYPE__VALUE_TENSOR_TYPE;
  kind->tensor_type = tensor;
  onnx__value_info__init(info);
  info->name = kept;
  info->type = kind;
  onnx_append(onnx, list, info);
}

fm_onnx_value fm_onnx_input(fm_onnx *onnx, const char *name, fm_onnx_type type,
                            fm_onnx_shape shape) {
  onnx_add_info(onnx, &onnx->inputs, name, type, shape);
  return onnx_value(onnx, name);
}

static fm_onnx_value onnx_add_tensor(fm_onnx *onnx, const char *name, fm_onnx_type type,
                                     const void *data, fm_onnx_shape shape) {
  size_t bytes = type == FM_ONNX_F32 ? sizeof(float) : sizeof(int64_t);
  for (int i = 0; i < shape.rank; i++)
    bytes *= (size_t)shape.dims[i];
  const fm_onnx_value value = onnx_value(onnx, name);
  Onnx__Tensor *tensor = onnx_allocate(onnx, sizeof *tensor);
  int64_t *dims = onnx_copy(onnx, shape.dims, (size_t)shape.rank * sizeof *dims);
  uint8_t *raw = onnx_copy(onnx, data, bytes);
  if (!tensor || !dims || !raw)
    return (fm_onnx_value){0};
  onnx__tensor__init(tensor);
  tensor->name = onnx_name(onnx, value);
  tensor->data_type = (int)type;
  tensor->n_dims = (size_t)shape.rank;
  tensor->dims = dims;
  tensor->raw_data = (ProtobufCBinaryData){bytes, raw};
  onnx_append(onnx, &onnx->tensors, tensor);
  return value;
}

fm_onnx_value fm_onnx_floats(fm_onnx *onnx, const char *name, const float *data,
                             fm_onnx_shape shape) {
  return onnx_add_tensor(onnx, name, FM_ONNX_F32, data, shape);
}

fm_onnx_value fm_onnx_ints(fm_onnx *onnx, const int64_t *data, fm_onnx_shape shape) {
  return onnx_add_tensor(onnx, NULL, FM_ONNX_I64, data, shape);
}

// --- nodes

static Onnx__Attribute *onnx_make_attribute(fm_onnx *onnx, const fm_onnx_attribute *attribute) {
  Onnx__Attribute *message = onnx_allocate(onnx, sizeof *message);
  char *name = onnx_copy_text(onnx, attribute->name);
  if (!message || !name)
    return NULL;
  onnx__attribute__init(message);
  message->name = name;
  message->type = (int)attribute->kind;
  switch (attribute->kind) {
  case FM_ONNX_REAL:
    message->f = (float)attribute->number;
    break;
  case FM_ONNX_INTEGER:
    message->i = (int64_t)attribute->number;
    break;
  case FM_ONNX_TEXT:
    message->s.data = onnx_copy(onnx, attribute->text, strlen(attribute->text));
    message->s.len = message->s.data ? strlen(attribute->text) : 0;
    break;
  case FM_ONNX_INTEGERS:
    message->ints = onnx_copy(onnx, attribute->numbers, attribute->count * sizeof(int64_t));
    message->n_ints = message->ints ? attribute->count : 0;
    break;
  }
  return message;
}

static bool onnx_set_attributes(fm_onnx *onnx, Onnx__Node *message, const fm_onnx_node *node) {
  size_t count = 0;
  while (count < FM_ONNX_ATTRIBUTES_MAX && node->attributes[count].name)
    count++;
  message->attribute = onnx_allocate(onnx, count * sizeof(Onnx__Attribute *));
  for (size_t i = 0; message->attribute && i < count; i++) {
    message->attribute[i] = onnx_make_attribute(onnx, &node->attributes[i]);
    if (!message->attribute[i])
      return false;
    message->n_attribute++;
  }
  return message->attribute != NULL;
}

fm_onnx_value fm_onnx_add(fm_onnx *onnx, const fm_onnx_node *node) {
  size_t inputs = FM_ONNX_INPUTS_MAX, outputs = node->output_count ? (size_t)node->output_count : 1;
  while (inputs > 0 && node->inputs[inputs - 1].id == 0)
    inputs--;
  Onnx__Node *message = onnx_allocate(onnx, sizeof *message);
  char **in = onnx_allocate(onnx, inputs * sizeof *in);
  char **out = onnx_allocate(onnx, outputs * sizeof *out);
  char *op = onnx_copy_text(onnx, node->op);
  if (!message || !in || !out || !op)
    return (fm_onnx_value){0};
  onnx__node__init(message);
  message->op_type = op;
  message->n_input = inputs;
  message->input = in;
  message->n_output = outputs;
  message->output = out;
  for (size_t i = 0; i < inputs; i++)
    in[i] = onnx_name(onnx, node->inputs[i]);
  fm_onnx_value first = {0};
  for (size_t i = 0; i < outputs; i++) {
    const fm_onnx_value value = onnx_value(onnx, NULL);
    first = i == 0 ? value : first;
    out[i] = onnx_name(onnx, value);
  }
  if (!onnx_set_attributes(onnx, message, node))
    return (fm_onnx_value){0};
  message->name = out[0];
  onnx_append(onnx, &onnx->nodes, message);
  return first;
}

void fm_onnx_output(fm_onnx *onnx, const char *name, fm_onnx_value value, fm_onnx_type type,
                    fm_onnx_shape shape) {
  onnx_add_info(onnx, &onnx->outputs, name, type, shape);
  // The value keeps its name; one more node gives it this one.
  const fm_onnx_value renamed =
      fm_onnx_add(onnx, &(fm_onnx_node){.op = "Identity", .inputs = {value}});
  char *kept = onnx_copy_text(onnx, name);
  if (!kept || renamed.id == 0)
    return;
  onnx->names.items[renamed.id] = kept;
  ((Onnx__Node *)onnx->nodes.items[onnx->nodes.count - 1])->output[0] = kept;
}

void fm_onnx_metadata(fm_onnx *onnx, const char *key, const char *value) {
  Onnx__StringEntry *entry = onnx_allocate(onnx, sizeof *entry);
  char *kept_key = onnx_copy_text(onnx, key), *kept_value = onnx_copy_text(onnx, value);
  if (!entry || !kept_key || !kept_value)
    return;
  onnx__string_entry__init(entry);
  entry->key = kept_key;
  entry->value = kept_value;
  onnx_append(onnx, &onnx->metadata, entry);
}

// --- writing

fm_status fm_onnx_write(const fm_onnx *onnx, const char *path) {
  if (onnx->failure < 0)
    return fm_fail(onnx->failure, "%s: out of memory", path);
  static char producer[] = "facemask", name[] = "detector";
  Onnx__OperatorSet set = ONNX__OPERATOR_SET__INIT, *sets[] = {&set};
  set.version = ONNX_OPERATOR_SET;
  Onnx__Graph graph = ONNX__GRAPH__INIT;
  graph.name = name;
  graph.n_node = onnx->nodes.count;
  graph.node = (Onnx__Node **)onnx->nodes.items;
  graph.n_initializer = onnx->tensors.count;
  graph.initializer = (Onnx__Tensor **)onnx->tensors.items;
  graph.n_input = onnx->inputs.count;
  graph.input = (Onnx__ValueInfo **)onnx->inputs.items;
  graph.n_output = onnx->outputs.count;
  graph.output = (Onnx__ValueInfo **)onnx->outputs.items;
  Onnx__Model model = ONNX__MODEL__INIT;
  model.ir_version = ONNX_IR_VERSION;
  model.producer_name = producer;
  model.graph = &graph;
  model.n_opset_import = 1;
  model.opset_import = sets;
  model.n_metadata_props = onnx->metadata.count;
  model.metadata_props = (Onnx__StringEntry **)onnx->metadata.items;
  const size_t size = onnx__model__get_packed_size(&model);
  if (size > INT32_MAX)
    return fm_fail(FM_ERR_UNSUPPORTED, "%s: a model of more than 2 GiB", path);
  uint8_t *bytes = malloc(size + 1);
  FM_CHECK_ALLOC(bytes);
  const fm_status status = fm_file_write(path, bytes, onnx__model__pack(&model, bytes));
  free(bytes);
  return status;
}
