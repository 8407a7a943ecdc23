// Colours: tables, gray, and hue, saturation, value. Pixels are handled in blocks of planes, so
// that the arithmetic runs on vectors.
#include "image/color.h"

#include "base/clones.h"

enum { COLOR_BLOCK = 512 };

static size_t color_count(const fm_image *image) {
  return (size_t)image->width * (size_t)image->height;
}

void fm_image_lookup(fm_image *image, const uint8_t table[256]) {
  size_t count = color_count(image) * 3;
  for (size_t i = 0; i < count; i++)
    image->pixels[i] = table[image->pixels[i]];
}

FM_KERNEL static void color_gray(uint8_t *pixels, size_t count) {
  // The weights of OpenCV 4, with 15 bits behind the point.
  for (size_t i = 0; i < count; i++) {
    unsigned red = pixels[3 * i], green = pixels[3 * i + 1], blue = pixels[3 * i + 2];
    uint8_t luma = (uint8_t)((red * 9798 + green * 19235 + blue * 3735 + (1u << 14)) >> 15);
    pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = luma;
  }
}

void fm_image_gray(fm_image *image) {
  color_gray(image->pixels, color_count(image));
}

static inline float color_max(float a, float b) {
  return a > b ? a : b;
}

static inline float color_min(float a, float b) {
  return a < b ? a : b;
}

// One channel back from hue (in sixths of the circle), value and chroma; `n` is 5, 3, 1 for red,
// green, blue.
static inline float color_channel(float n, float hue, float value, float chroma) {
  float k = n + hue;
  k = k >= 6 ? k - 6 : k;
  return value - chroma * color_max(0, color_min(color_min(k, 4 - k), 1));
}

// Channels 0 ... 255 in place; a turn of the hue in sixths of the circle, within [0, 6).
FM_KERNEL static void color_change_hsv(float *restrict red, float *restrict green,
                                       float *restrict blue, const fm_hsv_change *change) {
  float turn = change->hue, saturation = change->saturation, gain = change->value;
  for (size_t i = 0; i < COLOR_BLOCK; i++) {
    float r = red[i], g = green[i], b = blue[i];
    float high = color_max(color_max(r, g), b), low = color_min(color_min(r, g), b);
    float range = high - low;
    float inverse = 1 / (range > 0 ? range : 1);
    // Within [-1, 5]: the sector of the largest channel and where in it.
    float hue =
        high == r ? (g - b) * inverse : (high == g ? 2 + (b - r) * inverse : 4 + (r - g) * inverse);
    hue += turn;
    hue = hue < 0 ? hue + 6 : hue;
    hue = hue >= 6 ? hue - 6 : hue;
    float share = color_min(saturation * range / (high > 0 ? high : 1), 1);
    float value = color_min(high * gain, 255), chroma = value * share;
    red[i] = color_channel(5, hue, value, chroma);
    green[i] = color_channel(3, hue, value, chroma);
    blue[i] = color_channel(1, hue, value, chroma);
  }
}

FM_KERNEL static void color_split(float *restrict red, float *restrict green, float *restrict blue,
                                  const uint8_t *restrict pixels, size_t count) {
  for (size_t i = 0; i < count; i++) {
    red[i] = pixels[3 * i];
    green[i] = pixels[3 * i + 1];
    blue[i] = pixels[3 * i + 2];
  }
}

FM_KERNEL static void color_join(uint8_t *restrict pixels, const float *restrict red,
                                 const float *restrict green, const float *restrict blue,
                                 size_t count) {
  for (size_t i = 0; i < count; i++) {
    pixels[3 * i] = (uint8_t)(int)(red[i] + 0.5f);
    pixels[3 * i + 1] = (uint8_t)(int)(green[i] + 0.5f);
    pixels[3 * i + 2] = (uint8_t)(int)(blue[i] + 0.5f);
  }
}

void fm_image_change_hsv(fm_image *image, const fm_hsv_change *change) {
  float red[COLOR_BLOCK] = {0}, green[COLOR_BLOCK] = {0}, blue[COLOR_BLOCK] = {0};
  fm_hsv_change sixths = *change;
  int turns = (int)(change->hue / 360);
  sixths.hue = (change->hue - 360 * (float)turns) / 60;
  if (sixths.hue < 0)
    sixths.hue += 6;
  size_t count = color_count(image);
  for (size_t start = 0; start < count; start += COLOR_BLOCK) {
    size_t size = count - start < COLOR_BLOCK ? count - start : COLOR_BLOCK;
    uint8_t *pixels = image->pixels + 3 * start;
    color_split(red, green, blue, pixels, size);
    color_change_hsv(red, green, blue, &sixths);
    color_join(pixels, red, green, blue, size);
  }
}
