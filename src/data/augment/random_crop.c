// Random crop: a part of the picture at a random place, such that every face is either kept whole
// enough or is gone (window.h). When no such part is found the picture stays as it is.
#include <math.h>

#include "data/augment/transform.h"
#include "data/augment/window.h"
#include "image/crop.h"

typedef struct random_crop_parameters {
  double p;
  fm_float_list scale, ratio;
  double keep;
  int tries;
} random_crop_parameters;

static const fm_option random_crop_options[] = {
    FM_TRANSFORM_P(random_crop_parameters, "0.5"),
    FM_TRANSFORM_RANGE(random_crop_parameters, scale, 0.01, 1, "[0.4, 1]",
                       "area of the part, as a share of the picture's"),
    FM_TRANSFORM_RANGE(random_crop_parameters, ratio, 0.1, 10, "[0.75, 1.3333]",
                       "width to height of the part, against the picture's"),
    {"keep", FM_OPTION_DOUBLE, offsetof(random_crop_parameters, keep), 0.1, 1, "0.6", NULL,
     "share of a face's area that has to be inside for the face to be kept"},
    {"tries", FM_OPTION_INT, offsetof(random_crop_parameters, tries), 1, 1000, "30", NULL,
     "parts looked at"},
    {0},
};

static fm_box random_crop_draw(const random_crop_parameters *own, fm_random *random,
                               const fm_image *image) {
  double side = sqrt(fm_transform_draw(&own->scale, random));
  double ratio = sqrt(fm_transform_draw_factor(&own->ratio, random));
  double width = fmax(1, round(fmin(side * ratio, 1) * image->width));
  double height = fmax(1, round(fmin(side / ratio, 1) * image->height));
  fm_box window = fm_window_draw(random, width, height, image);
  window.x1 = floorf(window.x1);
  window.y1 = floorf(window.y1);
  window.x2 = window.x1 + (float)width;
  window.y2 = window.y1 + (float)height;
  return window;
}

static fm_status random_crop_cut(const random_crop_parameters *own, const fm_box *window,
                                 fm_augment_picture *picture) {
  fm_image part;
  int width = (int)(window->x2 - window->x1), height = (int)(window->y2 - window->y1);
  FM_TRY(fm_image_crop(&part, &picture->image, (int)window->x1, (int)window->y1, width, height));
  fm_image_release(&picture->image);
  picture->image = part;
  const fm_box target = {0, 0, (float)width, (float)height};
  picture->object_count = fm_window_map(window, &target, picture->objects, picture->object_count,
                                        own->keep, picture->objects);
  return FM_OK;
}

static fm_status random_crop_apply(const void *parameters, fm_augment_context *context,
                                   fm_augment_picture *picture) {
  const random_crop_parameters *own = parameters;
  for (int i = 0; i < own->tries; i++) {
    fm_box window = random_crop_draw(own, &context->random, &picture->image);
    if (fm_window_is_valid(&window, picture->objects, picture->object_count, own->keep))
      return random_crop_cut(own, &window, picture);
  }
  return FM_OK;
}

const fm_transform fm_transform_random_crop = {
    .name = "random_crop",
    .parameter_bytes = sizeof(random_crop_parameters),
    .parameters = random_crop_options,
    .apply = random_crop_apply,
};
