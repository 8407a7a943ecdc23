// What Winograd's convolution and the gradient of its weights share: the patches of all pictures.
#ifndef FM_NN_WINOGRAD_GRID_H
#define FM_NN_WINOGRAD_GRID_H

#include "nn/profile.h"
#include "nn/tensor.h"
#include "nn/winograd_tile.h"

typedef struct winograd_grid {
  size_t across, down;      // patches of a picture
  size_t patches, together; // of all pictures, and at a time, in sixes
} winograd_grid;

// Floats from one of the 36 products to the next: at least `floats`, an odd number of cache lines,
// so that what is read or written of all 36 in turn is not in the same sets of the caches.
static inline size_t fm_winograd_stride(size_t floats) {
  enum { LINE = 16 };
  return ((floats + LINE - 1) / LINE | 1) * LINE;
}

// y: the shape whose pixels the patches share; channels: that lie in memory at a time.
void fm_winograd_grid_init(winograd_grid *grid, fm_shape y, size_t channels);
// Patch `index` of all, in y's pixels, and the plane of the 8 channels number `channels`.
winograd_patch fm_winograd_patch_of(const winograd_grid *grid, const fm_tensor *tensor,
                                    size_t index, size_t channels, size_t *plane);
// As fm_primitive_describe says of oneDNN's: the multiplications of a direct convolution.
fm_work fm_winograd_work(const fm_tensor *x, const fm_tensor *y, const char *pass, char *name);

#endif
