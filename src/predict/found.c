// The pass over the pictures, and drawing.
#include "predict/found.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/progress.h"
#include "image/draw.h"
#include "predict/picture_queue.h"

enum { FOUND_LABEL_BYTES = 160, FOUND_JPEG_QUALITY = 92 };

void fm_found_list_release(fm_found_list *list) {
  for (size_t i = 0; i < list->count; ++i)
    fm_detections_release(&list->items[i].detections);
  free(list->items);
  *list = (fm_found_list){0};
}

static fm_status found_write(const fm_found_picture *found, const fm_image *image,
                             const char *folder) {
  const char *extension = fm_path_extension(found->path);
  const bool jpeg = strcasecmp(extension, "jpg") == 0 || strcasecmp(extension, "jpeg") == 0;
  char *path;
  if (asprintf(&path, "%s/%s.%s", folder, found->stem, jpeg ? "jpg" : "png") < 0)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  const fm_status status =
      jpeg ? fm_image_write_jpeg(image, path, FOUND_JPEG_QUALITY) : fm_image_write_png(image, path);
  free(path);
  return status;
}

// Small pictures are enlarged, so that names can be read. The weakest face is drawn first.
static fm_status found_draw(const fm_found_picture *found, const fm_classes *classes,
                            fm_image *image) {
  const size_t count = found->detections.count;
  fm_draw_face *faces = calloc(count + 1, sizeof *faces);
  char(*texts)[FOUND_LABEL_BYTES] = calloc(count + 1, sizeof *texts);
  for (size_t i = 0; faces && texts && i < count; ++i) {
    const fm_detection *item = &found->detections.items[count - 1 - i];
    const char *name = classes->names[item->label - 1];
    snprintf(texts[i], sizeof texts[i], "%s %.2f", name, (double)item->score);
    faces[i] = (fm_draw_face){item->box, texts[i], fm_draw_class_color(name, item->label)};
  }
  fm_status status = faces && texts ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  const int scale = fm_draw_scale(image);
  if (status == FM_OK && scale > 1)
    status = fm_draw_enlarge(image, faces, count, scale);
  if (status == FM_OK)
    status = fm_draw_faces(image, faces, count);
  free(faces);
  free(texts);
  return status;
}

char *fm_found_name(const fm_found_picture *found) {
  const char *extension = fm_path_extension(found->path);
  char *name;
  return asprintf(&name, "%s%s%s", found->stem, *extension ? "." : "", extension) < 0 ? NULL : name;
}

// Whether `path` lies in the folder that `folder` tells of.
static bool found_is_inside(const char *path, const struct stat *folder) {
  const size_t length = (size_t)(fm_path_name(path) - path);
  char *parent = length ? strndup(path, length) : strdup(".");
  struct stat info;
  const bool same = parent && stat(parent, &info) == 0 && info.st_dev == folder->st_dev &&
                    info.st_ino == folder->st_ino;
  free(parent);
  return same;
}

// What is drawn has the picture's name, and must not take its place.
static fm_status found_check_folder(const fm_find_options *options) {
  struct stat folder;
  if (stat(options->folder, &folder) != 0)
    return FM_OK;
  for (size_t i = 0; i < options->pictures->count; ++i) {
    const char *path = options->pictures->items[i].path;
    if (strcmp(path, "-") != 0 && found_is_inside(path, &folder))
      return fm_fail(FM_ERR_ARGUMENT,
                     "--out %s holds %s, whose place the picture with boxes would take; choose "
                     "another folder",
                     options->folder, path);
  }
  return FM_OK;
}

static fm_status found_picture(const fm_find_options *options, fm_queued_picture *picture,
                               fm_found_list *out) {
  if (picture->failure) {
    ++out->failed;
    if (options->on_failure)
      options->on_failure(options->user, picture->failure);
    return FM_OK;
  }
  fm_found_picture *found = &out->items[out->count];
  *found = (fm_found_picture){.path = picture->source->path,
                              .stem = picture->source->stem,
                              .width = picture->image.width,
                              .height = picture->image.height};
  const double start = fm_clock();
  FM_TRY(fm_predictor_detect(options->predictor, picture->inputs, &found->detections));
  found->seconds = fm_clock() - start + picture->seconds;
  ++out->count;
  if (!options->folder)
    return FM_OK;
  fm_status status = found_draw(found, out->classes, &picture->image);
  if (status == FM_OK)
    return found_write(found, &picture->image, options->folder);
  char *said = NULL;
  if (status != FM_ERR_MEMORY && asprintf(&said, "%s: %s", found->path, fm_error_message()) >= 0) {
    if (options->on_failure)
      options->on_failure(options->user, said);
    free(said);
    status = FM_OK; // what was found stays
  }
  return status;
}

fm_status fm_find_faces(const fm_find_options *options, fm_found_list *out) {
  *out = (fm_found_list){.classes = fm_predictor_classes(options->predictor),
                         .beyond = fm_predictor_beyond(options->predictor)};
  out->items = calloc(options->pictures->count + 1, sizeof *out->items);
  FM_CHECK_ALLOC(out->items);
  if (options->folder) {
    FM_TRY(found_check_folder(options));
    FM_TRY(fm_folder_make(options->folder));
  }
  fm_picture_queue *queue;
  FM_TRY(fm_picture_queue_open(&queue, options->predictor, options->pictures));
  fm_progress progress;
  fm_progress_start(&progress, "detect", options->pictures->count);
  fm_status status = FM_OK;
  while (status >= 0) {
    fm_queued_picture picture;
    status = fm_picture_queue_next(queue, &picture);
    if (status != FM_OK)
      break;
    status = found_picture(options, &picture, out);
    fm_queued_picture_release(options->predictor, &picture);
    fm_progress_step(&progress, out->count + out->failed, "%zu pictures", out->count);
  }
  fm_progress_end(&progress);
  fm_picture_queue_close(queue);
  return status == FM_END ? FM_OK : status;
}
