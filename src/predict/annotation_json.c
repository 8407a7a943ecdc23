// The formats that are one JSON document: our own, COCO's, Label Studio's.
#include <jansson.h>
#include <stdlib.h>

#include "base/file.h"
#include "predict/annotation.h"

// Nine digits give a float back to the bit. Paths are UTF-8 (picture_queue.c).
static fm_status annotation_dump(char **out, json_t *document) {
  const size_t flags = JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9);
  char *text = document ? json_dumps(document, flags) : NULL;
  json_decref(document);
  *out = NULL;
  FM_CHECK_ALLOC(text);
  if (asprintf(out, "%s\n", text) < 0)
    *out = NULL;
  free(text);
  FM_CHECK_ALLOC(*out);
  return FM_OK;
}

// Appends and takes over; false, with the list broken off, when the item could not be made.
static bool annotation_append(json_t *list, json_t *item) {
  return item && json_array_append_new(list, item) == 0;
}

// --- json

static json_t *annotation_json_detections(const fm_found_picture *found,
                                          const fm_classes *classes) {
  json_t *list = json_array();
  for (size_t i = 0; i < found->detections.count; ++i) {
    const fm_detection *d = &found->detections.items[i];
    json_t *item = json_pack("{s:s, s:i, s:f, s:[f,f,f,f]}", "class", classes->names[d->label - 1],
                             "label", d->label, "score", (double)d->score, "box", (double)d->box.x1,
                             (double)d->box.y1, (double)d->box.x2, (double)d->box.y2);
    if (!annotation_append(list, item)) {
      json_decref(list);
      return NULL;
    }
  }
  return list;
}

static fm_status annotation_json_format(char **out, const fm_found_list *found) {
  json_t *document = json_array();
  for (size_t i = 0; document && i < found->count; ++i) {
    const fm_found_picture *picture = &found->items[i];
    json_t *item =
        json_pack("{s:s, s:i, s:i, s:o, s:f}", "image", picture->path, "width", picture->width,
                  "height", picture->height, "detections",
                  annotation_json_detections(picture, found->classes), "seconds", picture->seconds);
    if (!annotation_append(document, item)) {
      json_decref(document);
      document = NULL;
    }
  }
  return annotation_dump(out, document);
}

const fm_annotation_format fm_annotation_json = {
    .name = "json", .file = "detections.json", .format = annotation_json_format};

// --- coco

static bool annotation_coco_picture(json_t *images, json_t *annotations,
                                    const fm_found_picture *found, size_t number) {
  char *name = fm_found_name(found);
  json_t *image = name ? json_pack("{s:I, s:s, s:i, s:i}", "id", (json_int_t)number, "file_name",
                                   name, "width", found->width, "height", found->height)
                       : NULL;
  free(name);
  if (!annotation_append(images, image))
    return false;
  for (size_t i = 0; i < found->detections.count; ++i) {
    const fm_detection *d = &found->detections.items[i];
    const double w = (double)d->box.x2 - (double)d->box.x1;
    const double h = (double)d->box.y2 - (double)d->box.y1;
    json_t *item =
        json_pack("{s:I, s:I, s:i, s:[f,f,f,f], s:f, s:i, s:f}", "id",
                  (json_int_t)json_array_size(annotations) + 1, "image_id", (json_int_t)number,
                  "category_id", d->label, "bbox", (double)d->box.x1, (double)d->box.y1, w, h,
                  "area", w * h, "iscrowd", 0, "score", (double)d->score);
    if (!annotation_append(annotations, item))
      return false;
  }
  return true;
}

static fm_status annotation_coco_format(char **out, const fm_found_list *found) {
  json_t *images = json_array(), *annotations = json_array(), *categories = json_array();
  bool good = true;
  for (size_t i = 0; good && i < found->count; ++i)
    good = annotation_coco_picture(images, annotations, &found->items[i], i);
  for (int i = 0; good && i < found->classes->count; ++i)
    good = annotation_append(
        categories, json_pack("{s:i, s:s}", "id", i + 1, "name", found->classes->names[i]));
  json_t *document = json_pack("{s:o, s:o, s:o}", "images", images, "annotations", annotations,
                               "categories", categories);
  if (!good) {
    json_decref(document);
    document = NULL;
  }
  return annotation_dump(out, document);
}

const fm_annotation_format fm_annotation_coco = {
    .name = "coco", .file = "coco.json", .format = annotation_coco_format};

// --- labelstudio: tasks with pre-annotations; boxes in percent of the picture

static json_t *annotation_studio_face(const fm_found_picture *found, const fm_detection *d,
                                      double beyond, const char *name) {
  const double x = 100.0 / found->width, y = 100.0 / found->height;
  const double left = (double)d->box.x1 - beyond, top = (double)d->box.y1 - beyond;
  json_t *value = json_pack("{s:f, s:f, s:f, s:f, s:i, s:[s]}", "x", left * x, "y", top * y,
                            "width", ((double)d->box.x2 - left) * x, "height",
                            ((double)d->box.y2 - top) * y, "rotation", 0, "rectanglelabels", name);
  return json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:f, s:o}", "from_name", "label", "to_name",
                   "image", "type", "rectanglelabels", "original_width", found->width,
                   "original_height", found->height, "image_rotation", 0, "score", (double)d->score,
                   "value", value);
}

static json_t *annotation_studio_task(const fm_found_picture *found, const fm_found_list *list) {
  json_t *faces = json_array();
  double sum = 0;
  bool good = true;
  for (size_t i = 0; good && i < found->detections.count; ++i) {
    const fm_detection *d = &found->detections.items[i];
    sum += (double)d->score;
    good = annotation_append(faces, annotation_studio_face(found, d, (double)list->beyond,
                                                           list->classes->names[d->label - 1]));
  }
  const double count = (double)found->detections.count;
  json_t *task = json_pack("{s:{s:s}, s:[{s:s, s:f, s:o}]}", "data", "image", found->path,
                           "predictions", "model_version", "facemask", "score",
                           count > 0 ? sum / count : 0.0, "result", faces);
  if (good)
    return task;
  json_decref(task);
  return NULL;
}

static fm_status annotation_studio_format(char **out, const fm_found_list *found) {
  json_t *document = json_array();
  for (size_t i = 0; document && i < found->count; ++i) {
    if (!annotation_append(document, annotation_studio_task(&found->items[i], found))) {
      json_decref(document);
      document = NULL;
    }
  }
  return annotation_dump(out, document);
}

const fm_annotation_format fm_annotation_labelstudio = {
    .name = "labelstudio", .file = "labelstudio.json", .format = annotation_studio_format};
