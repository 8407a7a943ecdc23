// HSV jitter: hue, saturation and value of all pixels are changed alike.
#include "data/augment/transform.h"
#include "image/color.h"

typedef struct hsv_parameters {
  double p;
  fm_float_list hue, saturation, value;
} hsv_parameters;

static const fm_option hsv_options[] = {
    FM_TRANSFORM_P(hsv_parameters, "0.5"),
    FM_TRANSFORM_RANGE(hsv_parameters, hue, -180, 180, "[-6, 6]", "degrees added to the hue"),
    FM_TRANSFORM_RANGE(hsv_parameters, saturation, 0, 10, "[0.5, 1.5]", "factor of the saturation"),
    FM_TRANSFORM_RANGE(hsv_parameters, value, 0, 10, "[0.7, 1.3]", "factor of the value"),
    {0},
};

static fm_status hsv_apply(const void *parameters, fm_augment_context *context,
                           fm_augment_picture *picture) {
  const hsv_parameters *own = parameters;
  const fm_hsv_change change = {
      .hue = (float)fm_transform_draw(&own->hue, &context->random),
      .saturation = (float)fm_transform_draw(&own->saturation, &context->random),
      .value = (float)fm_transform_draw(&own->value, &context->random),
  };
  fm_image_change_hsv(&picture->image, &change);
  return FM_OK;
}

const fm_transform fm_transform_hsv = {
    .name = "hsv",
    .parameter_bytes = sizeof(hsv_parameters),
    .parameters = hsv_options,
    .apply = hsv_apply,
};
