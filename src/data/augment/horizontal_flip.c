// Horizontal flip: the picture and its boxes are mirrored left to right.
#include "data/augment/transform.h"
#include "image/crop.h"

typedef struct horizontal_flip_parameters {
  double p;
} horizontal_flip_parameters;

static const fm_option horizontal_flip_options[] = {
    FM_TRANSFORM_P(horizontal_flip_parameters, "0.5"),
    {0},
};

static fm_status horizontal_flip_apply(const void *parameters, fm_augment_context *context,
                                       fm_augment_picture *picture) {
  (void)parameters, (void)context;
  fm_image_mirror(&picture->image);
  float width = (float)picture->image.width;
  for (size_t i = 0; i < picture->object_count; i++) {
    fm_box *box = &picture->objects[i].box;
    *box = fm_box_mirror(*box, width);
  }
  return FM_OK;
}

const fm_transform fm_transform_horizontal_flip = {
    .name = "horizontal_flip",
    .parameter_bytes = sizeof(horizontal_flip_parameters),
    .parameters = horizontal_flip_options,
    .apply = horizontal_flip_apply,
};
