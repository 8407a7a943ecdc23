// The names that a pickle of PyTorch may use, and what calling them gives: dicts and tensors.
#include <string.h>

#include "format/torch_pickle_private.h"

enum { OBJECTS_NAME_SHOWN = 80 };

typedef fm_status (*objects_call)(fm_pickle *, const fm_pickle_value *arguments,
                                  fm_pickle_value **);

static fm_status objects_refuse(const fm_pickle *pickle, const char *what) {
  return fm_fail(FM_ERR_UNSUPPORTED, "%s: refused: %s", pickle->source, what);
}

// collections.OrderedDict(), or with a list of pairs, as Python 2 wrote it.
static fm_status objects_ordered_dict(fm_pickle *pickle, const fm_pickle_value *arguments,
                                      fm_pickle_value **out) {
  *out = fm_pickle_new(pickle, FM_PICKLE_DICT);
  if (!*out)
    return FM_ERR_MEMORY; // recorded where it happened
  if (arguments->items.count == 0)
    return FM_OK;
  const fm_pickle_value *pairs = arguments->items.data[0];
  if (arguments->items.count != 1 || pairs->kind != FM_PICKLE_LIST)
    return objects_refuse(pickle, "an OrderedDict of something else than a list of pairs");
  for (size_t i = 0; i < pairs->items.count; i++) {
    const fm_pickle_value *pair = pairs->items.data[i];
    if ((pair->kind != FM_PICKLE_LIST && pair->kind != FM_PICKLE_TUPLE) || pair->items.count != 2)
      return objects_refuse(pickle, "an OrderedDict of something else than a list of pairs");
    FM_TRY(fm_pickle_append(pickle, *out, pair->items.data[0]));
    FM_TRY(fm_pickle_append(pickle, *out, pair->items.data[1]));
  }
  return FM_OK;
}

// A tuple of whole numbers that are not negative.
static bool objects_numbers(const fm_pickle_value *tuple, int64_t *out, int *count) {
  if ((tuple->kind != FM_PICKLE_TUPLE && tuple->kind != FM_PICKLE_LIST) ||
      tuple->items.count > FM_ST_RANK_MAX)
    return false;
  *count = (int)tuple->items.count;
  for (int i = 0; i < *count; i++) {
    const fm_pickle_value *number = tuple->items.data[i];
    if (number->kind != FM_PICKLE_INT || number->integer < 0)
      return false;
    out[i] = number->integer;
  }
  return true;
}

// Whether the numbers of the tensor lie inside its storage; no sum overflows on the way.
static bool objects_inside(const fm_pickle_tensor *tensor, int64_t elements) {
  if (tensor->offset > elements)
    return false;
  int64_t room = elements - tensor->offset; // behind the first number
  for (int i = 0; i < tensor->rank; i++)
    if (tensor->dims[i] == 0)
      return true;
  for (int i = 0; i < tensor->rank; i++) {
    const int64_t steps = tensor->dims[i] - 1;
    if (steps > 0 && tensor->strides[i] > (room - 1) / steps)
      return false;
    room -= steps * tensor->strides[i];
  }
  return room > 0;
}

// torch._utils._rebuild_tensor(_v2)(storage, offset, size, stride, ...).
static fm_status objects_tensor(fm_pickle *pickle, const fm_pickle_value *arguments,
                                fm_pickle_value **out) {
  fm_pickle_value *const *items = arguments->items.data;
  fm_pickle_tensor tensor = {0};
  int strides = 0;
  if (arguments->items.count < 4 || items[0]->kind != FM_PICKLE_STORAGE ||
      items[1]->kind != FM_PICKLE_INT || items[1]->integer < 0 ||
      !objects_numbers(items[2], tensor.dims, &tensor.rank) ||
      !objects_numbers(items[3], tensor.strides, &strides) || strides != tensor.rank)
    return fm_pickle_broken(pickle, "a tensor without storage, offset, size and strides");
  tensor.storage = items[0];
  tensor.offset = items[1]->integer;
  if (!objects_inside(&tensor, items[0]->storage.elements))
    return fm_pickle_broken(pickle, "a tensor that reaches behind its storage");
  *out = fm_pickle_new(pickle, FM_PICKLE_TENSOR);
  if (!*out)
    return FM_ERR_MEMORY; // recorded where it happened
  (*out)->tensor = tensor;
  return FM_OK;
}

// torch._utils._rebuild_parameter(tensor, requires_grad, hooks); torch.Size(tuple).
static fm_status objects_first(fm_pickle *pickle, const fm_pickle_value *arguments,
                               fm_pickle_value **out) {
  if (arguments->items.count < 1)
    return fm_pickle_broken(pickle, "a call without arguments");
  *out = arguments->items.data[0];
  return FM_OK;
}

static const struct {
  const char *module, *name;
  objects_call call; // NULL for types
  int dtype;         // fm_st_dtype of a storage, otherwise -1
} pickle_globals[] = {
    {"collections", "OrderedDict", objects_ordered_dict, -1},
    {"torch._utils", "_rebuild_tensor_v2", objects_tensor, -1},
    {"torch._utils", "_rebuild_tensor", objects_tensor, -1},
    {"torch._utils", "_rebuild_parameter", objects_first, -1},
    {"torch", "Size", objects_first, -1},
    {"torch", "FloatStorage", NULL, FM_ST_F32},
    {"torch", "DoubleStorage", NULL, FM_ST_F64},
    {"torch", "HalfStorage", NULL, FM_ST_F16},
    {"torch", "BFloat16Storage", NULL, FM_ST_BF16},
    {"torch", "LongStorage", NULL, FM_ST_I64},
    {"torch", "IntStorage", NULL, FM_ST_I32},
    {"torch", "ShortStorage", NULL, FM_ST_I16},
    {"torch", "CharStorage", NULL, FM_ST_I8},
    {"torch", "ByteStorage", NULL, FM_ST_U8},
    {"torch", "BoolStorage", NULL, FM_ST_BOOL},
};
enum { PICKLE_GLOBALS = sizeof pickle_globals / sizeof *pickle_globals };

// MODULE.NAME for a message, whatever bytes they are of.
static void objects_format_name(char *out, const fm_pickle_value *module,
                                const fm_pickle_value *name) {
  const fm_pickle_value *const parts[] = {module, name};
  for (int part = 0; part < 2; part++) {
    const size_t size = parts[part]->text.size;
    for (size_t i = 0; i < size && i < OBJECTS_NAME_SHOWN; i++) {
      const char c = parts[part]->text.data[i];
      *out++ = c >= ' ' && c <= '~' ? c : '?';
    }
    *out++ = part == 0 ? '.' : 0;
  }
}

fm_status fm_pickle_find_global(fm_pickle *pickle, const fm_pickle_value *module,
                                const fm_pickle_value *name, fm_pickle_value **out) {
  for (int i = 0; i < PICKLE_GLOBALS; i++) {
    if (!fm_pickle_is_text(module, pickle_globals[i].module) ||
        !fm_pickle_is_text(name, pickle_globals[i].name))
      continue;
    *out = fm_pickle_new(pickle, FM_PICKLE_GLOBAL);
    if (!*out)
      return FM_ERR_MEMORY; // recorded where it happened
    (*out)->integer = i;
    return FM_OK;
  }
  char shown[2 * OBJECTS_NAME_SHOWN + 2];
  objects_format_name(shown, module, name);
  return fm_fail(FM_ERR_UNSUPPORTED,
                 "%s: refused: the pickle asks for %s, which is neither a tensor nor a plain "
                 "container",
                 pickle->source, shown);
}

fm_status fm_pickle_call(fm_pickle *pickle, const fm_pickle_value *function,
                         const fm_pickle_value *arguments, fm_pickle_value **out) {
  const objects_call call = pickle_globals[function->integer].call;
  if (!call)
    return fm_fail(FM_ERR_UNSUPPORTED, "%s: refused: the pickle calls %s.%s", pickle->source,
                   pickle_globals[function->integer].module,
                   pickle_globals[function->integer].name);
  return call(pickle, arguments, out);
}

fm_status fm_pickle_find_storage(fm_pickle *pickle, const fm_pickle_value *id,
                                 fm_pickle_value **out) {
  fm_pickle_value *const *items = id->kind == FM_PICKLE_TUPLE ? id->items.data : NULL;
  if (!items || id->items.count < 5 || !fm_pickle_is_text(items[0], "storage") ||
      items[1]->kind != FM_PICKLE_GLOBAL || pickle_globals[items[1]->integer].dtype < 0 ||
      items[2]->kind != FM_PICKLE_TEXT || items[4]->kind != FM_PICKLE_INT || items[4]->integer < 0)
    return fm_pickle_broken(pickle, "a storage without type, key, place and size");
  if (id->items.count > 5 && items[5]->kind != FM_PICKLE_NONE)
    return objects_refuse(pickle, "a storage that is a view of another one (PyTorch before 0.4)");
  *out = fm_pickle_new(pickle, FM_PICKLE_STORAGE);
  if (!*out)
    return FM_ERR_MEMORY; // recorded where it happened
  (*out)->storage =
      (fm_pickle_storage){.dtype = (fm_st_dtype)pickle_globals[items[1]->integer].dtype,
                          .key = items[2],
                          .elements = items[4]->integer};
  return fm_pickle_append(pickle, pickle->storages, *out);
}
