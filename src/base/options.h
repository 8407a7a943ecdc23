// Tables of options: one row describes a field of a struct, and the row alone gives --flags, --set,
// YAML, the dump, --help and the docs.
#ifndef FM_BASE_OPTIONS_H
#define FM_BASE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/status.h"

typedef enum fm_option_type {
  FM_OPTION_BOOL,   // bool: true/false, yes/no, on/off, 1/0
  FM_OPTION_INT,    // int, checked against [minimum, maximum]
  FM_OPTION_FLOAT,  // float, likewise; must be finite
  FM_OPTION_DOUBLE, // double, likewise
  FM_OPTION_ENUM,   // int: the index of the word in `words` ("a|b|c")
  FM_OPTION_STRING, // char[FM_OPTION_STRING_BYTES]
  FM_OPTION_FLOATS, // fm_float_list: [a, b, c]
  FM_OPTION_TABLE,  // fm_float_table: [[a, b], [c]] (rows of numbers; a flat list is one number a
                    // row)
  FM_OPTION_COUNT,  // (number of types)
} fm_option_type;

enum { FM_OPTION_STRING_BYTES = 256, FM_LIST_MAX = 32, FM_TABLE_ROWS_MAX = 8 };
typedef struct fm_float_list {
  int count;
  float values[FM_LIST_MAX];
} fm_float_list;
typedef struct fm_float_table {
  int count;
  fm_float_list rows[FM_TABLE_ROWS_MAX];
} fm_float_table;

typedef struct fm_option {
  const char *name; // "model.min_size"
  fm_option_type type;
  size_t offset;           // into the struct the table describes
  double minimum, maximum; // for numbers (each number of a list too)
  const char *initial;     // the default as text, parsed like a user's value
  const char *words;       // for FM_OPTION_ENUM
  const char *help;        // one line
} fm_option;

// Tables end with a row whose name is NULL.
FM_MUST_USE fm_status fm_options_defaults(const fm_option *table, void *object);
// Sets one option from text. FM_ERR_ARGUMENT names the key, the value, the range and, for an
// unknown key, the nearest known one.
FM_MUST_USE fm_status fm_options_set(const fm_option *table, void *object, const char *name,
                                     const char *value);
// "key=value".
FM_MUST_USE fm_status fm_options_assign(const fm_option *table, void *object,
                                        const char *assignment);
// Reads YAML (nested maps or dotted keys). Failures name file, line and key. Calls set for each
// leaf; `augment`-like lists that are not of a type above are handed to `other` (may be NULL: then
// they are an error).
typedef fm_status (*fm_options_other)(void *user, const char *name, void *yaml_document,
                                      void *yaml_node);
FM_MUST_USE fm_status fm_options_read_yaml(const fm_option *table, void *object, const char *path,
                                           fm_options_other other, void *user);
FM_MUST_USE fm_status fm_options_parse_yaml(const fm_option *table, void *object, const char *text,
                                            const char *source, fm_options_other other, void *user);
// The value as text that fm_options_set reads back to the same bits. Heap; NULL when out of memory.
char *fm_options_format(const fm_option *row, const void *object);
// Writes YAML, nested by the dots in the names, that reads back to an equal struct.
FM_MUST_USE fm_status fm_options_write_yaml(const fm_option *table, const void *object, FILE *out);
// The word among `words` (NULL-terminated) nearest to `text` by edit distance; NULL when none is
// near.
const char *fm_nearest_word(const char *text, const char *const *words);

#endif
