// Zip files by libzip. The only file that includes zip.h. A zip_t serves one thread at a time, so
// idle handles wait in a list and a thread that finds none opens another.
#include "base/archive.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

typedef struct archive_handle {
  zip_t *zip;
  struct archive_handle *next;
} archive_handle;

struct fm_archive {
  char *path;
  char **names;
  size_t count;
  pthread_mutex_t lock; // of idle
  archive_handle *idle;
};

static fm_status archive_open_zip(zip_t **out, const char *path) {
  int code = 0;
  *out = zip_open(path, ZIP_RDONLY, &code);
  if (*out)
    return FM_OK;
  if (code == ZIP_ER_NOZIP)
    return fm_fail(FM_ERR_FORMAT, "%s: neither a folder nor a zip archive", path);
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  fm_status status = fm_fail(code == ZIP_ER_INCONS ? FM_ERR_FORMAT : FM_ERR_IO, "%s: %s", path,
                             zip_error_strerror(&error));
  zip_error_fini(&error);
  return status;
}

static fm_status archive_take(fm_archive *archive, archive_handle **out) {
  pthread_mutex_lock(&archive->lock);
  *out = archive->idle;
  if (*out)
    archive->idle = (*out)->next;
  pthread_mutex_unlock(&archive->lock);
  if (*out)
    return FM_OK;
  archive_handle *handle = malloc(sizeof *handle);
  FM_CHECK_ALLOC(handle);
  fm_status status = archive_open_zip(&handle->zip, archive->path);
  if (status < 0) {
    free(handle);
    return status;
  }
  *out = handle;
  return FM_OK;
}

static void archive_give_back(fm_archive *archive, archive_handle *handle) {
  pthread_mutex_lock(&archive->lock);
  handle->next = archive->idle;
  archive->idle = handle;
  pthread_mutex_unlock(&archive->lock);
}

static fm_status archive_list(fm_archive *archive, zip_t *zip) {
  zip_int64_t count = zip_get_num_entries(zip, 0);
  if (count < 0 || count > FM_ARCHIVE_ENTRIES_MAX)
    return fm_fail(FM_ERR_FORMAT, "%s: more than %d entries", archive->path,
                   FM_ARCHIVE_ENTRIES_MAX);
  archive->names = calloc((size_t)count + 1, sizeof *archive->names);
  FM_CHECK_ALLOC(archive->names);
  for (zip_int64_t i = 0; i < count; i++) {
    const char *name = zip_get_name(zip, (zip_uint64_t)i, 0);
    archive->names[i] = strdup(name ? name : "");
    FM_CHECK_ALLOC(archive->names[i]);
    archive->count++;
  }
  return FM_OK;
}

fm_status fm_archive_open(fm_archive **out, const char *path) {
  *out = NULL;
  fm_archive *archive = calloc(1, sizeof *archive);
  FM_CHECK_ALLOC(archive);
  pthread_mutex_init(&archive->lock, NULL);
  fm_status status = FM_OK;
  archive_handle *handle = NULL;
  archive->path = strdup(path);
  if (!archive->path)
    status = fm_fail(FM_ERR_MEMORY, "%s: out of memory", path);
  if (status == FM_OK)
    status = archive_take(archive, &handle);
  if (status == FM_OK) {
    status = archive_list(archive, handle->zip);
    archive_give_back(archive, handle);
  }
  if (status < 0) {
    fm_archive_free(archive);
    return status;
  }
  *out = archive;
  return FM_OK;
}

void fm_archive_free(fm_archive *archive) {
  if (!archive)
    return;
  while (archive->idle) {
    archive_handle *handle = archive->idle;
    archive->idle = handle->next;
    zip_discard(handle->zip);
    free(handle);
  }
  for (size_t i = 0; i < archive->count; i++)
    free(archive->names[i]);
  free(archive->names);
  pthread_mutex_destroy(&archive->lock);
  free(archive->path);
  free(archive);
}

size_t fm_archive_count(const fm_archive *archive) {
  return archive->count;
}

const char *fm_archive_name(const fm_archive *archive, size_t index) {
  return archive->names[index];
}

typedef struct archive_request {
  size_t index, limit;
  bool head; // stop after `limit` bytes instead of failing
} archive_request;

static fm_status archive_unpack(zip_t *zip, const char *name, const archive_request *request,
                                fm_bytes *out) {
  zip_stat_t stat;
  zip_stat_init(&stat);
  if (zip_stat_index(zip, request->index, 0, &stat) < 0 || !(stat.valid & ZIP_STAT_SIZE))
    return fm_fail(FM_ERR_FORMAT, "%s: %s", name, zip_strerror(zip));
  if (stat.size > request->limit && !request->head)
    return fm_fail(FM_ERR_FORMAT, "%s: more than %zu bytes", name, request->limit);
  size_t size = stat.size < request->limit ? (size_t)stat.size : request->limit;
  zip_file_t *file = zip_fopen_index(zip, request->index, 0);
  if (!file)
    return fm_fail(FM_ERR_FORMAT, "%s: %s", name, zip_strerror(zip));
  // malloc touches nothing, so a size that the entry does not live up to costs no memory.
  out->data = malloc(size + 1);
  zip_int64_t read = out->data ? zip_fread(file, out->data, size) : -1;
  fm_status status = FM_OK;
  uint8_t more;
  if (!out->data)
    status = fm_fail(FM_ERR_MEMORY, "%s: out of memory", name);
  else if (read != (zip_int64_t)size)
    status = fm_fail(FM_ERR_FORMAT, "%s: the archive is damaged or truncated here", name);
  else if (!request->head && zip_fread(file, &more, 1) != 0) // the sum is checked at the end
    status = fm_fail(FM_ERR_FORMAT, "%s: the archive is damaged here", name);
  zip_fclose(file);
  if (status < 0) {
    free(out->data);
    *out = (fm_bytes){0};
    return status;
  }
  out->data[size] = 0;
  out->size = size;
  return FM_OK;
}

static fm_status archive_request_bytes(fm_archive *archive, const archive_request *request,
                                       fm_bytes *out) {
  *out = (fm_bytes){0};
  archive_handle *handle;
  FM_TRY(archive_take(archive, &handle));
  const char *name = archive->names[request->index];
  const char *now = zip_get_name(handle->zip, request->index, 0);
  fm_status status = now && strcmp(now, name) == 0
                         ? archive_unpack(handle->zip, name, request, out)
                         : fm_fail(FM_ERR_IO, "%s: changed while in use", archive->path);
  archive_give_back(archive, handle);
  return status;
}

fm_status fm_archive_read(fm_archive *archive, size_t index, size_t limit, fm_bytes *out) {
  return archive_request_bytes(archive, &(archive_request){index, limit, false}, out);
}

fm_status fm_archive_head(fm_archive *archive, size_t index, size_t count, fm_bytes *out) {
  return archive_request_bytes(archive, &(archive_request){index, count, true}, out);
}

// --- writing

static fm_status archive_add_entry(zip_t *zip, const char *path, const fm_archive_entry *entry) {
  zip_source_t *source = zip_source_buffer(zip, entry->data, entry->size, 0);
  if (!source)
    return fm_fail(FM_ERR_MEMORY, "%s: %s", path, zip_strerror(zip));
  const zip_int64_t index = zip_file_add(zip, entry->name, source, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    zip_source_free(source);
    return fm_fail(FM_ERR_FORMAT, "%s: %s: %s", path, entry->name, zip_strerror(zip));
  }
  // The first day that zip files know, so that no clock is in the bytes.
  if (zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0) < 0 ||
      zip_file_set_dostime(zip, (zip_uint64_t)index, 0, 1 << 5 | 1, 0) < 0)
    return fm_fail(FM_ERR_FORMAT, "%s: %s: %s", path, entry->name, zip_strerror(zip));
  return FM_OK;
}

// Fills the memory behind `whole` with the zip file.
static fm_status archive_compose(zip_source_t *whole, const char *path,
                                 const fm_archive_entry *entries, size_t count) {
  zip_error_t error;
  zip_error_init(&error);
  zip_t *zip = zip_open_from_source(whole, ZIP_TRUNCATE, &error);
  zip_error_fini(&error);
  if (!zip)
    return fm_fail(FM_ERR_MEMORY, "%s: no zip file can be begun", path);
  zip_source_keep(whole); // zip_close gives up its hold
  fm_status status = FM_OK;
  for (size_t i = 0; status >= 0 && i < count; i++)
    status = archive_add_entry(zip, path, &entries[i]);
  if (status >= 0 && zip_close(zip) == 0)
    return FM_OK;
  if (status >= 0)
    status = fm_fail(FM_ERR_IO, "%s: %s", path, zip_strerror(zip));
  zip_discard(zip);
  return status;
}

static fm_status archive_save(zip_source_t *whole, const char *path) {
  zip_stat_t stat;
  if (zip_source_stat(whole, &stat) < 0 || zip_source_open(whole) < 0)
    return fm_fail(FM_ERR_IO, "%s: the zip file is not there", path);
  uint8_t *data = malloc(stat.size + 1);
  fm_status status = FM_OK;
  if (!data)
    status = fm_fail(FM_ERR_MEMORY, "%s: out of memory", path);
  else if (zip_source_read(whole, data, stat.size) != (zip_int64_t)stat.size)
    status = fm_fail(FM_ERR_IO, "%s: the zip file is not there", path);
  zip_source_close(whole);
  if (status >= 0)
    status = fm_file_write(path, data, stat.size);
  free(data);
  return status;
}

fm_status fm_archive_write(const char *path, const fm_archive_entry *entries, size_t count) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *whole = zip_source_buffer_create(NULL, 0, 0, &error);
  zip_error_fini(&error);
  FM_CHECK_ALLOC(whole);
  fm_status status = archive_compose(whole, path, entries, count);
  if (status >= 0)
    status = archive_save(whole, path);
  zip_source_free(whole);
  return status;
}
