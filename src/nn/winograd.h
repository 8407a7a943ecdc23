// 3 x 3 convolutions of stride 1 in fp32 by Winograd's F(4 x 4, 3 x 3) (Lavin and Gray 2016), for
// processors whose vectors have 8 lanes (AVX2), for which oneDNN 2.6 has none: a quarter of the
// multiplications. Patches of 6 x 6 pixels and the weights are turned, multiplied as 36 products of
// matrices, and turned back. The points are 0, +-0.625, +-1.5 and infinity: rounding costs less
// than with +-1 and +-2. The same bytes on any number of threads. Private to nn.
#ifndef FM_NN_WINOGRAD_H
#define FM_NN_WINOGRAD_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/graph.h"
#include "nn/tensor.h"

// y = act(x convolved with weight + bias + residual), kept by the caller: a profile may run it
// again.
typedef struct fm_winograd {
  // In fp32 in blocks of 8 channels; or, interleaved, x in whole numbers and y in these or in fp32.
  // The channels are multiples of 16.
  fm_tensor x, y;
  int padding;           // on all sides, 0 to 2; y is x's height and width + 2 padding - 2
  const float *weight;   // [y's channels][x's channels][3][3]
  bool turned;           // that is [x's channels][y's channels][3][3], turned by half a circle
  const float *bias;     // or NULL
  const float *residual; // lies as y, or NULL
  fm_activation act;     // FM_ACT_HARD_SIGMOID is not known
  int threads;           // as many as there is scratch for
  void *scratch;         // fm_winograd_scratch(self) bytes, in lines of 64
} fm_winograd;

// Whether this processor and those shapes are ones it is for.
bool fm_winograd_knows(const fm_winograd *self);
size_t fm_winograd_scratch(const fm_winograd *self);
void fm_winograd_run(fm_winograd *self);

// dweight = x correlated with dy, dbias = the sum of dy over pictures and pixels; kept like the
// other.
typedef struct fm_winograd_gradient {
  fm_tensor x, dy; // as x and y above
  int padding;
  float *dweight; // [dy's channels][x's channels][3][3]
  float *dbias;   // [dy's channels], or NULL
  int threads;
  void *scratch;
} fm_winograd_gradient;
bool fm_winograd_gradient_knows(const fm_winograd_gradient *self);
size_t fm_winograd_gradient_scratch(const fm_winograd_gradient *self);
void fm_winograd_gradient_run(fm_winograd_gradient *self);

#endif
