// Brightness and contrast: x (1 + contrast) + 255 brightness, cut to whole numbers, as
// Albumentations 1.1's RandomBrightnessContrast with brightness_by_max.
#include "data/augment/transform.h"
#include "image/color.h"

typedef struct brightness_contrast_parameters {
  double p;
  fm_float_list brightness, contrast;
} brightness_contrast_parameters;

static const fm_option brightness_contrast_options[] = {
    FM_TRANSFORM_P(brightness_contrast_parameters, "0.5"),
    FM_TRANSFORM_RANGE(brightness_contrast_parameters, brightness, -1, 1, "[-0.2, 0.2]",
                       "added, 1 being white"),
    FM_TRANSFORM_RANGE(brightness_contrast_parameters, contrast, -1, 10, "[-0.2, 0.2]",
                       "factor less 1"),
    {0},
};

static fm_status brightness_contrast_apply(const void *parameters, fm_augment_context *context,
                                           fm_augment_picture *picture) {
  const brightness_contrast_parameters *own = parameters;
  float shift = 255 * (float)fm_transform_draw(&own->brightness, &context->random);
  float factor = 1 + (float)fm_transform_draw(&own->contrast, &context->random);
  uint8_t table[256];
  for (int i = 0; i < 256; i++) {
    float value = (float)i * factor + shift;
    table[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
  }
  fm_image_lookup(&picture->image, table);
  return FM_OK;
}

const fm_transform fm_transform_brightness_contrast = {
    .name = "brightness_contrast",
    .parameter_bytes = sizeof(brightness_contrast_parameters),
    .parameters = brightness_contrast_options,
    .apply = brightness_contrast_apply,
};
