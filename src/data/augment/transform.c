// Drawing from ranges, and pasting.
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

static void transform_paste_pixel(uint8_t *to, const uint8_t *from, float light, float alpha) {
  for (int c = 0; c < 3; c++) {
    const float lit = fminf((float)from[c] * light, 255);
    to[c] = (uint8_t)((float)to[c] + alpha * (lit - (float)to[c]) + 0.5f);
  }
}

void fm_transform_paste(fm_image *canvas, const fm_transform_patch *patch, int left, int top) {
  const int width = patch->image->width, height = patch->image->height;
  const int x1 = left < 0 ? -left : 0, y1 = top < 0 ? -top : 0;
  const int x2 = width < canvas->width - left ? width : canvas->width - left;
  const int y2 = height < canvas->height - top ? height : canvas->height - top;
  for (int y = y1; y < y2; y++)
    for (int x = x1; x < x2; x++) {
      const size_t from = (size_t)y * (size_t)width + (size_t)x;
      const size_t to = (size_t)(top + y) * (size_t)canvas->width + (size_t)(left + x);
      const float shown = fminf(fmaxf(patch->shown(patch->form, x, y), 0), 1);
      transform_paste_pixel(canvas->pixels + 3 * to, patch->image->pixels + 3 * from, patch->light,
                            shown * shown * (3 - 2 * shown));
    }
}
