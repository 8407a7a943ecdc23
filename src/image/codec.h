// The two decoders and encoders behind image.h. They check sizes against its limits; the caller
// looks at the signature.
#ifndef FM_IMAGE_CODEC_H
#define FM_IMAGE_CODEC_H

#include <stdbool.h>
#include <stdio.h>

#include "image/image.h"

// Bytes to decode; `name` is for messages. With header_only the pixels stay NULL and only the size
// is set.
typedef struct fm_codec_input {
  const uint8_t *data;
  size_t size;
  const char *name;
  bool header_only;
} fm_codec_input;

// As it is stored; `orientation` (image/orientation.h) is what has to be done to see it upright.
FM_MUST_USE fm_status fm_png_decode(fm_image *out, int *orientation, const fm_codec_input *input);
FM_MUST_USE fm_status fm_jpeg_decode(fm_image *out, int *orientation, const fm_codec_input *input);
FM_MUST_USE fm_status fm_png_encode(const fm_image *image, FILE *stream, const char *name);
FM_MUST_USE fm_status fm_jpeg_encode(const fm_image *image, int quality, FILE *stream,
                                     const char *name);
// FM_ERR_FORMAT when a side or the number of pixels is over the limit or not positive.
FM_MUST_USE fm_status fm_codec_check_size(unsigned long width, unsigned long height,
                                          const char *name);

#endif
