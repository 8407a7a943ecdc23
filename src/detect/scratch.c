// Arrays that are kept from step to step and only ever grow.
#include "detect/scratch.h"

#include <stdint.h>
#include <stdlib.h>

#include "nn/profile.h"

fm_status fm_scratch_get(fm_scratch *scratch, size_t count, size_t size, void **out) {
  if (count > (SIZE_MAX / 2) / size)
    return fm_fail(FM_ERR_MEMORY, "an array of %zu elements of %zu bytes", count, size);
  size_t bytes = count * size;
  if (bytes > scratch->bytes || !scratch->data) {
    // A quarter more, so that slowly growing needs do not allocate each time.
    size_t wanted = (bytes + bytes / 4 + 64) / 64 * 64;
    if (scratch->data)
      fm_profile_moved();
    free(scratch->data);
    *scratch = (fm_scratch){.data = aligned_alloc(64, wanted)};
    if (!scratch->data)
      return fm_fail(FM_ERR_MEMORY, "out of memory (%zu bytes)", wanted);
    scratch->bytes = wanted;
  }
  *out = scratch->data;
  return FM_OK;
}

void fm_scratch_release(fm_scratch *scratch) {
  free(scratch->data);
  *scratch = (fm_scratch){0};
}
