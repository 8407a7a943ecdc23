// Mask transfer: bare faces put on the masks of other faces, well or too low. Few faces wear a mask
// wrongly, and this teaches what tells them: where the mask sits. Masks at their place are pasted
// the same way, so that seams tell nothing.
#include <math.h>

#include "data/augment/transform.h"
#include "image/crop.h"
#include "image/resize.h"

enum { MASK_TRIES = 12 };
// What is cut out of a face with a mask, in shares of its height from the top of its box.
#define MASK_TOP 0.4f
#define MASK_BOTTOM 1.05f
// At least this much of the cut-out has to lie inside the picture.
#define MASK_INSIDE_MIN 0.5f
// Both faces have to be of like shape, and the other one not much smaller.
#define MASK_ASPECT_MAX 1.2f
#define MASK_ENLARGED_MAX 1.5f
// The cut-out takes the light of the bare face, within these factors.
#define MASK_LIGHT_MIN 0.6f
#define MASK_LIGHT_MAX 1.6f

typedef struct mask_transfer_parameters {
  double p;
  double share, wrong, min_side;
  fm_float_list well, low;
  int bare, masked, wrongly;
} mask_transfer_parameters;

static const fm_option mask_transfer_options[] = {
    FM_TRANSFORM_P(mask_transfer_parameters, "0.5"),
    {"share", FM_OPTION_DOUBLE, offsetof(mask_transfer_parameters, share), 0, 1, "0.3", NULL,
     "probability of a bare face to put on a mask"},
    {"wrong", FM_OPTION_DOUBLE, offsetof(mask_transfer_parameters, wrong), 0, 1, "0.5", NULL,
     "share of them whose mask sits too low"},
    FM_TRANSFORM_RANGE(mask_transfer_parameters, well, -1, 1, "[-0.14, -0.04]",
                       "how much lower than on its own face a mask worn well is put, as a share of "
                       "the face's height"),
    FM_TRANSFORM_RANGE(mask_transfer_parameters, low, -1, 1, "[0.14, 0.45]",
                       "the same of a mask worn wrongly"),
    {"min_side", FM_OPTION_DOUBLE, offsetof(mask_transfer_parameters, min_side), 4, 1000, "12",
     NULL, "a face with fewer pixels across or down stays bare"},
    {"bare", FM_OPTION_INT, offsetof(mask_transfer_parameters, bare), 1, 1000, "1", NULL,
     "number of the class without a mask"},
    {"masked", FM_OPTION_INT, offsetof(mask_transfer_parameters, masked), 1, 1000, "2", NULL,
     "number of the class with a mask"},
    {"wrongly", FM_OPTION_INT, offsetof(mask_transfer_parameters, wrongly), 1, 1000, "3", NULL,
     "number of the class with a mask worn wrongly"},
    {0},
};

static float mask_luminance(const fm_image *image, const fm_box *part) {
  const fm_box inside = fm_box_clip(*part, image->width, image->height);
  const int x1 = (int)inside.x1, x2 = (int)inside.x2, y1 = (int)inside.y1, y2 = (int)inside.y2;
  double sum = 0, count = 0;
  for (int y = y1; y < y2; y++)
    for (int x = x1; x < x2; x++, count++) {
      const uint8_t *pixel = image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3;
      sum += 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
    }
  return count > 0 ? (float)(sum / count) : 0;
}

// Forehead and eyes, which a mask leaves free.
static fm_box mask_free_part(const fm_box *face) {
  const float width = face->x2 - face->x1, height = face->y2 - face->y1;
  return (fm_box){face->x1 + 0.2f * width, face->y1 + 0.1f * height, face->x2 - 0.2f * width,
                  face->y1 + 0.45f * height};
}

static bool mask_fits(const fm_box *donor, const fm_box *bare) {
  const float width = donor->x2 - donor->x1, bare_width = bare->x2 - bare->x1;
  const float aspect = (donor->y2 - donor->y1) / width / ((bare->y2 - bare->y1) / bare_width);
  return aspect < MASK_ASPECT_MAX && aspect > 1 / MASK_ASPECT_MAX &&
         bare_width < MASK_ENLARGED_MAX * width;
}

// A cut-out in the size of the bare face, and the factor that gives it the light there.
typedef struct mask_patch {
  fm_image image;
  float light;
} mask_patch;

static fm_status mask_cut(mask_patch *out, const fm_image *from, const fm_box *donor,
                          const fm_image *canvas, const fm_box *bare) {
  const float height = donor->y2 - donor->y1;
  // Where data name a face's first pixel, counted from 1, a face may begin left of the picture.
  const fm_box lower = {donor->x1, donor->y1 + MASK_TOP * height, donor->x2,
                        donor->y1 + MASK_BOTTOM * height};
  const fm_box part = fm_box_clip(lower, from->width, from->height);
  const int across = (int)lroundf(bare->x2 - bare->x1);
  const int down = (int)lroundf((part.y2 - part.y1) / height * (bare->y2 - bare->y1));
  if (across < 1 || down < 1 || part.x1 >= part.x2)
    return FM_END;
  const fm_box here = mask_free_part(donor), there = mask_free_part(bare);
  const float own_light = mask_luminance(from, &here), light = mask_luminance(canvas, &there);
  out->light = own_light > 0 ? fminf(fmaxf(light / own_light, MASK_LIGHT_MIN), MASK_LIGHT_MAX) : 1;
  return fm_image_resize_part(&out->image, from, &part, across, down);
}

// The mask of a face that fits; FM_END when a few draws find none.
static fm_status mask_fetch(mask_patch *out, const mask_transfer_parameters *own,
                            fm_augment_context *context, const fm_image *canvas,
                            const fm_box *bare) {
  size_t count;
  const fm_pool_face *faces = fm_sample_pool_faces(context->pool, own->masked, &count);
  for (int i = 0; faces && i < MASK_TRIES; i++) {
    const fm_pool_face *face = faces + fm_random_below(&context->random, count);
    const fm_object *object =
        &fm_sample_pool_sample(context->pool, face->sample)->objects[face->object];
    if (!mask_fits(&object->box, bare))
      continue;
    fm_image image;
    bool owned;
    fm_status status = fm_sample_pool_image(context->pool, face->sample, &image, &owned);
    if (status != FM_OK)
      return status;
    status = mask_cut(out, &image, &object->box, canvas, bare);
    if (owned)
      fm_image_release(&image);
    return status;
  }
  return FM_END;
}

// The form of a mask in its cut-out: the upper edge is highest on the nose, and the sides close in
// towards the chin.
static float mask_shown(const void *form, int column, int row) {
  const fm_image *image = form;
  const float x = ((float)column + 0.5f) / (float)image->width;
  const float y = ((float)row + 0.5f) / (float)image->height;
  const float aside = fabsf(x - 0.5f);
  const float half = 0.47f - 0.35f * fmaxf(y - 0.5f, 0), upper = 0.08f + 0.3f * aside;
  return fminf(fminf(half - aside, y - upper), 1 - y) / 0.1f;
}

static fm_status mask_put_on(const mask_transfer_parameters *own, fm_augment_context *context,
                             fm_augment_picture *picture, size_t index) {
  fm_random *random = &context->random;
  fm_object *object = &picture->objects[index];
  const fm_box *box = &object->box;
  const bool wrong = fm_random_uniform(random) < own->wrong;
  const bool mirrored = fm_random_uniform(random) < 0.5;
  const float lower = (float)fm_transform_draw(wrong ? &own->low : &own->well, random);
  const float height = box->y2 - box->y1, top = box->y1 + (MASK_TOP + lower) * height;
  const fm_box place = {box->x1, top, box->x2, top + (MASK_BOTTOM - MASK_TOP) * height};
  if ((float)picture->image.height - top < MASK_INSIDE_MIN * (place.y2 - place.y1) ||
      fm_transform_hides(picture, &place, index))
    return FM_OK;
  mask_patch patch = {0};
  fm_status status = mask_fetch(&patch, own, context, &picture->image, box);
  if (status != FM_OK)
    return status == FM_END ? FM_OK : status;
  if (mirrored)
    fm_image_mirror(&patch.image);
  const fm_transform_patch shown = {&patch.image, patch.light, mask_shown, &patch.image};
  fm_transform_paste(&picture->image, &shown, (int)lroundf(box->x1), (int)lroundf(top));
  fm_image_release(&patch.image);
  object->label = wrong ? own->wrongly : own->masked;
  return FM_OK;
}

static fm_status mask_transfer_apply(const void *parameters, fm_augment_context *context,
                                     fm_augment_picture *picture) {
  const mask_transfer_parameters *own = parameters;
  if (!context->pool)
    return FM_OK;
  const int classes = fm_sample_pool_classes(context->pool);
  if (own->masked > classes || own->wrongly > classes)
    return FM_OK;
  for (size_t i = 0; i < picture->object_count; i++) {
    const fm_object *object = &picture->objects[i];
    const float side = fminf(object->box.x2 - object->box.x1, object->box.y2 - object->box.y1);
    if (object->label == own->bare && (double)side >= own->min_side &&
        fm_random_uniform(&context->random) < own->share)
      FM_TRY(mask_put_on(own, context, picture, i));
  }
  return FM_OK;
}

const fm_transform fm_transform_mask_transfer = {
    .name = "mask_transfer",
    .parameter_bytes = sizeof(mask_transfer_parameters),
    .parameters = mask_transfer_options,
    .apply = mask_transfer_apply,
};
