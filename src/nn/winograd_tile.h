// The inner loops of Winograd's convolutions, with AVX2 and fused multiply-add: each works on 8
// channels, or multiplies by 16.
#ifndef FM_NN_WINOGRAD_TILE_H
#define FM_NN_WINOGRAD_TILE_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/graph.h"
#include "nn/tensor.h"

enum {
  WINOGRAD_LANES = 8,
  WINOGRAD_PANEL = 16, // columns of a product at a time
  WINOGRAD_ROWS = 6,   // rows of it
  WINOGRAD_OUT = 4,    // pixels of y in a patch, each way
  WINOGRAD_IN = 6,     // of x
  WINOGRAD_PRODUCTS = WINOGRAD_IN * WINOGRAD_IN,
  WINOGRAD_TAPS = 9,
};

// The patch of x's plane (height, width, 8 of `pixel` elements) whose first pixel is (top, left),
// which may lie outside: there it is zero. Number i of what comes out goes to out + i * stride.
typedef struct winograd_patch {
  int height, width, top, left;
  size_t pixel, stride;
} winograd_patch;
void fm_winograd_turn_in(float *out, const float *plane, const winograd_patch *patch);
// The same of whole numbers, without their scale.
void fm_winograd_turn_in_bytes(float *out, const void *plane, fm_dtype dtype,
                               const winograd_patch *patch);

// The same patch of y: from `in` back to at most 4 x 4 pixels of the plane, act(sum * scale + bias
// + residual) * unit, rounded to `dtype`; the residual, of fp32, lies as the plane does; bias [8],
// or NULL.
typedef struct winograd_end {
  const float *bias, *residual;
  fm_activation act;
  fm_dtype dtype;
  float scale, unit;
} winograd_end;
void fm_winograd_turn_out(void *plane, const float *in, const winograd_patch *patch,
                          const winograd_end *end);

// out [rows][8] twice, `group` apart, = left [rows / 6][depth / 8][6][8] times right [depth][16];
// of the last six rows some may be written too far.
typedef struct winograd_product {
  size_t rows, depth, group;
} winograd_product;
void fm_winograd_multiply(float *out, const float *left, const float *right,
                          const winograd_product *product);

// out[36][..][16], the 36 `stride` apart: kernels of 16 outputs, [16] `output` apart, of 3 x 3.
void fm_winograd_turn_weights(float *out, size_t stride, const float *kernels, size_t output,
                              bool turned);

// --- of the gradient of the weights

// A patch of at most 4 x 4 pixels of dy's plane, zero outside, as 36 numbers like those of x.
void fm_winograd_turn_dy(float *out, const float *plane, const winograd_patch *patch);

// out [count][16], its rows `stride` apart, = or += the sum over patches of left [channel /
// 8][patch] [8], whose groups are `left_group` apart, times right [patch][16]; count is at most 6.
typedef struct winograd_correlation {
  size_t patches, channel, count, left_group, stride;
  bool adds;
} winograd_correlation;
void fm_winograd_correlate(float *out, const float *left, const float *right,
                           const winograd_correlation *correlation);

// The 36 sums of 8 outputs, `stride` apart, back to kernels of 3 x 3, `output` apart.
void fm_winograd_turn_gradient(float *kernels, size_t output, const float *in, size_t stride);

// sum [8] += all pixels of a plane.
void fm_winograd_add_pixels(float *sum, const float *plane, size_t pixels);

#endif
