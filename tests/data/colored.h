// A data set whose faces are plain rectangles in the colour of their class on gray: where the
// colour is, a box has to be. One picture is broken, one has no face, and one class has a single
// face.
#ifndef FM_TESTS_DATA_COLORED_H
#define FM_TESTS_DATA_COLORED_H

#include "data/augment/augment.h"
#include "data/dataset.h"
#include "data/picture_cache.h"
#include "data/sample_pool.h"

enum { COLORED_PICTURES = 9, COLORED_BROKEN = 4, COLORED_CLASSES = 3 };

typedef struct colored {
  char *folder;
  fm_dataset *dataset;
  fm_picture_cache *cache; // too small for all pictures
  fm_sample_pool *pool;
} colored;

colored *colored_open(void);
void colored_close(colored *all);
// The class that a pixel has nearly the colour of, or 0.
int colored_class(const uint8_t *pixel);
// A picture of the set to work on (not the broken one).
fm_augment_picture colored_picture(const colored *all, size_t sample);

#endif
