// The list of transforms applied. Reading it is augment_parse.c's.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/augment/augment_private.h"

enum { AUGMENT_STREAM = 0x6175 };

void fm_augment_free(fm_augment *augment) {
  if (!augment)
    return;
  for (size_t i = 0; i < augment->count; i++) {
    free(augment->items[i].parameters);
    fm_augment_free(augment->items[i].inner);
  }
  free(augment);
}

size_t fm_augment_count(const fm_augment *augment) {
  return augment->count;
}

fm_status fm_augment_picture_copy(fm_augment_picture *out, const fm_image *image,
                                  const fm_object *objects, size_t object_count) {
  *out = (fm_augment_picture){.object_count = object_count};
  out->objects = malloc((object_count + 1) * sizeof *out->objects);
  FM_CHECK_ALLOC(out->objects);
  if (object_count)
    memcpy(out->objects, objects, object_count * sizeof *objects);
  fm_status status = fm_image_new(&out->image, image->width, image->height);
  if (status < 0) {
    fm_augment_picture_release(out);
    return status;
  }
  memcpy(out->image.pixels, image->pixels, (size_t)image->width * (size_t)image->height * 3);
  return FM_OK;
}

void fm_augment_picture_release(fm_augment_picture *picture) {
  fm_image_release(&picture->image);
  free(picture->objects);
  *picture = (fm_augment_picture){0};
}

fm_random fm_augment_random(uint64_t seed, uint64_t epoch, size_t sample, uint32_t copy) {
  fm_random random = fm_random_make(seed, AUGMENT_STREAM, epoch);
  return fm_random_make(fm_random_bits(&random), sample, copy);
}

static double augment_area(const fm_box *box) {
  return ((double)box->x2 - (double)box->x1) * ((double)box->y2 - (double)box->y1);
}

// Albumentations 1.1's filter_bboxes: clips, and drops what is not visible enough.
static void augment_settle_boxes(const fm_augment *augment, fm_augment_picture *picture) {
  size_t count = 0;
  for (size_t i = 0; i < picture->object_count; i++) {
    fm_object object = picture->objects[i];
    double before = augment_area(&object.box);
    object.box = fm_box_clip(object.box, picture->image.width, picture->image.height);
    double after = augment_area(&object.box);
    if (!(before > 0) || !(after > 0) || after / before <= augment->min_visibility)
      continue;
    picture->objects[count++] = object;
  }
  picture->object_count = count;
}

double fm_augment_weight(const fm_augment *augment, size_t index) {
  const augment_item *item = &augment->items[index];
  const fm_option *row = item->transform->parameters;
  return *(const double *)((const char *)item->parameters + row->offset);
}

fm_status fm_augment_apply_one(const fm_augment *augment, size_t index, fm_augment_context *context,
                               fm_augment_picture *picture) {
  const augment_item *item = &augment->items[index];
  fm_augment_context own = {.random = fm_random_make(fm_random_bits(&context->random), index, 0),
                            .pool = context->pool,
                            .inner = item->inner};
  return item->transform->apply(item->parameters, &own, picture);
}

fm_status fm_augment_apply(const fm_augment *augment, const fm_random *random,
                           const fm_sample_pool *pool, fm_augment_picture *picture) {
  fm_random shared = *random;
  uint64_t bits = fm_random_bits(&shared);
  for (size_t i = 0; i < augment->count; i++) {
    // Each place in the list has its own generator: the parameters of one transform do not change
    // what the others draw.
    fm_augment_context context = {.random = fm_random_make(bits, AUGMENT_STREAM, i), .pool = pool};
    if (fm_random_uniform(&context.random) >= fm_augment_weight(augment, i))
      continue;
    FM_TRY(fm_augment_apply_one(augment, i, &context, picture));
    augment_settle_boxes(augment, picture);
  }
  return FM_OK;
}
