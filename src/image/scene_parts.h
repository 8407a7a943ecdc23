// What scene.c is made of. Colours are 0xRRGGBB.
#ifndef FM_IMAGE_SCENE_PARTS_H
#define FM_IMAGE_SCENE_PARTS_H

#include <stdbool.h>

#include "image/canvas.h"
#include "image/scene.h"

typedef struct fm_pen {
  const fm_canvas *canvas;
  cairo_t *cairo; // of the canvas
  fm_random *random;
  double width, height; // of the picture
} fm_pen;

void fm_pen_ellipse(const fm_pen *pen, double x, double y, double rx, double ry); // a path
uint32_t fm_pen_shade(uint32_t rgb, double factor);                               // < 1 is darker
uint32_t fm_pen_jitter(const fm_pen *pen, uint32_t rgb, int amount); // each channel by up to amount
uint32_t fm_pen_any_color(const fm_pen *pen, double saturation);     // 0 gray ... 1 vivid
uint32_t fm_pen_skin(const fm_pen *pen);
uint32_t fm_pen_mask_color(const fm_pen *pen);
bool fm_pen_chance(const fm_pen *pen, double probability);
double fm_pen_range(const fm_pen *pen, double low, double high);

void fm_scene_background(const fm_pen *pen);
void fm_scene_person(const fm_pen *pen, const fm_scene_face *face);
// In the frame of a face: origin in its middle, y from -1 (forehead) to 1 (chin), x to the right
// about +-0.76 wide.
void fm_scene_mask_draw(const fm_pen *pen, const fm_scene_face *face);

#endif
