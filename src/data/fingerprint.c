// Fingerprints of pictures.
#include "data/fingerprint.h"

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"

// Grey as PIL's convert("L") has it.
static float fingerprint_grey(const uint8_t *pixel) {
  return (float)((pixel[0] * 19595u + pixel[1] * 38470u + pixel[2] * 7471u + 0x8000u) >> 16);
}

// Adds `weight` times the row's grey to the fields of one row of fields. A pixel that lies across a
// border counts for both sides by its share.
static void fingerprint_add_row(float *fields, const uint8_t *pixels, int width, float weight) {
  const float scale = (float)FM_FINGERPRINT_SIDE / (float)width;
  for (int x = 0; x < width; x++) {
    const float grey = weight * fingerprint_grey(pixels + 3 * (size_t)x);
    const float from = (float)x * scale, to = (float)(x + 1) * scale;
    for (int field = (int)from; field < FM_FINGERPRINT_SIDE && (float)field < to; field++)
      fields[field] += grey * (fminf(to, (float)(field + 1)) - fmaxf(from, (float)field));
  }
}

void fm_fingerprint_take(fm_fingerprint *out, const fm_image *image) {
  float fields[FM_FINGERPRINT_FIELDS] = {0};
  const float scale = (float)FM_FINGERPRINT_SIDE / (float)image->height;
  const size_t stride = 3 * (size_t)image->width;
  for (int y = 0; y < image->height; y++) {
    const float from = (float)y * scale, to = (float)(y + 1) * scale;
    for (int field = (int)from; field < FM_FINGERPRINT_SIDE && (float)field < to; field++)
      fingerprint_add_row(fields + (size_t)field * FM_FINGERPRINT_SIDE,
                          image->pixels + (size_t)y * stride, image->width,
                          fminf(to, (float)(field + 1)) - fmaxf(from, (float)field));
  }
  for (int i = 0; i < FM_FINGERPRINT_FIELDS; i++)
    out->grey[i] = (uint8_t)fminf(rintf(fields[i]), 255);
  out->hash = fm_hash(FM_HASH_START, &image->width, sizeof image->width);
  out->hash = fm_hash(out->hash, &image->height, sizeof image->height);
  out->hash = fm_hash(out->hash, image->pixels, stride * (size_t)image->height);
}

float fm_fingerprint_difference(const fm_fingerprint *a, const fm_fingerprint *b) {
  unsigned sum = 0;
  for (int i = 0; i < FM_FINGERPRINT_FIELDS; i++)
    sum += (unsigned)abs(a->grey[i] - b->grey[i]);
  return (float)sum / FM_FINGERPRINT_FIELDS;
}
