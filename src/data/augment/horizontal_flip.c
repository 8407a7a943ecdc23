// Horizontal flip: with probability p the picture and its boxes are mirrored left to right.
#include <stddef.h>

#include "data/augment/transform.h"

typedef struct horizontal_flip_parameters {
  double p;
} horizontal_flip_parameters;

static const fm_option horizontal_flip_options[] = {
    {"p", FM_OPTION_DOUBLE, offsetof(horizontal_flip_parameters, p), 0, 1, "0.5", NULL,
     "probability"},
    {0},
};

static void horizontal_flip_rows(fm_image *image) {
  size_t width = (size_t)image->width;
  for (size_t y = 0; y < (size_t)image->height; y++) {
    uint8_t *row = image->pixels + y * width * 3;
    for (size_t left = 0, right = width - 1; left < right; left++, right--) {
      for (size_t c = 0; c < 3; c++) {
        uint8_t value = row[left * 3 + c];
        row[left * 3 + c] = row[right * 3 + c];
        row[right * 3 + c] = value;
      }
    }
  }
}

static fm_status horizontal_flip_apply(const void *parameters, fm_random *random,
                                       fm_augment_picture *picture) {
  const horizontal_flip_parameters *own = parameters;
  if (fm_random_uniform(random) >= own->p)
    return FM_OK;
  horizontal_flip_rows(&picture->image);
  float width = (float)picture->image.width;
  for (size_t i = 0; i < picture->object_count; i++) {
    fm_box *box = &picture->objects[i].box;
    float x1 = box->x1;
    box->x1 = width - box->x2;
    box->x2 = width - x1;
  }
  return FM_OK;
}

const fm_transform fm_transform_horizontal_flip = {
    .name = "horizontal_flip",
    .parameter_bytes = sizeof(horizontal_flip_parameters),
    .parameters = horizontal_flip_options,
    .apply = horizontal_flip_apply,
};
