// Between the parts of the interpreter of pickles: values and the reading loop (torch_pickle.c),
// the opcodes (torch_opcodes.c), the few names a pickle may use (torch_objects.c).
#ifndef FM_FORMAT_TORCH_PICKLE_PRIVATE_H
#define FM_FORMAT_TORCH_PICKLE_PRIVATE_H

#include "format/torch_pickle.h"

// Memory that is freed in one go.
typedef struct pickle_block {
  struct pickle_block *next;
  size_t used, capacity;
  _Alignas(16) uint8_t bytes[];
} pickle_block;

typedef struct pickle_list {
  fm_pickle_value **data;
  size_t count, capacity;
} pickle_list;

struct fm_pickle {
  pickle_block *blocks;
  size_t allocated, allowed;        // bytes of the blocks
  fm_pickle_value *root, *storages; // the second one a list
  // while reading
  const char *source;
  const uint8_t *data;
  size_t size, at;
  pickle_list stack, memo;
  size_t *marks, mark_count, mark_capacity; // heights of the stack
  bool stopped;
};

enum { FM_PICKLE_OPCODES = 256 };
// What each byte does; NULL for those that are refused.
extern fm_status (*const fm_pickle_opcodes[FM_PICKLE_OPCODES])(fm_pickle *);

FM_MUST_USE fm_status fm_pickle_out_of_memory(const fm_pickle *pickle);
// The next `count` bytes of the pickle.
FM_MUST_USE fm_status fm_pickle_take(fm_pickle *pickle, size_t count, const uint8_t **out);
FM_MUST_USE fm_status fm_pickle_broken(const fm_pickle *pickle, const char *what);
#ifdef __clang_analyzer__
// As for fm_fail: the analyser knows then what is returned.
#define fm_pickle_broken(pickle, what) ((void)!fm_pickle_broken((pickle), (what)), FM_ERR_FORMAT)
#endif
// NULL when out of memory, and the failure is recorded.
fm_pickle_value *fm_pickle_new(fm_pickle *pickle, fm_pickle_kind kind);
FM_MUST_USE fm_status fm_pickle_append(fm_pickle *pickle, fm_pickle_value *container,
                                       fm_pickle_value *item);

// A name of a module; FM_ERR_UNSUPPORTED names it when it is not allowed.
FM_MUST_USE fm_status fm_pickle_find_global(fm_pickle *pickle, const fm_pickle_value *module,
                                            const fm_pickle_value *name, fm_pickle_value **out);
// What the call of a global gives.
FM_MUST_USE fm_status fm_pickle_call(fm_pickle *pickle, const fm_pickle_value *function,
                                     const fm_pickle_value *arguments, fm_pickle_value **out);
// torch's persistent id: ("storage", type, key, location, elements).
FM_MUST_USE fm_status fm_pickle_find_storage(fm_pickle *pickle, const fm_pickle_value *id,
                                             fm_pickle_value **out);

#endif
