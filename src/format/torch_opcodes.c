// The opcodes of pickles that build numbers, texts and plain containers: a stack of values, marks
// in it, and a memory of values by number.
#include <stdlib.h>
#include <string.h>

#include "format/torch_pickle_private.h"

enum { PICKLE_PROTOCOL_MAX = 5 };

// --- the machine

static fm_status pickle_list_reserve(fm_pickle *self, pickle_list *list, size_t count) {
  if (count <= list->capacity)
    return FM_OK;
  size_t capacity = list->capacity ? list->capacity : 64;
  while (capacity < count)
    capacity *= 2;
  fm_pickle_value **grown = realloc(list->data, capacity * sizeof(fm_pickle_value *));
  if (!grown)
    return fm_pickle_out_of_memory(self);
  memset(grown + list->capacity, 0, (capacity - list->capacity) * sizeof(fm_pickle_value *));
  list->data = grown;
  list->capacity = capacity;
  return FM_OK;
}

static fm_status pickle_push(fm_pickle *self, fm_pickle_value *value) {
  if (!value)
    return FM_ERR_MEMORY; // recorded where it happened
  FM_TRY(pickle_list_reserve(self, &self->stack, self->stack.count + 1));
  self->stack.data[self->stack.count++] = value;
  return FM_OK;
}

// The lowest place of the stack that may be taken: what lies under the last mark is not.
static size_t pickle_floor(const fm_pickle *self) {
  return self->mark_count ? self->marks[self->mark_count - 1] : 0;
}

static fm_status pickle_pop(fm_pickle *self, fm_pickle_value **out) {
  *out = NULL;
  if (self->stack.count <= pickle_floor(self))
    return fm_pickle_broken(self, "nothing on the stack");
  *out = self->stack.data[--self->stack.count];
  return FM_OK;
}

// The values above the last mark, which goes.
static fm_status pickle_pop_mark(fm_pickle *self, fm_pickle_value ***items, size_t *count) {
  *items = NULL;
  *count = 0;
  if (self->mark_count == 0)
    return fm_pickle_broken(self, "no mark on the stack");
  const size_t from = self->marks[--self->mark_count];
  *items = self->stack.data ? self->stack.data + from : NULL;
  *count = self->stack.count - from;
  self->stack.count = from; // the values stay readable until the next push
  return FM_OK;
}

static fm_status pickle_take_number(fm_pickle *self, size_t bytes, uint64_t *out) {
  const uint8_t *data;
  FM_TRY(fm_pickle_take(self, bytes, &data));
  *out = 0;
  for (size_t i = bytes; i-- > 0;)
    *out = *out << 8 | data[i];
  return FM_OK;
}

static fm_status pickle_push_int(fm_pickle *self, fm_pickle_kind kind, int64_t number) {
  fm_pickle_value *value = fm_pickle_new(self, kind);
  if (value)
    value->integer = number;
  return pickle_push(self, value);
}

// --- opcodes: numbers and texts

static fm_status pickle_op_none(fm_pickle *self) {
  return pickle_push(self, fm_pickle_new(self, FM_PICKLE_NONE));
}

static fm_status pickle_op_true(fm_pickle *self) {
  return pickle_push_int(self, FM_PICKLE_BOOL, 1);
}

static fm_status pickle_op_false(fm_pickle *self) {
  return pickle_push_int(self, FM_PICKLE_BOOL, 0);
}

static fm_status pickle_op_int4(fm_pickle *self) {
  uint64_t number;
  FM_TRY(pickle_take_number(self, 4, &number));
  return pickle_push_int(self, FM_PICKLE_INT, (int32_t)(uint32_t)number);
}

static fm_status pickle_op_int1(fm_pickle *self) {
  uint64_t number;
  FM_TRY(pickle_take_number(self, 1, &number));
  return pickle_push_int(self, FM_PICKLE_INT, (int64_t)number);
}

static fm_status pickle_op_int2(fm_pickle *self) {
  uint64_t number;
  FM_TRY(pickle_take_number(self, 2, &number));
  return pickle_push_int(self, FM_PICKLE_INT, (int64_t)number);
}

static fm_status pickle_op_long(fm_pickle *self) {
  uint64_t bytes, number;
  const uint8_t *data;
  FM_TRY(pickle_take_number(self, 1, &bytes));
  if (bytes <= 8) {
    FM_TRY(pickle_take_number(self, bytes, &number));
    const unsigned unused = 64 - 8 * (unsigned)bytes; // the sign is in the highest byte given
    return pickle_push_int(self, FM_PICKLE_INT, bytes ? (int64_t)(number << unused) >> unused : 0);
  }
  FM_TRY(fm_pickle_take(self, bytes, &data));
  fm_pickle_value *value = fm_pickle_new(self, FM_PICKLE_LONG);
  if (value) {
    value->text.data = (const char *)data;
    value->text.size = bytes;
  }
  return pickle_push(self, value);
}

static fm_status pickle_op_float(fm_pickle *self) {
  const uint8_t *data;
  FM_TRY(fm_pickle_take(self, 8, &data));
  uint64_t bits = 0;
  for (int i = 0; i < 8; i++)
    bits = bits << 8 | data[i];
  fm_pickle_value *value = fm_pickle_new(self, FM_PICKLE_FLOAT);
  if (value)
    memcpy(&value->real, &bits, sizeof bits);
  return pickle_push(self, value);
}

// A length of so many bytes, then as many.
static fm_status pickle_push_text(fm_pickle *self, size_t length_bytes) {
  uint64_t size;
  const uint8_t *data;
  FM_TRY(pickle_take_number(self, length_bytes, &size));
  FM_TRY(fm_pickle_take(self, size, &data));
  fm_pickle_value *value = fm_pickle_new(self, FM_PICKLE_TEXT);
  if (value) {
    value->text.data = (const char *)data;
    value->text.size = size;
  }
  return pickle_push(self, value);
}

static fm_status pickle_op_text1(fm_pickle *self) {
  return pickle_push_text(self, 1);
}

static fm_status pickle_op_text4(fm_pickle *self) {
  return pickle_push_text(self, 4);
}

static fm_status pickle_op_text8(fm_pickle *self) {
  return pickle_push_text(self, 8);
}

// --- opcodes: containers

static fm_status pickle_op_mark(fm_pickle *self) {
  if (self->mark_count == self->mark_capacity) {
    const size_t capacity = self->mark_capacity ? self->mark_capacity * 2 : 64;
    size_t *grown = realloc(self->marks, capacity * sizeof *grown);
    if (!grown)
      return fm_pickle_out_of_memory(self);
    self->marks = grown;
    self->mark_capacity = capacity;
  }
  self->marks[self->mark_count++] = self->stack.count;
  return FM_OK;
}

static fm_status pickle_op_empty_tuple(fm_pickle *self) {
  return pickle_push(self, fm_pickle_new(self, FM_PICKLE_TUPLE));
}

static fm_status pickle_op_empty_list(fm_pickle *self) {
  return pickle_push(self, fm_pickle_new(self, FM_PICKLE_LIST));
}

static fm_status pickle_op_empty_dict(fm_pickle *self) {
  return pickle_push(self, fm_pickle_new(self, FM_PICKLE_DICT));
}

static fm_status pickle_push_tuple(fm_pickle *self, fm_pickle_value *const *items, size_t count) {
  fm_pickle_value *tuple = fm_pickle_new(self, FM_PICKLE_TUPLE);
  for (size_t i = 0; tuple && i < count; i++)
    // The analyser takes a list of no items for one of some.
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
    FM_TRY(fm_pickle_append(self, tuple, items[i]));
  return pickle_push(self, tuple);
}

static fm_status pickle_op_tuple(fm_pickle *self) {
  fm_pickle_value **items;
  size_t count;
  FM_TRY(pickle_pop_mark(self, &items, &count));
  return pickle_push_tuple(self, items, count);
}

static fm_status pickle_short_tuple(fm_pickle *self, size_t count) {
  fm_pickle_value *items[3];
  for (size_t i = count; i-- > 0;)
    FM_TRY(pickle_pop(self, &items[i]));
  return pickle_push_tuple(self, items, count);
}

static fm_status pickle_op_tuple1(fm_pickle *self) {
  return pickle_short_tuple(self, 1);
}

static fm_status pickle_op_tuple2(fm_pickle *self) {
  return pickle_short_tuple(self, 2);
}

static fm_status pickle_op_tuple3(fm_pickle *self) {
  return pickle_short_tuple(self, 3);
}

// The container that the items go to, which stays on the stack.
static fm_status pickle_top(fm_pickle *self, fm_pickle_kind kind, fm_pickle_value **out) {
  *out = NULL;
  if (self->stack.count <= pickle_floor(self) ||
      self->stack.data[self->stack.count - 1]->kind != kind)
    return fm_pickle_broken(self, kind == FM_PICKLE_DICT ? "no dict to set an item of"
                                                         : "no list to append to");
  *out = self->stack.data[self->stack.count - 1];
  return FM_OK;
}

static fm_status pickle_op_append(fm_pickle *self) {
  fm_pickle_value *item, *list;
  FM_TRY(pickle_pop(self, &item));
  FM_TRY(pickle_top(self, FM_PICKLE_LIST, &list));
  return fm_pickle_append(self, list, item);
}

static fm_status pickle_add_all(fm_pickle *self, fm_pickle_kind kind) {
  fm_pickle_value **items, *container;
  size_t count;
  FM_TRY(pickle_pop_mark(self, &items, &count));
  FM_TRY(pickle_top(self, kind, &container));
  if (kind == FM_PICKLE_DICT && count % 2)
    return fm_pickle_broken(self, "a key without a value");
  for (size_t i = 0; i < count; i++)
    FM_TRY(fm_pickle_append(self, container, items[i]));
  return FM_OK;
}

static fm_status pickle_op_appends(fm_pickle *self) {
  return pickle_add_all(self, FM_PICKLE_LIST);
}

static fm_status pickle_op_set_items(fm_pickle *self) {
  return pickle_add_all(self, FM_PICKLE_DICT);
}

static fm_status pickle_op_set_item(fm_pickle *self) {
  fm_pickle_value *key, *value, *dict;
  FM_TRY(pickle_pop(self, &value));
  FM_TRY(pickle_pop(self, &key));
  FM_TRY(pickle_top(self, FM_PICKLE_DICT, &dict));
  FM_TRY(fm_pickle_append(self, dict, key));
  return fm_pickle_append(self, dict, value);
}

// --- opcodes: memory and stack

static fm_status pickle_put(fm_pickle *self, uint64_t index) {
  // Honest pickles number their values one after the other.
  if (index >= self->size)
    return fm_pickle_broken(self, "a number of a value beyond all values");
  if (self->stack.count <= pickle_floor(self))
    return fm_pickle_broken(self, "nothing on the stack");
  FM_TRY(pickle_list_reserve(self, &self->memo, index + 1));
  self->memo.data[index] = self->stack.data[self->stack.count - 1];
  if (self->memo.count <= index)
    self->memo.count = index + 1;
  return FM_OK;
}

static fm_status pickle_op_put1(fm_pickle *self) {
  uint64_t index;
  FM_TRY(pickle_take_number(self, 1, &index));
  return pickle_put(self, index);
}

static fm_status pickle_op_put4(fm_pickle *self) {
  uint64_t index;
  FM_TRY(pickle_take_number(self, 4, &index));
  return pickle_put(self, index);
}

static fm_status pickle_op_memoize(fm_pickle *self) {
  return pickle_put(self, self->memo.count);
}

static fm_status pickle_get_number(fm_pickle *self, size_t bytes) {
  uint64_t index;
  FM_TRY(pickle_take_number(self, bytes, &index));
  if (index >= self->memo.count || !self->memo.data[index])
    return fm_pickle_broken(self, "a number of no value");
  return pickle_push(self, self->memo.data[index]);
}

static fm_status pickle_op_get1(fm_pickle *self) {
  return pickle_get_number(self, 1);
}

static fm_status pickle_op_get4(fm_pickle *self) {
  return pickle_get_number(self, 4);
}

static fm_status pickle_op_pop(fm_pickle *self) {
  fm_pickle_value *value;
  if (self->mark_count && self->stack.count == pickle_floor(self)) {
    self->mark_count--; // POP takes a mark as well
    return FM_OK;
  }
  return pickle_pop(self, &value);
}

static fm_status pickle_op_pop_mark(fm_pickle *self) {
  fm_pickle_value **items;
  size_t count;
  return pickle_pop_mark(self, &items, &count);
}

static fm_status pickle_op_protocol(fm_pickle *self) {
  uint64_t protocol;
  FM_TRY(pickle_take_number(self, 1, &protocol));
  return protocol <= PICKLE_PROTOCOL_MAX ? FM_OK : fm_pickle_broken(self, "an unknown protocol");
}

static fm_status pickle_op_frame(fm_pickle *self) {
  uint64_t size;
  return pickle_take_number(self, 8, &size); // only of use to readers of streams
}

static fm_status pickle_op_stop(fm_pickle *self) {
  FM_TRY(pickle_pop(self, &self->root));
  self->stopped = true;
  return FM_OK;
}

// --- opcodes: names and calls

// A line up to its end, as a text.
static fm_status pickle_take_line(fm_pickle *self, fm_pickle_value *out) {
  const uint8_t *start = self->data + self->at;
  const uint8_t *end = memchr(start, '\n', self->size - self->at);
  if (!end)
    return fm_pickle_broken(self, "cut short");
  *out = (fm_pickle_value){.kind = FM_PICKLE_TEXT};
  out->text.data = (const char *)start;
  out->text.size = (size_t)(end - start);
  self->at += out->text.size + 1;
  return FM_OK;
}

static fm_status pickle_op_global(fm_pickle *self) {
  fm_pickle_value module, name, *found;
  FM_TRY(pickle_take_line(self, &module));
  FM_TRY(pickle_take_line(self, &name));
  FM_TRY(fm_pickle_find_global(self, &module, &name, &found));
  return pickle_push(self, found);
}

static fm_status pickle_op_stack_global(fm_pickle *self) {
  fm_pickle_value *module, *name, *found;
  FM_TRY(pickle_pop(self, &name));
  FM_TRY(pickle_pop(self, &module));
  if (name->kind != FM_PICKLE_TEXT || module->kind != FM_PICKLE_TEXT)
    return fm_pickle_broken(self, "a name that is no text");
  FM_TRY(fm_pickle_find_global(self, module, name, &found));
  return pickle_push(self, found);
}

static fm_status pickle_op_reduce(fm_pickle *self) {
  fm_pickle_value *function, *arguments, *result;
  FM_TRY(pickle_pop(self, &arguments));
  FM_TRY(pickle_pop(self, &function));
  if (function->kind != FM_PICKLE_GLOBAL || arguments->kind != FM_PICKLE_TUPLE)
    return fm_pickle_broken(self, "a call of what cannot be called");
  FM_TRY(fm_pickle_call(self, function, arguments, &result));
  return pickle_push(self, result);
}

// Attributes beside the items of a dict: a state_dict carries its modules' versions so. Ignored.
static fm_status pickle_op_build(fm_pickle *self) {
  fm_pickle_value *state, *dict;
  FM_TRY(pickle_pop(self, &state));
  FM_TRY(pickle_pop(self, &dict));
  if (dict->kind != FM_PICKLE_DICT)
    return fm_fail(FM_ERR_UNSUPPORTED,
                   "%s: refused: the pickle sets the state of an object that is no dict",
                   self->source);
  return pickle_push(self, dict);
}

static fm_status pickle_op_persistent_id(fm_pickle *self) {
  fm_pickle_value *id, *storage;
  FM_TRY(pickle_pop(self, &id));
  FM_TRY(fm_pickle_find_storage(self, id, &storage));
  return pickle_push(self, storage);
}

fm_status (*const fm_pickle_opcodes[FM_PICKLE_OPCODES])(fm_pickle *) = {
    ['('] = pickle_op_mark,          ['.'] = pickle_op_stop,        ['0'] = pickle_op_pop,
    ['1'] = pickle_op_pop_mark,      ['N'] = pickle_op_none,        [0x88] = pickle_op_true,
    [0x89] = pickle_op_false,        ['J'] = pickle_op_int4,        ['K'] = pickle_op_int1,
    ['M'] = pickle_op_int2,          [0x8a] = pickle_op_long,       ['G'] = pickle_op_float,
    ['U'] = pickle_op_text1,         ['T'] = pickle_op_text4,       ['C'] = pickle_op_text1,
    ['B'] = pickle_op_text4,         ['X'] = pickle_op_text4,       [0x8c] = pickle_op_text1,
    [0x8d] = pickle_op_text8,        [')'] = pickle_op_empty_tuple, [']'] = pickle_op_empty_list,
    ['}'] = pickle_op_empty_dict,    ['t'] = pickle_op_tuple,       [0x85] = pickle_op_tuple1,
    [0x86] = pickle_op_tuple2,       [0x87] = pickle_op_tuple3,     ['a'] = pickle_op_append,
    ['e'] = pickle_op_appends,       ['s'] = pickle_op_set_item,    ['u'] = pickle_op_set_items,
    ['q'] = pickle_op_put1,          ['r'] = pickle_op_put4,        ['h'] = pickle_op_get1,
    ['j'] = pickle_op_get4,          [0x94] = pickle_op_memoize,    ['c'] = pickle_op_global,
    [0x93] = pickle_op_stack_global, ['R'] = pickle_op_reduce,      ['b'] = pickle_op_build,
    ['Q'] = pickle_op_persistent_id, [0x80] = pickle_op_protocol,   [0x95] = pickle_op_frame,
};
