// One of several transforms, their p being the weights of the choice (Albumentations' OneOf).
#include "data/augment/transform.h"

typedef struct one_of_parameters {
  double p;
} one_of_parameters;

static const fm_option one_of_options[] = {
    FM_TRANSFORM_P(one_of_parameters, "0.5"),
    {0},
};

static fm_status one_of_apply(const void *parameters, fm_augment_context *context,
                              fm_augment_picture *picture) {
  (void)parameters;
  const fm_augment *inner = context->inner;
  size_t count = fm_augment_count(inner), chosen = 0;
  double sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += fm_augment_weight(inner, i);
  double at = sum * fm_random_uniform(&context->random);
  for (size_t i = 0; i < count && at >= 0; i++) {
    double weight = fm_augment_weight(inner, i);
    if (weight <= 0)
      continue;
    chosen = i;
    at -= weight;
  }
  return fm_augment_apply_one(inner, chosen, context, picture);
}

const fm_transform fm_transform_one_of = {
    .name = "one_of",
    .nests = true,
    .parameter_bytes = sizeof(one_of_parameters),
    .parameters = one_of_options,
    .apply = one_of_apply,
};
