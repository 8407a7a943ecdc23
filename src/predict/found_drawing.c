// Drawing and writing one picture at a time, on a thread of its own.
#include "predict/found_drawing.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/worker.h"
#include "image/draw.h"

enum { FOUND_LABEL_BYTES = 160, FOUND_JPEG_QUALITY = 92 };

struct fm_found_drawing {
  const fm_find_options *options;
  const fm_classes *classes;
  fm_worker worker;
  const fm_found_picture *found; // under way, NULL: none
  fm_image image;                // its
  fm_status status;              // of the picture before
  char *message;                 // NULL when nothing is to be said
};

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

// What was found in a picture stays when it cannot be drawn on: then there is only a message. A
// message is of the thread that fails, so it is kept for the other.
static fm_status found_drawing_run(const fm_found_drawing *self, fm_image *image, char **message) {
  const fm_found_picture *found = self->found;
  fm_status status = found_draw(found, self->classes, image);
  const bool drawn = status == FM_OK;
  if (drawn)
    status = found_write(found, image, self->options->folder);
  if (status == FM_OK)
    return FM_OK;
  if (asprintf(message, "%s%s%s", drawn ? "" : found->path, drawn ? "" : ": ", fm_error_message()) <
      0) {
    *message = NULL;
    return FM_ERR_MEMORY;
  }
  return drawn || status == FM_ERR_MEMORY ? status : FM_OK;
}

static void *found_drawing_main(void *user) {
  fm_found_drawing *self = user;
  pthread_mutex_lock(&self->worker.mutex);
  for (;;) {
    while (!self->worker.closing && !self->found)
      pthread_cond_wait(&self->worker.changed, &self->worker.mutex);
    if (!self->found)
      break;
    fm_image image = self->image;
    self->image = (fm_image){0};
    pthread_mutex_unlock(&self->worker.mutex);
    char *message = NULL;
    const fm_status status = found_drawing_run(self, &image, &message);
    fm_image_release(&image);
    pthread_mutex_lock(&self->worker.mutex);
    self->status = status;
    self->message = message;
    self->found = NULL;
    pthread_cond_broadcast(&self->worker.changed);
  }
  pthread_mutex_unlock(&self->worker.mutex);
  return NULL;
}

fm_status fm_found_drawing_open(fm_found_drawing **out, const fm_find_options *options,
                                const fm_classes *classes) {
  *out = NULL;
  fm_found_drawing *self = calloc(1, sizeof *self);
  FM_CHECK_ALLOC(self);
  self->options = options;
  self->classes = classes;
  const fm_status status = fm_worker_start(&self->worker, found_drawing_main, self);
  if (status < 0) {
    free(self);
    return status;
  }
  *out = self;
  return FM_OK;
}

// Passes on how the picture before ended; none is under way.
static fm_status found_drawing_result(fm_found_drawing *self) {
  const fm_status before = self->status;
  char *message = self->message;
  self->status = FM_OK;
  self->message = NULL;
  fm_status status = FM_OK;
  if (before < 0)
    status = fm_fail(before, "%s", message ? message : "out of memory");
  else if (message && self->options->on_failure)
    self->options->on_failure(self->options->user, message);
  free(message);
  return status;
}

fm_status fm_found_drawing_put(fm_found_drawing *drawing, const fm_found_picture *found,
                               fm_image *image) {
  pthread_mutex_lock(&drawing->worker.mutex);
  while (drawing->found)
    pthread_cond_wait(&drawing->worker.changed, &drawing->worker.mutex);
  const fm_status status = found_drawing_result(drawing);
  if (status == FM_OK) {
    drawing->found = found;
    drawing->image = *image;
    *image = (fm_image){0};
    pthread_cond_broadcast(&drawing->worker.changed);
  }
  pthread_mutex_unlock(&drawing->worker.mutex);
  return status;
}

fm_status fm_found_drawing_close(fm_found_drawing *drawing) {
  if (!drawing)
    return FM_OK;
  fm_worker_stop(&drawing->worker); // which ends the picture under way
  const fm_status status = found_drawing_result(drawing);
  free(drawing);
  return status;
}
