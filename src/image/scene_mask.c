// Masks of several makes, on the nose or below it.
#include <math.h>

#include "image/scene_parts.h"

// Where the mask sits, in the frame of the face.
typedef struct mask {
  double top, bottom; // middle of the upper and lower rim
  double side_top, side_bottom;
  double half;   // half width at the sides
  double middle; // x of the middle, shifted by the turn
} mask;

static mask mask_place(const fm_pen *pen, const fm_scene_face *face) {
  mask place = {.half = 0.7, .middle = 0.22 * face->turn};
  if (face->mask == FM_SCENE_WORN) {
    place.top = fm_pen_range(pen, -0.1, 0.02);
    place.bottom = fm_pen_range(pen, 0.98, 1.06);
    place.side_top = place.top + 0.2;
    place.side_bottom = 0.62;
    return place;
  }
  // Below the nose most of the time, else below the mouth too.
  bool chin = fm_pen_chance(pen, 0.35);
  place.top = chin ? fm_pen_range(pen, 0.7, 0.76) : fm_pen_range(pen, 0.36, 0.42);
  place.bottom = chin ? fm_pen_range(pen, 1.14, 1.26) : fm_pen_range(pen, 1.02, 1.14);
  place.side_top = place.top + (chin ? -0.04 : 0.04);
  place.side_bottom = chin ? 0.98 : 0.8;
  place.half = chin ? 0.54 : 0.66;
  return place;
}

static void mask_straps(const fm_pen *pen, const mask *place, const fm_scene_face *face) {
  cairo_t *cairo = pen->cairo;
  for (int side = -1; side <= 1; side += 2) {
    if (side * face->turn > 0.6)
      continue;
    double x = side * place->half;
    cairo_move_to(cairo, x * 0.96, place->side_top + 0.03);
    cairo_line_to(cairo, side * 0.76, -0.08);
    cairo_move_to(cairo, x * 0.96, place->side_bottom - 0.03);
    cairo_line_to(cairo, side * 0.76, 0.14);
  }
  fm_canvas_color(pen->canvas, 0xf0f0ee, 0.9);
  cairo_set_line_width(cairo, 0.045);
  cairo_stroke(cairo);
}

static void mask_path(const fm_pen *pen, const mask *place) {
  cairo_t *cairo = pen->cairo;
  double x = place->middle, half = place->half;
  cairo_move_to(cairo, -half, place->side_top);
  cairo_curve_to(cairo, -half * 0.6, place->side_top - 0.02, x - 0.2, place->top, x, place->top);
  cairo_curve_to(cairo, x + 0.2, place->top, half * 0.6, place->side_top - 0.02, half,
                 place->side_top);
  cairo_line_to(cairo, half * 0.95, place->side_bottom);
  cairo_curve_to(cairo, half * 0.75, place->bottom - 0.08, x + 0.3, place->bottom, x,
                 place->bottom);
  cairo_curve_to(cairo, x - 0.3, place->bottom, -half * 0.75, place->bottom - 0.08, -half * 0.95,
                 place->side_bottom);
  cairo_close_path(cairo);
}

static void mask_folds(const fm_pen *pen, const mask *place, uint32_t color) {
  cairo_t *cairo = pen->cairo;
  for (int i = 1; i <= 3; i++) {
    double y = place->side_top + (place->side_bottom - place->side_top) * i / 4;
    double bow = (place->bottom - place->top) * (i - 1.2) * 0.12;
    cairo_move_to(cairo, -place->half * 0.95, y);
    cairo_curve_to(cairo, place->middle - 0.2, y + bow, place->middle + 0.2, y + bow,
                   place->half * 0.95, y);
  }
  fm_canvas_color(pen->canvas, fm_pen_shade(color, 0.78), 0.9);
  cairo_set_line_width(cairo, 0.04);
  cairo_stroke(cairo);
}

static void mask_dots(const fm_pen *pen, const mask *place) {
  uint32_t color = fm_pen_any_color(pen, 1);
  double step = fm_pen_range(pen, 0.16, 0.26);
  for (double y = place->top; y < place->bottom; y += step)
    for (double x = -place->half; x < place->half; x += step)
      fm_pen_ellipse(pen, x, y, step * 0.25, step * 0.25);
  fm_canvas_color(pen->canvas, color, 0.8);
  cairo_fill(pen->cairo);
}

static void mask_valve(const fm_pen *pen, const mask *place, uint32_t color) {
  double y = (place->top + place->bottom) / 2;
  fm_pen_ellipse(pen, place->middle + 0.3, y, 0.13, 0.12);
  fm_canvas_color(pen->canvas, fm_pen_shade(color, 0.8), 1);
  cairo_fill_preserve(pen->cairo);
  fm_canvas_color(pen->canvas, fm_pen_shade(color, 0.55), 1);
  cairo_set_line_width(pen->cairo, 0.03);
  cairo_stroke(pen->cairo);
}

void fm_scene_mask_draw(const fm_pen *pen, const fm_scene_face *face) {
  mask place = mask_place(pen, face);
  uint32_t color = fm_pen_mask_color(pen);
  cairo_t *cairo = pen->cairo;
  mask_straps(pen, &place, face);
  cairo_save(cairo);
  mask_path(pen, &place);
  cairo_clip_preserve(cairo);
  fm_canvas_color(pen->canvas, color, 1);
  cairo_fill(cairo);
  double kind = fm_random_uniform(pen->random);
  if (kind < 0.6)
    mask_folds(pen, &place, color);
  else if (kind < 0.75)
    mask_dots(pen, &place);
  else if (kind < 0.87)
    mask_valve(pen, &place, color);
  cairo_restore(cairo);
  mask_path(pen, &place); // the rim
  fm_canvas_color(pen->canvas, fm_pen_shade(color, 0.62), 0.9);
  cairo_set_line_width(cairo, 0.035);
  cairo_stroke(cairo);
}
