// Where RoIs sample their levels, for the ops that pool them: RoIAlign's bilinear samples as shares
// of places in bins, an axis at a time (torchvision.ops.roi_align with aligned=False).
#ifndef FM_NN_OP_ROI_PLACES_H
#define FM_NN_OP_ROI_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "nn/op.h"
#include "nn/tensor.h"

enum { ROI_TABLE_MAX = 64 };

typedef struct roi_options {
  int levels, output_size, sampling_ratio;
  bool plain;
} roi_options;

// The share of one row or column of the picture in one row or column of bins.
typedef struct roi_share {
  int place, bin;
  float weight;
} roi_share;

typedef struct roi_axis {
  const roi_share *begin, *end;
} roi_axis;

typedef struct roi_table {
  int level, image; // level -1: masked
  int y_count, x_count;
} roi_table;

typedef struct roi_places {
  roi_table *tables; // [rois]
  roi_share *shares; // of each RoI the rows', then the columns'
  size_t room;       // for the shares of one axis
  int rois;
} roi_places;

// Whether shares come by rising places instead of bins: of rows, and of the columns of each level.
typedef struct roi_order {
  bool rows;
  const bool *columns; // [levels]; NULL: of none
} roi_order;

// The input shapes of an op over x[0 .. levels - 1] and the RoIs; y is (rois, c, size, size).
FM_MUST_USE fm_status fm_roi_infer(const roi_options *options, const fm_shape *x, fm_shape *y);
// The options with their defaults; false, and the graph has failed, where they are impossible.
bool fm_roi_options_init(roi_options *out, fm_graph *graph, const fm_roi_align_options *options);

size_t fm_roi_places_bytes(int rois, const roi_options *options);
// In so many bytes of memory that the caller has.
roi_places fm_roi_places_in(void *memory, int rois, const roi_options *options);
// x: the levels, then the RoIs. A row that names no level or picture of ours is an error.
FM_MUST_USE fm_status fm_roi_places_fill(const roi_places *places, const fm_tensor *x,
                                         const roi_options *options, const roi_order *order);
roi_axis fm_roi_places_axis(const roi_places *places, int roi, bool columns);

#endif
