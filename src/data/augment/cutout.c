// Cutout: rectangles in a plain colour hide parts of the picture (DeVries, Taylor 2017). A face of
// which too little is left to see loses its box.
#include <math.h>

#include "data/augment/transform.h"
#include "image/crop.h"

enum { CUTOUT_HOLES_MAX = 32, CUTOUT_GRID = 16 };

typedef struct cutout_parameters {
  double p;
  fm_float_list holes, size;
  double keep;
} cutout_parameters;

static const fm_option cutout_options[] = {
    FM_TRANSFORM_P(cutout_parameters, "0.5"),
    FM_TRANSFORM_RANGE(cutout_parameters, holes, 1, CUTOUT_HOLES_MAX, "[1, 4]",
                       "how many rectangles"),
    FM_TRANSFORM_RANGE(cutout_parameters, size, 0.001, 1, "[0.03, 0.15]",
                       "their sides, as shares of the picture's"),
    {"keep", FM_OPTION_DOUBLE, offsetof(cutout_parameters, keep), 0, 1, "0.4", NULL,
     "share of a face that has to stay visible for its box to stay"},
    {0},
};

static fm_status cutout_check(const void *parameters) {
  const cutout_parameters *own = parameters;
  return fm_transform_check_whole(&own->holes, "holes");
}

static bool cutout_hides(const fm_box *holes, int count, float x, float y) {
  for (int i = 0; i < count; i++)
    if (x >= holes[i].x1 && x < holes[i].x2 && y >= holes[i].y1 && y < holes[i].y2)
      return true;
  return false;
}

// The share of a box outside the holes, by a grid of points.
static double cutout_visible(const fm_box *holes, int count, const fm_box *box) {
  int seen = 0;
  for (int i = 0; i < CUTOUT_GRID * CUTOUT_GRID; i++) {
    float across = ((float)(i % CUTOUT_GRID) + 0.5f) / CUTOUT_GRID;
    float down = ((float)(i / CUTOUT_GRID) + 0.5f) / CUTOUT_GRID;
    seen += !cutout_hides(holes, count, box->x1 + across * (box->x2 - box->x1),
                          box->y1 + down * (box->y2 - box->y1));
  }
  return (double)seen / (CUTOUT_GRID * CUTOUT_GRID);
}

static fm_status cutout_apply(const void *parameters, fm_augment_context *context,
                              fm_augment_picture *picture) {
  const cutout_parameters *own = parameters;
  fm_random *random = &context->random;
  fm_image *image = &picture->image;
  fm_box holes[CUTOUT_HOLES_MAX];
  int count = fm_transform_draw_int(&own->holes, random);
  for (int i = 0; i < count; i++) {
    int width = (int)ceil(image->width * fm_transform_draw_factor(&own->size, random));
    int height = (int)ceil(image->height * fm_transform_draw_factor(&own->size, random));
    int x = (int)fm_random_below(random, (uint64_t)image->width) - width / 2;
    int y = (int)fm_random_below(random, (uint64_t)image->height) - height / 2;
    fm_image_fill(image, x, y, width, height, FM_TRANSFORM_FILL);
    holes[i] = (fm_box){(float)x, (float)y, (float)(x + width), (float)(y + height)};
  }
  size_t kept = 0;
  for (size_t i = 0; i < picture->object_count; i++)
    if (cutout_visible(holes, count, &picture->objects[i].box) >= own->keep)
      picture->objects[kept++] = picture->objects[i];
  picture->object_count = kept;
  return FM_OK;
}

const fm_transform fm_transform_cutout = {
    .name = "cutout",
    .parameter_bytes = sizeof(cutout_parameters),
    .parameters = cutout_options,
    .check = cutout_check,
    .apply = cutout_apply,
};
