// The contact sheet: pictures are scaled first and drawn on then, so that letters and lines have
// one size all over the sheet.
#include "report/contact_sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "image/draw.h"
#include "image/grid.h"
#include "image/resize.h"

enum {
  SHEET_CELL_WIDTH = 760, // at most
  SHEET_CELL_HEIGHT = 380,
  SHEET_NAME_BYTES = 64,
  SHEET_NAME_LETTERS = 24,
  SHEET_KEY_BYTES = 256,
  SHEET_LARGEST = 1600, // pixels of the longer side of a picture of its own
  SHEET_SCALE_MAX = 8,
  SHEET_GAP = 14,   // beside a picture
  SHEET_BELOW = 40, // and below it, for its title
  SHEET_CROWD = 25  // faces of a picture from which on whole names would bury it
};
#define SHEET_FONT 14.0
#define SHEET_SMALL_FONT 10.5
#define SHEET_DOT " \xc2\xb7 "

typedef struct contact_picture {
  fm_image image; // with its boxes drawn
  char *title;
} contact_picture;

struct fm_contact_sheet {
  const fm_dataset *dataset;
  contact_picture *pictures;
  size_t count, room;
  size_t *faces;                     // by label
  char (*names)[SHEET_NAME_BYTES];   // by label, as they stand on the boxes
  char (*numbers)[SHEET_NAME_BYTES]; // by label, as they stand in crowded pictures
  bool crowded;                      // there is one
};

// Whether the `length` bytes at `word` are one of the words that '_' divides `name` into.
static bool sheet_has_word(const char *name, const char *word, size_t length) {
  for (const char *at = name;; at++) {
    size_t own = strcspn(at, "_");
    if (own == length && memcmp(at, word, length) == 0)
      return true;
    at += own;
    if (!*at)
      return false;
  }
}

static bool sheet_is_common(const fm_dataset *dataset, const char *word, size_t length) {
  for (int label = 1; label <= fm_dataset_class_count(dataset); label++)
    if (!sheet_has_word(fm_dataset_class_name(dataset, label), word, length))
      return false;
  return true;
}

// The words of a class name that tell it from the others: "with" of with_mask, where every class
// has "mask". The whole name when nothing would be left.
static void sheet_short_name(const fm_dataset *dataset, int label, char out[SHEET_NAME_BYTES]) {
  const char *name = fm_dataset_class_name(dataset, label);
  char text[SHEET_KEY_BYTES] = "";
  size_t used = 0;
  for (const char *at = name; *at;) {
    size_t length = strcspn(at, "_");
    if (length > 0 && used + length + 2 < sizeof text && !sheet_is_common(dataset, at, length)) {
      used += (size_t)snprintf(text + used, sizeof text - used, "%s%.*s", used ? " " : "",
                               (int)length, at);
    }
    at += length + (at[length] == '_');
  }
  fm_utf8_middle(out, SHEET_NAME_BYTES, used ? text : name, SHEET_NAME_LETTERS);
}

fm_status fm_contact_sheet_new(fm_contact_sheet **out, const fm_dataset *dataset) {
  *out = NULL;
  size_t labels = (size_t)fm_dataset_class_count(dataset) + 1;
  fm_contact_sheet *sheet = calloc(1, sizeof *sheet);
  FM_CHECK_ALLOC(sheet);
  sheet->dataset = dataset;
  sheet->faces = calloc(labels, sizeof *sheet->faces);
  sheet->names = calloc(labels, sizeof *sheet->names);
  sheet->numbers = calloc(labels, sizeof *sheet->numbers);
  if (!sheet->faces || !sheet->names || !sheet->numbers) {
    fm_contact_sheet_free(sheet);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  for (int label = 1; label < (int)labels; label++) {
    sheet_short_name(dataset, label, sheet->names[label]);
    snprintf(sheet->numbers[label], SHEET_NAME_BYTES, "%d", label);
  }
  *out = sheet;
  return FM_OK;
}

void fm_contact_sheet_free(fm_contact_sheet *sheet) {
  if (!sheet)
    return;
  for (size_t i = 0; i < sheet->count; i++) {
    fm_image_release(&sheet->pictures[i].image);
    free(sheet->pictures[i].title);
  }
  free(sheet->pictures);
  free(sheet->faces);
  free(sheet->names);
  free(sheet->numbers);
  free(sheet);
}

// Boxes with whole class names, scaled. Heap; NULL when out of memory.
static fm_draw_face *sheet_faces(const fm_dataset *dataset, const fm_object *objects, size_t count,
                                 double scale) {
  fm_draw_face *faces = calloc(count + 1, sizeof *faces);
  for (size_t i = 0; faces && i < count; i++) {
    const fm_box *box = &objects[i].box;
    const char *name = fm_dataset_class_name(dataset, objects[i].label);
    float factor = (float)scale;
    faces[i] = (fm_draw_face){
        .box = {box->x1 * factor, box->y1 * factor, box->x2 * factor, box->y2 * factor},
        .text = name,
        .rgb = fm_draw_class_color(name, objects[i].label)};
  }
  return faces;
}

static fm_status sheet_draw(fm_contact_sheet *sheet, contact_picture *picture,
                            const fm_image *image, const fm_object *objects, size_t count) {
  double scale =
      fmin((double)SHEET_CELL_WIDTH / image->width, (double)SHEET_CELL_HEIGHT / image->height);
  int width = (int)fmax(1, round(image->width * scale));
  int height = (int)fmax(1, round(image->height * scale));
  FM_TRY(fm_image_resize(&picture->image, image, width, height));
  fm_draw_face *faces = sheet_faces(sheet->dataset, objects, count, scale);
  FM_CHECK_ALLOC(faces);
  bool crowded = count > SHEET_CROWD;
  for (size_t i = 0; i < count; i++) {
    int32_t label = objects[i].label;
    faces[i].text = crowded ? sheet->numbers[label] : sheet->names[label];
    sheet->faces[label]++;
  }
  sheet->crowded |= crowded;
  fm_status status =
      fm_draw_faces_sized(&picture->image, faces, count, crowded ? SHEET_SMALL_FONT : SHEET_FONT);
  free(faces);
  return status;
}

fm_status fm_contact_sheet_add(fm_contact_sheet *sheet, const char *title, const fm_image *image,
                               const fm_object *objects, size_t object_count) {
  if (sheet->count == sheet->room) {
    size_t room = sheet->room ? 2 * sheet->room : 16;
    contact_picture *pictures = realloc(sheet->pictures, room * sizeof *pictures);
    FM_CHECK_ALLOC(pictures);
    sheet->pictures = pictures;
    sheet->room = room;
  }
  contact_picture *picture = &sheet->pictures[sheet->count];
  *picture = (contact_picture){.title = strdup(title)};
  sheet->count++; // first: what is there of it is released with the sheet
  FM_CHECK_ALLOC(picture->title);
  return sheet_draw(sheet, picture, image, objects, object_count);
}

static fm_status sheet_write(const fm_grid *grid, const char *path) {
  fm_image image;
  FM_TRY(fm_grid_draw(&image, grid));
  fm_status status = fm_image_write_png(&image, path);
  fm_image_release(&image);
  return status;
}

// "2 · with · with_mask (12 faces)": how the class stands on the boxes, with its number when a
// picture shows numbers, and its name.
static void sheet_key(const fm_contact_sheet *sheet, int label, char text[SHEET_KEY_BYTES],
                      fm_grid_key *key) {
  const char *name = fm_dataset_class_name(sheet->dataset, label);
  const char *shown = sheet->names[label];
  bool same = strcmp(shown, name) == 0;
  size_t faces = sheet->faces[label];
  snprintf(text, SHEET_KEY_BYTES, "%s%s%s%s%.160s (%zu face%s)",
           sheet->crowded ? sheet->numbers[label] : "", sheet->crowded ? SHEET_DOT : "",
           same ? "" : shown, same ? "" : SHEET_DOT, name, faces, faces == 1 ? "" : "s");
  *key = (fm_grid_key){.rgb = fm_draw_class_color(name, label), .text = text};
}

// The area of a sheet `width` wide; less is better filled.
static double sheet_area(const fm_contact_sheet *sheet, double width) {
  double left = 0, height = 0, tallest = 0, widest = 0;
  for (size_t i = 0; i < sheet->count; i++) {
    const fm_image *image = &sheet->pictures[i].image;
    if (left > 0 && left + image->width > width) {
      left = 0;
      height += tallest + SHEET_BELOW;
      tallest = 0;
    }
    left += image->width + SHEET_GAP;
    widest = fmax(widest, left);
    tallest = fmax(tallest, image->height);
  }
  return widest * (height + tallest + SHEET_BELOW);
}

// The width between about 1.2:1 and 2.2:1 that leaves least of the sheet empty.
static int sheet_width(const fm_contact_sheet *sheet) {
  enum { TRIES = 40, MARGINS = 40 };
  double area = 0, best = INFINITY, chosen = 0;
  for (size_t i = 0; i < sheet->count; i++) {
    const fm_image *image = &sheet->pictures[i].image;
    area += (double)(image->width + SHEET_GAP) * (image->height + SHEET_BELOW);
  }
  for (int i = 0; i < TRIES; i++) {
    double width = sqrt(area * (1.2 + (double)i / TRIES));
    double own = sheet_area(sheet, width);
    if (own < best) {
      best = own;
      chosen = width;
    }
  }
  return (int)chosen + MARGINS;
}

fm_status fm_contact_sheet_write(const fm_contact_sheet *sheet, const char *heading,
                                 const char *path) {
  size_t classes = (size_t)fm_dataset_class_count(sheet->dataset);
  fm_grid_cell *cells = calloc(sheet->count + 1, sizeof *cells);
  fm_grid_key *keys = calloc(classes + 1, sizeof *keys);
  char(*texts)[SHEET_KEY_BYTES] = calloc(classes + 1, sizeof *texts);
  fm_status status = FM_OK;
  if (cells && keys && texts) {
    for (size_t i = 0; i < sheet->count; i++)
      cells[i] = (fm_grid_cell){&sheet->pictures[i].image, sheet->pictures[i].title};
    for (size_t i = 0; i < classes; i++)
      sheet_key(sheet, (int)i + 1, texts[i], &keys[i]);
    const fm_grid grid = {.heading = heading,
                          .cells = cells,
                          .cell_count = sheet->count,
                          .width = sheet_width(sheet),
                          .keys = keys,
                          .key_count = classes};
    status = sheet_write(&grid, path);
  } else {
    status = fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  free(cells);
  free(keys);
  free(texts);
  return status;
}

fm_status fm_contact_sheet_write_one(const fm_dataset *dataset, const char *path,
                                     const fm_image *image, const fm_object *objects,
                                     size_t object_count) {
  int side = image->width > image->height ? image->width : image->height;
  bool crowded = object_count > SHEET_CROWD;
  double scale = fm_draw_scale(image);
  if (crowded || side > SHEET_LARGEST)
    scale = fmin((double)SHEET_LARGEST / side, SHEET_SCALE_MAX);
  fm_image large;
  FM_TRY(fm_image_resize(&large, image, (int)fmax(1, round(image->width * scale)),
                         (int)fmax(1, round(image->height * scale))));
  fm_draw_face *faces = sheet_faces(dataset, objects, object_count, scale);
  fm_status status =
      faces ? fm_draw_faces(&large, faces, object_count) : fm_fail(FM_ERR_MEMORY, "out of memory");
  if (status >= 0)
    status = fm_image_write_png(&large, path);
  free(faces);
  fm_image_release(&large);
  return status;
}
