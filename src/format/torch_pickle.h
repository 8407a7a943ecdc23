// The pickles of PyTorch's files, read without running anything: numbers, texts, lists, tuples,
// dicts and tensors are built, and whatever else a pickle asks for is refused by its name. Python's
// pickle is a program that may call any function (https://docs.python.org/3/library/pickle.html);
// here its opcodes are interpreted, and the only names it may use are those of pickle_globals in
// torch_objects.c.
#ifndef FM_FORMAT_TORCH_PICKLE_H
#define FM_FORMAT_TORCH_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "format/safetensors.h"

typedef enum fm_pickle_kind {
  FM_PICKLE_NONE,
  FM_PICKLE_BOOL,
  FM_PICKLE_INT,
  FM_PICKLE_LONG, // of more than 64 bits: little-endian two's complement in `text`
  FM_PICKLE_FLOAT,
  FM_PICKLE_TEXT, // also bytes
  FM_PICKLE_TUPLE,
  FM_PICKLE_LIST,
  FM_PICKLE_DICT,    // items are key, value, key, value, ...
  FM_PICKLE_GLOBAL,  // an allowed name
  FM_PICKLE_STORAGE, // numbers that lie elsewhere in the file
  FM_PICKLE_TENSOR,
} fm_pickle_kind;

typedef struct fm_pickle_value fm_pickle_value;

typedef struct fm_pickle_storage {
  fm_st_dtype dtype;
  const fm_pickle_value *key; // text
  int64_t elements;
} fm_pickle_storage;

typedef struct fm_pickle_tensor {
  const fm_pickle_value *storage;
  int64_t offset; // elements
  int rank;
  int64_t dims[FM_ST_RANK_MAX], strides[FM_ST_RANK_MAX];
} fm_pickle_tensor;

struct fm_pickle_value {
  fm_pickle_kind kind;
  union {
    int64_t integer; // also BOOL, and of GLOBAL its index
    double real;
    struct {
      const char *data; // inside the bytes that were read; no final 0
      size_t size;
    } text;
    struct {
      fm_pickle_value **data;
      size_t count, capacity;
    } items;
    fm_pickle_storage storage;
    fm_pickle_tensor tensor;
  };
};

typedef struct fm_pickle fm_pickle; // owns the values
// Reads the pickle that `data` begins with; *consumed are its bytes. The bytes must outlive the
// values. Takes time and memory in proportion to `size`. The values may form any graph, circles
// included: whoever walks it bounds the walk. `source` is named in messages.
FM_MUST_USE fm_status fm_pickle_read(fm_pickle **out, const uint8_t *data, size_t size,
                                     const char *source, size_t *consumed);
void fm_pickle_free(fm_pickle *pickle);
const fm_pickle_value *fm_pickle_root(const fm_pickle *pickle);
// Every storage that the pickle names, also those that nothing refers to any more; a key may occur
// often.
const fm_pickle_value *const *fm_pickle_storages(const fm_pickle *pickle, size_t *count);

bool fm_pickle_is_text(const fm_pickle_value *value, const char *text);
// The value of a text key in a dict; NULL when there is none.
const fm_pickle_value *fm_pickle_get(const fm_pickle_value *dict, const char *key);

#endif
