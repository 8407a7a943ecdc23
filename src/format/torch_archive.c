// Reading PyTorch's files: where the two layouts keep the pickle and the numbers.
#include "format/torch_archive.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/torch_archive_private.h"

enum { TORCH_PICKLE_BYTES_MAX = 64 << 20, TORCH_KEY_BYTES = 128 };

static void torch_close_input(fm_torch_archive *self) {
  fm_archive_free(self->zip);
  free(self->prefix);
  free(self->entries);
  fm_pickle_free(self->pickle);
  free(self->bytes_of_pickle.data);
  self->zip = NULL;
  self->prefix = NULL;
  self->entries = NULL;
  self->pickle = NULL;
  self->bytes_of_pickle.data = NULL;
}

void fm_torch_archive_free(fm_torch_archive *archive) {
  if (!archive)
    return;
  torch_close_input(archive);
  for (size_t i = 0; i < archive->count; i++) {
    free((char *)archive->tensors[i].name);
    free(archive->copies[i]);
  }
  for (size_t i = 0; i < archive->storage_count; i++)
    free(archive->storages[i].owned);
  free(archive->storages);
  free(archive->tensors);
  free(archive->copies);
  fm_mapping_release(&archive->mapping);
  free(archive);
}

// --- the zip layout

static int torch_compare_entry(const void *a, const void *b, void *zip) {
  return strcmp(fm_archive_name(zip, *(const size_t *)a), fm_archive_name(zip, *(const size_t *)b));
}

// An index of the entries by name.
static fm_status torch_sort_entries(fm_torch_archive *self) {
  const size_t count = fm_archive_count(self->zip);
  self->entries = malloc((count + 1) * sizeof *self->entries);
  FM_CHECK_ALLOC(self->entries);
  for (size_t i = 0; i < count; i++)
    self->entries[i] = i;
  qsort_r(self->entries, count, sizeof *self->entries, torch_compare_entry, self->zip);
  return FM_OK;
}

// -1 when there is none of this name behind the prefix.
static ptrdiff_t torch_find_entry(const fm_torch_archive *self, const char *name, size_t size) {
  const size_t prefix = strlen(self->prefix);
  size_t low = 0, high = fm_archive_count(self->zip);
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const char *entry = fm_archive_name(self->zip, self->entries[middle]);
    int order = strncmp(entry, self->prefix, prefix);
    if (order == 0)
      order = strncmp(entry + prefix, name, size);
    if (order == 0 && entry[prefix + size] == 0)
      return (ptrdiff_t)self->entries[middle];
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return -1;
}

// An entry of at most `limit` bytes; a failure names the file.
static fm_status torch_read_entry(const fm_torch_archive *self, ptrdiff_t entry, size_t limit,
                                  fm_bytes *out) {
  const fm_status status = fm_archive_read(self->zip, (size_t)entry, limit, out);
  return status < 0 ? fm_fail_within(status, "%s", self->path) : FM_OK;
}

fm_status fm_torch_read_storage(fm_torch_archive *self, fm_torch_storage *storage) {
  const fm_pickle_value *key = storage->value->storage.key;
  const size_t bytes = fm_torch_storage_bytes(storage);
  FM_TRY(fm_torch_count_bytes(self, bytes));
  char name[TORCH_KEY_BYTES];
  const int length =
      key->text.size < sizeof name && !memchr(key->text.data, 0, key->text.size)
          ? snprintf(name, sizeof name, "data/%.*s", (int)key->text.size, key->text.data)
          : -1;
  const ptrdiff_t entry =
      length >= 0 && length < (int)sizeof name ? torch_find_entry(self, name, (size_t)length) : -1;
  if (entry < 0)
    return fm_fail(FM_ERR_FORMAT, "%s: the numbers of a storage are missing", self->path);
  fm_bytes content;
  FM_TRY(torch_read_entry(self, entry, bytes, &content));
  storage->data = storage->owned = content.data;
  return content.size == bytes
             ? FM_OK
             : fm_fail(FM_ERR_FORMAT, "%s: %s has %zu bytes, its storage %zu", self->path,
                       fm_archive_name(self->zip, (size_t)entry), content.size, bytes);
}

static bool torch_ends_with(const char *text, const char *end) {
  const size_t length = strlen(text), wanted = strlen(end);
  return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

static fm_status torch_check_byte_order(const fm_torch_archive *self) {
  const ptrdiff_t entry = torch_find_entry(self, "byteorder", 9);
  fm_bytes order;
  if (entry < 0) // written by an older version, which had little-endian files only
    return FM_OK;
  FM_TRY(torch_read_entry(self, entry, 16, &order));
  const bool little = order.size == 6 && memcmp(order.data, "little", 6) == 0;
  free(order.data);
  return little ? FM_OK : fm_fail(FM_ERR_UNSUPPORTED, "%s: its numbers are big-endian", self->path);
}

static fm_status torch_open_zip(fm_torch_archive *self) {
  static const char wanted[] = "data.pkl";
  FM_TRY(fm_archive_open(&self->zip, self->path));
  FM_TRY(torch_sort_entries(self));
  ptrdiff_t entry = -1;
  for (size_t i = 0; entry < 0 && i < fm_archive_count(self->zip); i++) {
    const char *name = fm_archive_name(self->zip, i);
    if (strcmp(name, wanted) == 0 || torch_ends_with(name, "/data.pkl"))
      entry = (ptrdiff_t)i;
  }
  if (entry < 0)
    return fm_fail(FM_ERR_FORMAT, "%s: a zip file without PyTorch's data.pkl", self->path);
  const char *name = fm_archive_name(self->zip, (size_t)entry);
  self->prefix = strndup(name, strlen(name) - strlen(wanted));
  FM_CHECK_ALLOC(self->prefix);
  FM_TRY(torch_check_byte_order(self));
  FM_TRY(torch_read_entry(self, entry, TORCH_PICKLE_BYTES_MAX, &self->bytes_of_pickle));
  size_t consumed;
  FM_TRY(fm_pickle_read(&self->pickle, self->bytes_of_pickle.data, self->bytes_of_pickle.size,
                        self->path, &consumed));
  return fm_torch_list_storages(self);
}

// --- the layout before: five pickles, then the numbers of each storage behind their count

// torch.serialization.MAGIC_NUMBER, little-endian.
static const uint8_t torch_magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
enum { TORCH_PROTOCOL = 1001 };

typedef struct torch_cursor {
  const uint8_t *data;
  size_t size, at;
} torch_cursor;

static fm_status torch_next_pickle(const fm_torch_archive *self, torch_cursor *cursor,
                                   fm_pickle **out) {
  size_t consumed, room = cursor->size - cursor->at;
  if (room > TORCH_PICKLE_BYTES_MAX)
    room = TORCH_PICKLE_BYTES_MAX;
  FM_TRY(fm_pickle_read(out, cursor->data + cursor->at, room, self->path, &consumed));
  cursor->at += consumed;
  return FM_OK;
}

static fm_status torch_check_head(const fm_torch_archive *self, torch_cursor *cursor, int part) {
  fm_pickle *pickle;
  FM_TRY(torch_next_pickle(self, cursor, &pickle));
  const fm_pickle_value *root = fm_pickle_root(pickle);
  const fm_pickle_value *little = fm_pickle_get(root, "little_endian");
  const bool fits[] = {
      root->kind == FM_PICKLE_LONG && root->text.size == sizeof torch_magic &&
          memcmp(root->text.data, torch_magic, sizeof torch_magic) == 0,
      root->kind == FM_PICKLE_INT && root->integer == TORCH_PROTOCOL,
      little && little->kind == FM_PICKLE_BOOL && little->integer,
  };
  static const char *const wrong[] = {"no PyTorch file: another pickle",
                                      "a PyTorch file of an unknown version",
                                      "a PyTorch file whose numbers are not little-endian"};
  fm_pickle_free(pickle);
  return fits[part] ? FM_OK : fm_fail(FM_ERR_FORMAT, "%s: %s", self->path, wrong[part]);
}

static fm_status torch_place_storage(fm_torch_archive *self, torch_cursor *cursor,
                                     const fm_pickle_value *key) {
  fm_torch_storage *storage = key->kind == FM_PICKLE_TEXT ? fm_torch_find_storage(self, key) : NULL;
  if (!storage || storage->data)
    return fm_fail(FM_ERR_FORMAT, "%s: a storage that the pickle does not name, or twice",
                   self->path);
  const size_t bytes = fm_torch_storage_bytes(storage);
  int64_t elements = 0;
  if (cursor->size - cursor->at >= sizeof elements)
    memcpy(&elements, cursor->data + cursor->at, sizeof elements);
  if (cursor->size - cursor->at < sizeof elements ||
      cursor->size - cursor->at - sizeof elements < bytes)
    return fm_fail(FM_ERR_FORMAT, "%s: cut short: the numbers end too early", self->path);
  if (elements != storage->value->storage.elements)
    return fm_fail(FM_ERR_FORMAT,
                   "%s: a storage of %" PRId64 " numbers where %" PRId64 " are expected",
                   self->path, elements, storage->value->storage.elements);
  storage->data = cursor->data + cursor->at + sizeof elements;
  cursor->at += sizeof elements + bytes;
  return FM_OK;
}

static fm_status torch_place_storages(fm_torch_archive *self, torch_cursor *cursor,
                                      const fm_pickle_value *keys) {
  if (keys->kind != FM_PICKLE_LIST || keys->items.count != self->storage_count)
    return fm_fail(FM_ERR_FORMAT, "%s: no list of its %zu storages", self->path,
                   self->storage_count);
  for (size_t i = 0; i < keys->items.count; i++)
    FM_TRY(torch_place_storage(self, cursor, keys->items.data[i]));
  return FM_OK;
}

static fm_status torch_open_old(fm_torch_archive *self) {
  FM_TRY(fm_mapping_open(&self->mapping, self->path));
  torch_cursor cursor = {self->mapping.data, self->mapping.size, 0};
  for (int part = 0; part < 3; part++)
    FM_TRY(torch_check_head(self, &cursor, part));
  FM_TRY(torch_next_pickle(self, &cursor, &self->pickle));
  FM_TRY(fm_torch_list_storages(self));
  fm_pickle *keys;
  FM_TRY(torch_next_pickle(self, &cursor, &keys));
  const fm_status status = torch_place_storages(self, &cursor, fm_pickle_root(keys));
  fm_pickle_free(keys);
  return status;
}

// --- opening

typedef enum torch_layout { TORCH_NEITHER, TORCH_ZIP, TORCH_OLD } torch_layout;

static torch_layout torch_sniff(const char *path) {
  uint8_t head[16] = {0};
  FILE *file = fopen(path, "rb");
  const size_t size = file ? fread(head, 1, sizeof head, file) : 0;
  if (file)
    fclose(file);
  if (size < sizeof head)
    return TORCH_NEITHER;
  if (memcmp(head, "PK\3\4", 4) == 0)
    return TORCH_ZIP;
  // A pickle whose first thing is a long number; the second form has a frame around it.
  const bool pickle = head[0] == 0x80 && head[1] >= 2 && (head[2] == 0x8a || head[2] == 0x95);
  return pickle && head[8] != '{' ? TORCH_OLD : TORCH_NEITHER; // safetensors have a '{' there
}

bool fm_torch_archive_is(const char *path) {
  return torch_sniff(path) != TORCH_NEITHER;
}

static fm_status torch_open(fm_torch_archive *self) {
  switch (torch_sniff(self->path)) {
  case TORCH_ZIP:
    FM_TRY(torch_open_zip(self));
    break;
  case TORCH_OLD:
    FM_TRY(torch_open_old(self));
    break;
  case TORCH_NEITHER:
    return fm_path_exists(self->path) ? fm_fail(FM_ERR_FORMAT, "%s: not a PyTorch file", self->path)
                                      : fm_fail(FM_ERR_IO, "%s: no such file", self->path);
  }
  return fm_torch_list_tensors(self);
}

fm_status fm_torch_archive_open(fm_torch_archive **out, const char *path) {
  *out = NULL;
  fm_torch_archive *self = calloc(1, sizeof *self);
  FM_CHECK_ALLOC(self);
  self->path = path;
  const fm_status status = torch_open(self);
  torch_close_input(self);
  if (status < 0) {
    fm_torch_archive_free(self);
    return status;
  }
  *out = self;
  return FM_OK;
}

size_t fm_torch_archive_count(const fm_torch_archive *archive) {
  return archive->count;
}

const fm_st_tensor *fm_torch_archive_tensor(const fm_torch_archive *archive, size_t index) {
  return &archive->tensors[index];
}
