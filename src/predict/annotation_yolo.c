// YOLO: labels/STEM.txt with "class x y w h" a line (centre and size as shares of the picture,
// classes from 0), and data.yaml with the names.
#include <stdlib.h>

#include "base/file.h"
#include "predict/annotation.h"

static fm_status annotation_yolo_picture(const fm_found_picture *found, double beyond,
                                         const char *path) {
  fm_atomic_file file;
  FM_TRY(fm_atomic_file_open(&file, path));
  for (size_t i = 0; i < found->detections.count; ++i) {
    const fm_detection *d = &found->detections.items[i];
    const double x1 = (double)d->box.x1 - beyond, y1 = (double)d->box.y1 - beyond,
                 x2 = (double)d->box.x2, y2 = (double)d->box.y2;
    fprintf(file.stream, "%d %.7f %.7f %.7f %.7f\n", d->label - 1, (x1 + x2) / 2 / found->width,
            (y1 + y2) / 2 / found->height, (x2 - x1) / found->width, (y2 - y1) / found->height);
  }
  return fm_atomic_file_commit(&file);
}

static fm_status annotation_yolo_names(const fm_found_list *found, const char *path) {
  fm_atomic_file file;
  FM_TRY(fm_atomic_file_open(&file, path));
  fputs("path: .\ntrain: images\nval: images\nnames:\n", file.stream);
  for (int i = 0; i < found->classes->count; ++i) {
    fprintf(file.stream, "  %d: '", i);
    for (const char *c = found->classes->names[i]; *c; ++c)
      fputs(*c == '\'' ? "''" : (const char[]){*c, 0}, file.stream);
    fputs("'\n", file.stream);
  }
  return fm_atomic_file_commit(&file);
}

static fm_status annotation_yolo_pictures(const fm_found_list *found, const char *labels) {
  FM_TRY(fm_folder_make(labels));
  for (size_t i = 0; i < found->count; ++i) {
    char *path;
    if (asprintf(&path, "%s/%s.txt", labels, found->items[i].stem) < 0)
      return fm_fail(FM_ERR_MEMORY, "out of memory");
    const fm_status status = annotation_yolo_picture(&found->items[i], (double)found->beyond, path);
    free(path);
    FM_TRY(status);
  }
  return FM_OK;
}

static fm_status annotation_yolo_write(const fm_found_list *found, const char *folder) {
  char *labels = fm_path_join(folder, "labels"), *names = fm_path_join(folder, "data.yaml");
  fm_status status = labels && names ? annotation_yolo_pictures(found, labels)
                                     : fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status == FM_OK)
    status = annotation_yolo_names(found, names);
  free(labels);
  free(names);
  return status;
}

const fm_annotation_format fm_annotation_yolo = {
    .name = "yolo", .file = "labels", .write = annotation_yolo_write};
