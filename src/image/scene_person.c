// One person: shoulders, hair, head, features, and what they wear. Coordinates are in the frame of
// the face (scene_parts.h).
#include <math.h>

#include "image/scene_parts.h"

typedef struct person {
  uint32_t skin, hair, cloth;
  double turn;  // shifts the features
  bool covered; // hat, hood or scarf instead of hair
  bool long_hair, beard, glasses;
} person;

static void person_fill(const fm_pen *pen, uint32_t rgb) {
  fm_canvas_color(pen->canvas, rgb, 1);
  cairo_fill(pen->cairo);
}

static void person_stroke(const fm_pen *pen, uint32_t rgb, double width) {
  fm_canvas_color(pen->canvas, rgb, 1);
  cairo_set_line_width(pen->cairo, width);
  cairo_stroke(pen->cairo);
}

// Where a feature stands on the turned head.
static double person_x(const person *someone, double x) {
  return x * (1 - 0.22 * fabs(someone->turn)) + 0.26 * someone->turn;
}

static void person_shoulders(const fm_pen *pen, const person *someone) {
  cairo_t *cairo = pen->cairo;
  double reach = fm_pen_range(pen, 1.5, 1.85);
  cairo_rectangle(cairo, -0.36, 0.5, 0.72, 0.9);
  person_fill(pen, fm_pen_shade(someone->skin, 0.78));
  cairo_move_to(cairo, -0.4, 1.12);
  cairo_curve_to(cairo, -reach * 0.8, 1.3, -reach, 1.45, -reach, 2.1);
  cairo_line_to(cairo, -reach, 3.6);
  cairo_line_to(cairo, reach, 3.6);
  cairo_line_to(cairo, reach, 2.1);
  cairo_curve_to(cairo, reach, 1.45, reach * 0.8, 1.3, 0.4, 1.12);
  cairo_curve_to(cairo, 0.2, 1.5, -0.2, 1.5, -0.4, 1.12);
  cairo_close_path(cairo);
  person_fill(pen, someone->cloth);
  if (fm_pen_chance(pen, 0.5)) { // a zip or a collar
    cairo_move_to(cairo, 0, 1.4);
    cairo_line_to(cairo, 0, 3.6);
    person_stroke(pen, fm_pen_shade(someone->cloth, 0.7), 0.06);
  }
}

static void person_back_hair(const fm_pen *pen, const person *someone) {
  if (!someone->long_hair)
    return;
  double length = fm_pen_range(pen, 0.9, 1.7);
  cairo_move_to(pen->cairo, -0.55, -0.9);
  cairo_curve_to(pen->cairo, -1.15, -0.4, -1.0, length * 0.6, -0.85, length);
  cairo_line_to(pen->cairo, 0.85, length);
  cairo_curve_to(pen->cairo, 1.0, length * 0.6, 1.15, -0.4, 0.55, -0.9);
  cairo_close_path(pen->cairo);
  person_fill(pen, fm_pen_shade(someone->hair, 0.8));
}

static void person_head_path(const fm_pen *pen) {
  cairo_t *cairo = pen->cairo;
  cairo_move_to(cairo, 0, -1.1);
  cairo_curve_to(cairo, 0.52, -1.1, 0.78, -0.72, 0.76, -0.1);
  cairo_curve_to(cairo, 0.74, 0.42, 0.5, 1, 0, 1);
  cairo_curve_to(cairo, -0.5, 1, -0.74, 0.42, -0.76, -0.1);
  cairo_curve_to(cairo, -0.78, -0.72, -0.52, -1.1, 0, -1.1);
  cairo_close_path(cairo);
}

static void person_head(const fm_pen *pen, const person *someone) {
  for (int side = -1; side <= 1; side += 2) {
    if (side * someone->turn > 0.45) // the far ear
      continue;
    fm_pen_ellipse(pen, side * 0.76 - 0.06 * someone->turn, 0.02, 0.13, 0.22);
    person_fill(pen, fm_pen_shade(someone->skin, 0.86));
  }
  double light = fm_pen_range(pen, -0.5, 0.5);
  cairo_pattern_t *shade = cairo_pattern_create_radial(light, -0.3, 0.1, light * 0.4, 0, 1.25);
  uint32_t bright = fm_pen_shade(someone->skin, 1.06), dark = fm_pen_shade(someone->skin, 0.74);
  cairo_pattern_add_color_stop_rgb(shade, 0, (bright >> 16 & 255) / 255.0,
                                   (bright >> 8 & 255) / 255.0, (bright & 255) / 255.0);
  cairo_pattern_add_color_stop_rgb(shade, 1, (dark >> 16 & 255) / 255.0, (dark >> 8 & 255) / 255.0,
                                   (dark & 255) / 255.0);
  person_head_path(pen);
  cairo_set_source(pen->cairo, shade);
  cairo_fill(pen->cairo);
  cairo_pattern_destroy(shade);
}

static void person_eye(const fm_pen *pen, const person *someone, double x, double look) {
  cairo_t *cairo = pen->cairo;
  uint32_t brow = fm_pen_shade(someone->hair, 0.7);
  fm_pen_ellipse(pen, x, -0.2, 0.17, 0.1);
  person_fill(pen, fm_pen_shade(someone->skin, 0.72));
  fm_pen_ellipse(pen, x, -0.19, 0.14, 0.07);
  person_fill(pen, 0xf4f1ee);
  fm_pen_ellipse(pen, x + look, -0.19, 0.065, 0.07);
  person_fill(pen, 0x2b1c14);
  cairo_move_to(cairo, x - 0.2, -0.36);
  cairo_curve_to(cairo, x - 0.08, -0.45, x + 0.08, -0.45, x + 0.2, -0.36);
  person_stroke(pen, brow, 0.07);
}

static void person_nose(const fm_pen *pen, const person *someone) {
  cairo_t *cairo = pen->cairo;
  double x = person_x(someone, 0) + 0.1 * someone->turn;
  double side = someone->turn < 0 ? -1 : 1;
  cairo_move_to(cairo, person_x(someone, 0) - side * 0.06, -0.16);
  cairo_curve_to(cairo, x + side * 0.02, 0.05, x - side * 0.2, 0.22, x - side * 0.15, 0.28);
  cairo_line_to(cairo, x + side * 0.15, 0.28);
  cairo_curve_to(cairo, x + side * 0.2, 0.2, x + side * 0.06, 0, x + side * 0.04, -0.16);
  cairo_close_path(cairo);
  person_fill(pen, fm_pen_shade(someone->skin, 0.84));
  fm_pen_ellipse(pen, x + side * 0.03, 0.16, 0.05, 0.08);
  person_fill(pen, fm_pen_shade(someone->skin, 1.12));
  for (int nostril = -1; nostril <= 1; nostril += 2) {
    fm_pen_ellipse(pen, x + nostril * 0.08, 0.28, 0.05, 0.03);
    person_fill(pen, fm_pen_shade(someone->skin, 0.42));
  }
}

static void person_mouth(const fm_pen *pen, const person *someone) {
  cairo_t *cairo = pen->cairo;
  double x = person_x(someone, 0) + 0.04 * someone->turn, smile = fm_pen_range(pen, -0.05, 0.12);
  double wide = fm_pen_range(pen, 0.22, 0.34), lips = fm_pen_range(pen, 0.05, 0.1);
  uint32_t red = fm_pen_jitter(pen, 0xa84a48, 25);
  cairo_move_to(cairo, x - wide, 0.55 - smile);
  cairo_curve_to(cairo, x - wide / 2, 0.52 - lips, x + wide / 2, 0.52 - lips, x + wide,
                 0.55 - smile);
  cairo_curve_to(cairo, x + wide / 2, 0.58 + lips + smile, x - wide / 2, 0.58 + lips + smile,
                 x - wide, 0.55 - smile);
  person_fill(pen, red);
  cairo_move_to(cairo, x - wide * 0.85, 0.56 - smile * 0.6);
  cairo_curve_to(cairo, x - wide / 2, 0.57 + smile * 0.4, x + wide / 2, 0.57 + smile * 0.4,
                 x + wide * 0.85, 0.56 - smile * 0.6);
  person_stroke(pen, fm_pen_chance(pen, 0.3) ? 0xf5f1ec : 0x4a1f1e, 0.05);
}

static void person_beard(const fm_pen *pen, const person *someone) {
  cairo_t *cairo = pen->cairo;
  cairo_save(cairo);
  person_head_path(pen);
  cairo_clip(cairo);
  cairo_rectangle(cairo, -1, 0.42, 2, 0.7);
  fm_canvas_color(pen->canvas, fm_pen_shade(someone->hair, 0.9), 0.75);
  cairo_fill(cairo);
  cairo_restore(cairo);
}

static void person_glasses(const fm_pen *pen, const person *someone) {
  cairo_t *cairo = pen->cairo;
  uint32_t frame = fm_pen_chance(pen, 0.7) ? 0x1c1c20 : 0x8a6a3a;
  bool dark = fm_pen_chance(pen, 0.25);
  for (int side = -1; side <= 1; side += 2) {
    double x = person_x(someone, side * 0.33);
    fm_pen_ellipse(pen, x, -0.18, 0.24, 0.18);
    fm_canvas_color(pen->canvas, dark ? 0x14161a : 0xdfe9f0, dark ? 0.92 : 0.18);
    cairo_fill_preserve(cairo);
    person_stroke(pen, frame, 0.05);
    cairo_move_to(cairo, x + side * 0.24, -0.2);
    cairo_line_to(cairo, side * 0.74, -0.16);
    person_stroke(pen, frame, 0.05);
  }
  cairo_move_to(cairo, person_x(someone, -0.1), -0.2);
  cairo_line_to(cairo, person_x(someone, 0.1), -0.2);
  person_stroke(pen, frame, 0.05);
}

static void person_hair(const fm_pen *pen, const person *someone) {
  cairo_t *cairo = pen->cairo;
  double fringe = fm_pen_range(pen, -0.75, -0.5), parting = fm_pen_range(pen, -0.5, 0.5);
  cairo_move_to(cairo, -0.8, -0.1);
  cairo_curve_to(cairo, -0.98, -0.85, -0.6, -1.36, 0, -1.36);
  cairo_curve_to(cairo, 0.6, -1.36, 0.98, -0.85, 0.8, -0.1);
  cairo_curve_to(cairo, 0.76, -0.4, 0.66, fringe, parting, fringe - 0.12);
  cairo_curve_to(cairo, -0.5, fringe, -0.74, -0.45, -0.8, -0.1);
  cairo_close_path(cairo);
  person_fill(pen, someone->hair);
}

static void person_hat(const fm_pen *pen, const person *someone) {
  cairo_t *cairo = pen->cairo;
  bool brim = fm_pen_chance(pen, 0.5);
  cairo_move_to(cairo, -0.84, -0.52);
  cairo_curve_to(cairo, -0.95, -1.5, 0.95, -1.5, 0.84, -0.52);
  cairo_curve_to(cairo, 0.4, -0.68, -0.4, -0.68, -0.84, -0.52);
  person_fill(pen, someone->hair);
  if (!brim)
    return;
  fm_pen_ellipse(pen, 0.3 * someone->turn, -0.6, 0.98, 0.11);
  person_fill(pen, fm_pen_shade(someone->hair, 0.75));
}

static person person_make(const fm_pen *pen, const fm_scene_face *face) {
  static const uint32_t hairs[] = {0x15110f, 0x2a1c14, 0x4a301d, 0x7a5230,
                                   0xb08a4e, 0x8f8c88, 0xd8d4cc, 0x6e2d1a};
  person someone = {
      .skin = fm_pen_skin(pen),
      .hair = fm_pen_jitter(pen, hairs[fm_random_below(pen->random, 8)], 8),
      .cloth = fm_pen_any_color(pen, 0.8),
      .turn = face->turn,
      .covered = fm_pen_chance(pen, 0.2),
      .long_hair = fm_pen_chance(pen, 0.4),
      .beard = fm_pen_chance(pen, 0.12),
      .glasses = fm_pen_chance(pen, 0.22),
  };
  if (someone.covered)
    someone.hair = fm_pen_any_color(pen, 0.8);
  return someone;
}

void fm_scene_person(const fm_pen *pen, const fm_scene_face *face) {
  person someone = person_make(pen, face);
  double unit = face->height / 2, look = fm_pen_range(pen, -0.05, 0.05);
  cairo_save(pen->cairo);
  cairo_translate(pen->cairo, face->x, face->y);
  cairo_scale(pen->cairo, unit, unit);
  cairo_save(pen->cairo);
  cairo_rotate(pen->cairo, face->tilt * 0.3); // shoulders follow the head a little
  person_shoulders(pen, &someone);
  cairo_restore(pen->cairo);
  cairo_rotate(pen->cairo, face->tilt);
  cairo_set_line_cap(pen->cairo, CAIRO_LINE_CAP_ROUND);
  person_back_hair(pen, &someone);
  person_head(pen, &someone);
  person_eye(pen, &someone, person_x(&someone, -0.33), look);
  person_eye(pen, &someone, person_x(&someone, 0.33), look);
  person_nose(pen, &someone);
  if (someone.beard)
    person_beard(pen, &someone);
  person_mouth(pen, &someone);
  if (someone.covered)
    person_hat(pen, &someone);
  else if (fm_pen_chance(pen, 0.92)) // the others are bald
    person_hair(pen, &someone);
  if (face->mask != FM_SCENE_BARE)
    fm_scene_mask_draw(pen, face);
  if (someone.glasses)
    person_glasses(pen, &someone);
  cairo_restore(pen->cairo);
}
