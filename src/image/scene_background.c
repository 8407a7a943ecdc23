// Cluttered backgrounds: walls, shelves, leaves, posters, crowds of blobs, and things in the
// colours of skin and of masks that are no faces.
#include <math.h>

#include "image/scene_parts.h"

static void background_fill(const fm_pen *pen, uint32_t rgb, double alpha) {
  fm_canvas_color(pen->canvas, rgb, alpha);
  cairo_fill(pen->cairo);
}

static void background_gradient(const fm_pen *pen) {
  uint32_t top = fm_pen_any_color(pen, 0.35), bottom = fm_pen_any_color(pen, 0.35);
  cairo_pattern_t *gradient = cairo_pattern_create_linear(
      fm_pen_range(pen, 0, pen->width), 0, fm_pen_range(pen, 0, pen->width), pen->height);
  cairo_pattern_add_color_stop_rgb(gradient, 0, (top >> 16 & 255) / 255.0, (top >> 8 & 255) / 255.0,
                                   (top & 255) / 255.0);
  cairo_pattern_add_color_stop_rgb(gradient, 1, (bottom >> 16 & 255) / 255.0,
                                   (bottom >> 8 & 255) / 255.0, (bottom & 255) / 255.0);
  cairo_set_source(pen->cairo, gradient);
  cairo_paint(pen->cairo);
  cairo_pattern_destroy(gradient);
}

static void background_floor(const fm_pen *pen) {
  double y = pen->height * fm_pen_range(pen, 0.55, 0.9);
  cairo_rectangle(pen->cairo, 0, y, pen->width, pen->height - y);
  background_fill(pen, fm_pen_any_color(pen, 0.25), fm_pen_range(pen, 0.5, 1));
}

// Rows of boxes: shelves, windows, bricks.
static void background_grid(const fm_pen *pen) {
  double cell = fm_pen_range(pen, 9, 60), ratio = fm_pen_range(pen, 0.4, 2.2);
  double x0 = fm_pen_range(pen, -0.2, 0.7) * pen->width;
  double y0 = fm_pen_range(pen, -0.2, 0.5) * pen->height;
  double x1 = x0 + fm_pen_range(pen, 0.3, 1) * pen->width;
  double y1 = y0 + fm_pen_range(pen, 0.2, 0.8) * pen->height, gap = fm_pen_range(pen, 1, 5);
  uint32_t color = fm_pen_any_color(pen, 0.5);
  bool mixed = fm_pen_chance(pen, 0.5);
  for (double y = y0; y < y1; y += cell * ratio)
    for (double x = x0; x < x1; x += cell) {
      cairo_rectangle(pen->cairo, x, y, cell - gap, cell * ratio - gap);
      background_fill(pen, mixed ? fm_pen_any_color(pen, 0.7) : fm_pen_jitter(pen, color, 18),
                      0.85);
    }
}

static void background_leaves(const fm_pen *pen) {
  double cx = fm_pen_range(pen, 0, pen->width), cy = fm_pen_range(pen, 0, pen->height);
  double spread = fm_pen_range(pen, 0.1, 0.35) * pen->width;
  static const uint32_t greens[] = {0x3d6b2f, 0x5b8a3a, 0x27492a, 0x8aa04a};
  uint32_t base = greens[fm_random_below(pen->random, 4)];
  for (int i = 0; i < 90; i++) {
    double x = cx + spread * fm_random_normal(pen->random);
    double y = cy + 0.6 * spread * fm_random_normal(pen->random);
    fm_pen_ellipse(pen, x, y, fm_pen_range(pen, 2, 9), fm_pen_range(pen, 2, 6));
    background_fill(pen, fm_pen_jitter(pen, base, 30), 0.9);
  }
}

static void background_shape(const fm_pen *pen) {
  double x = fm_pen_range(pen, 0, pen->width), y = fm_pen_range(pen, 0, pen->height);
  double size = fm_pen_range(pen, 6, 0.35 * pen->width);
  switch (fm_random_below(pen->random, 4)) {
  case 0:
    cairo_rectangle(pen->cairo, x - size / 2, y - size / 2, size, size * fm_pen_range(pen, 0.2, 2));
    break;
  case 1:
    fm_pen_ellipse(pen, x, y, size / 2, size / 2 * fm_pen_range(pen, 0.4, 1.6));
    break;
  case 2:
    cairo_move_to(pen->cairo, x, y);
    for (int i = 0; i < 4; i++)
      cairo_line_to(pen->cairo, x + fm_pen_range(pen, -size, size),
                    y + fm_pen_range(pen, -size, size));
    cairo_close_path(pen->cairo);
    break;
  default:
    cairo_move_to(pen->cairo, x, y);
    cairo_curve_to(pen->cairo, x + size, y - size, x - size, y + size,
                   fm_pen_range(pen, 0, pen->width), fm_pen_range(pen, 0, pen->height));
    cairo_set_line_width(pen->cairo, fm_pen_range(pen, 1, 9));
    fm_canvas_color(pen->canvas, fm_pen_any_color(pen, 0.6), fm_pen_range(pen, 0.4, 1));
    cairo_stroke(pen->cairo);
    return;
  }
  background_fill(pen, fm_pen_any_color(pen, 0.6), fm_pen_range(pen, 0.35, 1));
}

static void background_stripes(const fm_pen *pen) {
  double step = fm_pen_range(pen, 4, 28), angle = fm_pen_range(pen, 0, M_PI);
  double reach = pen->width + pen->height;
  cairo_save(pen->cairo);
  cairo_translate(pen->cairo, pen->width / 2, pen->height / 2);
  cairo_rotate(pen->cairo, angle);
  for (double x = -reach / 2; x < reach / 2; x += step)
    cairo_rectangle(pen->cairo, x, -reach / 2, step * 0.45, reach);
  background_fill(pen, fm_pen_any_color(pen, 0.4), fm_pen_range(pen, 0.08, 0.3));
  cairo_restore(pen->cairo);
}

// A sheet with lines of writing.
static void background_poster(const fm_pen *pen) {
  double width = fm_pen_range(pen, 24, 90), height = width * fm_pen_range(pen, 0.6, 1.6);
  double x = fm_pen_range(pen, 0, pen->width), y = fm_pen_range(pen, 0, pen->height * 0.7);
  cairo_rectangle(pen->cairo, x, y, width, height);
  background_fill(pen, fm_pen_any_color(pen, 0.3), 1);
  uint32_t ink = fm_pen_any_color(pen, 0.5);
  for (double line = y + 5; line < y + height - 4; line += 6) {
    cairo_rectangle(pen->cairo, x + 4, line, (width - 8) * fm_pen_range(pen, 0.4, 1), 2);
    background_fill(pen, ink, 0.8);
  }
}

// A hand or a bare arm: skin without a face.
static void background_limb(const fm_pen *pen) {
  double x = fm_pen_range(pen, 0, pen->width), y = fm_pen_range(pen, 0.3, 1) * pen->height;
  double size = fm_pen_range(pen, 6, 26), angle = fm_pen_range(pen, 0, 2 * M_PI);
  uint32_t skin = fm_pen_skin(pen);
  cairo_save(pen->cairo);
  cairo_translate(pen->cairo, x, y);
  cairo_rotate(pen->cairo, angle);
  cairo_set_line_cap(pen->cairo, CAIRO_LINE_CAP_ROUND);
  fm_canvas_color(pen->canvas, skin, 1);
  cairo_set_line_width(pen->cairo, size * 0.8);
  cairo_move_to(pen->cairo, 0, 0);
  cairo_line_to(pen->cairo, size * fm_pen_range(pen, 1.5, 5), 0);
  cairo_stroke(pen->cairo);
  fm_pen_ellipse(pen, 0, 0, size * 0.7, size * 0.6);
  background_fill(pen, skin, 1);
  cairo_set_line_width(pen->cairo, size * 0.22);
  for (int finger = -2; finger <= 2; finger++) {
    cairo_move_to(pen->cairo, -size * 0.4, finger * size * 0.2);
    cairo_line_to(pen->cairo, -size * fm_pen_range(pen, 1, 1.4), finger * size * 0.3);
    fm_canvas_color(pen->canvas, fm_pen_shade(skin, 0.93), 1);
    cairo_stroke(pen->cairo);
  }
  cairo_restore(pen->cairo);
}

// Ellipses in the colours of skin, and patches in those of masks.
static void background_decoys(const fm_pen *pen) {
  int count = (int)fm_random_below(pen->random, 5);
  for (int i = 0; i < count; i++) {
    double size = fm_pen_range(pen, 5, 45);
    fm_pen_ellipse(pen, fm_pen_range(pen, 0, pen->width), fm_pen_range(pen, 0, pen->height), size,
                   size * fm_pen_range(pen, 0.7, 1.4));
    background_fill(pen, fm_pen_skin(pen), fm_pen_range(pen, 0.7, 1));
  }
  count = (int)fm_random_below(pen->random, 4);
  for (int i = 0; i < count; i++) {
    double size = fm_pen_range(pen, 6, 40);
    cairo_rectangle(pen->cairo, fm_pen_range(pen, 0, pen->width), fm_pen_range(pen, 0, pen->height),
                    size, size * fm_pen_range(pen, 0.4, 0.9));
    background_fill(pen, fm_pen_mask_color(pen), 1);
  }
}

void fm_scene_background(const fm_pen *pen) {
  static void (*const parts[])(const fm_pen *) = {
      background_grid, background_leaves, background_stripes, background_poster, background_limb};
  background_gradient(pen);
  if (fm_pen_chance(pen, 0.6))
    background_floor(pen);
  int shapes = 3 + (int)fm_random_below(pen->random, 16);
  for (int i = 0; i < shapes; i++) {
    background_shape(pen);
    if (fm_pen_chance(pen, 0.3))
      parts[fm_random_below(pen->random, sizeof parts / sizeof *parts)](pen);
  }
  background_decoys(pen);
}
