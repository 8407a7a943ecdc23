// Pictures to cairo surfaces and back.
#include "image/canvas.h"

#include <string.h>

fm_status fm_canvas_open(fm_canvas *out, const fm_image *image) {
  out->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, image->width, image->height);
  out->cairo = cairo_create(out->surface);
  if (cairo_status(out->cairo) != CAIRO_STATUS_SUCCESS) {
    fm_status status = fm_fail(FM_ERR_MEMORY, "no drawing surface of %d x %d: %s", image->width,
                               image->height, cairo_status_to_string(cairo_status(out->cairo)));
    fm_canvas_release(out);
    return status;
  }
  uint8_t *data = cairo_image_surface_get_data(out->surface);
  size_t stride = (size_t)cairo_image_surface_get_stride(out->surface);
  for (size_t y = 0; y < (size_t)image->height; y++) {
    uint32_t *row = (uint32_t *)(void *)(data + y * stride);
    const uint8_t *source = image->pixels + y * (size_t)image->width * 3;
    for (size_t x = 0; x < (size_t)image->width; x++)
      row[x] = (uint32_t)source[3 * x] << 16 | (uint32_t)source[3 * x + 1] << 8 | source[3 * x + 2];
  }
  cairo_surface_mark_dirty(out->surface);
  return FM_OK;
}

fm_status fm_canvas_store(const fm_canvas *canvas, fm_image *image) {
  cairo_status_t drawn = cairo_status(canvas->cairo);
  if (drawn != CAIRO_STATUS_SUCCESS)
    return fm_fail(drawn == CAIRO_STATUS_NO_MEMORY ? FM_ERR_MEMORY : FM_ERR_ARGUMENT,
                   "drawing failed: %s", cairo_status_to_string(drawn));
  cairo_surface_flush(canvas->surface);
  const uint8_t *data = cairo_image_surface_get_data(canvas->surface);
  size_t stride = (size_t)cairo_image_surface_get_stride(canvas->surface);
  for (size_t y = 0; y < (size_t)image->height; y++) {
    const uint32_t *row = (const uint32_t *)(const void *)(data + y * stride);
    uint8_t *target = image->pixels + y * (size_t)image->width * 3;
    for (size_t x = 0; x < (size_t)image->width; x++) {
      target[3 * x] = (uint8_t)(row[x] >> 16);
      target[3 * x + 1] = (uint8_t)(row[x] >> 8);
      target[3 * x + 2] = (uint8_t)row[x];
    }
  }
  return FM_OK;
}

void fm_canvas_release(fm_canvas *canvas) {
  cairo_destroy(canvas->cairo);
  cairo_surface_destroy(canvas->surface);
  *canvas = (fm_canvas){0};
}

void fm_canvas_color(const fm_canvas *canvas, uint32_t rgb, double alpha) {
  cairo_set_source_rgba(canvas->cairo, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0,
                        (rgb & 255) / 255.0, alpha);
}

// The length without the last character, all of its bytes.
static size_t canvas_shorten(const char *text, size_t length) {
  do
    length--;
  while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80);
  return length;
}

void fm_canvas_fit_text(const fm_canvas *canvas, char *text, double room) {
  static const char ellipsis[] = "\xe2\x80\xa6";
  cairo_text_extents_t extents;
  cairo_text_extents(canvas->cairo, text, &extents);
  size_t length = strlen(text);
  while (extents.x_advance > room && length > 0) {
    length = canvas_shorten(text, length);
    memcpy(text + length, ellipsis, sizeof ellipsis);
    cairo_text_extents(canvas->cairo, text, &extents);
  }
}
