// Reading pickles: the values and their memory, and the loop over the opcodes.
#include "format/torch_pickle.h"

#include <stdlib.h>
#include <string.h>

#include "format/torch_pickle_private.h"

// A pickle that copies what it has built could ask for any amount; one byte of an honest one makes
// a value, and an entry of a list twice as large.
enum {
  PICKLE_BLOCK_BYTES = 1 << 16,
  PICKLE_BYTES_A_BYTE = 256,
  PICKLE_BYTES_LEAST = 1 << 20,
  PICKLE_BYTES_MOST = 1 << 29,
};

// --- values

static void *pickle_allocate(fm_pickle *self, size_t bytes) {
  bytes = (bytes + 15) / 16 * 16;
  if (!self->blocks || self->blocks->capacity - self->blocks->used < bytes) {
    const size_t capacity = bytes > PICKLE_BLOCK_BYTES ? bytes : PICKLE_BLOCK_BYTES;
    self->allocated += capacity;
    if (self->allocated > self->allowed)
      return NULL;
    pickle_block *block = malloc(sizeof *block + capacity);
    if (!block)
      return NULL;
    block->next = self->blocks;
    block->used = 0;
    block->capacity = capacity;
    self->blocks = block;
  }
  void *memory = self->blocks->bytes + self->blocks->used;
  self->blocks->used += bytes;
  return memset(memory, 0, bytes);
}

fm_status fm_pickle_out_of_memory(const fm_pickle *self) {
  if (self->allocated > self->allowed)
    return fm_fail(FM_ERR_FORMAT, "%s: refused: its pickle of %zu bytes builds more than %zu MiB",
                   self->source, self->size, self->allowed >> 20);
  return fm_fail(FM_ERR_MEMORY, "%s: out of memory", self->source);
}

fm_pickle_value *fm_pickle_new(fm_pickle *pickle, fm_pickle_kind kind) {
  fm_pickle_value *value = pickle_allocate(pickle, sizeof *value);
  if (value)
    value->kind = kind;
  else if (fm_pickle_out_of_memory(pickle) < 0)
    return NULL;
  return value;
}

fm_status fm_pickle_append(fm_pickle *pickle, fm_pickle_value *container, fm_pickle_value *item) {
  if (container->items.count == container->items.capacity) {
    const size_t capacity = container->items.capacity ? container->items.capacity * 2 : 4;
    fm_pickle_value **grown = pickle_allocate(pickle, capacity * sizeof(fm_pickle_value *));
    if (!grown)
      return fm_pickle_out_of_memory(pickle);
    if (container->items.count)
      memcpy(grown, container->items.data, container->items.count * sizeof(fm_pickle_value *));
    container->items.data = grown;
    container->items.capacity = capacity;
  }
  container->items.data[container->items.count++] = item;
  return FM_OK;
}

bool fm_pickle_is_text(const fm_pickle_value *value, const char *text) {
  return value->kind == FM_PICKLE_TEXT && value->text.size == strlen(text) &&
         memcmp(value->text.data, text, value->text.size) == 0;
}

const fm_pickle_value *fm_pickle_get(const fm_pickle_value *dict, const char *key) {
  if (dict->kind == FM_PICKLE_DICT)
    for (size_t i = 0; i + 1 < dict->items.count; i += 2)
      if (fm_pickle_is_text(dict->items.data[i], key))
        return dict->items.data[i + 1];
  return NULL;
}

// --- reading

fm_status(fm_pickle_broken)(const fm_pickle *self, const char *what) {
  return fm_fail(FM_ERR_FORMAT, "%s: byte %zu of the pickle: %s", self->source, self->at, what);
}

fm_status fm_pickle_take(fm_pickle *self, size_t count, const uint8_t **out) {
  *out = NULL;
  if (count > self->size - self->at)
    return fm_pickle_broken(self, "cut short");
  *out = self->data + self->at;
  self->at += count;
  return FM_OK;
}

static fm_status pickle_run(fm_pickle *self) {
  while (!self->stopped) {
    const uint8_t *opcode;
    FM_TRY(fm_pickle_take(self, 1, &opcode));
    if (!fm_pickle_opcodes[*opcode])
      return fm_fail(FM_ERR_UNSUPPORTED,
                     "%s: refused: opcode 0x%02x at byte %zu of the pickle is for neither tensors "
                     "nor plain containers",
                     self->source, *opcode, self->at - 1);
    FM_TRY(fm_pickle_opcodes[*opcode](self));
  }
  return FM_OK;
}

fm_status fm_pickle_read(fm_pickle **out, const uint8_t *data, size_t size, const char *source,
                         size_t *consumed) {
  *out = NULL;
  fm_pickle *self = calloc(1, sizeof *self);
  FM_CHECK_ALLOC(self);
  self->source = source;
  self->data = data;
  self->size = size;
  const size_t wanted = size < PICKLE_BYTES_MOST ? size * PICKLE_BYTES_A_BYTE + PICKLE_BYTES_LEAST
                                                 : PICKLE_BYTES_MOST;
  self->allowed = wanted < PICKLE_BYTES_MOST ? wanted : PICKLE_BYTES_MOST;
  self->storages = fm_pickle_new(self, FM_PICKLE_LIST);
  const fm_status status = self->storages ? pickle_run(self) : FM_ERR_MEMORY;
  *consumed = self->at;
  free(self->stack.data);
  free(self->memo.data);
  free(self->marks);
  if (status < 0) {
    fm_pickle_free(self);
    return status;
  }
  *out = self;
  return FM_OK;
}

void fm_pickle_free(fm_pickle *pickle) {
  if (!pickle)
    return;
  while (pickle->blocks) {
    pickle_block *next = pickle->blocks->next;
    free(pickle->blocks);
    pickle->blocks = next;
  }
  free(pickle);
}

const fm_pickle_value *fm_pickle_root(const fm_pickle *pickle) {
  return pickle->root;
}

const fm_pickle_value *const *fm_pickle_storages(const fm_pickle *pickle, size_t *count) {
  *count = pickle->storages->items.count;
  return (const fm_pickle_value *const *)pickle->storages->items.data;
}
