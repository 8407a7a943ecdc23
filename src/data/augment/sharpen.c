// Sharpen: edges laid over the picture (Albumentations 1.1's Sharpen).
#include "data/augment/transform.h"
#include "image/convolve.h"

typedef struct sharpen_parameters {
  double p;
  fm_float_list alpha, lightness;
} sharpen_parameters;

static const fm_option sharpen_options[] = {
    FM_TRANSFORM_P(sharpen_parameters, "0.5"),
    FM_TRANSFORM_RANGE(sharpen_parameters, alpha, 0, 1, "[0.2, 0.5]",
                       "share of the sharpened picture, the rest being the picture"),
    FM_TRANSFORM_RANGE(sharpen_parameters, lightness, 0, 100, "[0.5, 1]",
                       "lightness of the sharpened picture"),
    {0},
};

static fm_status sharpen_apply(const void *parameters, fm_augment_context *context,
                               fm_augment_picture *picture) {
  const sharpen_parameters *own = parameters;
  float alpha = (float)fm_transform_draw(&own->alpha, &context->random);
  float lightness = (float)fm_transform_draw(&own->lightness, &context->random);
  float kernel[9];
  for (int i = 0; i < 9; i++)
    kernel[i] = i == 4 ? 1 - alpha + alpha * (8 + lightness) : -alpha;
  return fm_image_convolve(&picture->image, kernel, 3);
}

const fm_transform fm_transform_sharpen = {
    .name = "sharpen",
    .parameter_bytes = sizeof(sharpen_parameters),
    .parameters = sharpen_options,
    .apply = sharpen_apply,
};
