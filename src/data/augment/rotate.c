// Rotate: the picture is turned in its frame, mirrored beyond its edges; a box becomes the upright
// rectangle around its turned corners (Albumentations 1.1's Rotate).
#include <math.h>

#include "data/augment/transform.h"
#include "image/rotate.h"

typedef struct rotate_parameters {
  double p;
  fm_float_list limit;
} rotate_parameters;

static const fm_option rotate_options[] = {
    FM_TRANSFORM_P(rotate_parameters, "0.5"),
    FM_TRANSFORM_RANGE(rotate_parameters, limit, -180, 180, "[-35, 35]",
                       "degrees, counter-clockwise"),
    {0},
};

// Around the middle of the picture. (Albumentations turns pixels around (width / 2, height / 2) in
// coordinates of pixel centres, half a pixel away; so does fm_image_rotate.)
static void rotate_box(fm_box *box, const fm_image *image, double degrees) {
  double radians = degrees * M_PI / 180, cosine = cos(radians), sine = sin(radians);
  double centre_x = image->width / 2.0, centre_y = image->height / 2.0;
  const float xs[4] = {box->x1, box->x2, box->x2, box->x1};
  const float ys[4] = {box->y1, box->y1, box->y2, box->y2};
  double left = INFINITY, top = INFINITY, right = -INFINITY, bottom = -INFINITY;
  for (int i = 0; i < 4; i++) {
    double x = (double)xs[i] - centre_x, y = (double)ys[i] - centre_y;
    double turned_x = cosine * x + sine * y + centre_x, turned_y = cosine * y - sine * x + centre_y;
    left = fmin(left, turned_x);
    right = fmax(right, turned_x);
    top = fmin(top, turned_y);
    bottom = fmax(bottom, turned_y);
  }
  *box = (fm_box){(float)left, (float)top, (float)right, (float)bottom};
}

static fm_status rotate_apply(const void *parameters, fm_augment_context *context,
                              fm_augment_picture *picture) {
  const rotate_parameters *own = parameters;
  double degrees = fm_transform_draw(&own->limit, &context->random);
  fm_image turned;
  FM_TRY(fm_image_rotate(&turned, &picture->image, degrees));
  fm_image_release(&picture->image);
  picture->image = turned;
  for (size_t i = 0; i < picture->object_count; i++)
    rotate_box(&picture->objects[i].box, &picture->image, degrees);
  return FM_OK;
}

const fm_transform fm_transform_rotate = {
    .name = "rotate",
    .parameter_bytes = sizeof(rotate_parameters),
    .parameters = rotate_options,
    .apply = rotate_apply,
};
