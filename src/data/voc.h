// Pascal VOC annotations: one XML file a picture, as in the Kaggle set. Only syntax and numbers are
// checked here; whether boxes and classes make sense is the data set's question.
#ifndef FM_DATA_VOC_H
#define FM_DATA_VOC_H

#include <stddef.h>

#include "base/box.h"
#include "base/status.h"

enum { FM_VOC_BYTES_MAX = 16 * 1024 * 1024, FM_VOC_OBJECTS_MAX = 100 * 1000 };

typedef struct fm_voc_object {
  char *name; // of the class, without surrounding white space
  fm_box box; // as written: not clipped, maybe reversed
} fm_voc_object;

typedef struct fm_voc {
  char *file_name;   // the element <filename>; NULL when there is none
  int width, height; // 0 when there is no <size>
  fm_voc_object *objects;
  size_t object_count;
} fm_voc;

// Parses one file. FM_ERR_FORMAT says "name: line N: what is wrong". Document types with entities
// are refused, and depth, text lengths and counts are limited.
FM_MUST_USE fm_status fm_voc_parse(fm_voc *out, const void *data, size_t size, const char *name);
void fm_voc_release(fm_voc *voc);

#endif
