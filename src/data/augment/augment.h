// Augmentation: a list of random transforms of a picture and its boxes, each with its parameters.
// Transforms are a table (transform.def), one file each.
#ifndef FM_DATA_AUGMENT_AUGMENT_H
#define FM_DATA_AUGMENT_AUGMENT_H

#include <stddef.h>

#include "base/random.h"
#include "base/status.h"
#include "data/dataset.h"
#include "image/image.h"

typedef struct fm_augment fm_augment;

// text: a JSON list, each item a name or {"name": {"parameter": value}}: [{"horizontal_flip": {"p":
// 0.5}}]. FM_ERR_ARGUMENT names the unknown transform or parameter and the nearest known one.
FM_MUST_USE fm_status fm_augment_parse(fm_augment **out, const char *text);
void fm_augment_free(fm_augment *augment);
size_t fm_augment_count(const fm_augment *augment); // transforms in the list

// A picture with its boxes; a transform may replace any of it. Owned.
typedef struct fm_augment_picture {
  fm_image image;
  fm_object *objects;
  size_t object_count;
} fm_augment_picture;

// Applies the list in order. A function of its arguments alone, safe from several threads;
// `picture` stays valid on failure.
FM_MUST_USE fm_status fm_augment_apply(const fm_augment *augment, fm_random *random,
                                       fm_augment_picture *picture);

#endif
