// The parts of roi_linear: roi_linear.c (the op), roi_linear_forward.c, roi_linear_backward.c (its
// passes), roi_linear_products.c (their sparse sums).
#ifndef FM_NN_OP_ROI_LINEAR_H
#define FM_NN_OP_ROI_LINEAR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nn/op.h"
#include "nn/op/roi_places.h"
#include "nn/primitive.h"
#include "nn/working.h"

typedef struct roi_linear_options {
  roi_options pooling;
  int out_features;
  fm_activation act;
} roi_linear_options;

// A pass's scratch memory: offsets into it. First what is index, not number: places, and in
// backward the lists.
typedef struct roi_linear_room {
  size_t starts, entries, index_bytes;
  size_t maps, products, pad; // both passes; products: G of each thread, or H
  size_t pad_bytes;           // of each thread
  size_t dz, dmaps, dweights; // backward
  size_t bytes;
  void *kept; // the index while a profile is taken, which repeats the sums when scratch is lost
} roi_linear_room;

typedef struct roi_linear_level {
  fm_tensor map; // as the products read it: a matrix (pixels, channels)
  bool converts;
  size_t pixels, first;    // pixel, of all levels'
  size_t area, area_first; // the same of one picture
  fm_primitive *forward;   // [threads], each a product of one picture
  fm_primitive backward_data, backward_weights;
} roi_linear_level;

typedef struct roi_linear_state {
  roi_linear_level levels[FM_ROI_LEVELS_MAX];
  size_t pixels, bins, group, channels;
  size_t area; // pixels of one picture
  int rois, groups, pictures, threads;
  bool int8;
  fm_working *weight, *bias;
  roi_linear_room forward, backward;
  // Of the pass that runs.
  int now; // group, in backward
  void *weight_values;
  const float *bias_values, *weight_scales; // scales: of whole numbers, else NULL
  atomic_bool failed;
} roi_linear_state;

static inline const roi_linear_options *roi_linear_options_of(const fm_node *node) {
  return (const roi_linear_options *)(const void *)node->options;
}

static inline void *roi_linear_at(const fm_op_context *context, size_t offset) {
  return (uint8_t *)context->scratch + offset;
}

// What both passes begin with: where RoIs lie, and the levels as products read them.
FM_MUST_USE fm_status fm_roi_linear_begin(fm_op_context *context, roi_linear_room *room,
                                          roi_places *places);
// In the memory of a pass.
roi_places fm_roi_linear_places(const fm_op_context *context, const roi_linear_room *room);
void *fm_roi_linear_index(const fm_op_context *context, const roi_linear_room *room);
// The weights of a group, in the copy whose memory is `weight`.
static inline void *roi_linear_weights(const roi_linear_state *state, void *weight, int group) {
  return (uint8_t *)weight + (size_t)group * fm_working_group_bytes(state->weight);
}

// For profiles: how many shares the RoIs have, and the end of the row of one layer.
double fm_roi_linear_shares(const fm_op_context *context, const roi_linear_room *room);
void fm_roi_linear_describe_layer(const fm_op_context *context, char *name, int used);

FM_MUST_USE fm_status fm_roi_linear_forward(fm_op_context *context);
FM_MUST_USE fm_status fm_roi_linear_backward(fm_op_context *context);

#endif
