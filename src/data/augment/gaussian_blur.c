// Gaussian blur (Albumentations 1.1's GaussianBlur).
#include "data/augment/transform.h"
#include "image/convolve.h"

typedef struct gaussian_blur_parameters {
  double p;
  fm_float_list kernel, sigma;
} gaussian_blur_parameters;

static const fm_option gaussian_blur_options[] = {
    FM_TRANSFORM_P(gaussian_blur_parameters, "0.5"),
    FM_TRANSFORM_RANGE(gaussian_blur_parameters, kernel, 1, FM_CONVOLVE_SIZE_MAX, "[3, 7]",
                       "side of the kernel, odd"),
    FM_TRANSFORM_RANGE(gaussian_blur_parameters, sigma, 0, 100, "0",
                       "standard deviation in pixels; 0 follows from the kernel's side"),
    {0},
};

static fm_status gaussian_blur_check(const void *parameters) {
  const gaussian_blur_parameters *own = parameters;
  return fm_transform_check_odd(&own->kernel, "kernel");
}

static fm_status gaussian_blur_apply(const void *parameters, fm_augment_context *context,
                                     fm_augment_picture *picture) {
  const gaussian_blur_parameters *own = parameters;
  int size = fm_transform_draw_odd(&own->kernel, &context->random);
  double sigma = fm_transform_draw(&own->sigma, &context->random);
  return fm_image_gaussian_blur(&picture->image, size, sigma);
}

const fm_transform fm_transform_gaussian_blur = {
    .name = "gaussian_blur",
    .parameter_bytes = sizeof(gaussian_blur_parameters),
    .parameters = gaussian_blur_options,
    .check = gaussian_blur_check,
    .apply = gaussian_blur_apply,
};
