// A picture as a cairo surface. Shared by the files of this room that draw; no other room sees
// cairo.
#ifndef FM_IMAGE_CANVAS_H
#define FM_IMAGE_CANVAS_H

#include <cairo.h>
#include <stdint.h>

#include "image/image.h"

typedef struct fm_canvas {
  cairo_surface_t *surface;
  cairo_t *cairo;
} fm_canvas;

FM_MUST_USE fm_status fm_canvas_open(fm_canvas *out,
                                     const fm_image *image); // starts as the picture
// Copies the drawing back into the picture it was opened from (or one of the same size).
FM_MUST_USE fm_status fm_canvas_store(const fm_canvas *canvas, fm_image *image);
void fm_canvas_release(fm_canvas *canvas);
void fm_canvas_color(const fm_canvas *canvas, uint32_t rgb, double alpha);
// Takes characters off the end of a UTF-8 text until what is left, and an ellipsis, is at most
// `room` wide in the current font. `text` has room for 4 bytes more than it holds.
void fm_canvas_fit_text(const fm_canvas *canvas, char *text, double room);

#endif
