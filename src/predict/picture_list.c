// Expanding words into paths, and reading what they name.
#include "predict/picture_list.h"

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"

enum { PICTURE_STDIN_BYTES_MAX = 512 << 20 };

// Those behind JPEG cannot be read: reading says so, where leaving them out would hide it.
static const char *const picture_extensions[] = {"png",  "jpg", "jpeg", "webp", "gif",  "bmp",
                                                 "tiff", "tif", "heic", "heif", "avif", NULL};
static const char *const picture_video_extensions[] = {"mp4", "avi", "mov",  "mkv", "webm", "m4v",
                                                       "mpg", "wmv", "mpeg", "flv", "ts",   NULL};

static bool picture_has_extension(const char *path, const char *const *extensions) {
  for (; *extensions; ++extensions)
    if (strcasecmp(fm_path_extension(path), *extensions) == 0)
      return true;
  return false;
}

static bool picture_is_video(const char *word) {
  return strncmp(word, "/dev/video", 10) == 0 || strstr(word, "://") ||
         picture_has_extension(word, picture_video_extensions);
}

static bool picture_stem_taken(const fm_picture_list *list, const char *stem) {
  for (size_t i = 0; i < list->count; ++i)
    if (strcmp(list->items[i].stem, stem) == 0)
      return true;
  return false;
}

static char *picture_stem(const char *path) {
  if (strcmp(path, "-") == 0)
    return strdup("stdin");
  const char *name = fm_path_name(path), *dot = strrchr(name, '.');
  return dot && dot > name ? strndup(name, (size_t)(dot - name)) : strdup(name);
}

static fm_status picture_list_grow(fm_picture_list *list) {
  if (list->count < list->capacity)
    return FM_OK;
  const size_t capacity = list->capacity ? 2 * list->capacity : 64;
  fm_picture_path *items = realloc(list->items, capacity * sizeof *items);
  FM_CHECK_ALLOC(items);
  list->items = items;
  list->capacity = capacity;
  return FM_OK;
}

static fm_status picture_list_add(fm_picture_list *list, const char *path) {
  FM_TRY(picture_list_grow(list));
  list->items[list->count++] = (fm_picture_path){strdup(path), picture_stem(path)};
  const fm_picture_path *item = &list->items[list->count - 1];
  FM_CHECK_ALLOC(item->path && item->stem ? item : NULL);
  return FM_OK;
}

static fm_status picture_list_add_folder(fm_picture_list *list, const char *folder) {
  fm_name_list names;
  FM_TRY(fm_folder_list(&names, folder));
  const size_t before = list->count;
  fm_status status = FM_OK;
  for (size_t i = 0; status == FM_OK && i < names.count; ++i) {
    if (!picture_has_extension(names.names[i], picture_extensions))
      continue;
    char *path = fm_path_join(folder, names.names[i]);
    status = path ? picture_list_add(list, path) : fm_fail(FM_ERR_MEMORY, "out of memory");
    free(path);
  }
  fm_name_list_release(&names);
  if (status == FM_OK && list->count == before)
    status = fm_fail(FM_ERR_IO, "%s: the folder has no pictures (PNG or JPEG)", folder);
  return status;
}

static fm_status picture_list_add_word(fm_picture_list *list, const char *word) {
  if (strcmp(word, "-") == 0)
    return picture_list_add(list, word);
  if (fm_path_is_folder(word))
    return picture_list_add_folder(list, word);
  if (picture_is_video(word))
    return fm_fail(FM_ERR_UNSUPPORTED, "%s: videos and cameras are not supported in this build",
                   word);
  glob_t found;
  if (!strpbrk(word, "*?[") || fm_path_exists(word) || glob(word, 0, NULL, &found) != 0)
    return picture_list_add(list, word);
  fm_status status = FM_OK;
  const size_t before = list->count;
  for (size_t i = 0; status == FM_OK && i < found.gl_pathc; ++i)
    if (!fm_path_is_folder(found.gl_pathv[i]))
      status = picture_list_add(list, found.gl_pathv[i]);
  globfree(&found);
  if (status == FM_OK && list->count == before)
    status = fm_fail(FM_ERR_IO, "%s: only folders are called so", word);
  return status;
}

static int picture_compare_stem(const void *a, const void *b) {
  const fm_picture_path *x = *(fm_picture_path *const *)a, *y = *(fm_picture_path *const *)b;
  const int order = strcmp(x->stem, y->stem);
  return order ? order : (x > y) - (x < y);
}

// "a", "a" become "a", "a-2"; a number that is taken as well is passed over.
static fm_status picture_list_rename(const fm_picture_list *list, fm_picture_path *item,
                                     size_t number) {
  char *stem = NULL;
  do {
    free(stem);
    if (asprintf(&stem, "%s-%zu", item->stem, number++) < 0)
      return fm_fail(FM_ERR_MEMORY, "out of memory");
  } while (picture_stem_taken(list, stem));
  free(item->stem);
  item->stem = stem;
  return FM_OK;
}

static fm_status picture_list_distinguish(fm_picture_list *list) {
  fm_picture_path **order = malloc((list->count + 1) * sizeof *order);
  FM_CHECK_ALLOC(order);
  for (size_t i = 0; i < list->count; ++i)
    order[i] = &list->items[i];
  qsort(order, list->count, sizeof *order, picture_compare_stem);
  fm_status status = FM_OK;
  for (size_t first = 0, i = 1; status == FM_OK && i < list->count; ++i) {
    if (strcmp(order[i]->stem, order[first]->stem) != 0)
      first = i;
    else
      status = picture_list_rename(list, order[i], i - first + 1);
  }
  free(order);
  return status;
}

fm_status fm_picture_list_make(fm_picture_list *out, const char *const *words, int count) {
  *out = (fm_picture_list){0};
  fm_status status = FM_OK;
  for (int i = 0; status == FM_OK && i < count; ++i)
    status = picture_list_add_word(out, words[i]);
  if (status == FM_OK)
    status = picture_list_distinguish(out);
  if (status < 0)
    fm_picture_list_release(out);
  return status;
}

void fm_picture_list_release(fm_picture_list *list) {
  for (size_t i = 0; i < list->count; ++i) {
    free(list->items[i].path);
    free(list->items[i].stem);
  }
  free(list->items);
  *list = (fm_picture_list){0};
}

static fm_status picture_read_stdin(fm_image *out) {
  size_t room = 1 << 16, size = 0;
  uint8_t *data = malloc(room);
  while (data && size < PICTURE_STDIN_BYTES_MAX) {
    const size_t got = fread(data + size, 1, room - size, stdin);
    size += got;
    if (got == 0)
      break;
    if (size == room) {
      uint8_t *grown = realloc(data, room *= 2);
      if (!grown)
        free(data);
      data = grown;
    }
  }
  FM_CHECK_ALLOC(data);
  fm_status status = ferror(stdin) ? fm_fail(FM_ERR_IO, "standard input: %s", strerror(errno))
                                   : fm_image_decode(out, data, size, "standard input");
  free(data);
  return status;
}

fm_status fm_picture_list_read(const char *path, fm_image *out) {
  return strcmp(path, "-") == 0 ? picture_read_stdin(out) : fm_image_read(out, path);
}
