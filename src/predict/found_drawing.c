// A few pictures are kept until each thread has one, since networks and drawings that run at the
// same time would wait for each other.
#include "predict/found_drawing.h"

#include <omp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "image/draw.h"

enum { FOUND_LABEL_BYTES = 160, FOUND_JPEG_QUALITY = 92, FOUND_AT_ONCE_MAX = 8 };

// A picture to be drawn on, and how that went; `message` is heap, NULL when nothing is to be said.
typedef struct found_item {
  const fm_found_picture *found;
  fm_image image;
  fm_status status;
  char *message;
} found_item;

struct fm_found_drawing {
  const fm_find_options *options;
  const fm_classes *classes;
  found_item items[FOUND_AT_ONCE_MAX];
  int count;
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
// message is of the thread that fails, so it is kept for the one that reports it.
static void found_item_run(const fm_found_drawing *self, found_item *item) {
  item->status = found_draw(item->found, self->classes, &item->image);
  const bool drawn = item->status == FM_OK;
  if (drawn)
    item->status = found_write(item->found, &item->image, self->options->folder);
  fm_image_release(&item->image);
  if (item->status == FM_OK)
    return;
  if (asprintf(&item->message, "%s%s%s", drawn ? "" : item->found->path, drawn ? "" : ": ",
               fm_error_message()) < 0) {
    item->message = NULL;
    item->status = FM_ERR_MEMORY;
  } else if (!drawn && item->status != FM_ERR_MEMORY) {
    item->status = FM_OK;
  }
}

// The first failure is kept, and what else is to be said is said.
static fm_status found_item_report(const fm_found_drawing *self, found_item *item,
                                   fm_status status) {
  if (item->status < 0 && status == FM_OK)
    status = fm_fail(item->status, "%s", item->message ? item->message : "out of memory");
  else if (item->message && self->options->on_failure)
    self->options->on_failure(self->options->user, item->message);
  free(item->message);
  *item = (found_item){0};
  return status;
}

static fm_status found_drawing_flush(fm_found_drawing *self) {
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < self->count; ++i)
    found_item_run(self, &self->items[i]);
  fm_status status = FM_OK;
  for (int i = 0; i < self->count; ++i)
    status = found_item_report(self, &self->items[i], status);
  self->count = 0;
  return status;
}

fm_status fm_found_drawing_open(fm_found_drawing **out, const fm_find_options *options,
                                const fm_classes *classes) {
  fm_found_drawing *self = calloc(1, sizeof *self);
  *out = self;
  FM_CHECK_ALLOC(self);
  self->options = options;
  self->classes = classes;
  return FM_OK;
}

fm_status fm_found_drawing_put(fm_found_drawing *drawing, const fm_found_picture *found,
                               fm_image *image) {
  drawing->items[drawing->count++] = (found_item){.found = found, .image = *image};
  *image = (fm_image){0};
  const bool full = drawing->count == FOUND_AT_ONCE_MAX || drawing->count >= omp_get_max_threads();
  return full ? found_drawing_flush(drawing) : FM_OK;
}

fm_status fm_found_drawing_close(fm_found_drawing *drawing) {
  if (!drawing)
    return FM_OK;
  const fm_status status = found_drawing_flush(drawing);
  free(drawing);
  return status;
}
