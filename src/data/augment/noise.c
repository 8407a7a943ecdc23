// Noise: every channel of every pixel gets its own, normally distributed.
#include "image/noise.h"
#include "data/augment/transform.h"

typedef struct noise_parameters {
  double p;
  fm_float_list deviation;
} noise_parameters;

static const fm_option noise_options[] = {
    FM_TRANSFORM_P(noise_parameters, "0.3"),
    FM_TRANSFORM_RANGE(noise_parameters, deviation, 0, 255, "[2, 10]",
                       "standard deviation in gray levels"),
    {0},
};

static fm_status noise_apply(const void *parameters, fm_augment_context *context,
                             fm_augment_picture *picture) {
  const noise_parameters *own = parameters;
  double deviation = fm_transform_draw(&own->deviation, &context->random);
  fm_image_add_noise(&picture->image, deviation, fm_random_bits(&context->random));
  return FM_OK;
}

const fm_transform fm_transform_noise = {
    .name = "noise",
    .parameter_bytes = sizeof(noise_parameters),
    .parameters = noise_options,
    .apply = noise_apply,
};
