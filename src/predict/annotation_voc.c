// Pascal VOC XML in the layout of the Kaggle set: annotations/STEM.xml, whole pixels.
#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/utf8.h"
#include "predict/annotation.h"

// Whole pixels inside the picture, one wide at least.
static void annotation_voc_span(float from, float to, int size, long *first, long *last) {
  *first = lroundf(fmaxf(0, fminf(from, (float)size - 1)));
  *last = lroundf(fmaxf(0, fminf(to, (float)size)));
  if (*last <= *first)
    *last = *first + 1;
}

static void annotation_voc_face(FILE *out, const fm_found_picture *found, const fm_detection *d,
                                const char *name) {
  long x1, y1, x2, y2;
  annotation_voc_span(d->box.x1, d->box.x2, found->width, &x1, &x2);
  annotation_voc_span(d->box.y1, d->box.y2, found->height, &y1, &y2);
  fputs("    <object>\n        <name>", out);
  fm_utf8_markup(out, name);
  fprintf(out,
          "</name>\n        <pose>Unspecified</pose>\n        <truncated>0</truncated>\n"
          "        <occluded>0</occluded>\n        <difficult>0</difficult>\n"
          "        <bndbox>\n            <xmin>%ld</xmin>\n            <ymin>%ld</ymin>\n"
          "            <xmax>%ld</xmax>\n            <ymax>%ld</ymax>\n        </bndbox>\n"
          "    </object>\n",
          x1, y1, x2, y2);
}

static fm_status annotation_voc_picture(const fm_found_picture *found, const fm_classes *classes,
                                        const char *path) {
  char *name = fm_found_name(found);
  FM_CHECK_ALLOC(name);
  fm_atomic_file file;
  const fm_status opened = fm_atomic_file_open(&file, path);
  if (opened < 0) {
    free(name);
    return opened;
  }
  fputs("<annotation>\n    <folder>images</folder>\n    <filename>", file.stream);
  fm_utf8_markup(file.stream, name);
  free(name);
  fprintf(file.stream,
          "</filename>\n    <size>\n        <width>%d</width>\n        <height>%d</height>\n"
          "        <depth>3</depth>\n    </size>\n    <segmented>0</segmented>\n",
          found->width, found->height);
  for (size_t i = 0; i < found->detections.count; ++i) {
    const fm_detection *d = &found->detections.items[i];
    annotation_voc_face(file.stream, found, d, classes->names[d->label - 1]);
  }
  fputs("</annotation>\n", file.stream);
  return fm_atomic_file_commit(&file);
}

static fm_status annotation_voc_write(const fm_found_list *found, const char *folder) {
  char *below = fm_path_join(folder, "annotations");
  FM_CHECK_ALLOC(below);
  fm_status status = fm_folder_make(below);
  for (size_t i = 0; status == FM_OK && i < found->count; ++i) {
    char *path;
    if (asprintf(&path, "%s/%s.xml", below, found->items[i].stem) < 0) {
      status = fm_fail(FM_ERR_MEMORY, "out of memory");
      break;
    }
    status = annotation_voc_picture(&found->items[i], found->classes, path);
    free(path);
  }
  free(below);
  return status;
}

const fm_annotation_format fm_annotation_voc = {
    .name = "voc", .file = "annotations", .write = annotation_voc_write};
