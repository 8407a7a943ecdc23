// Arrays that are kept from step to step and only ever grow.
#ifndef FM_DETECT_SCRATCH_H
#define FM_DETECT_SCRATCH_H

#include <stddef.h>

#include "base/status.h"

typedef struct fm_scratch {
  void *data;
  size_t bytes;
} fm_scratch;

// Room for count elements of `size` bytes, 64-byte aligned, at *out; what was in it is lost when it
// grows.
FM_MUST_USE fm_status fm_scratch_get(fm_scratch *scratch, size_t count, size_t size, void **out);
void fm_scratch_release(fm_scratch *scratch);

#endif
