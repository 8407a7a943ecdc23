// The tensors of PyTorch's files: their storages, and their names in the dicts of the pickle.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format/torch_archive_private.h"

enum {
  TORCH_NAME_BYTES = 512,
  TORCH_DEPTH_MAX = 6,        // of dicts in dicts
  TORCH_VISITS_MAX = 1 << 20, // items of dicts; the pickle may refer to one dict from many places
};
#define TORCH_BYTES_MAX ((size_t)4 << 30) // of all tensors

// --- storages

static int torch_compare_key(const fm_pickle_value *a, const fm_pickle_value *b) {
  const size_t size = a->text.size < b->text.size ? a->text.size : b->text.size;
  const int order = memcmp(a->text.data, b->text.data, size);
  return order ? order : (a->text.size > b->text.size) - (a->text.size < b->text.size);
}

static int torch_compare_storage(const void *a, const void *b) {
  const fm_torch_storage *x = a, *y = b;
  // The analyser doubts that the loop that set the values saw every one of them.
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
  return torch_compare_key(x->value->storage.key, y->value->storage.key);
}

size_t fm_torch_storage_bytes(const fm_torch_storage *storage) {
  const size_t size = fm_st_dtype_bytes(storage->value->storage.dtype);
  const uint64_t elements = (uint64_t)storage->value->storage.elements;
  return elements > TORCH_BYTES_MAX / size ? SIZE_MAX : (size_t)elements * size;
}

fm_status fm_torch_list_storages(fm_torch_archive *self) {
  size_t count;
  const fm_pickle_value *const *values = fm_pickle_storages(self->pickle, &count);
  self->storages = calloc(count + 1, sizeof *self->storages);
  FM_CHECK_ALLOC(self->storages);
  for (size_t i = 0; i < count; i++)
    self->storages[i].value = values[i];
  if (count > 1)
    qsort(self->storages, count, sizeof *self->storages, torch_compare_storage);
  for (size_t i = 0; i < count; i++) {
    const fm_torch_storage *last =
        self->storage_count ? &self->storages[self->storage_count - 1] : NULL;
    if (!last || torch_compare_storage(last, &self->storages[i]) != 0)
      self->storages[self->storage_count++] = self->storages[i];
    else if (last->value->storage.dtype != self->storages[i].value->storage.dtype ||
             last->value->storage.elements != self->storages[i].value->storage.elements)
      return fm_fail(FM_ERR_FORMAT, "%s: one storage with two types or sizes", self->path);
  }
  return FM_OK;
}

fm_torch_storage *fm_torch_find_storage(const fm_torch_archive *self, const fm_pickle_value *key) {
  const fm_pickle_value wanted = {.kind = FM_PICKLE_STORAGE, .storage = {.key = key}};
  const fm_torch_storage probe = {.value = &wanted};
  return self->storage_count ? bsearch(&probe, self->storages, self->storage_count,
                                       sizeof *self->storages, torch_compare_storage)
                             : NULL;
}

fm_status fm_torch_count_bytes(fm_torch_archive *self, size_t bytes) {
  if (bytes > TORCH_BYTES_MAX - self->bytes)
    return fm_fail(FM_ERR_FORMAT, "%s: more than %zu bytes of tensors", self->path,
                   TORCH_BYTES_MAX);
  self->bytes += bytes;
  return FM_OK;
}

// --- tensors

// Elements of a tensor; SIZE_MAX when too many.
static size_t torch_elements(const fm_pickle_tensor *tensor) {
  size_t elements = 1;
  for (int i = 0; i < tensor->rank; i++)
    if (tensor->dims[i] == 0)
      return 0;
  for (int i = 0; i < tensor->rank; i++) {
    if ((uint64_t)tensor->dims[i] > TORCH_BYTES_MAX / elements)
      return SIZE_MAX;
    elements *= (size_t)tensor->dims[i];
  }
  return elements;
}

static bool torch_in_order(const fm_pickle_tensor *tensor) {
  int64_t stride = 1;
  for (int i = tensor->rank - 1; i >= 0; i--) {
    if (tensor->dims[i] != 1 && tensor->strides[i] != stride)
      return false;
    stride *= tensor->dims[i];
  }
  return true;
}

// Element by element along the strides.
static void torch_copy_strided(uint8_t *out, const uint8_t *data, const fm_pickle_tensor *tensor,
                               size_t size) {
  int64_t at[FM_ST_RANK_MAX] = {0}, from = 0;
  const size_t elements = torch_elements(tensor);
  for (size_t i = 0; i < elements; i++) {
    memcpy(out + i * size, data + (size_t)from * size, size);
    for (int axis = tensor->rank - 1; axis >= 0; axis--) {
      from += tensor->strides[axis];
      if (++at[axis] < tensor->dims[axis])
        break;
      from -= tensor->strides[axis] * tensor->dims[axis];
      at[axis] = 0;
    }
  }
}

static fm_status torch_reserve(fm_torch_archive *self) {
  if (self->count < self->capacity)
    return FM_OK;
  const size_t capacity = self->capacity ? self->capacity * 2 : 256;
  fm_st_tensor *tensors = realloc(self->tensors, capacity * sizeof *tensors);
  FM_CHECK_ALLOC(tensors);
  self->tensors = tensors;
  uint8_t **copies = realloc(self->copies, capacity * sizeof *copies);
  FM_CHECK_ALLOC(copies);
  self->copies = copies;
  self->capacity = capacity;
  return FM_OK;
}

static const uint8_t torch_nothing[1]; // what a tensor without elements points to

static fm_status torch_add_tensor(fm_torch_archive *self, const char *name,
                                  const fm_pickle_tensor *tensor) {
  fm_torch_storage *storage = fm_torch_find_storage(self, tensor->storage->storage.key);
  FM_ASSERT(storage);
  const fm_st_dtype dtype = storage->value->storage.dtype;
  const size_t size = fm_st_dtype_bytes(dtype), elements = torch_elements(tensor);
  if (!storage->data && elements > 0)
    FM_TRY(fm_torch_read_storage(self, storage));
  FM_TRY(torch_reserve(self));
  fm_st_tensor *out = &self->tensors[self->count];
  *out = (fm_st_tensor){.dtype = dtype, .rank = tensor->rank};
  memcpy(out->dims, tensor->dims, sizeof out->dims);
  self->copies[self->count] = NULL;
  out->name = strdup(name);
  FM_CHECK_ALLOC(out->name);
  self->count++;
  out->data = torch_nothing;
  if (elements == 0)
    return FM_OK;
  const uint8_t *data = storage->data + (size_t)tensor->offset * size;
  if (!torch_in_order(tensor)) {
    if (elements > TORCH_BYTES_MAX / size)
      return fm_fail(FM_ERR_FORMAT, "%s: tensor %s is too large", self->path, name);
    FM_TRY(fm_torch_count_bytes(self, elements * size));
    uint8_t *copy = malloc(elements * size);
    FM_CHECK_ALLOC(copy);
    torch_copy_strided(copy, data, tensor, size);
    self->copies[self->count - 1] = copy;
    data = copy;
  }
  out->data = data;
  out->bytes = elements * size;
  return FM_OK;
}

// Writes PREFIX.KEY, or KEY; false when it is too long or the key no name.
static bool torch_join_name(char out[TORCH_NAME_BYTES], const char *prefix,
                            const fm_pickle_value *key) {
  int length = -1;
  const char *dot = *prefix ? "." : "";
  if (key->kind == FM_PICKLE_TEXT && key->text.size < TORCH_NAME_BYTES &&
      !memchr(key->text.data, 0, key->text.size))
    length = snprintf(out, TORCH_NAME_BYTES, "%s%s%.*s", prefix, dot, (int)key->text.size,
                      key->text.data);
  else if (key->kind == FM_PICKLE_INT)
    length = snprintf(out, TORCH_NAME_BYTES, "%s%s%" PRId64, prefix, dot, key->integer);
  return length >= 0 && length < TORCH_NAME_BYTES;
}

static fm_status torch_visit(fm_torch_archive *self, const fm_pickle_value *dict,
                             const char *prefix, int depth) {
  char name[TORCH_NAME_BYTES];
  if (depth > TORCH_DEPTH_MAX)
    return fm_fail(FM_ERR_FORMAT, "%s: dicts are nested too deeply", self->path);
  for (size_t i = 0; i + 1 < dict->items.count; i += 2) {
    const fm_pickle_value *value = dict->items.data[i + 1];
    if (++self->visits > TORCH_VISITS_MAX)
      return fm_fail(FM_ERR_FORMAT, "%s: more than %d values", self->path, TORCH_VISITS_MAX);
    if (value->kind != FM_PICKLE_TENSOR && value->kind != FM_PICKLE_DICT)
      continue;
    if (!torch_join_name(name, prefix, dict->items.data[i]))
      return fm_fail(FM_ERR_FORMAT, "%s: a key in %s is no name of less than %d bytes", self->path,
                     *prefix ? prefix : "the file", TORCH_NAME_BYTES);
    if (value->kind == FM_PICKLE_TENSOR)
      FM_TRY(torch_add_tensor(self, name, &value->tensor));
    else
      FM_TRY(torch_visit(self, value, name, depth + 1));
  }
  return FM_OK;
}

fm_status fm_torch_list_tensors(fm_torch_archive *archive) {
  const fm_pickle_value *root = fm_pickle_root(archive->pickle);
  if (root->kind != FM_PICKLE_DICT)
    return fm_fail(FM_ERR_FORMAT, "%s: not a state_dict: no dict of names and tensors",
                   archive->path);
  FM_TRY(torch_visit(archive, root, "", 0));
  return archive->count > 0 ? FM_OK : fm_fail(FM_ERR_FORMAT, "%s: no tensors in it", archive->path);
}
