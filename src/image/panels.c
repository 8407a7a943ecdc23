// Panels: every picture drawn on a copy, the copies and their titles placed on one sheet.
#include "image/panels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "image/canvas.h"
#include "image/resize.h"

enum { PANELS_GAP = 8, PANELS_TITLE_BYTES = 256, PANELS_SIDE_MAX = 3000 };

typedef struct panels_sheet {
  fm_image pictures[FM_PANELS_MAX];
  size_t count;
  int font, width, height; // of the sheet
} panels_sheet;

// A sheet is a picture with the limits of one, so pictures near these are shrunk.
static fm_status panels_take(fm_image *out, const fm_image *image, double *factor) {
  const int longest = image->width > image->height ? image->width : image->height;
  *factor = longest > PANELS_SIDE_MAX ? (double)PANELS_SIDE_MAX / longest : 1;
  const int width = (int)fmax(1, round(image->width * *factor));
  const int height = (int)fmax(1, round(image->height * *factor));
  if (*factor < 1)
    return fm_image_resize(out, image, width, height);
  FM_TRY(fm_image_new(out, width, height));
  memcpy(out->pixels, image->pixels, (size_t)width * (size_t)height * 3);
  return FM_OK;
}

static fm_status panels_draw_one(fm_image *out, const fm_panel *panel, int scale) {
  double factor;
  FM_TRY(panels_take(out, panel->image, &factor));
  fm_draw_face *faces = malloc((panel->face_count + 1) * sizeof *faces);
  FM_CHECK_ALLOC(faces);
  for (size_t i = 0; i < panel->face_count; i++) {
    faces[i] = panel->faces[i];
    fm_box *box = &faces[i].box;
    *box = (fm_box){box->x1 * (float)factor, box->y1 * (float)factor, box->x2 * (float)factor,
                    box->y2 * (float)factor};
  }
  fm_status status = fm_draw_enlarge(out, faces, panel->face_count, scale);
  if (status >= 0)
    status = fm_draw_faces(out, faces, panel->face_count);
  free(faces);
  return status;
}

static void panels_measure(panels_sheet *sheet) {
  int tallest = 0, wide = 0;
  for (size_t i = 0; i < sheet->count; i++) {
    const fm_image *picture = &sheet->pictures[i];
    tallest = picture->height > tallest ? picture->height : tallest;
    wide += picture->width + (i > 0 ? PANELS_GAP : 0);
  }
  const double side = sqrt((double)tallest * (double)wide / (double)sheet->count);
  sheet->font = (int)fmax(11, fmin(24, side / 28));
  sheet->width = wide;
  sheet->height = tallest + 2 * sheet->font;
}

static void panels_copy(const panels_sheet *sheet, fm_image *out) {
  memset(out->pixels, 255, (size_t)out->width * (size_t)out->height * 3);
  size_t left = 0;
  for (size_t i = 0; i < sheet->count; i++) {
    const fm_image *picture = &sheet->pictures[i];
    for (int y = 0; y < picture->height; y++) {
      const size_t row = (size_t)(y + 2 * sheet->font);
      memcpy(out->pixels + (row * (size_t)out->width + left) * 3,
             picture->pixels + (size_t)y * (size_t)picture->width * 3, (size_t)picture->width * 3);
    }
    left += (size_t)picture->width + PANELS_GAP;
  }
}

static void panels_write_titles(const panels_sheet *sheet, const fm_panel *panels,
                                const fm_canvas *canvas) {
  cairo_t *cairo = canvas->cairo;
  cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
  cairo_set_font_size(cairo, sheet->font);
  fm_canvas_color(canvas, 0x222222, 1);
  double left = 0;
  for (size_t i = 0; i < sheet->count; i++) {
    const double width = sheet->pictures[i].width;
    char title[PANELS_TITLE_BYTES + 4]; // the ellipsis may be longer than what it stands for
    fm_utf8_line(title, PANELS_TITLE_BYTES, panels[i].title);
    fm_canvas_fit_text(canvas, title, width - sheet->font);
    cairo_move_to(cairo, left + 0.5 * sheet->font, 1.4 * sheet->font);
    cairo_show_text(cairo, title);
    left += width + PANELS_GAP;
  }
}

static fm_status panels_compose(const panels_sheet *sheet, const fm_panel *panels, fm_image *out) {
  FM_TRY(fm_image_new(out, sheet->width, sheet->height));
  panels_copy(sheet, out);
  fm_canvas canvas;
  FM_TRY(fm_canvas_open(&canvas, out));
  panels_write_titles(sheet, panels, &canvas);
  const fm_status status = fm_canvas_store(&canvas, out);
  fm_canvas_release(&canvas);
  return status;
}

fm_status fm_panels_draw(fm_image *out, const fm_panel *panels, size_t count, int scale) {
  *out = (fm_image){0};
  if (count < 1 || count > FM_PANELS_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "%zu panels: must be 1 to %d", count, FM_PANELS_MAX);
  panels_sheet sheet = {0};
  fm_status status = FM_OK;
  while (status >= 0 && sheet.count < count) {
    status = panels_draw_one(&sheet.pictures[sheet.count], &panels[sheet.count], scale);
    sheet.count++;
  }
  if (status >= 0) {
    panels_measure(&sheet);
    status = panels_compose(&sheet, panels, out);
  }
  for (size_t i = 0; i < sheet.count; i++)
    fm_image_release(&sheet.pictures[i]);
  if (status < 0)
    fm_image_release(out);
  return status;
}
