// The pass over the pictures, and drawing.
#include "predict/found.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

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
                            fm_image *image, const char *folder) {
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
  if (status == FM_OK)
    status = found_write(found, image, folder);
  free(faces);
  free(texts);
  return status;
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
  return found_draw(found, out->classes, &picture->image, options->folder);
}

fm_status fm_find_faces(const fm_find_options *options, fm_found_list *out) {
  *out = (fm_found_list){.classes = fm_predictor_classes(options->predictor)};
  out->items = calloc(options->pictures->count + 1, sizeof *out->items);
  FM_CHECK_ALLOC(out->items);
  if (options->folder)
    FM_TRY(fm_folder_make(options->folder));
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
