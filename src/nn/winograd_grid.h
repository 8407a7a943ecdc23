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

// What a pass keeps in its scratch: 36 matrices each of turned kernels (or of their sums) and of
// the patches of x and y that go together.
typedef struct winograd_room {
  size_t ins, outs; // channels; of y at a time
  winograd_grid grid;
  float *kernels, *in, *out;
  size_t kernels_stride, in_stride, out_stride; // from one of the 36 to the next
} winograd_room;

// y: the shape whose pixels the patches share.
void fm_winograd_room_init(winograd_room *room, void *scratch, fm_shape y, size_t ins, size_t outs);
size_t fm_winograd_room_bytes(const winograd_room *room);
// Patch `index` of all, in y's pixels, and the plane of the 8 channels number `channels`.
winograd_patch fm_winograd_patch_of(const winograd_grid *grid, const fm_tensor *tensor,
                                    size_t index, size_t channels, size_t *plane);
// As fm_primitive_describe says of oneDNN's: the multiplications of a direct convolution.
void fm_winograd_describe(const fm_tensor *x, const fm_tensor *y, const char *pass, fm_work *work,
                          char *name);

#endif
