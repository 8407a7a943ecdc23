// Boxes with names on pictures.
#ifndef FM_IMAGE_DRAW_H
#define FM_IMAGE_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "base/box.h"
#include "image/image.h"

typedef struct fm_draw_face {
  fm_box box;       // pixels of the picture
  const char *text; // UTF-8, one line; NULL or "" for a box alone
  uint32_t rgb;     // 0xRRGGBB
} fm_draw_face;

// Draws in place. Lines and letters follow the picture's size; a label stands on its colour, inside
// the picture, above its box or where it covers least of the other labels and boxes.
FM_MUST_USE fm_status fm_draw_faces(fm_image *image, const fm_draw_face *faces, size_t count);
// The same with letters of `font` pixels, and lines to match: for pictures that will be looked at
// small, or large.
FM_MUST_USE fm_status fm_draw_faces_sized(fm_image *image, const fm_draw_face *faces, size_t count,
                                          double font);
// The whole number (1 to 8) by which to enlarge a picture (fm_draw_enlarge) so that its longer side
// has some 800 pixels.
int fm_draw_scale(const fm_image *image);
// Replaces the picture by one `scale` times as large and scales the boxes with it.
FM_MUST_USE fm_status fm_draw_enlarge(fm_image *image, fm_draw_face *faces, size_t count,
                                      int scale);
// Green with_mask, red without_mask, blue mask_weared_incorrect; other classes take a palette's
// colour by label (1-based).
uint32_t fm_draw_class_color(const char *class_name, int label);

#endif
