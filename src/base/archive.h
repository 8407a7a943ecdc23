// Zip files. One is read in place: names, and the bytes of single entries; nothing is ever unpacked
// to a file.
#ifndef FM_BASE_ARCHIVE_H
#define FM_BASE_ARCHIVE_H

#include <stddef.h>

#include "base/file.h"
#include "base/status.h"

typedef struct fm_archive fm_archive;

enum { FM_ARCHIVE_ENTRIES_MAX = 1000 * 1000 };

FM_MUST_USE fm_status fm_archive_open(fm_archive **out, const char *path);
void fm_archive_free(fm_archive *archive);
size_t fm_archive_count(const fm_archive *archive);
// The name as stored ("images/a.png"); folders end with '/'. Not checked: may be absolute or hold
// "..".
const char *fm_archive_name(const fm_archive *archive, size_t index);

// Unpacks one entry of at most `limit` bytes and checks its sum. The caller frees out->data. Safe
// from several threads.
FM_MUST_USE fm_status fm_archive_read(fm_archive *archive, size_t index, size_t limit,
                                      fm_bytes *out);
// Unpacks only the first `count` bytes (fewer when the entry is shorter).
FM_MUST_USE fm_status fm_archive_head(fm_archive *archive, size_t index, size_t count,
                                      fm_bytes *out);

// What a new zip file shall hold; the bytes are lent.
typedef struct fm_archive_entry {
  const char *name;
  const void *data;
  size_t size;
} fm_archive_entry;
// Writes the entries as they are, not compressed, in their order. Atomic; same input, same bytes.
FM_MUST_USE fm_status fm_archive_write(const char *path, const fm_archive_entry *entries,
                                       size_t count);

#endif
