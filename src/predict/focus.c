// The part of a picture that holds faces, and a size for it.
#include "predict/focus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detect/box.h"
#include "image/crop.h"

// Chosen on the folds (docs/accuracy.md).
#define FOCUS_MAYBE 0.15f // from this score on a detection belongs to the part,
#define FOCUS_SURE 0.3f   // from this one on it says how large faces are
#define FOCUS_AROUND 0.4f // of a box's sides, and
#define FOCUS_MARGIN 8.0f // pixels of the picture are kept around it
#define FOCUS_LEAST 0.15f // of the scale wanted, however large the smallest face

// Shown sides: multiples of the pyramid's stride, each this much longer than the one before. A plan
// for a new size costs as much as a look, a look at more than is needed in proportion.
enum { FOCUS_STEP = 32, FOCUS_SHORTEST = 96 };
#define FOCUS_GROWTH 1.15

// The factor of all later looks that keeps the smallest face from being shown too large.
static float focus_factor(const fm_focus_options *options, const fm_detections *first) {
  float smallest = INFINITY;
  for (size_t i = 0; i < first->count; ++i)
    if (first->items[i].score >= FOCUS_SURE)
      smallest = fminf(smallest, sqrtf(fmaxf(fm_box_area(first->items[i].box), 1)));
  const float shown = smallest * options->ceiling;
  return isfinite(shown) && shown > options->most ? fmaxf(options->most / shown, FOCUS_LEAST) : 1;
}

static fm_box focus_part(const fm_focus_options *options, const fm_detections *first) {
  const fm_box whole = {0, 0, (float)options->width, (float)options->height};
  fm_box part = {INFINITY, INFINITY, -INFINITY, -INFINITY};
  for (size_t i = 0; i < first->count; ++i) {
    if (first->items[i].score < FOCUS_MAYBE)
      continue;
    const fm_box box = first->items[i].box;
    const float across = FOCUS_AROUND * (box.x2 - box.x1) + FOCUS_MARGIN;
    const float down = FOCUS_AROUND * (box.y2 - box.y1) + FOCUS_MARGIN;
    part = (fm_box){fminf(part.x1, box.x1 - across), fminf(part.y1, box.y1 - down),
                    fmaxf(part.x2, box.x2 + across), fmaxf(part.y2, box.y2 + down)};
  }
  part = fm_box_clip(part, options->width, options->height);
  return part.x2 > part.x1 && part.y2 > part.y1 ? part : whole;
}

// The shortest of the shown sides that holds `pixels`, but no more than `longest` in whole steps.
static int focus_side(double pixels, int longest) {
  const int most = (longest + FOCUS_STEP - 1) / FOCUS_STEP * FOCUS_STEP;
  int side = FOCUS_SHORTEST;
  while (side < pixels && side < most)
    side = (int)ceil(side * FOCUS_GROWTH / FOCUS_STEP) * FOCUS_STEP;
  return side < most ? side : most;
}

typedef struct focus_axis {
  int start, length, shown;
} focus_axis;

// The part from `low` to `high` of `side` pixels.
static focus_axis focus_fit(float low, float high, int side, float scale, int longest) {
  focus_axis axis = {.shown = focus_side((double)(high - low) * (double)scale, longest)};
  axis.length = (int)ceilf((float)axis.shown / scale);
  const int middle = (int)floorf((low + high - (float)axis.length) / 2);
  axis.start = middle + axis.length <= side ? middle : side - axis.length;
  axis.start = axis.start > 0 ? axis.start : 0;
  return axis;
}

fm_focus fm_focus_choose(const fm_focus_options *options, const fm_detections *first) {
  const fm_detections nothing = {0};
  const fm_detections *found = first ? first : &nothing;
  const float scale = options->scale * focus_factor(options, found);
  const fm_box part = focus_part(options, found);
  const focus_axis across = focus_fit(part.x1, part.x2, options->width, scale, options->longest);
  const focus_axis down = focus_fit(part.y1, part.y2, options->height, scale, options->longest);
  return (fm_focus){.x = across.start,
                    .y = down.start,
                    .width = across.length,
                    .height = down.length,
                    .shown_width = across.shown,
                    .shown_height = down.shown};
}

// `inside` into the upper left corner of zeros of the focus's size; takes it over.
static fm_status focus_pad(fm_input *out, const fm_focus *focus, fm_input *inside) {
  const size_t width = (size_t)focus->shown_width, height = (size_t)focus->shown_height;
  out->pixels = calloc(3 * width * height, sizeof *out->pixels);
  for (size_t y = 0; out->pixels && y < 3 * (size_t)inside->height; ++y) {
    const size_t plane = y / (size_t)inside->height, row = y % (size_t)inside->height;
    memcpy(out->pixels + (plane * height + row) * width, inside->pixels + y * (size_t)inside->width,
           (size_t)inside->width * sizeof *out->pixels);
  }
  fm_input_release(inside);
  FM_CHECK_ALLOC(out->pixels);
  return FM_OK;
}

// How many of an axis's `shown` pixels show the picture, of which the part holds `covered` of
// `length`.
static int focus_filled(int covered, int length, int shown) {
  const long filled = lround((double)covered * shown / length);
  return filled > 1 ? (int)filled : 1;
}

fm_status fm_focus_input(fm_input *out, const fm_focus *focus, const fm_model_config *config,
                         const fm_image *image, bool mirrored) {
  *out = (fm_input){.source_width = focus->width,
                    .source_height = focus->height,
                    .width = focus->shown_width,
                    .height = focus->shown_height};
  const int right = image->width - focus->x, below = image->height - focus->y;
  const int width = focus->width < right ? focus->width : right;
  const int height = focus->height < below ? focus->height : below;
  const bool whole = width == image->width && height == image->height && !mirrored;
  fm_image part = {0};
  if (!whole)
    FM_TRY(fm_image_crop(&part, image, focus->x, focus->y, width, height));
  if (mirrored)
    fm_image_mirror(&part);
  fm_input inside;
  fm_status status = fm_input_make_sized(&inside, config, whole ? image : &part,
                                         focus_filled(width, focus->width, focus->shown_width),
                                         focus_filled(height, focus->height, focus->shown_height));
  fm_image_release(&part);
  FM_TRY(status);
  if (inside.width == out->width && inside.height == out->height) {
    out->pixels = inside.pixels;
    return FM_OK;
  }
  return focus_pad(out, focus, &inside);
}
