// A data set: named pictures with labelled boxes, whatever it was read from. Its files are never
// written to.
#ifndef FM_DATA_DATASET_H
#define FM_DATA_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/box.h"
#include "base/status.h"
#include "data/fingerprint.h"
#include "image/image.h"

typedef struct fm_object {
  fm_box box;    // pixels of the picture, as annotated (clipped to the picture unless strict)
  int32_t label; // 1-based index into the class names
} fm_object;

typedef struct fm_sample {
  char *name;        // file name without folder and extension
  char *file_name;   // with extension, as in the picture folder; NULL when the picture is missing
  int width, height; // from the annotation, or from the picture when the annotation has none
  fm_object *objects;
  size_t object_count;
  size_t clipped_count; // of these, boxes that reached outside the picture
} fm_sample;

// One thing that is wrong with the data; the summary lists them, strict makes them fatal.
typedef struct fm_problem {
  char *file, *reason;
} fm_problem;

typedef struct fm_dataset fm_dataset;

typedef struct fm_dataset_options {
  const char *images;  // picture folder; NULL: beside the annotations
  const char *classes; // "a,b,c"; NULL: from the data (the Kaggle three get their fixed labels,
                       // else alphabetical)
  bool strict;         // problems are errors
} fm_dataset_options;

// Opens a folder in the Kaggle layout (images/, annotations/) or a Kaggle zip; `path` decides. A
// folder of *.xml alone (or with annotations/ but no images/) opens with missing pictures:
// annotations_only is then set and not a problem per picture.
FM_MUST_USE fm_status fm_dataset_open(fm_dataset **out, const char *path,
                                      const fm_dataset_options *options);
void fm_dataset_free(fm_dataset *dataset);

size_t fm_dataset_count(const fm_dataset *dataset);
// Sorted by annotation file name ("a.xml") as byte strings, which is the order of the picture
// files' names too.
const fm_sample *fm_dataset_sample(const fm_dataset *dataset, size_t index);
ptrdiff_t fm_dataset_find(const fm_dataset *dataset,
                          const char *name);           // by name; -1 when there is none
int fm_dataset_class_count(const fm_dataset *dataset); // without background
const char *fm_dataset_class_name(const fm_dataset *dataset, int label); // label 1..class_count
const fm_problem *fm_dataset_problems(const fm_dataset *dataset, size_t *count);
// Adds `by` to x1 and y1 of every box. An annotation that names the first and last pixel inside,
// counted from 1, has its left edge at x1 - 1 and its right edge at x2: mirrored or enlarged as if
// both were edges, a box comes to lie beside its face.
void fm_dataset_move_starts(fm_dataset *dataset, float by);
bool fm_dataset_annotations_only(const fm_dataset *dataset);
// FM_ERR_IO, with what to do about it, when there are annotations only.
FM_MUST_USE fm_status fm_dataset_require_pictures(const fm_dataset *dataset);
// Decodes every picture, in parallel. One that fails becomes a problem and its sample is dropped;
// opening looks at headers only. With strict, any problem is FM_ERR_FORMAT.
FM_MUST_USE fm_status fm_dataset_check_pictures(fm_dataset *dataset);
// Of a sample's picture; NULL before fm_dataset_check_pictures, and where the picture is missing.
const fm_fingerprint *fm_dataset_fingerprint(const fm_dataset *dataset, size_t index);
// Decodes the picture of a sample. Safe from several threads at once.
FM_MUST_USE fm_status fm_dataset_image(const fm_dataset *dataset, size_t index, fm_image *out);

#endif
