// Sizes and shapes of the faces against their pictures, where in the pictures they lie, and the
// sizes of the pictures.
#ifndef FM_DATA_SHAPES_H
#define FM_DATA_SHAPES_H

#include <stddef.h>

#include "base/status.h"
#include "data/dataset.h"

enum { FM_SHAPES_FIELDS = 32 }; // a side of the map of places

typedef struct fm_picture_size {
  int width, height;
  size_t images;
} fm_picture_size;

typedef struct fm_shapes {
  size_t faces;    // in pictures whose size is known
  double *sizes;   // (faces): sqrt(width * height) in pixels
  double *shares;  // (faces): the same as a share of sqrt(width * height) of the picture
  double *aspects; // (faces): height / width
  // (FM_SHAPES_FIELDS, FM_SHAPES_FIELDS), row 0 on top: faces over a point of that field of the
  // picture, over all pictures.
  double places[FM_SHAPES_FIELDS * FM_SHAPES_FIELDS];
  fm_picture_size *pictures; // most frequent first
  size_t picture_count;      // different sizes
} fm_shapes;

FM_MUST_USE fm_status fm_shapes_make(fm_shapes *out, const fm_dataset *dataset);
void fm_shapes_release(fm_shapes *shapes);
// The value below which `share` (0 to 1) of the values lie, interpolated as NumPy's quantile; 0 of
// none.
FM_MUST_USE fm_status fm_shapes_quantile(double *out, const double *values, size_t count,
                                         double share);

#endif
