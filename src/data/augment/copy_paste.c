// Copy-paste: faces of other pictures, rare classes first, are set between the picture's own ones
// (Ghiasi et al. 2021, with boxes in place of masks: the cut-out fades out around the face).
#include <math.h>
#include <stdlib.h>

#include "data/augment/transform.h"
#include "image/crop.h"
#include "image/resize.h"

enum { COPY_PASTE_PLACES = 20 };
// A pasted face may take this share of the picture's sides.
#define COPY_PASTE_SIDE_MAX 0.5

typedef struct copy_paste_parameters {
  double p;
  fm_float_list faces, scale;
  double rarity, margin, flip, min_side;
} copy_paste_parameters;

static const fm_option copy_paste_options[] = {
    FM_TRANSFORM_P(copy_paste_parameters, "0.5"),
    FM_TRANSFORM_RANGE(copy_paste_parameters, faces, 1, 50, "[1, 3]", "how many faces"),
    FM_TRANSFORM_RANGE(copy_paste_parameters, scale, 0.05, 20, "[0.7, 1.4]",
                       "factor of their sizes"),
    {"rarity", FM_OPTION_DOUBLE, offsetof(copy_paste_parameters, rarity), 0, 4, "1", NULL,
     "a class with n faces is chosen in proportion to n^-rarity; 0: all classes alike"},
    {"margin", FM_OPTION_DOUBLE, offsetof(copy_paste_parameters, margin), 0, 1, "0.2", NULL,
     "the rim that fades out, as a share of the face's size"},
    {"flip", FM_OPTION_DOUBLE, offsetof(copy_paste_parameters, flip), 0, 1, "0.5", NULL,
     "probability of mirroring a face"},
    {"min_side", FM_OPTION_DOUBLE, offsetof(copy_paste_parameters, min_side), 1, 1000, "10", NULL,
     "a face that would have fewer pixels across or down is left out"},
    {0},
};

static fm_status copy_paste_check(const void *parameters) {
  const copy_paste_parameters *own = parameters;
  return fm_transform_check_whole(&own->faces, "faces");
}

// A face with its rim, in the size it is pasted in. `face` is relative to the patch.
typedef struct copy_paste_patch {
  fm_image image;
  fm_box face;
  int32_t label;
  bool flip;
} copy_paste_patch;

static double copy_paste_weight(const copy_paste_parameters *own, const fm_sample_pool *pool,
                                int label) {
  size_t count;
  fm_sample_pool_faces(pool, label, &count);
  return count ? pow((double)count, -own->rarity) : 0;
}

// NULL when the pool has no faces.
static const fm_pool_face *copy_paste_choose(const copy_paste_parameters *own,
                                             fm_augment_context *context) {
  const fm_sample_pool *pool = context->pool;
  double sum = 0;
  for (int label = 1; label <= fm_sample_pool_classes(pool); label++)
    sum += copy_paste_weight(own, pool, label);
  double at = sum * fm_random_uniform(&context->random);
  const fm_pool_face *faces = NULL;
  size_t count = 0;
  for (int label = 1; label <= fm_sample_pool_classes(pool) && at >= 0; label++) {
    double weight = copy_paste_weight(own, pool, label);
    if (weight <= 0)
      continue;
    faces = fm_sample_pool_faces(pool, label, &count);
    at -= weight;
  }
  return faces ? faces + fm_random_below(&context->random, count) : NULL;
}

// Cuts the face out of its picture; FM_END when it would come out too small or too large.
static fm_status copy_paste_cut(copy_paste_patch *out, const copy_paste_parameters *own,
                                const fm_image *from, const fm_object *object, double factor) {
  const fm_box *box = &object->box;
  float margin = (float)own->margin, rim_x = margin * (box->x2 - box->x1);
  float rim_y = margin * (box->y2 - box->y1);
  const fm_box rim = {box->x1 - rim_x, box->y1 - rim_y, box->x2 + rim_x, box->y2 + rim_y};
  const fm_box part = fm_box_clip(rim, from->width, from->height);
  double width = round((double)(part.x2 - part.x1) * factor);
  double height = round((double)(part.y2 - part.y1) * factor);
  double least = factor * (double)fminf(box->x2 - box->x1, box->y2 - box->y1);
  if (!(least >= own->min_side && width >= 1 && height >= 1 && width <= FM_IMAGE_SIDE_MAX &&
        height <= FM_IMAGE_SIDE_MAX))
    return FM_END;
  FM_TRY(fm_image_resize_part(&out->image, from, &part, (int)width, (int)height));
  float across = (float)width / (part.x2 - part.x1), down = (float)height / (part.y2 - part.y1);
  out->face = (fm_box){(box->x1 - part.x1) * across, (box->y1 - part.y1) * down,
                       (box->x2 - part.x1) * across, (box->y2 - part.y1) * down};
  out->label = object->label;
  return FM_OK;
}

static fm_status copy_paste_fetch(copy_paste_patch *out, const copy_paste_parameters *own,
                                  fm_augment_context *context, const fm_image *canvas) {
  const fm_pool_face *face = copy_paste_choose(own, context);
  double factor = fm_transform_draw_factor(&own->scale, &context->random);
  out->flip = fm_random_uniform(&context->random) < own->flip;
  if (!face)
    return FM_END;
  fm_image image;
  bool owned;
  fm_status status = fm_sample_pool_image(context->pool, face->sample, &image, &owned);
  if (status != FM_OK)
    return status;
  const fm_object *object =
      &fm_sample_pool_sample(context->pool, face->sample)->objects[face->object];
  // Both pictures would be brought to the same size by the network.
  factor *= sqrt((double)canvas->width * canvas->height / ((double)image.width * image.height));
  fm_box box = object->box;
  double largest =
      fmax((double)(box.x2 - box.x1) / canvas->width, (double)(box.y2 - box.y1) / canvas->height);
  factor = fmin(factor, COPY_PASTE_SIDE_MAX / (largest * (1 + 2 * own->margin)));
  status = copy_paste_cut(out, own, &image, object, factor);
  if (owned)
    fm_image_release(&image);
  return status;
}

// 1 in the middle, 0 at the rim; a rounded rectangle that holds the face.
static float copy_paste_shown(const void *form, int x, int y) {
  const copy_paste_patch *patch = form;
  const fm_box *face = &patch->face;
  float width = (float)patch->image.width, height = (float)patch->image.height;
  float px = (float)x + 0.5f, py = (float)y + 0.5f;
  float dx = (2 * px - face->x1 - face->x2) / (face->x2 - face->x1);
  float dy = (2 * py - face->y1 - face->y2) / (face->y2 - face->y1);
  float radius = sqrtf(sqrtf(dx * dx * dx * dx + dy * dy * dy * dy));
  float rim = fmaxf(1, 0.08f * fminf(width, height));
  float edge = fminf(fminf(px, width - px), fminf(py, height - py)) / rim;
  return fminf((1.3f - radius) / 0.3f, edge);
}

static void copy_paste_mirror(copy_paste_patch *patch) {
  fm_image_mirror(&patch->image);
  patch->face = fm_box_mirror(patch->face, (float)patch->image.width);
}

// Finds room between the faces; without any the patch is not used. `objects` has room for one more.
static void copy_paste_place(const copy_paste_patch *patch, fm_random *random,
                             fm_augment_picture *picture) {
  const fm_image *canvas = &picture->image;
  if (patch->image.width > canvas->width || patch->image.height > canvas->height)
    return;
  uint64_t across = (uint64_t)(canvas->width - patch->image.width) + 1;
  uint64_t down = (uint64_t)(canvas->height - patch->image.height) + 1;
  for (int i = 0; i < COPY_PASTE_PLACES; i++) {
    int left = (int)fm_random_below(random, across), top = (int)fm_random_below(random, down);
    const fm_box place = {(float)left, (float)top, (float)(left + patch->image.width),
                          (float)(top + patch->image.height)};
    if (fm_transform_hides(picture, &place, picture->object_count))
      continue;
    const fm_transform_patch shown = {&patch->image, 1, copy_paste_shown, patch};
    fm_transform_paste(&picture->image, &shown, left, top);
    const fm_box *face = &patch->face;
    picture->objects[picture->object_count++] = (fm_object){
        .box = {place.x1 + face->x1, place.y1 + face->y1, place.x1 + face->x2, place.y1 + face->y2},
        .label = patch->label};
    return;
  }
}

static fm_status copy_paste_apply(const void *parameters, fm_augment_context *context,
                                  fm_augment_picture *picture) {
  const copy_paste_parameters *own = parameters;
  if (!context->pool)
    return FM_OK;
  int count = fm_transform_draw_int(&own->faces, &context->random);
  fm_object *objects =
      realloc(picture->objects, (picture->object_count + (size_t)count) * sizeof *objects);
  FM_CHECK_ALLOC(objects);
  picture->objects = objects;
  for (int i = 0; i < count; i++) {
    copy_paste_patch patch = {0};
    fm_status status = copy_paste_fetch(&patch, own, context, &picture->image);
    FM_TRY(status);
    if (status == FM_END)
      continue;
    if (patch.flip)
      copy_paste_mirror(&patch);
    copy_paste_place(&patch, &context->random, picture);
    fm_image_release(&patch.image);
  }
  return FM_OK;
}

const fm_transform fm_transform_copy_paste = {
    .name = "copy_paste",
    .parameter_bytes = sizeof(copy_paste_parameters),
    .parameters = copy_paste_options,
    .check = copy_paste_check,
    .apply = copy_paste_apply,
};
