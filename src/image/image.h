// Pictures in memory: 8-bit RGB. Decoders for PNG and JPEG (by content, not by name), with limits,
// and encoders.
#ifndef FM_IMAGE_IMAGE_H
#define FM_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/status.h"

typedef struct fm_image {
  int width, height;
  uint8_t *pixels; // (height, width, 3), RGB, no padding between rows
} fm_image;

enum { FM_IMAGE_SIDE_MAX = 32767, FM_IMAGE_PIXELS_MAX = 100 * 1000 * 1000 };

FM_MUST_USE fm_status fm_image_new(fm_image *out, int width, int height); // pixels are zero
void fm_image_release(fm_image *image);
// Decodes PNG or JPEG. Gray, palette, 16-bit become RGB 8; alpha is dropped (not blended), as PIL's
// convert("RGB"). EXIF's orientation is followed, as PIL's ImageOps.exif_transpose and what people
// look at pictures with do; a model finds no faces that lie on their side. A truncated file is
// FM_ERR_FORMAT. `name` is for messages.
FM_MUST_USE fm_status fm_image_decode(fm_image *out, const void *data, size_t size,
                                      const char *name);
// A picture that is known to have this size: it stays as it is stored where only so it has it.
FM_MUST_USE fm_status fm_image_decode_sized(fm_image *out, int width, int height, const void *data,
                                            size_t size, const char *name);
// PNG and JPEG in memory; the caller frees out->data.
FM_MUST_USE fm_status fm_image_encode_png(fm_bytes *out, const fm_image *image);
FM_MUST_USE fm_status fm_image_encode_jpeg(fm_bytes *out, const fm_image *image, int quality);
// The size alone, from what stands before the pixels: upright, or as it is stored where that is the
// size it has on entry, as fm_image_decode_sized. Unchanged after a failure.
FM_MUST_USE fm_status fm_image_decode_size(int *width, int *height, const void *data, size_t size,
                                           const char *name);
FM_MUST_USE fm_status fm_image_read(fm_image *out, const char *path);
FM_MUST_USE fm_status fm_image_write_png(const fm_image *image, const char *path); // atomic
FM_MUST_USE fm_status fm_image_write_jpeg(const fm_image *image, const char *path,
                                          int quality); // atomic

#endif
