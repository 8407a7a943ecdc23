// What was found, written as annotations that other programs read. One file a format.
#ifndef FM_PREDICT_ANNOTATION_H
#define FM_PREDICT_ANNOTATION_H

#include "base/status.h"
#include "predict/found.h"

typedef struct fm_annotation_format {
  const char *name; // "coco"
  // A format of one document: its name in the output folder, and its text (heap).
  const char *file;
  fm_status (*format)(char **out, const fm_found_list *found);
  // A format of a file a picture, below the output folder; NULL for one document.
  fm_status (*write)(const fm_found_list *found, const char *folder);
} fm_annotation_format;

extern const fm_annotation_format fm_annotation_json, fm_annotation_coco, fm_annotation_voc,
    fm_annotation_yolo, fm_annotation_labelstudio;
extern const fm_annotation_format *const fm_annotation_formats[]; // ends with NULL

// FM_ERR_ARGUMENT, with the nearest name, for an unknown one.
FM_MUST_USE fm_status fm_annotation_find(const fm_annotation_format **out, const char *name);

#endif
