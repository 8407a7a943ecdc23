// The backward pass of a depthwise convolution over blocks of 8 or 16 channels, in our own loops:
// one sweep over the rows of a picture's block masks dy with the activation's slope, adds to the
// gradients of weight and bias and writes dx, so that what lies between never reaches memory. Rows
// are unpacked to fp32 and padded once, then read K times from the first-level cache, so every
// kernel size, stride, dilation, padding, layout of x and number type runs through the same inner
// loops. Sums of a channel run over each picture by itself and are added in order: the same on any
// number of threads.
#ifndef FM_NN_OP_DEPTHWISE_H
#define FM_NN_OP_DEPTHWISE_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/graph.h"
#include "nn/tensor.h"

enum { FM_DEPTHWISE_DY_MAX = 4 };

typedef struct fm_depthwise {
  int kernel, stride, dilation, padding; // padding above and to the left; the shapes tell the rest
  int threads;                           // as many as there is scratch for
} fm_depthwise;

// Whether these loops know y's layout and the geometry.
bool fm_depthwise_knows(const fm_depthwise *self, const fm_tensor *x, const fm_tensor *y);

// With dz = (sum of dy) act':
//   dweight[c][kernel * kernel] = x correlated with dz     dbias[c] = sum of dz
//   dx = dz convolved with weight^T, times the slope of x_act where x is that activation's output
// Kept by the caller: a profile may run it again.
typedef struct fm_depthwise_backward {
  fm_depthwise geometry;
  fm_tensor x;                       // not read when neither dweight nor x_act asks for it
  fm_tensor dx;                      // x's shape; data NULL when not wanted
  fm_activation x_act;               // FM_ACT_NONE, or one that fm_activation_tells_slope
  fm_tensor dy[FM_DEPTHWISE_DY_MAX]; // all of one layout
  int dy_count;
  fm_activation act;
  fm_tensor known;        // as fm_activation_slope wants it, in dy's layout
  const float *weight;    // [c][kernel * kernel]
  float *dweight, *dbias; // NULL when not wanted; no dbias without dweight
  void *scratch;
} fm_depthwise_backward;
void fm_depthwise_run_backward(fm_depthwise_backward *job);
size_t fm_depthwise_backward_scratch(const fm_depthwise *self, const fm_tensor *x,
                                     const fm_tensor *dy);

#endif
