// Pictures with boxes side by side, each below its title: ground truth beside prediction.
#ifndef FM_IMAGE_PANELS_H
#define FM_IMAGE_PANELS_H

#include <stddef.h>

#include "image/draw.h"
#include "image/image.h"

enum { FM_PANELS_MAX = 8 };

typedef struct fm_panel {
  const fm_image *image; // lent; stays as it is
  const fm_draw_face *faces;
  size_t face_count;
  const char *title; // UTF-8, one line; cut with an ellipsis where it is wider than the picture
} fm_panel;

// Enlarges each picture `scale` times (see fm_draw_scale), draws its faces, and puts the panels
// beside each other on white.
FM_MUST_USE fm_status fm_panels_draw(fm_image *out, const fm_panel *panels, size_t count,
                                     int scale);

#endif
