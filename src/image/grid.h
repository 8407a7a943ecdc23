// Pictures in rows like the words of a text, each above its title, below a heading and above a
// legend.
#ifndef FM_IMAGE_GRID_H
#define FM_IMAGE_GRID_H

#include <stddef.h>
#include <stdint.h>

#include "image/image.h"

typedef struct fm_grid_cell {
  const fm_image *image; // lent
  const char *title;     // UTF-8; cut with an ellipsis where it is wider than the picture
} fm_grid_cell;

typedef struct fm_grid_key {
  uint32_t rgb;
  const char *text; // UTF-8
} fm_grid_key;

typedef struct fm_grid {
  const char *heading;
  const fm_grid_cell *cells;
  size_t cell_count;
  int width;               // a new row begins where a picture would reach beyond
  const fm_grid_key *keys; // what the colours stand for
  size_t key_count;
} fm_grid;

// `out` is a new picture on white. FM_ERR_SHAPE when it would be larger than pictures may be.
FM_MUST_USE fm_status fm_grid_draw(fm_image *out, const fm_grid *grid);

#endif
