// Emboss: a relief lit from the upper left, laid over the picture (Albumentations 1.1's Emboss).
#include "data/augment/transform.h"
#include "image/convolve.h"

typedef struct emboss_parameters {
  double p;
  fm_float_list alpha, strength;
} emboss_parameters;

static const fm_option emboss_options[] = {
    FM_TRANSFORM_P(emboss_parameters, "0.5"),
    FM_TRANSFORM_RANGE(emboss_parameters, alpha, 0, 1, "[0.2, 0.5]",
                       "share of the relief, the rest being the picture"),
    FM_TRANSFORM_RANGE(emboss_parameters, strength, 0, 100, "[0.2, 0.7]", "strength of the relief"),
    {0},
};

static fm_status emboss_apply(const void *parameters, fm_augment_context *context,
                              fm_augment_picture *picture) {
  const emboss_parameters *own = parameters;
  float alpha = (float)fm_transform_draw(&own->alpha, &context->random);
  float strength = (float)fm_transform_draw(&own->strength, &context->random);
  const float relief[9] = {-1 - strength, -strength, 0,        -strength,   1,
                           strength,      0,         strength, 1 + strength};
  float kernel[9];
  for (int i = 0; i < 9; i++)
    kernel[i] = alpha * relief[i] + (i == 4 ? 1 - alpha : 0);
  return fm_image_convolve(&picture->image, kernel, 3);
}

const fm_transform fm_transform_emboss = {
    .name = "emboss",
    .parameter_bytes = sizeof(emboss_parameters),
    .parameters = emboss_options,
    .apply = emboss_apply,
};
