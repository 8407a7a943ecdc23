// What a data set holds: counts by class, by combination of classes and by faces a picture, and the
// sizes of the boxes.
#ifndef FM_DATA_STATISTICS_H
#define FM_DATA_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "data/dataset.h"

typedef struct fm_class_count {
  size_t faces, images; // images in which the class stands at least once
} fm_class_count;

typedef struct fm_combination {
  const uint8_t *has_label; // (class_count): the classes that stand together in a picture
  size_t images;
} fm_combination;

typedef struct fm_face_count {
  size_t faces, images;
} fm_face_count;

typedef struct fm_statistics {
  size_t images, faces;
  int class_count;
  fm_class_count *classes;      // by label - 1
  fm_combination *combinations; // most frequent first, then by first label
  size_t combination_count;
  fm_face_count *per_image; // by rising number of faces, only numbers that occur
  size_t per_image_count;
  float *sizes;       // (faces): sqrt(width * height) of the boxes in pixels, rising
  uint8_t *has_label; // (images, class_count), what the combinations point into
} fm_statistics;

FM_MUST_USE fm_status fm_statistics_make(fm_statistics *out, const fm_dataset *dataset);
void fm_statistics_release(fm_statistics *statistics);
double fm_statistics_mean_faces(const fm_statistics *statistics);
// The size below which `share` (0 to 1) of the faces are; 0 without faces.
float fm_statistics_size_quantile(const fm_statistics *statistics, double share);
// explore.json as text (heap), with the data set's problems.
FM_MUST_USE fm_status fm_statistics_format(char **out, const fm_statistics *statistics,
                                           const fm_dataset *dataset);

#endif
