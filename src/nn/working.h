// Working copies of parameters: folded with a norm, in the number type and layout a primitive
// wants; as whole numbers with a scale for each output channel where that is FM_S8. Shared by all
// plans over the same parameters, remade when the masters have changed. Private to nn.
#ifndef FM_NN_WORKING_H
#define FM_NN_WORKING_H

#include <dnnl.h>

#include "base/status.h"
#include "nn/params.h"
#include "nn/tensor.h"

// Where a folded norm's parameters are; all -1 without one.
typedef struct fm_fold {
  int gamma, beta, mean, variance;
  float eps;
} fm_fold;

// Whole numbers in the order of our own loops, see rows.h, instead of a layout of oneDNN's.
typedef enum fm_packing { FM_PACKING_NONE, FM_PACKING_PRODUCT, FM_PACKING_FILTER } fm_packing;

typedef struct fm_working_spec {
  int weight; // id, -1 for a bias copy
  int bias;   // id or -1; read by a bias copy
  fm_fold fold;
  int channels;              // output channels: the first dimension of the weight
  int turned;                // a row (c, h, w) of the weight becomes (h, w, c): c, 0 for as it is
  int group;                 // so many turned rows lie together: (group, h, w, row, c); 0: not so
  dnnl_memory_desc_t master; // plain fp32 of the weight, or of a group
  dnnl_memory_desc_t wanted; // what the primitive wants, of a group where there are some
  fm_packing packing;        // wanted is then plain
} fm_working_spec;

typedef struct fm_working fm_working;
// Finds or makes the copy; lent, it lives as long as the parameters.
FM_MUST_USE fm_status fm_working_get(fm_working **out, fm_params *params,
                                     const fm_working_spec *spec);
// Up-to-date memory of the copy; groups are so many bytes apart.
FM_MUST_USE fm_status fm_working_data(fm_working *working, void **data);
size_t fm_working_group_bytes(const fm_working *working);
// Of a copy in whole numbers: scales[c], so that a weight is its number times that. Up to date like
// the copy; lent.
FM_MUST_USE fm_status fm_working_scales(fm_working *working, const float **scales);
// scale[c] = gamma / sqrt(variance + eps), 1 without a fold.
void fm_fold_scale(fm_params *params, const fm_fold *fold, int channels, float *scale);

#endif
