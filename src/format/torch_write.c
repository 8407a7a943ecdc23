// Writing a state_dict as PyTorch does: a pickle of the names, and an entry of the zip a tensor.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/archive.h"
#include "format/torch_archive.h"

enum { TORCH_KEY_BYTES = 48, TORCH_FIXED_ENTRIES = 3 };

// torch.*Storage by fm_st_dtype.
static const char *const torch_storage_names[] = {
    [FM_ST_F32] = "FloatStorage",  [FM_ST_F16] = "HalfStorage", [FM_ST_BF16] = "BFloat16Storage",
    [FM_ST_F64] = "DoubleStorage", [FM_ST_I64] = "LongStorage", [FM_ST_I32] = "IntStorage",
    [FM_ST_I16] = "ShortStorage",  [FM_ST_I8] = "CharStorage",  [FM_ST_U8] = "ByteStorage",
    [FM_ST_BOOL] = "BoolStorage",
};

// Opcodes of protocol 2 (pickletools.py names them so).
enum {
  TORCH_PROTO = 0x80,
  TORCH_MARK = '(',
  TORCH_TUPLE = 't',
  TORCH_EMPTY_TUPLE = ')',
  TORCH_REDUCE = 'R',
  TORCH_GLOBAL = 'c',
  TORCH_BINUNICODE = 'X',
  TORCH_BININT = 'J',
  TORCH_LONG1 = 0x8a,
  TORCH_NEWFALSE = 0x89,
  TORCH_BINPERSID = 'Q',
  TORCH_SETITEMS = 'u',
  TORCH_STOP = '.',
};

static void torch_put_number(FILE *out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++)
    fputc((int)(value >> (8 * i) & 0xff), out);
}

static void torch_put_text(FILE *out, const char *text) {
  fputc(TORCH_BINUNICODE, out);
  torch_put_number(out, strlen(text), 4);
  fputs(text, out);
}

static void torch_put_int(FILE *out, int64_t value) {
  const bool small = value >= INT32_MIN && value <= INT32_MAX;
  fputc(small ? TORCH_BININT : TORCH_LONG1, out);
  if (!small)
    fputc(8, out);
  torch_put_number(out, (uint64_t)value, small ? 4 : 8);
}

static void torch_put_global(FILE *out, const char *module, const char *name) {
  fprintf(out, "%c%s\n%s\n", TORCH_GLOBAL, module, name);
}

static void torch_put_empty_dict(FILE *out) {
  torch_put_global(out, "collections", "OrderedDict");
  fputc(TORCH_EMPTY_TUPLE, out);
  fputc(TORCH_REDUCE, out);
}

static int64_t torch_count(const fm_st_tensor *tensor) {
  return (int64_t)(tensor->bytes / fm_st_dtype_bytes(tensor->dtype));
}

// torch._utils._rebuild_tensor_v2(storage, 0, size, stride, requires_grad, hooks)
static void torch_put_tensor(FILE *out, const fm_st_tensor *tensor, size_t index) {
  char key[TORCH_KEY_BYTES];
  snprintf(key, sizeof key, "%zu", index);
  torch_put_global(out, "torch._utils", "_rebuild_tensor_v2");
  fputc(TORCH_MARK, out);
  fputc(TORCH_MARK, out);
  torch_put_text(out, "storage");
  torch_put_global(out, "torch", torch_storage_names[tensor->dtype]);
  torch_put_text(out, key);
  torch_put_text(out, "cpu");
  torch_put_int(out, torch_count(tensor));
  fputc(TORCH_TUPLE, out);
  fputc(TORCH_BINPERSID, out);
  torch_put_int(out, 0);
  fputc(TORCH_MARK, out);
  for (int i = 0; i < tensor->rank; i++)
    torch_put_int(out, tensor->dims[i]);
  fputc(TORCH_TUPLE, out);
  fputc(TORCH_MARK, out);
  for (int i = 0; i < tensor->rank; i++) {
    int64_t stride = 1;
    for (int behind = i + 1; behind < tensor->rank; behind++)
      stride *= tensor->dims[behind] ? tensor->dims[behind] : 1;
    torch_put_int(out, stride);
  }
  fputc(TORCH_TUPLE, out);
  fputc(TORCH_NEWFALSE, out);
  torch_put_empty_dict(out);
  fputc(TORCH_TUPLE, out);
  fputc(TORCH_REDUCE, out);
}

static fm_status torch_make_pickle(char **data, size_t *size, const fm_st_tensor *tensors,
                                   size_t count) {
  FILE *out = open_memstream(data, size);
  FM_CHECK_ALLOC(out);
  fputc(TORCH_PROTO, out);
  fputc(2, out);
  torch_put_empty_dict(out);
  fputc(TORCH_MARK, out);
  for (size_t i = 0; i < count; i++) {
    torch_put_text(out, tensors[i].name);
    torch_put_tensor(out, &tensors[i], i);
  }
  fputc(TORCH_SETITEMS, out);
  fputc(TORCH_STOP, out);
  return fclose(out) == 0 ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
}

fm_status fm_torch_archive_write(const char *path, const fm_st_tensor *tensors, size_t count) {
  char *pickle = NULL;
  size_t pickle_size = 0;
  fm_status status = torch_make_pickle(&pickle, &pickle_size, tensors, count);
  fm_archive_entry *entries = calloc(count + TORCH_FIXED_ENTRIES, sizeof *entries);
  char(*names)[TORCH_KEY_BYTES] = calloc(count + 1, sizeof *names);
  if (status >= 0 && (!entries || !names))
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status >= 0) {
    entries[0] = (fm_archive_entry){"archive/data.pkl", pickle, pickle_size};
    entries[1] = (fm_archive_entry){"archive/byteorder", "little", 6};
    for (size_t i = 0; i < count; i++) {
      snprintf(names[i], sizeof names[i], "archive/data/%zu", i);
      entries[2 + i] = (fm_archive_entry){names[i], tensors[i].data, tensors[i].bytes};
    }
    entries[2 + count] = (fm_archive_entry){"archive/version", "3\n", 2};
    status = fm_archive_write(path, entries, count + TORCH_FIXED_ENTRIES);
  }
  free(entries);
  free(names);
  free(pickle);
  return status;
}
