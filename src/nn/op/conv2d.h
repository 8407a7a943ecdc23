// The parts of the convolution op: conv2d.c (declaration, forward), conv2d_backward.c,
// conv2d_norm.c (batch statistics), conv2d_int8.c (whole numbers), conv2d_winograd.c and
// conv2d_rows.c (our own products).
#ifndef FM_NN_OP_CONV2D_H
#define FM_NN_OP_CONV2D_H

#include "nn/op.h"
#include "nn/op/depthwise.h"
#include "nn/primitive.h"
#include "nn/rows.h"
#include "nn/winograd.h"
#include "nn/working.h"

// Options as the node keeps them; the defaults are filled in.
typedef struct conv2d_options {
  int out_channels, kernel, stride, padding, padding_end, dilation, groups;
  fm_norm norm;
  float eps, momentum;
  fm_activation act;
  bool residual;
} conv2d_options;

// The same as oneDNN takes it, by height and width.
typedef struct conv2d_geometry {
  dnnl_dims_t strides, dilates, padding, padding_end;
} conv2d_geometry;
void fm_conv2d_geometry_of(conv2d_geometry *out, const conv2d_options *o);
// Whether it can be computed by Winograd's F(4 x 4, 3 x 3) (Lavin and Gray 2016).
bool fm_conv2d_fits_winograd(const fm_op_context *context);
// That one where it is faster: it multiplies a quarter as often, and its errors stay near 1e-6 of
// the result.
dnnl_alg_kind_t fm_conv2d_algorithm(const fm_op_context *context);

// Order of the node's parameters; -1 where absent.
enum {
  CONV_WEIGHT,
  CONV_BIAS,
  CONV_GAMMA,
  CONV_BETA,
  CONV_MEAN,
  CONV_VARIANCE,
  CONV_TRACKED,
  CONV_PARAMS
};

// A convolution by our own rows: a part of a chain, or the end that runs it.
typedef struct conv2d_rows {
  bool runs;
  fm_rows_product product; // the one or the other
  fm_rows_filter filter;
  fm_rows_image image;        // which comes before the product
  float *numbers;             // scale and shift of its output
  fm_rows run;                // where nothing is deferred
  const fm_op_context *first; // of the chain
} conv2d_rows;

typedef struct conv2d_state {
  fm_primitive forward, backward_data, backward_weights;
  fm_primitive source_reorder, residual_reorder, weight_gradient_reorder, dx_reorder;
  bool reorders_source, reorders_residual, reorders_weight_gradient, reorders_dx;
  fm_working *weight, *bias, *weight_backward;
  fm_tensor source; // x in the layout the primitive wants
  // As forward has them: of as many channels as a block has, fm_tensor cannot say whether they are
  // a block or all of them, and oneDNN is slow where the one meets the other.
  dnnl_memory_desc_t source_desc, destination_desc;
  bool int8;
  float *int8_bias;         // of oneDNN's product in whole numbers, else NULL
  bool batch_norm;          // with batch statistics
  bool keeps_preactivation; // the activation's gradient needs its input (hard-swish)
  bool trains_weight, trains_bias, wants_weight_gradient;
  bool own_depthwise;  // backward by our loops, see depthwise.h,
  bool own_activation; // which apply the activation's slope, too
  fm_depthwise_backward depthwise;
  bool own_forward, own_data, own_weights; // by our own Winograd products
  fm_winograd winograd_forward, winograd_data;
  fm_winograd_gradient winograd_weights;
  conv2d_rows rows;
  size_t weight_elements;
  // offsets into saved: pre-activation or raw output, then mean and 1/std of each channel
  size_t saved_statistics;
  // offsets into the scratch of forward and of backward
  size_t scratch_source, scratch_residual, scratch_partial;
  size_t scratch_dy, scratch_diff, scratch_plain, scratch_diff_bias, scratch_scale, scratch_sums;
  size_t scratch_pad_forward, scratch_pad_data, scratch_pad_weights;
} conv2d_state;

FM_MUST_USE fm_status fm_conv2d_weight_desc(dnnl_memory_desc_t *out, const fm_op_context *context,
                                            fm_dtype dtype, bool plain);
// The working copy of the weights that lies as `wanted`, the frozen norm folded in.
FM_MUST_USE fm_status fm_conv2d_working_spec(fm_working_spec *out, const fm_op_context *context,
                                             const dnnl_memory_desc_t *wanted);
// state->forward of pd, which it takes over; `residual` is NULL without one.
FM_MUST_USE fm_status fm_conv2d_take_forward(conv2d_state *state, dnnl_primitive_desc_t pd,
                                             const dnnl_memory_desc_t *residual);
FM_MUST_USE fm_status fm_conv2d_prepare_working(fm_op_context *context,
                                                const dnnl_memory_desc_t *weight,
                                                fm_packing packing);
// state->source is what fm_int8_source says.
FM_MUST_USE fm_status fm_conv2d_int8_prepare(fm_op_context *context);
// By our own rows; *taken tells whether that is for this convolution. Without it nothing has
// changed.
FM_MUST_USE fm_status fm_conv2d_rows_prepare(fm_op_context *context, bool *taken);
size_t fm_conv2d_rows_scratch(const fm_op_context *context);
void fm_conv2d_rows_forward(fm_op_context *context, const void *residual);
fm_status fm_conv2d_prepare_backward(fm_op_context *context);
fm_status fm_conv2d_backward(fm_op_context *context);

// Whether forward, dx or the weights' gradient is our own on this processor; state->source and y's
// layout are known.
bool fm_conv2d_winograd_forward_fits(fm_op_context *context);
bool fm_conv2d_winograd_data_fits(fm_op_context *context);
// `slow`: oneDNN has but a reference for it.
bool fm_conv2d_winograd_weights_fits(fm_op_context *context, bool slow);
typedef struct fm_conv2d_arrays {
  void *source, *weight, *bias, *residual, *destination; // residual: NULL without one
} fm_conv2d_arrays;
void fm_conv2d_winograd_forward(fm_op_context *context, const fm_conv2d_arrays *arrays);
void fm_conv2d_winograd_data(fm_op_context *context, void *dz, const void *weight);
// Into the scratch: plain gradients of weights and, where it trains, bias.
void fm_conv2d_winograd_weights(fm_op_context *context, void *source, void *dz);

// Statistics of a batch: [5][padded channels]: mean, 1/std, then the a and b of y = z a + b, and
// room for backward.
enum { CONV_STATISTICS = 5 };
FM_MUST_USE fm_status fm_conv2d_norm_check(const fm_tensor *y);
// y = act(gamma (z - mean) / std + beta + residual), statistics over n, h, w; updates the running
// ones. partial: (n + 1) * padded channels.
void fm_conv2d_norm_forward(fm_op_context *context, const fm_tensor *z, float *statistics,
                            double *partial);
// From d(activation's input) in `dpre`: writes dz over it and adds d(gamma), d(beta). partial: (n +
// 2) * padded channels.
void fm_conv2d_norm_backward(fm_op_context *context, const fm_tensor *z, float *statistics,
                             double *partial, fm_tensor *dpre);
// dpre = (sum of dy_parts) * act', in the layout of y, without act' if dy has the slope.
// preactivation: z, needed for hard-swish only (NULL otherwise), with statistics when it is yet to
// be normalised.
void fm_conv2d_mask(const fm_op_context *context, const fm_tensor *preactivation,
                    const float *statistics, fm_tensor *dpre);
// y = act(z), both of y's layout.
void fm_conv2d_activate(const fm_tensor *y, const fm_tensor *z, fm_activation act);

extern const fm_op_case fm_conv2d_cases[]; // conv2d_cases.c

#endif
