// Mosaic: the picture and three others, each a part of itself, around a point (Bochkovskiy et al.
// 2020). The canvas keeps the picture's size, and parts are chosen so that faces are not cut
// (window.h) and no rim is left plain.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/augment/transform.h"
#include "data/augment/window.h"
#include "image/crop.h"
#include "image/resize.h"

enum { MOSAIC_TILES = 4, MOSAIC_PICTURES = 4 };

typedef struct mosaic_parameters {
  double p;
  fm_float_list center, scale;
  double keep;
  int tries;
} mosaic_parameters;

static const fm_option mosaic_options[] = {
    FM_TRANSFORM_P(mosaic_parameters, "0.5"),
    FM_TRANSFORM_RANGE(mosaic_parameters, center, 0.1, 0.9, "[0.35, 0.65]",
                       "where the four meet, as a share of width and height"),
    FM_TRANSFORM_RANGE(mosaic_parameters, scale, 0.1, 10, "[0.5, 1.2]",
                       "factor of the sizes in each picture, 1 being as without mosaic; a part is "
                       "never larger than its picture"),
    {"keep", FM_OPTION_DOUBLE, offsetof(mosaic_parameters, keep), 0.1, 1, "0.6", NULL,
     "share of a face's area that has to be inside for the face to be kept"},
    {"tries", FM_OPTION_INT, offsetof(mosaic_parameters, tries), 1, 1000, "15", NULL,
     "parts of a picture looked at"},
    {0},
};

typedef struct mosaic {
  const mosaic_parameters *own;
  fm_augment_context *context;
  fm_image canvas;
  fm_object *objects; // heap
  size_t object_count;
} mosaic;

// A picture and its faces, lent.
typedef struct mosaic_part {
  const fm_image *image;
  const fm_object *objects;
  size_t object_count;
  fm_box window; // chosen
} mosaic_part;

// Chooses a window with the tile's proportions; false when none was valid: then it is as large as
// can be.
static bool mosaic_choose(const mosaic *self, mosaic_part *part, const fm_box *tile) {
  fm_random *random = &self->context->random;
  const fm_image *image = part->image, *canvas = &self->canvas;
  double width = (double)(tile->x2 - tile->x1), height = (double)(tile->y2 - tile->y1);
  // Both would be brought to the same size by the network.
  double alike =
      sqrt((double)canvas->width * canvas->height / ((double)image->width * image->height));
  double least = fmax(width / image->width, height / image->height);
  for (int i = 0; i < self->own->tries; i++) {
    double factor = fmax(least, alike * fm_transform_draw_factor(&self->own->scale, random));
    part->window = fm_window_draw(random, width / factor, height / factor, image);
    if (fm_window_is_valid(&part->window, part->objects, part->object_count, self->own->keep))
      return true;
  }
  part->window = fm_window_draw(random, width / least, height / least, image);
  return false;
}

static fm_status mosaic_put(mosaic *self, const mosaic_part *part, const fm_box *tile) {
  size_t room = self->object_count + part->object_count + 1;
  fm_object *objects = realloc(self->objects, room * sizeof *objects);
  FM_CHECK_ALLOC(objects);
  self->objects = objects;
  fm_image image;
  FM_TRY(fm_image_resize_part(&image, part->image, &part->window, (int)(tile->x2 - tile->x1),
                              (int)(tile->y2 - tile->y1)));
  fm_image_put(&self->canvas, &image, (int)tile->x1, (int)tile->y1);
  fm_image_release(&image);
  self->object_count += fm_window_map(&part->window, tile, part->objects, part->object_count,
                                      self->own->keep, objects + self->object_count);
  return FM_OK;
}

// Another picture; the first one that has a valid window, or else the last one.
static fm_status mosaic_put_other(mosaic *self, const fm_box *tile) {
  const fm_sample_pool *pool = self->context->pool;
  for (int i = 1; i <= MOSAIC_PICTURES; i++) {
    size_t index = fm_random_below(&self->context->random, fm_sample_pool_count(pool));
    const fm_sample *sample = fm_sample_pool_sample(pool, index);
    fm_image image;
    bool owned;
    fm_status status = fm_sample_pool_image(pool, index, &image, &owned);
    FM_TRY(status);
    if (status == FM_END)
      continue;
    mosaic_part part = {&image, sample->objects, sample->object_count, {0, 0, 0, 0}};
    bool chosen = mosaic_choose(self, &part, tile) || i == MOSAIC_PICTURES;
    status = chosen ? mosaic_put(self, &part, tile) : FM_OK;
    if (owned)
      fm_image_release(&image);
    if (chosen)
      return status;
  }
  return FM_OK;
}

static fm_status mosaic_fill(mosaic *self, const fm_augment_picture *picture) {
  fm_random *random = &self->context->random;
  float width = (float)picture->image.width, height = (float)picture->image.height;
  float x = roundf(width * (float)fm_transform_draw(&self->own->center, random));
  float y = roundf(height * (float)fm_transform_draw(&self->own->center, random));
  const fm_box tiles[MOSAIC_TILES] = {
      {0, 0, x, y}, {x, 0, width, y}, {0, y, x, height}, {x, y, width, height}};
  size_t first = fm_random_below(random, MOSAIC_TILES);
  for (size_t i = 0; i < MOSAIC_TILES; i++) {
    if (i != first) {
      FM_TRY(mosaic_put_other(self, &tiles[i]));
      continue;
    }
    mosaic_part part = {&picture->image, picture->objects, picture->object_count, {0, 0, 0, 0}};
    mosaic_choose(self, &part, &tiles[i]);
    FM_TRY(mosaic_put(self, &part, &tiles[i]));
  }
  return FM_OK;
}

static fm_status mosaic_apply(const void *parameters, fm_augment_context *context,
                              fm_augment_picture *picture) {
  enum { LEAST = 16 }; // pixels of a side, so that every tile has some
  fm_image *image = &picture->image;
  if (!context->pool || fm_sample_pool_count(context->pool) == 0 || image->width < LEAST ||
      image->height < LEAST)
    return FM_OK;
  mosaic self = {.own = parameters, .context = context};
  fm_status status =
      fm_image_new_filled(&self.canvas, image->width, image->height, FM_TRANSFORM_FILL);
  if (status >= 0)
    status = mosaic_fill(&self, picture);
  if (status < 0) {
    fm_image_release(&self.canvas);
    free(self.objects);
    return status;
  }
  fm_augment_picture_release(picture);
  *picture = (fm_augment_picture){self.canvas, self.objects, self.object_count};
  return FM_OK;
}

const fm_transform fm_transform_mosaic = {
    .name = "mosaic",
    .parameter_bytes = sizeof(mosaic_parameters),
    .parameters = mosaic_options,
    .apply = mosaic_apply,
};
