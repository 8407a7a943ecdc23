// One sweep over the boxes by falling score, each compared with the kept ones of its group until
// one suppresses it; the sweep ends as soon as enough are kept.
#include "detect/nms.h"

#include <math.h>
#include <stdbool.h>

#include "base/clones.h"
#include "detect/order.h"

// Kept boxes are compared NMS_LANES at a time. torchvision treats up to NMS_SHIFTED_MAX boxes in
// one nms whose groups are shifted apart; the shift rounds the coordinates, and so the overlaps.
enum { NMS_LANES = 16, NMS_SHIFTED_MAX = 1000 };

// Kept boxes of a group, in blocks of NMS_LANES; what is unused overlaps nothing.
typedef struct nms_block {
  float x1[NMS_LANES], y1[NMS_LANES], x2[NMS_LANES], y2[NMS_LANES], area[NMS_LANES];
} nms_block;

typedef struct nms_group {
  size_t first_block, kept;
} nms_group;

static size_t nms_block_count(size_t count, int group_count) {
  return count / NMS_LANES + (size_t)group_count + 1;
}

static size_t nms_align(size_t bytes) {
  return (bytes + 63) / 64 * 64;
}

size_t fm_nms_bytes(size_t count, int group_count) {
  int groups = group_count > 0 ? group_count : 1;
  return nms_align(nms_block_count(count, groups) * sizeof(nms_block)) +
         nms_align((size_t)groups * sizeof(nms_group)) + nms_align(count * sizeof(uint32_t)) +
         fm_order_bytes(count, count);
}

FM_KERNEL static bool nms_is_suppressed(const nms_block *blocks, size_t kept, fm_box box,
                                        float threshold) {
  float area = (box.x2 - box.x1) * (box.y2 - box.y1);
  for (size_t b = 0; b * NMS_LANES < kept; b++) {
    const nms_block *block = &blocks[b];
    int hits = 0;
    for (int i = 0; i < NMS_LANES; i++) {
      float x1 = block->x1[i] > box.x1 ? block->x1[i] : box.x1;
      float y1 = block->y1[i] > box.y1 ? block->y1[i] : box.y1;
      float x2 = block->x2[i] < box.x2 ? block->x2[i] : box.x2;
      float y2 = block->y2[i] < box.y2 ? block->y2[i] : box.y2;
      float w = x2 - x1 > 0 ? x2 - x1 : 0, h = y2 - y1 > 0 ? y2 - y1 : 0;
      float both = w * h;
      hits |= both / (block->area[i] + area - both) > threshold;
    }
    if (hits)
      return true;
  }
  return false;
}

static void nms_keep(nms_block *blocks, size_t position, fm_box box) {
  nms_block *block = &blocks[position / NMS_LANES];
  size_t lane = position % NMS_LANES;
  if (lane == 0) {
    for (int i = 0; i < NMS_LANES; i++) {
      block->x1[i] = block->y1[i] = INFINITY;
      block->x2[i] = block->y2[i] = -INFINITY;
      block->area[i] = 0;
    }
  }
  block->x1[lane] = box.x1;
  block->y1[lane] = box.y1;
  block->x2[lane] = box.x2;
  block->y2[lane] = box.y2;
  block->area[lane] = (box.x2 - box.x1) * (box.y2 - box.y1);
}

// What torchvision's "coordinate trick" adds per group number; 0 when it is not used.
static float nms_shift(const fm_nms_input *input) {
  if (!input->groups || input->count > NMS_SHIFTED_MAX)
    return 0;
  float greatest = -INFINITY;
  for (size_t i = 0; i < input->count; i++) {
    fm_box b = input->boxes[i];
    greatest = fmaxf(greatest, fmaxf(fmaxf(b.x1, b.y1), fmaxf(b.x2, b.y2)));
  }
  return greatest + 1;
}

static void nms_lay_out_groups(const fm_nms_input *input, nms_group *groups, int group_count) {
  for (int g = 0; g < group_count; g++)
    groups[g] = (nms_group){0};
  for (size_t i = 0; i < input->count; i++)
    groups[input->groups ? input->groups[i] : 0].kept++;
  size_t block = 0;
  for (int g = 0; g < group_count; g++) {
    size_t size = groups[g].kept;
    groups[g] = (nms_group){.first_block = block};
    block += (size + NMS_LANES - 1) / NMS_LANES;
  }
}

// torchvision compares the float overlap with a double: the greatest float not above it divides
// them alike.
static float nms_threshold(double threshold) {
  float value = (float)threshold;
  return (double)value > threshold ? nextafterf(value, -INFINITY) : value;
}

size_t fm_nms(const fm_nms_input *input, uint32_t *keep, void *scratch) {
  int group_count = input->groups ? input->group_count : 1;
  nms_block *blocks = scratch;
  char *next =
      (char *)scratch + nms_align(nms_block_count(input->count, group_count) * sizeof(nms_block));
  nms_group *groups = (nms_group *)next;
  next += nms_align((size_t)group_count * sizeof(nms_group));
  uint32_t *order = (uint32_t *)next;
  next += nms_align(input->count * sizeof(uint32_t));
  fm_order_top(input->scores, input->count, input->count, order, next);
  nms_lay_out_groups(input, groups, group_count);
  float threshold = nms_threshold(input->threshold), shift = nms_shift(input);
  size_t kept = 0;
  for (size_t i = 0; i < input->count && kept < input->limit; i++) {
    fm_box box = input->boxes[order[i]];
    int number = input->groups ? input->groups[order[i]] : 0;
    if (shift > 0) {
      float offset = (float)number * shift;
      box = (fm_box){box.x1 + offset, box.y1 + offset, box.x2 + offset, box.y2 + offset};
    }
    nms_group *group = &groups[number];
    nms_block *first = blocks + group->first_block;
    if (nms_is_suppressed(first, group->kept, box, threshold))
      continue;
    nms_keep(first, group->kept++, box);
    keep[kept++] = order[i];
  }
  return kept;
}
