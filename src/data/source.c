// Finds the files of a VOC data set in a folder or a zip.
#include "data/source.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const source_annotation_folders[] = {"annotations", "Annotations", NULL};
static const char *const source_picture_folders[] = {"images", "JPEGImages", NULL};

static bool source_is_annotation(const char *name) {
  return name[0] != '.' && strcasecmp(fm_path_extension(name), "xml") == 0;
}

static bool source_is_picture(const char *name) {
  const char *extension = fm_path_extension(name);
  return name[0] != '.' &&
         (strcasecmp(extension, "png") == 0 || strcasecmp(extension, "jpg") == 0 ||
          strcasecmp(extension, "jpeg") == 0);
}

// Takes over label and path, also when it fails.
static fm_status source_add(fm_source_list *list, char *label, char *path, size_t index) {
  if (label && list->count == list->capacity) {
    size_t capacity = list->capacity ? 2 * list->capacity : 64;
    fm_source_file *files = realloc(list->files, capacity * sizeof *files);
    if (files) {
      list->files = files;
      list->capacity = capacity;
    }
  }
  if (!label || list->count == list->capacity) {
    free(label);
    free(path);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  list->files[list->count++] =
      (fm_source_file){.label = label, .name = fm_path_name(label), .path = path, .index = index};
  return FM_OK;
}

static void source_list_release(fm_source_list *list) {
  for (size_t i = 0; i < list->count; i++) {
    free(list->files[i].label);
    free(list->files[i].path);
  }
  free(list->files);
  *list = (fm_source_list){0};
}

static int source_compare(const void *a, const void *b) {
  const fm_source_file *left = a, *right = b;
  int order = strcmp(left->name, right->name);
  return order ? order : (left->index > right->index) - (left->index < right->index);
}

static void source_list_sort(fm_source_list *list) {
  if (list->count > 1)
    qsort(list->files, list->count, sizeof *list->files, source_compare);
}

// Adds the files of one folder that `wanted` accepts; labels are "prefix/name", or the name when
// prefix is NULL.
static fm_status source_scan(fm_source_list *list, const char *folder, const char *prefix,
                             bool (*wanted)(const char *)) {
  fm_name_list names;
  FM_TRY(fm_folder_list(&names, folder));
  fm_status status = FM_OK;
  for (size_t i = 0; i < names.count && status == FM_OK; i++) {
    if (!wanted(names.names[i]))
      continue;
    char *path = fm_path_join(folder, names.names[i]);
    char *label = !path    ? NULL
                  : prefix ? fm_path_join(prefix, names.names[i])
                           : strdup(names.names[i]);
    status = source_add(list, label, path, 0);
  }
  fm_name_list_release(&names);
  return status;
}

// Scans the first of folder/candidates that exists; `found` says whether there is one.
static fm_status source_scan_any(fm_source_list *list, const char *folder,
                                 const char *const *candidates, bool (*wanted)(const char *),
                                 bool *found) {
  *found = false;
  for (; *candidates && !*found; candidates++) {
    char *path = fm_path_join(folder, *candidates);
    FM_CHECK_ALLOC(path);
    fm_status status = FM_OK;
    *found = fm_path_is_folder(path);
    if (*found)
      status = source_scan(list, path, *candidates, wanted);
    free(path);
    FM_TRY(status);
  }
  return FM_OK;
}

static fm_status source_open_folder(fm_source *out, const char *path, const char *images) {
  bool has_annotations, has_pictures = false;
  FM_TRY(source_scan_any(&out->annotations, path, source_annotation_folders, source_is_annotation,
                         &has_annotations));
  if (images)
    FM_TRY(source_scan(&out->pictures, images, images, source_is_picture));
  else
    FM_TRY(source_scan_any(&out->pictures, path, source_picture_folders, source_is_picture,
                           &has_pictures));
  if (has_annotations)
    return FM_OK;
  FM_TRY(source_scan(&out->annotations, path, NULL, source_is_annotation));
  if (!images && !has_pictures)
    FM_TRY(source_scan(&out->pictures, path, NULL, source_is_picture));
  return FM_OK;
}

// Nothing is unpacked, so such a name could do no harm; but whoever made it meant some.
static bool source_is_safe(const char *name) {
  if (name[0] == '/' || strchr(name, '\\'))
    return false;
  for (const char *part = name; part; part = strchr(part, '/')) {
    part += *part == '/';
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0))
      return false;
  }
  return true;
}

// An entry name cut up: "top/annotations/a.xml" has its root before `folder` and its parent before
// `file`.
typedef struct source_parts {
  size_t root, folder_end; // lengths of "top/" and of "top/annotations"
  const char *file;        // "a.xml"
} source_parts;

static source_parts source_cut(const char *name) {
  source_parts parts = {.file = fm_path_name(name)};
  if (parts.file == name)
    return parts;
  parts.folder_end = (size_t)(parts.file - name) - 1;
  parts.root = parts.folder_end;
  while (parts.root > 0 && name[parts.root - 1] != '/')
    parts.root--;
  return parts;
}

static bool source_in_folder(const char *name, const source_parts *parts,
                             const char *const *candidates) {
  size_t length = parts->folder_end - parts->root;
  for (; *candidates; candidates++)
    if (strlen(*candidates) == length && memcmp(name + parts->root, *candidates, length) == 0)
      return true;
  return false;
}

// The root of the data set in an archive: what stands before "annotations/", or the folder of the
// *.xml themselves (flat).
typedef struct source_root {
  const char *name; // an entry that starts with it; NULL when nothing was found
  size_t length;
  bool flat;
} source_root;

static fm_status source_find_root(const fm_archive *archive, bool flat, source_root *root) {
  *root = (source_root){.flat = flat};
  for (size_t i = 0; i < fm_archive_count(archive); i++) {
    const char *name = fm_archive_name(archive, i);
    source_parts parts = source_cut(name);
    if (!source_is_annotation(parts.file) || !source_is_safe(name) ||
        strncmp(name, "__MACOSX/", 9) == 0 ||
        (!flat && !source_in_folder(name, &parts, source_annotation_folders)))
      continue;
    size_t length = flat ? (size_t)(parts.file - name) : parts.root;
    if (!root->name)
      *root = (source_root){name, length, flat};
    else if (root->length != length || memcmp(root->name, name, length) != 0)
      return fm_fail(FM_ERR_FORMAT, "holds several data sets: below \"%.*s\" and below \"%.*s\"",
                     (int)root->length, root->name, (int)length, name);
  }
  return FM_OK;
}

static fm_status source_add_entry(fm_source *out, const source_root *root, size_t index) {
  const char *name = fm_archive_name(out->archive, index);
  source_parts parts = source_cut(name);
  bool annotation = source_is_annotation(parts.file), picture = source_is_picture(parts.file);
  if (!annotation && !picture)
    return FM_OK;
  if (!source_is_safe(name))
    return source_add(&out->refused, strdup(name), NULL, index);
  size_t length = root->flat ? (size_t)(parts.file - name) : parts.root;
  if (length != root->length || memcmp(name, root->name, length) != 0)
    return FM_OK;
  if (!root->flat)
    annotation = annotation && source_in_folder(name, &parts, source_annotation_folders),
    picture = picture && source_in_folder(name, &parts, source_picture_folders);
  if (!annotation && !picture)
    return FM_OK;
  return source_add(annotation ? &out->annotations : &out->pictures, strdup(name + root->length),
                    NULL, index);
}

static fm_status source_open_archive(fm_source *out, const char *path) {
  FM_TRY(fm_archive_open(&out->archive, path));
  source_root root;
  fm_status status = source_find_root(out->archive, false, &root);
  if (status == FM_OK && !root.name)
    status = source_find_root(out->archive, true, &root);
  if (status < 0)
    return fm_fail_within(status, "%s", path);
  for (size_t i = 0; root.name && i < fm_archive_count(out->archive); i++)
    FM_TRY(source_add_entry(out, &root, i));
  return FM_OK;
}

static fm_status source_open_any(fm_source *out, const char *path, const char *images) {
  if (!fm_path_exists(path))
    return fm_fail(FM_ERR_IO, "%s: no such file or folder", path);
  if (fm_path_is_folder(path))
    FM_TRY(source_open_folder(out, path, images));
  else
    FM_TRY(source_open_archive(out, path));
  if (out->archive && images) {
    source_list_release(&out->pictures);
    FM_TRY(source_scan(&out->pictures, images, images, source_is_picture));
  }
  if (out->annotations.count == 0)
    return fm_fail(FM_ERR_FORMAT, "%s: no annotations (neither annotations/*.xml nor *.xml)", path);
  source_list_sort(&out->annotations);
  source_list_sort(&out->pictures);
  return FM_OK;
}

fm_status fm_source_open(fm_source *out, const char *path, const char *images) {
  *out = (fm_source){0};
  fm_status status = source_open_any(out, path, images);
  if (status < 0)
    fm_source_release(out);
  return status;
}

void fm_source_release(fm_source *source) {
  source_list_release(&source->annotations);
  source_list_release(&source->pictures);
  source_list_release(&source->refused);
  fm_archive_free(source->archive);
  source->archive = NULL;
}

fm_status fm_source_read(const fm_source *source, const fm_source_file *file, size_t limit,
                         fm_bytes *out) {
  if (file->path)
    return fm_file_read(out, file->path, limit);
  return fm_archive_read(source->archive, file->index, limit, out);
}

static fm_status source_head_of_file(const char *path, size_t count, fm_bytes *out) {
  *out = (fm_bytes){0};
  FILE *stream = fopen(path, "rb");
  if (!stream)
    return fm_fail(FM_ERR_IO, "%s: %s", path, strerror(errno));
  fm_status status = FM_OK;
  out->data = malloc(count + 1);
  if (out->data) {
    out->size = fread(out->data, 1, count, stream);
    out->data[out->size] = 0;
    if (ferror(stream))
      status = fm_fail(FM_ERR_IO, "%s: reading failed", path);
  } else {
    status = fm_fail(FM_ERR_MEMORY, "%s: out of memory", path);
  }
  fclose(stream);
  if (status < 0) {
    free(out->data);
    *out = (fm_bytes){0};
  }
  return status;
}

fm_status fm_source_head(const fm_source *source, const fm_source_file *file, size_t count,
                         fm_bytes *out) {
  if (file->path)
    return source_head_of_file(file->path, count, out);
  return fm_archive_head(source->archive, file->index, count, out);
}
