// What a transform is to the list: a line in transform.def, a file of its own, and a table of its
// parameters.
#ifndef FM_DATA_AUGMENT_TRANSFORM_H
#define FM_DATA_AUGMENT_TRANSFORM_H

#include <stddef.h>

#include "base/options.h"
#include "data/augment/augment.h"

typedef struct fm_transform {
  const char *name;
  size_t parameter_bytes;      // of its struct of parameters
  const fm_option *parameters; // offsets into that struct; ends with name NULL
  // Draws from `random` the same number of times whatever the picture, so that lists stay
  // reproducible.
  fm_status (*apply)(const void *parameters, fm_random *random, fm_augment_picture *picture);
} fm_transform;

#define FM_TRANSFORM(name) extern const fm_transform fm_transform_##name;
#include "data/augment/transform.def"
#undef FM_TRANSFORM

#endif
