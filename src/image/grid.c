// The grid: measured, pictures copied, text written over.
#include "image/grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "image/canvas.h"
#include "image/crop.h"

enum {
  GRID_MARGIN = 20,
  GRID_GAP = 14,
  GRID_FONT = 15,
  GRID_LINE = 26, // of a title or a line of the legend
  GRID_HEADING_FONT = 22,
  GRID_HEADING = 44,
  GRID_LEAST = 420, // so wide that heading and legend have room
  GRID_SWATCH = 16,
  GRID_KEY = GRID_SWATCH + 8, // where the text of an entry of the legend begins
  GRID_BETWEEN = 28,          // entries
  GRID_TEXT_BYTES = 256
};

typedef struct grid_place {
  int left, top;
} grid_place;

typedef struct grid {
  const fm_grid *what;
  grid_place *places; // (cells)
  int legend;         // where the legend begins
  int width, height;  // of the sheet
} grid;

static void grid_set_font(const fm_canvas *canvas, double size, bool bold) {
  cairo_select_font_face(canvas->cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                         bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(canvas->cairo, size);
}

// Writes a text at most `room` wide; returns its width.
static double grid_write(const fm_canvas *canvas, const char *text, double x, double y,
                         double room) {
  char line[GRID_TEXT_BYTES + 4];
  fm_utf8_line(line, GRID_TEXT_BYTES, text);
  fm_canvas_fit_text(canvas, line, room);
  cairo_text_extents_t extents;
  cairo_text_extents(canvas->cairo, line, &extents);
  cairo_move_to(canvas->cairo, x, y);
  cairo_show_text(canvas->cairo, line);
  return extents.x_advance;
}

// The text of an entry of the legend as it stands there; returns how wide the entry is.
static double grid_key_line(const fm_canvas *canvas, const char *text, double room,
                            char line[GRID_TEXT_BYTES + 4]) {
  fm_utf8_line(line, GRID_TEXT_BYTES, text);
  fm_canvas_fit_text(canvas, line, room - GRID_KEY);
  cairo_text_extents_t extents;
  cairo_text_extents(canvas->cairo, line, &extents);
  return GRID_KEY + extents.x_advance;
}

// Entries that fill more than one line stand in columns as wide as the widest; 0 when one line is
// enough.
static double grid_legend_column(const grid *self, const fm_canvas *canvas, double room) {
  char line[GRID_TEXT_BYTES + 4];
  double all = 0, widest = 0;
  for (size_t i = 0; i < self->what->key_count; i++) {
    const double width = grid_key_line(canvas, self->what->keys[i].text, room, line);
    all += width + (i ? GRID_BETWEEN : 0);
    widest = width > widest ? width : widest;
  }
  return all > room ? widest : 0;
}

// The legend from `top`; without `draw` it is measured alone. Returns where it ends.
static int grid_legend(const grid *self, const fm_canvas *canvas, int top, bool draw) {
  double x = GRID_MARGIN, room = self->width - 2.0 * GRID_MARGIN;
  grid_set_font(canvas, GRID_FONT, false);
  const double column = grid_legend_column(self, canvas, room);
  for (size_t i = 0; i < self->what->key_count; i++) {
    const fm_grid_key *key = &self->what->keys[i];
    char line[GRID_TEXT_BYTES + 4];
    const double own = grid_key_line(canvas, key->text, room, line);
    const double width = column > 0 ? column : own;
    if (x > GRID_MARGIN && x + width > self->width - GRID_MARGIN) {
      x = GRID_MARGIN;
      top += GRID_LINE;
    }
    if (draw) {
      fm_canvas_color(canvas, key->rgb, 1);
      cairo_rectangle(canvas->cairo, x, top + 4, GRID_SWATCH, GRID_SWATCH);
      cairo_fill(canvas->cairo);
      fm_canvas_color(canvas, 0x222222, 1);
      grid_write(canvas, line, x + GRID_KEY, top + 17, own - GRID_KEY + 1);
    }
    x += width + GRID_BETWEEN;
  }
  return top + (self->what->key_count > 0 ? GRID_LINE : 0);
}

// Places the pictures; sets the sheet's width and where the legend begins.
static fm_status grid_flow(grid *self) {
  const fm_grid *what = self->what;
  long left = GRID_MARGIN, top = GRID_MARGIN + GRID_HEADING, tallest = 0, right = GRID_LEAST;
  for (size_t i = 0; i < what->cell_count; i++) {
    const fm_image *image = what->cells[i].image;
    if (left > GRID_MARGIN && left + image->width > what->width - GRID_MARGIN) {
      left = GRID_MARGIN;
      top += tallest + GRID_LINE + GRID_GAP;
      tallest = 0;
    }
    self->places[i] = (grid_place){(int)left, (int)top};
    tallest = image->height > tallest ? image->height : tallest;
    left += image->width + GRID_GAP;
    right = left > right ? left : right;
    if (top + tallest > FM_IMAGE_SIDE_MAX || right > FM_IMAGE_SIDE_MAX)
      return fm_fail(FM_ERR_SHAPE, "%zu pictures make too large a sheet", what->cell_count);
  }
  self->width = (int)(right - GRID_GAP + GRID_MARGIN);
  self->legend = (int)(top + tallest + GRID_LINE + GRID_GAP);
  return FM_OK;
}

static fm_status grid_measure(grid *self) {
  self->places = calloc(self->what->cell_count + 1, sizeof *self->places);
  FM_CHECK_ALLOC(self->places);
  FM_TRY(grid_flow(self));
  // A small surface to measure the legend on.
  fm_image image;
  fm_canvas canvas;
  FM_TRY(fm_image_new(&image, 1, 1));
  fm_status status = fm_canvas_open(&canvas, &image);
  if (status >= 0) {
    self->height = grid_legend(self, &canvas, self->legend, false) + GRID_MARGIN;
    fm_canvas_release(&canvas);
  }
  fm_image_release(&image);
  return status;
}

static void grid_put_pictures(const grid *self, fm_image *out) {
  for (size_t i = 0; i < self->what->cell_count; i++)
    fm_image_put(out, self->what->cells[i].image, self->places[i].left, self->places[i].top);
}

static void grid_write_all(const grid *self, const fm_canvas *canvas) {
  fm_canvas_color(canvas, 0x222222, 1);
  grid_set_font(canvas, GRID_HEADING_FONT, true);
  grid_write(canvas, self->what->heading, GRID_MARGIN, GRID_MARGIN + GRID_HEADING_FONT,
             self->width - 2 * GRID_MARGIN);
  grid_set_font(canvas, GRID_FONT, false);
  for (size_t i = 0; i < self->what->cell_count; i++) {
    const fm_grid_cell *cell = &self->what->cells[i];
    const grid_place *place = &self->places[i];
    grid_write(canvas, cell->title, place->left, place->top + cell->image->height + 18,
               cell->image->width);
  }
  grid_legend(self, canvas, self->legend, true);
}

fm_status fm_grid_draw(fm_image *out, const fm_grid *what) {
  *out = (fm_image){0};
  grid self = {.what = what};
  fm_canvas canvas = {0};
  fm_status status;
  FM_TRY_OUT(grid_measure(&self));
  FM_TRY_OUT(fm_image_new_filled(out, self.width, self.height, 0xffffff));
  grid_put_pictures(&self, out);
  FM_TRY_OUT(fm_canvas_open(&canvas, out));
  grid_write_all(&self, &canvas);
  status = fm_canvas_store(&canvas, out);
  fm_canvas_release(&canvas);
out:
  free(self.places);
  if (status < 0)
    fm_image_release(out);
  return status;
}
