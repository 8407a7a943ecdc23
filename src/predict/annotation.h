// What was found, written as annotations that other programs read. One file a format.
#ifndef FM_PREDICT_ANNOTATION_H
#define FM_PREDICT_ANNOTATION_H

#include "base/status.h"
#include "predict/found.h"

typedef struct fm_annotation_format {
  const char *name; // "coco"
  const char *file; // its document in the output folder, or the folder there of a file a picture
  fm_status (*format)(char **out, const fm_found_list *found); // the document's text (heap)
  // Of a file a picture, into `file` and beside it; NULL for one document.
  fm_status (*write)(const fm_found_list *found, const char *folder);
} fm_annotation_format;

extern const fm_annotation_format fm_annotation_json, fm_annotation_coco, fm_annotation_voc,
    fm_annotation_yolo, fm_annotation_labelstudio;
extern const fm_annotation_format *const fm_annotation_formats[]; // ends with NULL

// FM_ERR_ARGUMENT when `folder` holds annotations of this format and no detections.json: they are
// not ours to replace.
FM_MUST_USE fm_status fm_annotation_check_folder(const fm_annotation_format *format,
                                                 const char *folder);
// FM_ERR_ARGUMENT, with the nearest name, for an unknown one.
FM_MUST_USE fm_status fm_annotation_find(const fm_annotation_format **out, const char *name);

#endif
