// Depthwise convolution over blocked layouts (8 or 16 channels a block), in our own loops: oneDNN
// has no fast gradient of 5 x 5 weights. Rows are unpacked to fp32 and padded once, then read K
// times from the first-level cache, so every kernel size, stride, dilation, padding and number type
// runs through the same inner loops. Sums of a channel run over each picture by itself and are
// added in order: the same on any number of threads.
#ifndef FM_NN_OP_DEPTHWISE_H
#define FM_NN_OP_DEPTHWISE_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/tensor.h"

typedef struct fm_depthwise {
  int kernel, stride, dilation, padding; // padding above and to the left; the shapes tell the rest
  int threads;                           // as many as there is scratch for
} fm_depthwise;

// Whether these loops know the layouts (both the same) and the geometry.
bool fm_depthwise_knows(const fm_depthwise *self, const fm_tensor *x, const fm_tensor *y);

// dweight[c][kernel * kernel] = x correlated with dy; dbias[c] = sum of dy, NULL for none. The job
// is kept by the caller: a profile may run it again.
typedef struct fm_depthwise_gradient {
  fm_depthwise geometry;
  fm_tensor x, dy;
  float *dweight, *dbias;
  void *scratch;
} fm_depthwise_gradient;
void fm_depthwise_weight_gradient(fm_depthwise_gradient *job);
size_t fm_depthwise_weight_gradient_scratch(const fm_depthwise *self, const fm_tensor *dy);

#endif
