// What a oneDNN primitive is called in a profile, and how much it does.
#ifndef FM_NN_PRIMITIVE_PROFILE_H
#define FM_NN_PRIMITIVE_PROFILE_H

#include <dnnl.h>
#include <stddef.h>

#include "nn/profile.h"

// Fills name (written to `text`, FM_PROFILE_NAME_BYTES), flops and bytes; true for a convolution or
// matrix product.
bool fm_primitive_describe(const_dnnl_primitive_t primitive, char *text, fm_work *out);

#endif
