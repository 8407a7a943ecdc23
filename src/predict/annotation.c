// The table of formats.
#include "predict/annotation.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/options.h"

const fm_annotation_format *const fm_annotation_formats[] = {
    &fm_annotation_json, &fm_annotation_coco,        &fm_annotation_voc,
    &fm_annotation_yolo, &fm_annotation_labelstudio, NULL,
};

enum { ANNOTATION_FORMATS = sizeof fm_annotation_formats / sizeof *fm_annotation_formats };

fm_status fm_annotation_find(const fm_annotation_format **out, const char *name) {
  const char *names[ANNOTATION_FORMATS] = {0};
  for (int i = 0; fm_annotation_formats[i]; ++i) {
    names[i] = fm_annotation_formats[i]->name;
    *out = fm_annotation_formats[i];
    if (strcmp(names[i], name) == 0)
      return FM_OK;
  }
  const char *near = fm_nearest_word(name, names);
  if (near)
    return fm_fail(FM_ERR_ARGUMENT, "unknown format %s (did you mean %s?)", name, near);
  return fm_fail(FM_ERR_ARGUMENT, "unknown format %s: json, coco, voc, yolo or labelstudio", name);
}

fm_status fm_annotation_check_folder(const fm_annotation_format *format, const char *folder) {
  char *ours = fm_path_join(folder, fm_annotation_json.file);
  char *path = fm_path_join(folder, format->file);
  fm_status status = ours && path ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status == FM_OK && fm_path_exists(path) && !fm_path_exists(ours))
    status =
        fm_fail(FM_ERR_ARGUMENT,
                "--out %s: %s is there already, and not from detections; choose another folder",
                folder, path);
  free(ours);
  free(path);
  return status;
}
