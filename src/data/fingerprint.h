// What tells a picture from others at a glance: its mean grey in 16 x 16 fields, and a hash of its
// pixels.
#ifndef FM_DATA_FINGERPRINT_H
#define FM_DATA_FINGERPRINT_H

#include <stdint.h>

#include "image/image.h"

enum {
  FM_FINGERPRINT_SIDE = 16,
  FM_FINGERPRINT_FIELDS = FM_FINGERPRINT_SIDE * FM_FINGERPRINT_SIDE
};

typedef struct fm_fingerprint {
  uint8_t grey[FM_FINGERPRINT_FIELDS]; // rows from the top, in whole grey levels (PIL's "L")
  uint64_t hash;                       // FNV-1a of width, height and pixels
} fm_fingerprint;

void fm_fingerprint_take(fm_fingerprint *out, const fm_image *image);
// The mean difference of two pictures' fields, in grey levels.
float fm_fingerprint_difference(const fm_fingerprint *a, const fm_fingerprint *b);

#endif
