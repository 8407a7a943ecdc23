// What a list is made of; for augment.c, which applies it, and augment_parse.c, which reads it.
#ifndef FM_DATA_AUGMENT_PRIVATE_H
#define FM_DATA_AUGMENT_PRIVATE_H

#include "data/augment/augment.h"
#include "data/augment/transform.h"

enum { FM_AUGMENT_ITEMS_MAX = 64 };
#define FM_AUGMENT_MIN_VISIBILITY 0.3

typedef struct augment_item {
  const fm_transform *transform;
  void *parameters;  // heap
  fm_augment *inner; // of a transform that nests, else NULL
} augment_item;

struct fm_augment {
  double min_visibility;
  size_t count;
  augment_item items[FM_AUGMENT_ITEMS_MAX];
};

#endif
