// Augmentation: a list of random transforms of a picture and its boxes, each with its parameters.
// Transforms are a table (transform.def), one file each; docs/augmentation.md describes them.
#ifndef FM_DATA_AUGMENT_AUGMENT_H
#define FM_DATA_AUGMENT_AUGMENT_H

#include <stddef.h>

#include "base/random.h"
#include "base/status.h"
#include "data/dataset.h"
#include "data/sample_pool.h"
#include "image/image.h"

typedef struct fm_augment fm_augment;

// text: a JSON list, each item a name or {"name": {"parameter": value}}: [{"horizontal_flip": {"p":
// 0.5}}]. {"min_visibility": 0.3} is a setting of the whole list, wherever it stands.
// FM_ERR_ARGUMENT names the unknown transform or parameter and the nearest known one.
FM_MUST_USE fm_status fm_augment_parse(fm_augment **out, const char *text);
void fm_augment_free(fm_augment *augment);
size_t fm_augment_count(const fm_augment *augment); // transforms in the list

// The list a name stands for ("notebook", "strong"); FM_ERR_ARGUMENT names the nearest one.
FM_MUST_USE fm_status fm_augment_preset(const char *name, const char **text);

// A picture with its boxes; a transform may replace any of it. Owned.
typedef struct fm_augment_picture {
  fm_image image;
  fm_object *objects; // heap
  size_t object_count;
} fm_augment_picture;

// A copy to work on.
FM_MUST_USE fm_status fm_augment_picture_copy(fm_augment_picture *out, const fm_image *image,
                                              const fm_object *objects, size_t object_count);
void fm_augment_picture_release(fm_augment_picture *picture);

// The generator of a picture in an epoch: `sample` is its index in the data set, `copy` counts how
// often it came before in this epoch. What a picture becomes thus depends neither on the order of
// the epoch nor on threads.
fm_random fm_augment_random(uint64_t seed, uint64_t epoch, size_t sample, uint32_t copy);

// Applies the list in order; after each transform boxes are clipped to the picture, and those of
// which no more than min_visibility (a share of the area) is left are dropped. A function of its
// arguments alone, safe from several threads. `pool` (NULL: none) has the pictures that transforms
// of several pictures draw from; without it they do nothing. `picture` stays valid on failure.
FM_MUST_USE fm_status fm_augment_apply(const fm_augment *augment, const fm_random *random,
                                       const fm_sample_pool *pool, fm_augment_picture *picture);

#endif
