// The pass over the pictures.
#include "predict/found.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/progress.h"
#include "predict/found_drawing.h"
#include "predict/picture_queue.h"

void fm_found_list_release(fm_found_list *list) {
  for (size_t i = 0; i < list->count; ++i)
    fm_detections_release(&list->items[i].detections);
  free(list->items);
  *list = (fm_found_list){0};
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

static fm_status found_picture(const fm_find_options *options, fm_found_drawing *drawing,
                               fm_queued_picture *picture, fm_found_list *out) {
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
  FM_TRY(fm_predictor_detect(options->predictor, &picture->image, picture->inputs,
                             &found->detections));
  found->seconds = fm_clock() - start + picture->seconds;
  ++out->count;
  return drawing ? fm_found_drawing_put(drawing, found, &picture->image) : FM_OK;
}

static fm_status found_all(const fm_find_options *options, fm_picture_queue *queue,
                           fm_found_drawing *drawing, fm_found_list *out) {
  fm_progress progress;
  fm_progress_start(&progress, "detect", options->pictures->count);
  fm_status status = FM_OK;
  while (status >= 0) {
    fm_queued_picture picture;
    status = fm_picture_queue_next(queue, &picture);
    if (status != FM_OK)
      break;
    status = found_picture(options, drawing, &picture, out);
    fm_queued_picture_release(options->predictor, &picture);
    fm_progress_step(&progress, out->count + out->failed, "%zu pictures", out->count);
  }
  fm_progress_end(&progress);
  return status == FM_END ? FM_OK : status;
}

// After a failure its message stays, whatever the last pictures' drawing has to say.
static fm_status found_end_drawing(fm_found_drawing *drawing, fm_status status) {
  char *message = status < 0 ? strdup(fm_error_message()) : NULL;
  const fm_status drawn = fm_found_drawing_close(drawing);
  if (status < 0)
    status = fm_fail(status, "%s", message ? message : "out of memory");
  free(message);
  return status < 0 ? status : drawn;
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
  fm_found_drawing *drawing = NULL;
  fm_status status =
      options->folder ? fm_found_drawing_open(&drawing, options, out->classes) : FM_OK;
  if (status >= 0)
    status = found_all(options, queue, drawing, out);
  fm_picture_queue_close(queue);
  return found_end_drawing(drawing, status);
}
