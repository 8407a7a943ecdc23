// Drawing from ranges, and what pasted things hide.
#include "data/augment/transform.h"

#include <math.h>

double fm_transform_draw(const fm_float_list *range, fm_random *random) {
  return fm_random_range(random, (double)range->values[0], (double)range->values[1]);
}

int fm_transform_draw_int(const fm_float_list *range, fm_random *random) {
  int low = (int)range->values[0], high = (int)range->values[1];
  return low + (int)fm_random_below(random, (uint64_t)(high - low) + 1);
}

int fm_transform_draw_odd(const fm_float_list *range, fm_random *random) {
  int low = (int)range->values[0], high = (int)range->values[1];
  return low + 2 * (int)fm_random_below(random, (uint64_t)(high - low) / 2 + 1);
}

double fm_transform_draw_factor(const fm_float_list *range, fm_random *random) {
  return exp(fm_random_range(random, log((double)range->values[0]), log((double)range->values[1])));
}

fm_status fm_transform_check_whole(const fm_float_list *range, const char *name) {
  for (int i = 0; i < range->count; i++) {
    if (range->values[i] != floorf(range->values[i]))
      return fm_fail(FM_ERR_ARGUMENT, "%s: %g is not a whole number", name,
                     (double)range->values[i]);
  }
  return FM_OK;
}

fm_status fm_transform_check_odd(const fm_float_list *range, const char *name) {
  for (int i = 0; i < range->count; i++) {
    if (fmodf(range->values[i], 2) != 1)
      return fm_fail(FM_ERR_ARGUMENT, "%s: %g is not an odd number", name,
                     (double)range->values[i]);
  }
  return FM_OK;
}

// A pasted thing may hide this share of a face.
#define TRANSFORM_HIDDEN_MAX 0.1

bool fm_transform_hides(const fm_augment_picture *picture, const fm_box *place, size_t own) {
  for (size_t i = 0; i < picture->object_count; i++) {
    const fm_box *box = &picture->objects[i].box;
    double width = (double)(fminf(place->x2, box->x2) - fmaxf(place->x1, box->x1));
    double height = (double)(fminf(place->y2, box->y2) - fmaxf(place->y1, box->y1));
    double area = (double)(box->x2 - box->x1) * (double)(box->y2 - box->y1);
    if (i != own && width > 0 && height > 0 && width * height > TRANSFORM_HIDDEN_MAX * area)
      return true;
  }
  return false;
}
