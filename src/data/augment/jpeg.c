// JPEG: the traces of lossy compression, by compressing and decoding again.
#include <stdlib.h>

#include "data/augment/transform.h"

typedef struct jpeg_parameters {
  double p;
  fm_float_list quality;
} jpeg_parameters;

static const fm_option jpeg_options[] = {
    FM_TRANSFORM_P(jpeg_parameters, "0.2"),
    FM_TRANSFORM_RANGE(jpeg_parameters, quality, 1, 100, "[40, 90]", "quality of the compression"),
    {0},
};

static fm_status jpeg_check(const void *parameters) {
  const jpeg_parameters *own = parameters;
  return fm_transform_check_whole(&own->quality, "quality");
}

static fm_status jpeg_apply(const void *parameters, fm_augment_context *context,
                            fm_augment_picture *picture) {
  const jpeg_parameters *own = parameters;
  int quality = fm_transform_draw_int(&own->quality, &context->random);
  fm_bytes bytes;
  FM_TRY(fm_image_encode_jpeg(&bytes, &picture->image, quality));
  fm_image image;
  fm_status status = fm_image_decode(&image, bytes.data, bytes.size, "a picture in memory");
  free(bytes.data);
  FM_TRY(status);
  fm_image_release(&picture->image);
  picture->image = image;
  return FM_OK;
}

const fm_transform fm_transform_jpeg = {
    .name = "jpeg",
    .parameter_bytes = sizeof(jpeg_parameters),
    .parameters = jpeg_options,
    .check = jpeg_check,
    .apply = jpeg_apply,
};
