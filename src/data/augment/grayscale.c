// Grayscale: all channels become the luma (OpenCV's RGB2GRAY).
#include "data/augment/transform.h"
#include "image/color.h"

typedef struct grayscale_parameters {
  double p;
} grayscale_parameters;

static const fm_option grayscale_options[] = {
    FM_TRANSFORM_P(grayscale_parameters, "0.1"),
    {0},
};

static fm_status grayscale_apply(const void *parameters, fm_augment_context *context,
                                 fm_augment_picture *picture) {
  (void)parameters, (void)context;
  fm_image_gray(&picture->image);
  return FM_OK;
}

const fm_transform fm_transform_grayscale = {
    .name = "grayscale",
    .parameter_bytes = sizeof(grayscale_parameters),
    .parameters = grayscale_options,
    .apply = grayscale_apply,
};
