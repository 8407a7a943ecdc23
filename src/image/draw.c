// Boxes with names on pictures.
#include "image/draw.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "image/canvas.h"
#include "image/resize.h"

enum { DRAW_PLACES = 6, DRAW_WANTED_SIDE = 800, DRAW_SCALE_MAX = 8 };

typedef struct draw {
  const fm_canvas *canvas;
  const fm_draw_face *faces;
  size_t count;
  fm_box *boxes;  // (count): the faces' boxes, kept near the picture
  fm_box *labels; // (count): where labels stand; empty for faces without text
  double width, height, line, font;
} draw;

uint32_t fm_draw_class_color(const char *class_name, int label) {
  static const uint32_t palette[] = {0xe6862b, 0x8e44ad, 0x16a3a3, 0xd81b7a, 0x7f8c1f,
                                     0x3f51d5, 0x9c5a2d, 0x4a8f5b, 0xc0a000, 0x607d8b};
  if (strcmp(class_name, "with_mask") == 0)
    return 0x1f9d3a;
  if (strcmp(class_name, "without_mask") == 0)
    return 0xd62728;
  if (strcmp(class_name, "mask_weared_incorrect") == 0)
    return 0x1f5fd6;
  size_t index = label > 0 ? (size_t)label - 1 : 0;
  return palette[index % (sizeof palette / sizeof *palette)];
}

int fm_draw_scale(const fm_image *image) {
  int side = image->width > image->height ? image->width : image->height;
  int scale = (DRAW_WANTED_SIDE + side - 1) / side;
  return scale < DRAW_SCALE_MAX ? scale : DRAW_SCALE_MAX;
}

fm_status fm_draw_enlarge(fm_image *image, fm_draw_face *faces, size_t count, int scale) {
  if (scale < 1 || scale > DRAW_SCALE_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "a scale from 1 to %d, not %d", DRAW_SCALE_MAX, scale);
  if (scale == 1)
    return FM_OK;
  fm_image large;
  FM_TRY(fm_image_resize(&large, image, image->width * scale, image->height * scale));
  fm_image_release(image);
  *image = large;
  float factor = (float)scale;
  for (size_t i = 0; i < count; i++) {
    fm_box *box = &faces[i].box;
    *box = (fm_box){box->x1 * factor, box->y1 * factor, box->x2 * factor, box->y2 * factor};
  }
  return FM_OK;
}

static double draw_overlap(const fm_box *a, const fm_box *b) {
  double width = (double)(fminf(a->x2, b->x2) - fmaxf(a->x1, b->x1));
  double height = (double)(fminf(a->y2, b->y2) - fmaxf(a->y1, b->y1));
  return width > 0 && height > 0 ? width * height : 0;
}

// How much of other labels (worst), other faces and the own face a label at `place` would cover.
static double draw_cost(const draw *job, const fm_box *place, size_t face) {
  double cost = 0;
  for (size_t i = 0; i < face; i++)
    cost += 4 * draw_overlap(place, &job->labels[i]);
  for (size_t i = 0; i < job->count; i++)
    cost += (i == face ? 1.5 : 1) * draw_overlap(place, &job->boxes[i]);
  return cost;
}

// The label's places in the order of liking: above left, above right, below left, below right,
// right, left of the box.
static fm_box draw_place(const draw *job, const fm_box *box, int place, double width,
                         double height) {
  double half = job->line / 2, x = (double)box->x1 - half, y = (double)box->y1 - half - height;
  if (place == 1 || place == 3)
    x = (double)box->x2 + half - width;
  if (place == 2 || place == 3)
    y = (double)box->y2 + half;
  if (place >= 4) {
    x = place == 4 ? (double)box->x2 + half : (double)box->x1 - half - width;
    y = (double)box->y1 - half;
  }
  x = fmax(0, fmin(x, job->width - width));
  y = fmax(0, fmin(y, job->height - height));
  return (fm_box){(float)x, (float)y, (float)(x + width), (float)(y + height)};
}

static void draw_find_place(draw *job, size_t face) {
  const fm_draw_face *item = &job->faces[face];
  cairo_text_extents_t extents;
  cairo_text_extents(job->canvas->cairo, item->text, &extents);
  double width = extents.x_advance + 0.6 * job->font, height = 1.3 * job->font, best = INFINITY;
  for (int place = 0; place < DRAW_PLACES; place++) {
    fm_box candidate = draw_place(job, &job->boxes[face], place, width, height);
    double cost = draw_cost(job, &candidate, face);
    if (cost < best - 1e-6) {
      best = cost;
      job->labels[face] = candidate;
    }
  }
}

// cairo's numbers overflow far outside the picture, so boxes end a little outside it; what is not a
// number is 0.
static float draw_clamp(float value, double size) {
  float reach = (float)size;
  return isfinite(value) ? fmaxf(-reach, fminf(value, 2 * reach)) : 0;
}

static void draw_clamp_boxes(draw *job) {
  for (size_t i = 0; i < job->count; i++) {
    const fm_box *box = &job->faces[i].box;
    job->boxes[i] = (fm_box){draw_clamp(box->x1, job->width), draw_clamp(box->y1, job->height),
                             draw_clamp(box->x2, job->width), draw_clamp(box->y2, job->height)};
  }
}

static void draw_box(const draw *job, size_t index) {
  cairo_t *cairo = job->canvas->cairo;
  const fm_draw_face *face = &job->faces[index];
  const fm_box *box = &job->boxes[index];
  cairo_rectangle(cairo, (double)box->x1, (double)box->y1, (double)(box->x2 - box->x1),
                  (double)(box->y2 - box->y1));
  // A thin light rim keeps the line visible on a ground of its own colour.
  fm_canvas_color(job->canvas, 0xffffff, 0.4);
  cairo_set_line_width(cairo, job->line + fmax(1, 0.4 * job->line));
  cairo_stroke_preserve(cairo);
  fm_canvas_color(job->canvas, face->rgb, 1);
  cairo_set_line_width(cairo, job->line);
  cairo_stroke(cairo);
}

// Black or white, whichever contrasts more (relative luminance of sRGB, roughly).
static uint32_t draw_text_color(uint32_t rgb) {
  double luminance = 0.2126 * pow((rgb >> 16 & 255) / 255.0, 2.2) +
                     0.7152 * pow((rgb >> 8 & 255) / 255.0, 2.2) +
                     0.0722 * pow((rgb & 255) / 255.0, 2.2);
  return luminance > 0.22 ? 0x000000 : 0xffffff;
}

static void draw_label(const draw *job, size_t face) {
  cairo_t *cairo = job->canvas->cairo;
  const fm_box *label = &job->labels[face];
  double height = (double)(label->y2 - label->y1);
  cairo_rectangle(cairo, (double)label->x1, (double)label->y1, (double)(label->x2 - label->x1),
                  height);
  fm_canvas_color(job->canvas, job->faces[face].rgb, 1);
  cairo_fill(cairo);
  cairo_font_extents_t extents;
  cairo_font_extents(cairo, &extents);
  double room = (height - extents.ascent - extents.descent) / 2;
  cairo_move_to(cairo, (double)label->x1 + 0.3 * job->font,
                (double)label->y1 + room + extents.ascent);
  fm_canvas_color(job->canvas, draw_text_color(job->faces[face].rgb), 1);
  cairo_show_text(cairo, job->faces[face].text);
}

static bool draw_has_text(const fm_draw_face *face) {
  return face->text && *face->text;
}

static void draw_all(draw *job) {
  cairo_t *cairo = job->canvas->cairo;
  cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_BOLD);
  cairo_set_font_size(cairo, job->font);
  cairo_set_line_join(cairo, CAIRO_LINE_JOIN_MITER);
  for (size_t i = 0; i < job->count; i++)
    draw_box(job, i);
  for (size_t i = 0; i < job->count; i++)
    if (draw_has_text(&job->faces[i])) {
      draw_find_place(job, i);
      draw_label(job, i);
    }
}

static fm_status draw_sized(fm_image *image, const fm_draw_face *faces, size_t count, double font,
                            double line) {
  fm_canvas canvas;
  FM_TRY(fm_canvas_open(&canvas, image));
  draw job = {
      .canvas = &canvas,
      .faces = faces,
      .count = count,
      .boxes = calloc(count + 1, sizeof *job.boxes),
      .labels = calloc(count + 1, sizeof *job.labels),
      .width = image->width,
      .height = image->height,
      .line = line,
      .font = font,
  };
  fm_status status = FM_OK;
  if (job.labels && job.boxes) {
    draw_clamp_boxes(&job);
    draw_all(&job);
    status = fm_canvas_store(&canvas, image);
  } else {
    status = fm_fail(FM_ERR_MEMORY, "out of memory drawing %zu faces", count);
  }
  free(job.boxes);
  free(job.labels);
  fm_canvas_release(&canvas);
  return status;
}

fm_status fm_draw_faces_sized(fm_image *image, const fm_draw_face *faces, size_t count,
                              double font) {
  return draw_sized(image, faces, count, font, fmax(2, font / 5));
}

fm_status fm_draw_faces(fm_image *image, const fm_draw_face *faces, size_t count) {
  double side = sqrt((double)image->width * (double)image->height);
  // Many faces get smaller letters and thinner lines, so that they are not buried below their
  // labels.
  double crowd = fmax(0.55, fmin(1, sqrt(20.0 / (double)(count + 1))));
  return draw_sized(image, faces, count, fmax(9, side / 52 * crowd), fmax(2, side / 220 * crowd));
}
