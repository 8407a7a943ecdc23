// Scale jitter: the picture is shown smaller or larger on a canvas of its own size, so that the
// network, which brings every picture to one size, sees faces of other sizes (large scale jitter:
// Ghiasi et al. 2021). Larger ones are cut as a random crop cuts (window.h), smaller ones get a
// plain rim.
#include <math.h>

#include "data/augment/transform.h"
#include "data/augment/window.h"
#include "image/crop.h"
#include "image/resize.h"

typedef struct scale_jitter_parameters {
  double p;
  fm_float_list scale;
  double keep;
  int tries;
} scale_jitter_parameters;

static const fm_option scale_jitter_options[] = {
    FM_TRANSFORM_P(scale_jitter_parameters, "0.5"),
    FM_TRANSFORM_RANGE(scale_jitter_parameters, scale, 0.05, 20, "[0.6, 1.6]",
                       "factor of the sizes in the picture"),
    {"keep", FM_OPTION_DOUBLE, offsetof(scale_jitter_parameters, keep), 0.1, 1, "0.6", NULL,
     "share of a face's area that has to stay inside for the face to be kept"},
    {"tries", FM_OPTION_INT, offsetof(scale_jitter_parameters, tries), 1, 1000, "30", NULL,
     "parts looked at when the factor is above 1"},
    {0},
};

// Shows `window` of the picture at `target` of a canvas of the same size.
static fm_status scale_jitter_show(const scale_jitter_parameters *own, const fm_box *window,
                                   const fm_box *target, fm_augment_picture *picture) {
  int width = (int)(target->x2 - target->x1), height = (int)(target->y2 - target->y1);
  fm_image part, canvas;
  FM_TRY(fm_image_resize_part(&part, &picture->image, window, width, height));
  if (width == picture->image.width && height == picture->image.height) {
    canvas = part;
  } else {
    fm_status status = fm_image_new_filled(&canvas, picture->image.width, picture->image.height,
                                           FM_TRANSFORM_FILL);
    if (status >= 0)
      fm_image_put(&canvas, &part, (int)target->x1, (int)target->y1);
    fm_image_release(&part);
    FM_TRY(status);
  }
  fm_image_release(&picture->image);
  picture->image = canvas;
  picture->object_count = fm_window_map(window, target, picture->objects, picture->object_count,
                                        own->keep, picture->objects);
  return FM_OK;
}

static fm_status scale_jitter_shrink(const scale_jitter_parameters *own, double factor,
                                     fm_random *random, fm_augment_picture *picture) {
  const fm_image *image = &picture->image;
  double width = fmax(1, round(image->width * factor));
  double height = fmax(1, round(image->height * factor));
  double x = floor(fm_random_range(random, 0, image->width - width + 1));
  double y = floor(fm_random_range(random, 0, image->height - height + 1));
  const fm_box window = {0, 0, (float)image->width, (float)image->height};
  const fm_box target = {(float)x, (float)y, (float)(x + width), (float)(y + height)};
  return scale_jitter_show(own, &window, &target, picture);
}

static fm_status scale_jitter_apply(const void *parameters, fm_augment_context *context,
                                    fm_augment_picture *picture) {
  const scale_jitter_parameters *own = parameters;
  fm_random *random = &context->random;
  double factor = fm_transform_draw_factor(&own->scale, random);
  if (factor <= 1)
    return scale_jitter_shrink(own, factor, random, picture);
  const fm_image *image = &picture->image;
  const fm_box target = {0, 0, (float)image->width, (float)image->height};
  for (int i = 0; i < own->tries; i++) {
    // From the drawn factor towards 1, so that crowded pictures are enlarged at least a little.
    double now = 1 + (factor - 1) * (own->tries - i) / own->tries;
    fm_box window = fm_window_draw(random, image->width / now, image->height / now, image);
    if (fm_window_is_valid(&window, picture->objects, picture->object_count, own->keep))
      return scale_jitter_show(own, &window, &target, picture);
  }
  return FM_OK;
}

const fm_transform fm_transform_scale_jitter = {
    .name = "scale_jitter",
    .parameter_bytes = sizeof(scale_jitter_parameters),
    .parameters = scale_jitter_options,
    .apply = scale_jitter_apply,
};
