// Whole files: read, map, replace atomically. No output file is ever half written.
#ifndef FM_BASE_FILE_H
#define FM_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

typedef struct fm_bytes {
  uint8_t *data; // `size` bytes and a terminating 0 behind them
  size_t size;
} fm_bytes;

// Reads a whole file of at most `limit` bytes. The caller frees out->data.
FM_MUST_USE fm_status fm_file_read(fm_bytes *out, const char *path, size_t limit);

typedef struct fm_mapping {
  const uint8_t *data;
  size_t size;
} fm_mapping;
FM_MUST_USE fm_status fm_mapping_open(fm_mapping *out, const char *path); // read-only, private
void fm_mapping_release(fm_mapping *mapping);
// Gives the whole pages of a part of a mapping back; when read again they come from the file again.
void fm_mapping_rest(const void *part, size_t bytes);

// Writes beside the target, then fsync, rename and fsync of the folder on commit.
typedef struct fm_atomic_file {
  FILE *stream;
  char *path, *temporary;
} fm_atomic_file;
FM_MUST_USE fm_status fm_atomic_file_open(fm_atomic_file *file, const char *path);
FM_MUST_USE fm_status
fm_atomic_file_commit(fm_atomic_file *file);       // releases the file also when it fails
void fm_atomic_file_discard(fm_atomic_file *file); // nothing of it remains
FM_MUST_USE fm_status fm_file_write(const char *path, const void *data, size_t size); // atomic

FM_MUST_USE fm_status fm_folder_make(const char *path); // with its parents; an existing one is fine
bool fm_path_is_folder(const char *path);
bool fm_path_exists(const char *path);
char *fm_path_join(const char *folder, const char *name); // heap; NULL when out of memory
const char *fm_path_name(const char *path);               // behind the last '/'
const char *fm_path_extension(const char *path); // "png" of "a/b.png", "" when there is none

// The names (not paths) in a folder, sorted as byte strings, without "." and "..".
typedef struct fm_name_list {
  char **names;
  size_t count;
} fm_name_list;
FM_MUST_USE fm_status fm_folder_list(fm_name_list *out, const char *path);
void fm_name_list_release(fm_name_list *list);

#endif
