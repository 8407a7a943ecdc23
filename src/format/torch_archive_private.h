// Between the two halves of reading PyTorch's files: the layouts (torch_archive.c) and the tensors
// (torch_tensors.c).
#ifndef FM_FORMAT_TORCH_ARCHIVE_PRIVATE_H
#define FM_FORMAT_TORCH_ARCHIVE_PRIVATE_H

#include "base/archive.h"
#include "base/file.h"
#include "format/torch_archive.h"
#include "format/torch_pickle.h"

// The numbers of one key, as often as tensors share them.
typedef struct fm_torch_storage {
  const fm_pickle_value *value;
  const uint8_t *data; // NULL until read; size = elements * bytes of the type
  uint8_t *owned;
} fm_torch_storage;

struct fm_torch_archive {
  fm_st_tensor *tensors;
  uint8_t **copies; // of tensors whose numbers do not lie in order
  size_t count, capacity;
  fm_torch_storage *storages; // sorted by key
  size_t storage_count, bytes;
  fm_mapping mapping; // the old layout's file
  // while opening
  const char *path;
  fm_archive *zip;
  char *prefix;    // "NAME/" in the zip
  size_t *entries; // of the zip, sorted by name
  fm_bytes bytes_of_pickle;
  fm_pickle *pickle;
  size_t visits;
};

// Fills `storages` from the pickle, each key once.
FM_MUST_USE fm_status fm_torch_list_storages(fm_torch_archive *archive);
fm_torch_storage *fm_torch_find_storage(const fm_torch_archive *archive,
                                        const fm_pickle_value *key);
size_t fm_torch_storage_bytes(const fm_torch_storage *storage); // SIZE_MAX when too many
// Adds to the bytes that the archive holds; FM_ERR_FORMAT when they become too many.
FM_MUST_USE fm_status fm_torch_count_bytes(fm_torch_archive *archive, size_t bytes);
// Reads the numbers of a storage from its entry of the zip.
FM_MUST_USE fm_status fm_torch_read_storage(fm_torch_archive *archive, fm_torch_storage *storage);
// Fills `tensors` from the dicts of the pickle.
FM_MUST_USE fm_status fm_torch_list_tensors(fm_torch_archive *archive);

#endif
