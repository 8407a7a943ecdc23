// Anchors of all pyramid levels: torchvision's AnchorGenerator.
#include "detect/anchor.h"

#include <math.h>
#include <stdbool.h>

enum { ANCHORS_ALONE = 4096 }; // fewer are not worth a second thread

// Zero-centred anchors of a level, ratios outside, sizes inside; halves round to even as
// torch.round does.
static void anchor_cells(const fm_float_list *sizes, const fm_float_list *ratios, fm_box *cells) {
  int count = 0;
  for (int r = 0; r < ratios->count; r++) {
    float height_ratio = sqrtf(ratios->values[r]), width_ratio = 1 / height_ratio;
    for (int s = 0; s < sizes->count; s++) {
      float width = width_ratio * sizes->values[s], height = height_ratio * sizes->values[s];
      cells[count++] =
          (fm_box){rintf(-width / 2), rintf(-height / 2), rintf(width / 2), rintf(height / 2)};
    }
  }
}

static void anchor_fill_level(fm_anchors *anchors, const fm_anchor_level *level,
                              const fm_box *cells) {
  int step_y = anchors->image_height / level->height, step_x = anchors->image_width / level->width;
#pragma omp parallel for schedule(static) if (level->count > ANCHORS_ALONE)
  for (int y = 0; y < level->height; y++) {
    size_t at = level->first + (size_t)y * (size_t)level->width * (size_t)level->per_place;
    for (int x = 0; x < level->width; x++) {
      float shift_x = (float)(x * step_x), shift_y = (float)(y * step_y);
      for (int a = 0; a < level->per_place; a++, at++) {
        fm_box box = {shift_x + cells[a].x1, shift_y + cells[a].y1, shift_x + cells[a].x2,
                      shift_y + cells[a].y2};
        anchors->x1[at] = box.x1;
        anchors->y1[at] = box.y1;
        anchors->x2[at] = box.x2;
        anchors->y2[at] = box.y2;
        anchors->area[at] = (box.x2 - box.x1) * (box.y2 - box.y1);
      }
    }
  }
}

static bool anchor_same_grid(const fm_anchors *anchors, const fm_anchor_grid *grid) {
  if (anchors->level_count != grid->level_count || anchors->image_height != grid->image_height ||
      anchors->image_width != grid->image_width)
    return false;
  for (int i = 0; i < grid->level_count; i++) {
    if (anchors->levels[i].height != grid->heights[i] ||
        anchors->levels[i].width != grid->widths[i])
      return false;
  }
  return true;
}

fm_status fm_anchors_make(fm_anchors *anchors, const fm_float_table *sizes,
                          const fm_float_table *ratios, const fm_anchor_grid *grid) {
  if (sizes->count != grid->level_count || ratios->count != grid->level_count)
    return fm_fail(FM_ERR_ARGUMENT, "%d pyramid levels, %d rows of anchor sizes, %d of ratios",
                   grid->level_count, sizes->count, ratios->count);
  if (anchor_same_grid(anchors, grid))
    return FM_OK;
  anchors->level_count = 0; // nothing valid until the end
  anchors->image_height = grid->image_height;
  anchors->image_width = grid->image_width;
  size_t count = 0;
  for (int i = 0; i < grid->level_count; i++) {
    fm_anchor_level *level = &anchors->levels[i];
    level->height = grid->heights[i];
    level->width = grid->widths[i];
    level->per_place = sizes->rows[i].count * ratios->rows[i].count;
    level->first = count;
    level->count = (size_t)level->height * (size_t)level->width * (size_t)level->per_place;
    count += level->count;
  }
  void *memory;
  FM_TRY(fm_scratch_get(&anchors->memory, count * 5, sizeof(float), &memory));
  anchors->count = count;
  anchors->x1 = memory;
  anchors->y1 = anchors->x1 + count;
  anchors->x2 = anchors->y1 + count;
  anchors->y2 = anchors->x2 + count;
  anchors->area = anchors->y2 + count;
  for (int i = 0; i < grid->level_count; i++) {
    fm_box cells[FM_LIST_MAX * FM_LIST_MAX] = {{0}};
    anchor_cells(&sizes->rows[i], &ratios->rows[i], cells);
    anchor_fill_level(anchors, &anchors->levels[i], cells);
  }
  anchors->level_count = grid->level_count;
  return FM_OK;
}

void fm_anchors_release(fm_anchors *anchors) {
  fm_scratch_release(&anchors->memory);
  *anchors = (fm_anchors){0};
}
