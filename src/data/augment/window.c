// Windows of pictures.
#include "data/augment/window.h"

#include <math.h>

// A face of which less than this is to be seen is not recognisable and may stay without a box.
#define WINDOW_REST 0.1

static double window_share(const fm_box *window, const fm_box *box) {
  double width = (double)(fminf(window->x2, box->x2) - fmaxf(window->x1, box->x1));
  double height = (double)(fminf(window->y2, box->y2) - fmaxf(window->y1, box->y1));
  double area = (double)(box->x2 - box->x1) * (double)(box->y2 - box->y1);
  return width > 0 && height > 0 && area > 0 ? width * height / area : 0;
}

bool fm_window_is_valid(const fm_box *window, const fm_object *objects, size_t count, double keep) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    double share = window_share(window, &objects[i].box);
    if (share > WINDOW_REST && share < keep)
      return false;
    kept += share >= keep;
  }
  return kept > 0 || count == 0;
}

fm_box fm_window_draw(fm_random *random, double width, double height, const fm_image *image) {
  double x = fm_random_range(random, 0, fmax(image->width - width, 0));
  double y = fm_random_range(random, 0, fmax(image->height - height, 0));
  return (fm_box){(float)x, (float)y, fminf((float)(x + width), (float)image->width),
                  fminf((float)(y + height), (float)image->height)};
}

size_t fm_window_map(const fm_box *window, const fm_box *target, const fm_object *objects,
                     size_t count, double keep, fm_object *out) {
  float across = (target->x2 - target->x1) / (window->x2 - window->x1);
  float down = (target->y2 - target->y1) / (window->y2 - window->y1);
  size_t kept = 0;
  for (size_t i = 0; i < count; i++) {
    fm_box box = objects[i].box;
    if (window_share(window, &box) < keep)
      continue;
    out[kept].label = objects[i].label;
    out[kept++].box = (fm_box){
        .x1 = target->x1 + (fmaxf(box.x1, window->x1) - window->x1) * across,
        .y1 = target->y1 + (fmaxf(box.y1, window->y1) - window->y1) * down,
        .x2 = target->x1 + (fminf(box.x2, window->x2) - window->x1) * across,
        .y2 = target->y1 + (fminf(box.y2, window->y2) - window->y1) * down,
    };
  }
  return kept;
}
