// Stable sorting of many indices by 64-bit keys, and keys of numbers. For coco.c.
#ifndef FM_EVAL_COCO_ORDER_H
#define FM_EVAL_COCO_ORDER_H

#include <stddef.h>
#include <stdint.h>

// Sorts `order` (count indices into `keys`) by rising key; equal keys keep their order. `spare` is
// room for count indices. Radix sort: linear in count.
void fm_coco_order_by(uint32_t *order, uint32_t *spare, const uint64_t *keys, size_t count);
// A key that rises as the score falls; -0 and 0 are equal. The score is not a NaN.
uint64_t fm_coco_score_key(double score);
// Rises with the id.
uint64_t fm_coco_id_key(int64_t id);

#endif
