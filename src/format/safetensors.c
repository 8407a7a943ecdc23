// Reading and writing safetensors: 8 bytes of header length, a JSON header, the data.
#include "format/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

// A parsed header takes some forty times its bytes; a model of 100000 tensors needs some ten MiB.
enum { ST_HEADER_BYTES_MAX = 16 << 20, ST_NAME_MAX = 1024, ST_ALIGN = 64 };
#define ST_METADATA "__metadata__"

static const struct {
  const char *name;
  size_t bytes;
} st_dtypes[] = {
    [FM_ST_F32] = {"F32", 4},   [FM_ST_F16] = {"F16", 2}, [FM_ST_BF16] = {"BF16", 2},
    [FM_ST_F64] = {"F64", 8},   [FM_ST_I64] = {"I64", 8}, [FM_ST_I32] = {"I32", 4},
    [FM_ST_I16] = {"I16", 2},   [FM_ST_I8] = {"I8", 1},   [FM_ST_U8] = {"U8", 1},
    [FM_ST_BOOL] = {"BOOL", 1},
};
enum { ST_DTYPES = sizeof st_dtypes / sizeof *st_dtypes };

size_t fm_st_dtype_bytes(fm_st_dtype dtype) {
  return st_dtypes[dtype].bytes;
}

struct fm_safetensors {
  fm_mapping mapping;
  json_t *header;
  fm_st_tensor *tensors;
  size_t count;
};

void fm_safetensors_free(fm_safetensors *file) {
  if (!file)
    return;
  fm_mapping_release(&file->mapping);
  json_decref(file->header);
  free(file->tensors);
  free(file);
}

static fm_status st_read_dtype(fm_st_tensor *tensor, const json_t *entry, const char *path) {
  const char *name = json_string_value(json_object_get(entry, "dtype"));
  for (int i = 0; name && i < ST_DTYPES; ++i) {
    if (strcmp(name, st_dtypes[i].name) == 0) {
      tensor->dtype = (fm_st_dtype)i;
      return FM_OK;
    }
  }
  return fm_fail(FM_ERR_FORMAT, "%s: tensor %s: number type %s is not known", path, tensor->name,
                 name ? name : "(none)");
}

static fm_status st_read_shape(fm_st_tensor *tensor, const json_t *entry, const char *path,
                               size_t *elements) {
  const json_t *shape = json_object_get(entry, "shape");
  if (!json_is_array(shape) || json_array_size(shape) > FM_ST_RANK_MAX)
    return fm_fail(FM_ERR_FORMAT, "%s: tensor %s: the shape is not a list of at most %d numbers",
                   path, tensor->name, FM_ST_RANK_MAX);
  tensor->rank = (int)json_array_size(shape);
  *elements = 1;
  for (int i = 0; i < tensor->rank; ++i) {
    const json_t *dim = json_array_get(shape, (size_t)i);
    const json_int_t value = json_integer_value(dim);
    if (!json_is_integer(dim) || value < 0)
      return fm_fail(FM_ERR_FORMAT, "%s: tensor %s: a dimension is no whole number", path,
                     tensor->name);
    if (value > 0 && *elements > (SIZE_MAX / 16) / (size_t)value)
      return fm_fail(FM_ERR_FORMAT, "%s: tensor %s: the shape is too large", path, tensor->name);
    *elements *= (size_t)value;
    tensor->dims[i] = value;
  }
  return FM_OK;
}

static fm_status st_read_tensor(fm_st_tensor *tensor, const json_t *entry, const char *path,
                                const uint8_t *data, size_t data_bytes) {
  if (!json_is_object(entry))
    return fm_fail(FM_ERR_FORMAT, "%s: tensor %s: not an object", path, tensor->name);
  size_t elements = 0;
  FM_TRY(st_read_dtype(tensor, entry, path));
  FM_TRY(st_read_shape(tensor, entry, path, &elements));
  const json_t *offsets = json_object_get(entry, "data_offsets");
  const json_t *first = json_array_get(offsets, 0), *last = json_array_get(offsets, 1);
  if (json_array_size(offsets) != 2 || !json_is_integer(first) || !json_is_integer(last))
    return fm_fail(FM_ERR_FORMAT, "%s: tensor %s: data_offsets are not two whole numbers", path,
                   tensor->name);
  const json_int_t from = json_integer_value(first), to = json_integer_value(last);
  if (from < 0 || to < from || (uint64_t)to > data_bytes)
    return fm_fail(FM_ERR_FORMAT,
                   "%s: tensor %s: bytes %" PRId64 " to %" PRId64
                   " lie outside the %zu of the file",
                   path, tensor->name, (int64_t)from, (int64_t)to, data_bytes);
  tensor->bytes = (size_t)(to - from);
  tensor->data = data + from;
  if (tensor->bytes != elements * st_dtypes[tensor->dtype].bytes)
    return fm_fail(FM_ERR_FORMAT, "%s: tensor %s: %zu bytes for %zu numbers of type %s", path,
                   tensor->name, tensor->bytes, elements, st_dtypes[tensor->dtype].name);
  return FM_OK;
}

static int st_compare_name(const void *a, const void *b) {
  return strcmp(((const fm_st_tensor *)a)->name, ((const fm_st_tensor *)b)->name);
}

static int st_compare_data(const void *a, const void *b) {
  const fm_st_tensor *x = *(const fm_st_tensor *const *)a, *y = *(const fm_st_tensor *const *)b;
  const uintptr_t p = (uintptr_t)x->data, q = (uintptr_t)y->data;
  if (p != q)
    return p < q ? -1 : 1;
  return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

// Every byte of the data belongs to one tensor, so nothing hides between or behind them.
static fm_status st_check_order(const fm_st_tensor *const *order, size_t count, const char *path,
                                const uint8_t *data, size_t data_bytes) {
  const uint8_t *end = data;
  for (size_t i = 0; i < count; ++i) {
    const uint8_t *start = order[i]->data;
    if (start < end)
      return fm_fail(FM_ERR_FORMAT, "%s: tensors %s and %s overlap", path, order[i - 1]->name,
                     order[i]->name);
    if (start > end)
      return fm_fail(FM_ERR_FORMAT, "%s: %zu bytes before tensor %s belong to none", path,
                     (size_t)(start - end), order[i]->name);
    end = start + order[i]->bytes;
  }
  const size_t rest = data_bytes - (size_t)(end - data);
  if (rest > 0)
    return fm_fail(FM_ERR_FORMAT, "%s: %zu bytes behind the last tensor", path, rest);
  return FM_OK;
}

static fm_status st_check_layout(const fm_safetensors *file, const char *path, const uint8_t *data,
                                 size_t data_bytes) {
  const fm_st_tensor **order = malloc((file->count + 1) * sizeof *order);
  FM_CHECK_ALLOC(order);
  for (size_t i = 0; i < file->count; ++i)
    order[i] = &file->tensors[i];
  qsort(order, file->count, sizeof *order, st_compare_data);
  const fm_status status = st_check_order(order, file->count, path, data, data_bytes);
  free(order);
  return status;
}

static fm_status st_check_metadata(json_t *metadata, const char *path) {
  const char *key;
  json_t *value;
  if (!json_is_object(metadata))
    return fm_fail(FM_ERR_FORMAT, "%s: " ST_METADATA " is not a map", path);
  json_object_foreach(metadata, key, value) {
    if (!json_is_string(value))
      return fm_fail(FM_ERR_FORMAT, "%s: " ST_METADATA " %s is not a text", path, key);
  }
  return FM_OK;
}

// Fills file->tensors from the parsed header.
static fm_status st_read_tensors(fm_safetensors *file, const char *path, const uint8_t *data,
                                 size_t data_bytes) {
  file->tensors = calloc(json_object_size(file->header) + 1, sizeof *file->tensors);
  FM_CHECK_ALLOC(file->tensors);
  const char *name;
  json_t *entry;
  json_object_foreach(file->header, name, entry) {
    if (strcmp(name, ST_METADATA) == 0) {
      FM_TRY(st_check_metadata(entry, path));
      continue;
    }
    if (strlen(name) > ST_NAME_MAX)
      return fm_fail(FM_ERR_FORMAT, "%s: a name of %zu bytes", path, strlen(name));
    fm_st_tensor *tensor = &file->tensors[file->count];
    tensor->name = name;
    FM_TRY(st_read_tensor(tensor, entry, path, data, data_bytes));
    ++file->count;
  }
  qsort(file->tensors, file->count, sizeof *file->tensors, st_compare_name);
  return FM_OK;
}

static fm_status st_read_header(fm_safetensors *file, const char *path) {
  const uint8_t *bytes = file->mapping.data;
  const size_t size = file->mapping.size;
  uint64_t length = 0;
  // The two layouts of torch.save: a zip archive, and a pickle of a large integer.
  if (size >= 4 && (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "\x80\x02\x8a\x0a", 4) == 0))
    return fm_fail(FM_ERR_FORMAT,
                   "%s: not a safetensors file but PyTorch's; facemask import makes one of it",
                   path);
  if (size < 8)
    return fm_fail(FM_ERR_FORMAT, "%s: not a safetensors file: %zu bytes", path, size);
  for (int i = 7; i >= 0; --i)
    length = length << 8 | bytes[i];
  if (length > size - 8 || length > ST_HEADER_BYTES_MAX)
    return fm_fail(FM_ERR_FORMAT, "%s: not a safetensors file: a header of %" PRIu64 " bytes", path,
                   length);
  json_error_t error;
  file->header =
      json_loadb((const char *)bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES, &error);
  if (!json_is_object(file->header))
    return fm_fail(FM_ERR_FORMAT, "%s: the header is not a JSON map: %s", path,
                   file->header ? "another value" : error.text);
  const uint8_t *data = bytes + 8 + length;
  const size_t data_bytes = size - 8 - (size_t)length;
  FM_TRY(st_read_tensors(file, path, data, data_bytes));
  return st_check_layout(file, path, data, data_bytes);
}

fm_status fm_safetensors_open(fm_safetensors **out, const char *path) {
  *out = NULL;
  fm_safetensors *file = calloc(1, sizeof *file);
  FM_CHECK_ALLOC(file);
  fm_status status = fm_mapping_open(&file->mapping, path);
  if (status == FM_OK)
    status = st_read_header(file, path);
  if (status < 0) {
    fm_safetensors_free(file);
    return status;
  }
  *out = file;
  return FM_OK;
}

size_t fm_safetensors_count(const fm_safetensors *file) {
  return file->count;
}

const fm_st_tensor *fm_safetensors_tensor(const fm_safetensors *file, size_t index) {
  return &file->tensors[index];
}

const fm_st_tensor *fm_safetensors_find(const fm_safetensors *file, const char *name) {
  const fm_st_tensor wanted = {.name = name};
  return file->count
             ? bsearch(&wanted, file->tensors, file->count, sizeof *file->tensors, st_compare_name)
             : NULL;
}

const char *fm_safetensors_metadata(const fm_safetensors *file, const char *key) {
  return json_string_value(json_object_get(json_object_get(file->header, ST_METADATA), key));
}

uint16_t fm_st_half(float value) {
  union {
    float f;
    uint32_t u;
  } v = {.f = value};
  const uint32_t sign = v.u >> 16 & 0x8000u;
  v.u &= 0x7fffffffu;
  if (v.u > 0x7f800000u)
    return (uint16_t)(sign | 0x7e00u);
  if (v.u >= 0x477ff000u) // half way from 65504 to 65536
    return (uint16_t)(sign | 0x7c00u);
  if (v.u < 0x38800000u) { // below 2^-14: numbers from 0.5 on lie 2^-24 apart, as subnormal ones do
    v.f += 0.5f;
    return (uint16_t)(sign | (v.u - 0x3f000000u));
  }
  v.u += 0xfffu + (v.u >> 13 & 1u);
  return (uint16_t)(sign | (v.u - 0x38000000u) >> 13);
}

static float st_half(uint16_t bits) {
  const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u;
  const uint32_t mantissa = bits & 0x3ffu;
  union {
    uint32_t u;
    float f;
  } v;
  if (exponent == 0) { // zero and subnormal: mantissa * 2^-24
    v.f = (float)mantissa * 0x1p-24f;
    v.u |= sign;
  } else {
    v.u = sign | (exponent == 31 ? 255u : exponent + 112u) << 23 | mantissa << 13;
  }
  return v.f;
}

#define ST_CONVERT(type, expression)                                 \
  for (size_t i = 0; i < count; ++i) {                               \
    type v;                                                          \
    memcpy(&v, (const char *)tensor->data + i * sizeof v, sizeof v); \
    out[i] = (float)(expression);                                    \
  }                                                                  \
  return FM_OK

fm_status fm_st_tensor_to_f32(const fm_st_tensor *tensor, float *out) {
  const size_t count = tensor->bytes / st_dtypes[tensor->dtype].bytes;
  union {
    uint32_t u;
    float f;
  } b;
  switch (tensor->dtype) {
  case FM_ST_F32:
    memcpy(out, tensor->data, tensor->bytes);
    return FM_OK;
  case FM_ST_F16:
    ST_CONVERT(uint16_t, st_half(v));
  case FM_ST_BF16:
    ST_CONVERT(uint16_t, (b.u = (uint32_t)v << 16, b.f));
  case FM_ST_F64:
    ST_CONVERT(double, v);
  case FM_ST_I64:
    ST_CONVERT(int64_t, v);
  case FM_ST_I32:
    ST_CONVERT(int32_t, v);
  case FM_ST_I16:
    ST_CONVERT(int16_t, v);
  case FM_ST_I8:
    ST_CONVERT(int8_t, v);
  case FM_ST_U8:
    ST_CONVERT(uint8_t, v);
  case FM_ST_BOOL:
    ST_CONVERT(uint8_t, v != 0);
  }
  return fm_fail(FM_ERR_UNSUPPORTED, "tensor %s has no known number type", tensor->name);
}

static fm_status st_describe(json_t *header, const fm_st_tensor *tensor, size_t offset) {
  if (strcmp(tensor->name, ST_METADATA) == 0 || json_object_get(header, tensor->name))
    return fm_fail(FM_ERR_FORMAT, "tensor %s cannot be written: the name is taken", tensor->name);
  json_t *shape = json_array();
  for (int i = 0; i < tensor->rank; ++i)
    json_array_append_new(shape, json_integer(tensor->dims[i]));
  json_t *entry =
      json_pack("{s:s, s:o, s:[I,I]}", "dtype", st_dtypes[tensor->dtype].name, "shape", shape,
                "data_offsets", (json_int_t)offset, (json_int_t)(offset + tensor->bytes));
  return entry && json_object_set_new(header, tensor->name, entry) == 0
             ? FM_OK
             : fm_fail(FM_ERR_FORMAT, "tensor %s cannot be written", tensor->name);
}

static fm_status st_make_header(char **text, const fm_st_tensor *tensors, size_t count,
                                const fm_st_metadata *metadata, size_t metadata_count) {
  json_t *header = json_object(), *notes = json_object();
  fm_status status = FM_OK;
  for (size_t i = 0; i < metadata_count; ++i)
    json_object_set_new(notes, metadata[i].key, json_string(metadata[i].value));
  if (metadata_count)
    json_object_set(header, ST_METADATA, notes);
  size_t offset = 0;
  for (size_t i = 0; i < count && status == FM_OK; ++i) {
    status = st_describe(header, &tensors[i], offset);
    offset += tensors[i].bytes;
  }
  *text = status == FM_OK ? json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
  json_decref(notes);
  json_decref(header);
  if (status == FM_OK && !*text)
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  return status;
}

fm_status fm_safetensors_write(const char *path, const fm_st_tensor *tensors, size_t count,
                               const fm_st_metadata *metadata, size_t metadata_count) {
  char *header;
  FM_TRY(st_make_header(&header, tensors, count, metadata, metadata_count));
  const size_t length = strlen(header);
  const size_t padded = (length + 8 + ST_ALIGN - 1) / ST_ALIGN * ST_ALIGN - 8;
  fm_atomic_file file;
  const fm_status status = fm_atomic_file_open(&file, path);
  if (status == FM_OK) {
    // Failures of single writes stay in the stream; commit reports them.
    for (int i = 0; i < 8; ++i)
      fputc((int)(((uint64_t)padded >> (8 * i)) & 0xff), file.stream);
    fwrite(header, 1, length, file.stream);
    for (size_t i = length; i < padded; ++i)
      fputc(' ', file.stream);
    for (size_t i = 0; i < count; ++i)
      fwrite(tensors[i].data, 1, tensors[i].bytes, file.stream);
  }
  free(header);
  FM_TRY(status);
  return fm_atomic_file_commit(&file);
}
