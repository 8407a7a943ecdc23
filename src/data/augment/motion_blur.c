// Motion blur: pixels are averaged along a random line in a small square (Albumentations 1.1's
// MotionBlur).
#include "data/augment/motion_blur.h"

#include <stdlib.h>
#include <string.h>

#include "data/augment/transform.h"
#include "image/convolve.h"

typedef struct motion_blur_parameters {
  double p;
  fm_float_list kernel;
} motion_blur_parameters;

static const fm_option motion_blur_options[] = {
    FM_TRANSFORM_P(motion_blur_parameters, "0.5"),
    FM_TRANSFORM_RANGE(motion_blur_parameters, kernel, 3, FM_CONVOLVE_SIZE_MAX, "[3, 7]",
                       "side of the square, odd"),
    {0},
};

static fm_status motion_blur_check(const void *parameters) {
  const motion_blur_parameters *own = parameters;
  return fm_transform_check_odd(&own->kernel, "kernel");
}

// OpenCV's 8-connected line, from its left end.
void fm_motion_kernel(float *kernel, int size, const fm_motion_line *line) {
  fm_motion_line from = *line;
  if (from.x2 < from.x1)
    from = (fm_motion_line){line->x2, line->y2, line->x1, line->y1};
  int across = from.x2 - from.x1, down = abs(from.y2 - from.y1), sign = from.y2 < from.y1 ? -1 : 1;
  bool steep = down > across;
  int major = steep ? down : across, minor = steep ? across : down;
  int error = major - 2 * minor, x = from.x1, y = from.y1;
  memset(kernel, 0, (size_t)(size * size) * sizeof *kernel);
  for (int i = 0; i <= major; i++) {
    kernel[y * size + x] = 1 / (float)(major + 1);
    bool both = error < 0;
    error += (both ? 2 * major : 0) - 2 * minor;
    x += !steep || both;
    y += steep || both ? sign : 0;
  }
}

static fm_status motion_blur_apply(const void *parameters, fm_augment_context *context,
                                   fm_augment_picture *picture) {
  const motion_blur_parameters *own = parameters;
  fm_random *random = &context->random;
  int size = fm_transform_draw_odd(&own->kernel, random);
  uint64_t places = (uint64_t)size;
  fm_motion_line line = {.x1 = (int)fm_random_below(random, places),
                         .x2 = (int)fm_random_below(random, places)};
  line.y1 = (int)fm_random_below(random, places);
  line.y2 = (int)fm_random_below(random, places);
  while (line.x1 == line.x2 && line.y1 == line.y2) // an upright line has two different ends
    line.y2 = (int)fm_random_below(random, places);
  float kernel[FM_CONVOLVE_SIZE_MAX * FM_CONVOLVE_SIZE_MAX];
  fm_motion_kernel(kernel, size, &line);
  return fm_image_convolve(&picture->image, kernel, size);
}

const fm_transform fm_transform_motion_blur = {
    .name = "motion_blur",
    .parameter_bytes = sizeof(motion_blur_parameters),
    .parameters = motion_blur_options,
    .check = motion_blur_check,
    .apply = motion_blur_apply,
};
