// Puts a scene together, and gives it the noise, softness and light of a camera.
#include "image/scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/scene_parts.h"

// The face is an ellipse of half axes 0.75 and 1 times half its height, in its own frame.
static const double scene_face_half_width = 0.76;

fm_box fm_scene_face_box(const fm_scene_face *face) {
  double b = face->height / 2, a = b * scene_face_half_width;
  double c = cos(face->tilt), s = sin(face->tilt);
  double half_width = sqrt(a * a * c * c + b * b * s * s);
  double half_height = sqrt(a * a * s * s + b * b * c * c);
  return (fm_box){(float)(face->x - half_width), (float)(face->y - half_height),
                  (float)(face->x + half_width), (float)(face->y + half_height)};
}

fm_box fm_scene_body_box(const fm_scene_face *face) {
  double half = face->height / 2;
  return (fm_box){(float)(face->x - 1.9 * half), (float)(face->y - 1.5 * half),
                  (float)(face->x + 1.9 * half), (float)(face->y + 3.6 * half)};
}

void fm_pen_ellipse(const fm_pen *pen, double x, double y, double rx, double ry) {
  cairo_matrix_t matrix;
  cairo_get_matrix(pen->cairo, &matrix);
  cairo_translate(pen->cairo, x, y);
  cairo_scale(pen->cairo, rx, ry);
  cairo_new_sub_path(pen->cairo);
  cairo_arc(pen->cairo, 0, 0, 1, 0, 2 * M_PI);
  cairo_close_path(pen->cairo);
  cairo_set_matrix(pen->cairo, &matrix);
}

static uint32_t scene_rgb(double red, double green, double blue) {
  uint32_t channels[3] = {(uint32_t)fmin(255, fmax(0, red)), (uint32_t)fmin(255, fmax(0, green)),
                          (uint32_t)fmin(255, fmax(0, blue))};
  return channels[0] << 16 | channels[1] << 8 | channels[2];
}

uint32_t fm_pen_shade(uint32_t rgb, double factor) {
  return scene_rgb((rgb >> 16 & 255) * factor, (rgb >> 8 & 255) * factor, (rgb & 255) * factor);
}

uint32_t fm_pen_jitter(const fm_pen *pen, uint32_t rgb, int amount) {
  double red = (rgb >> 16 & 255) + fm_pen_range(pen, -amount, amount);
  double green = (rgb >> 8 & 255) + fm_pen_range(pen, -amount, amount);
  double blue = (rgb & 255) + fm_pen_range(pen, -amount, amount);
  return scene_rgb(red, green, blue);
}

uint32_t fm_pen_any_color(const fm_pen *pen, double saturation) {
  double light = fm_pen_range(pen, 30, 225);
  double red = light + saturation * fm_pen_range(pen, -110, 110);
  double green = light + saturation * fm_pen_range(pen, -110, 110);
  double blue = light + saturation * fm_pen_range(pen, -110, 110);
  return scene_rgb(red, green, blue);
}

uint32_t fm_pen_skin(const fm_pen *pen) {
  static const uint32_t tones[] = {0xf6d7c0, 0xf1c6a5, 0xe5b08a, 0xd49b73,
                                   0xba7f57, 0x99633f, 0x76492d, 0x53321f};
  uint64_t tone = fm_random_below(pen->random, sizeof tones / sizeof *tones);
  return fm_pen_jitter(pen, tones[tone], 10);
}

uint32_t fm_pen_mask_color(const fm_pen *pen) {
  static const uint32_t colors[] = {0x8fc4e0, 0x6aa9d6, 0xf2f4f5, 0xeef0ee, 0x202226, 0x2c3038,
                                    0x8fd0b4, 0xe8a9bd, 0x93979e, 0x35508c, 0x7e2f3c, 0xd9c9a3};
  uint64_t color = fm_random_below(pen->random, sizeof colors / sizeof *colors);
  return fm_pen_jitter(pen, colors[color], 8);
}

bool fm_pen_chance(const fm_pen *pen, double probability) {
  return fm_random_uniform(pen->random) < probability;
}

double fm_pen_range(const fm_pen *pen, double low, double high) {
  return fm_random_range(pen->random, low, high);
}

// One light over the whole picture: a gain a channel and a darkening towards one side.
static void scene_light(const fm_pen *pen) {
  double angle = fm_pen_range(pen, 0, 2 * M_PI), side = fmax(pen->width, pen->height);
  double dx = cos(angle) * side / 2, dy = sin(angle) * side / 2;
  cairo_pattern_t *shade = cairo_pattern_create_linear(pen->width / 2 - dx, pen->height / 2 - dy,
                                                       pen->width / 2 + dx, pen->height / 2 + dy);
  cairo_pattern_add_color_stop_rgba(shade, 0, 1, 0.95, 0.8, fm_pen_range(pen, 0, 0.16));
  cairo_pattern_add_color_stop_rgba(shade, 1, 0, 0, 0.08, fm_pen_range(pen, 0, 0.35));
  cairo_set_source(pen->cairo, shade);
  cairo_paint(pen->cairo);
  cairo_pattern_destroy(shade);
}

// Noise of a sensor: the sum of four bytes of random bits is close enough to a bell curve and one
// draw serves two channels.
static void scene_noise(fm_image *image, double strength, fm_random *random) {
  size_t count = (size_t)image->width * (size_t)image->height * 3;
  int gain = (int)lround(strength * 256 / 147.8); // 147.8: standard deviation of the sum
  for (size_t i = 0; i < count; i += 2) {
    uint64_t bits = fm_random_bits(random);
    for (size_t j = i; j < i + 2 && j < count; j++, bits >>= 32) {
      int sum = (int)(bits & 255) + (int)(bits >> 8 & 255) + (int)(bits >> 16 & 255) +
                (int)(bits >> 24 & 255) - 510;
      int value = image->pixels[j] + (sum * gain) / 256;
      image->pixels[j] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
  }
}

// A weak blur in place: each pixel takes a share of its left and upper neighbours.
static void scene_soften(fm_image *image, double share) {
  size_t row = (size_t)image->width * 3;
  int keep = 256 - (int)(256 * share), take = 256 - keep;
  for (size_t y = 1; y < (size_t)image->height; y++)
    for (size_t i = 3; i < row; i++) {
      uint8_t *at = image->pixels + y * row + i;
      int beside = (at[-3] + *(at - row) + 1) / 2;
      *at = (uint8_t)((*at * keep + beside * take + 128) / 256);
    }
}

fm_status fm_scene_draw(fm_image *image, const fm_scene_face *faces, size_t count,
                        fm_random *random) {
  fm_canvas canvas;
  FM_TRY(fm_canvas_open(&canvas, image));
  fm_pen pen = {&canvas, canvas.cairo, random, image->width, image->height};
  fm_scene_background(&pen);
  for (size_t i = 0; i < count; i++)
    fm_scene_person(&pen, &faces[i]);
  scene_light(&pen);
  double share = fm_pen_range(&pen, 0, 0.3), strength = fm_pen_range(&pen, 0.5, 5);
  fm_status status = fm_canvas_store(&canvas, image);
  fm_canvas_release(&canvas);
  FM_TRY(status);
  scene_soften(image, share);
  scene_noise(image, strength, random);
  return FM_OK;
}
