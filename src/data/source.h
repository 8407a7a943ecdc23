// Where a VOC data set's files are: a folder or a zip. Finds the annotation and picture files and
// reads their bytes.
#ifndef FM_DATA_SOURCE_H
#define FM_DATA_SOURCE_H

#include <stddef.h>

#include "base/archive.h"
#include "base/file.h"
#include "base/status.h"

typedef struct fm_source_file {
  char *label;      // for messages, relative to the data set: "annotations/a.xml"
  const char *name; // inside label, behind the last '/'
  char *path;       // of the file; NULL in an archive
  size_t index;     // in the archive
} fm_source_file;

typedef struct fm_source_list {
  fm_source_file *files; // sorted by name as byte strings
  size_t count, capacity;
} fm_source_list;

typedef struct fm_source {
  fm_archive *archive; // NULL for a folder
  fm_source_list annotations, pictures;
  fm_source_list refused; // entries whose names point out of the archive
} fm_source;

// `path`: a folder with annotations/ (and images/), a folder of *.xml with or without pictures
// beside them, or a zip of either, possibly below other folders. `images`: another picture folder,
// or NULL.
FM_MUST_USE fm_status fm_source_open(fm_source *out, const char *path, const char *images);
void fm_source_release(fm_source *source);
FM_MUST_USE fm_status fm_source_read(const fm_source *source, const fm_source_file *file,
                                     size_t limit, fm_bytes *out);
// The first `count` bytes, fewer when the file is shorter.
FM_MUST_USE fm_status fm_source_head(const fm_source *source, const fm_source_file *file,
                                     size_t count, fm_bytes *out);

#endif
