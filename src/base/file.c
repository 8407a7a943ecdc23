// Whole files: read, map, replace atomically; folders and paths.
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

fm_status fm_file_read(fm_bytes *out, const char *path, size_t limit) {
  *out = (fm_bytes){0};
  FILE *stream = fopen(path, "rb");
  if (!stream)
    return fm_fail(FM_ERR_IO, "%s: %s", path, strerror(errno));
  size_t capacity = 1 << 16, size = 0;
  uint8_t *data = malloc(capacity);
  fm_status status = FM_OK;
  while (data) {
    size += fread(data + size, 1, capacity - 1 - size, stream);
    if (ferror(stream)) {
      status = fm_fail(FM_ERR_IO, "%s: %s", path, strerror(errno));
      break;
    }
    if (size > limit) {
      status = fm_fail(FM_ERR_FORMAT, "%s: larger than %zu bytes", path, limit);
      break;
    }
    if (size < capacity - 1)
      break;
    capacity *= 2;
    uint8_t *grown = realloc(data, capacity);
    if (!grown)
      free(data);
    data = grown;
  }
  fclose(stream);
  if (!data)
    return fm_fail(FM_ERR_MEMORY, "%s: out of memory", path);
  if (status < 0) {
    free(data);
    return status;
  }
  data[size] = 0;
  *out = (fm_bytes){data, size};
  return FM_OK;
}

fm_status fm_mapping_open(fm_mapping *out, const char *path) {
  *out = (fm_mapping){0};
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fm_fail(FM_ERR_IO, "%s: %s", path, strerror(errno));
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return fm_fail(FM_ERR_IO, "%s: not a regular file", path);
  }
  const size_t size = (size_t)info.st_size;
  void *data = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
  const int error = errno;
  close(fd);
  if (data == MAP_FAILED)
    return fm_fail(FM_ERR_IO, "%s: %s", path, strerror(error));
  *out = (fm_mapping){data, size};
  return FM_OK;
}

void fm_mapping_release(fm_mapping *mapping) {
  if (mapping->data)
    munmap((void *)(uintptr_t)mapping->data, mapping->size);
  *mapping = (fm_mapping){0};
}

void fm_mapping_rest(const void *part, size_t bytes) {
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)part;
  const uintptr_t first = (from + page - 1) / page * page, last = (from + bytes) / page * page;
  if (first < last)
    madvise((void *)first, last - first, MADV_DONTNEED);
}

fm_status fm_atomic_file_open(fm_atomic_file *file, const char *path) {
  *file = (fm_atomic_file){0};
  const size_t length = strlen(path);
  file->path = strdup(path);
  file->temporary = malloc(length + 32);
  if (!file->path || !file->temporary) {
    fm_atomic_file_discard(file);
    return fm_fail(FM_ERR_MEMORY, "%s: out of memory", path);
  }
  snprintf(file->temporary, length + 32, "%s.%ld.tmp", path, (long)getpid());
  file->stream = fopen(file->temporary, "wb");
  if (!file->stream) {
    const int error = errno;
    fm_atomic_file_discard(file);
    return fm_fail(FM_ERR_IO, "%s: %s", path, strerror(error));
  }
  return FM_OK;
}

// The rename is only safe on disk when its folder is; file systems that cannot sync a folder are
// left alone.
static void file_sync_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
  if (!folder)
    return;
  const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) {
    fsync(fd);
    close(fd);
  }
  free(folder);
}

// stdio forgets why an earlier write failed; one more byte, of a file that is lost anyway, asks the
// system again.
static int file_write_error(FILE *stream) {
  errno = 0;
  return write(fileno(stream), "", 1) < 0 && errno ? errno : EIO;
}

fm_status fm_atomic_file_commit(fm_atomic_file *file) {
  int error = 0;
  errno = 0;
  if (ferror(file->stream))
    error = file_write_error(file->stream);
  else if (fflush(file->stream) != 0 || fsync(fileno(file->stream)) != 0)
    error = errno ? errno : EIO;
  if (fclose(file->stream) != 0 && !error)
    error = errno;
  file->stream = NULL;
  if (!error && rename(file->temporary, file->path) != 0)
    error = errno;
  if (error) {
    const fm_status status =
        fm_fail(FM_ERR_IO, "%s: cannot be written: %s", file->path, strerror(error));
    fm_atomic_file_discard(file);
    return status;
  }
  file_sync_folder(file->path);
  free(file->path);
  free(file->temporary);
  *file = (fm_atomic_file){0};
  return FM_OK;
}

void fm_atomic_file_discard(fm_atomic_file *file) {
  if (file->stream)
    fclose(file->stream);
  if (file->temporary)
    unlink(file->temporary);
  free(file->path);
  free(file->temporary);
  *file = (fm_atomic_file){0};
}

fm_status fm_file_write(const char *path, const void *data, size_t size) {
  fm_atomic_file file;
  FM_TRY(fm_atomic_file_open(&file, path));
  fwrite(data, 1, size, file.stream); // a failure stays in the stream; commit reports it
  return fm_atomic_file_commit(&file);
}

fm_status fm_folder_make(const char *path) {
  if (!*path)
    return fm_fail(FM_ERR_ARGUMENT, "the name of a folder is empty");
  char *partial = strdup(path);
  FM_CHECK_ALLOC(partial);
  for (char *at = partial + 1;; ++at) {
    const char kept = *at;
    if (kept != '/' && kept != 0)
      continue;
    *at = 0;
    const int reason = mkdir(partial, 0777) == 0 ? 0 : errno;
    if (reason && !fm_path_is_folder(partial)) {
      const fm_status status =
          fm_fail(FM_ERR_IO, "%s: cannot be made: %s", partial, strerror(reason));
      free(partial);
      return status;
    }
    *at = kept;
    if (!kept)
      break;
  }
  free(partial);
  return FM_OK;
}

bool fm_path_is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool fm_path_exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0;
}

char *fm_path_join(const char *folder, const char *name) {
  const size_t length = strlen(folder), size = length + strlen(name) + 2;
  char *joined = malloc(size);
  if (joined)
    snprintf(joined, size, "%s%s%s", folder, length && folder[length - 1] != '/' ? "/" : "", name);
  return joined;
}

const char *fm_path_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

const char *fm_path_extension(const char *path) {
  const char *name = fm_path_name(path);
  const char *dot = strrchr(name, '.');
  return dot && dot != name ? dot + 1 : "";
}

static int file_compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static fm_status file_add_name(fm_name_list *list, size_t *capacity, const char *name) {
  if (list->count == *capacity) {
    *capacity = *capacity ? *capacity * 2 : 64;
    char **grown = realloc(list->names, *capacity * sizeof *grown);
    FM_CHECK_ALLOC(grown);
    list->names = grown;
  }
  list->names[list->count] = strdup(name);
  FM_CHECK_ALLOC(list->names[list->count]);
  ++list->count;
  return FM_OK;
}

fm_status fm_folder_list(fm_name_list *out, const char *path) {
  *out = (fm_name_list){0};
  DIR *folder = opendir(path);
  if (!folder)
    return fm_fail(FM_ERR_IO, "%s: %s", path, strerror(errno));
  size_t capacity = 0;
  fm_status status = FM_OK;
  const struct dirent *entry;
  while (status == FM_OK && (entry = readdir(folder)))
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      status = file_add_name(out, &capacity, entry->d_name);
  closedir(folder);
  if (status < 0) {
    fm_name_list_release(out);
    return status;
  }
  if (out->count)
    qsort(out->names, out->count, sizeof *out->names, file_compare_names);
  return FM_OK;
}

void fm_name_list_release(fm_name_list *list) {
  for (size_t i = 0; i < list->count; ++i)
    free(list->names[i]);
  free(list->names);
  *list = (fm_name_list){0};
}
