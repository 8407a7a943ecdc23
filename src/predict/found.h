// Runs a predictor over pictures: what was found in each, and the pictures with it drawn on them.
#ifndef FM_PREDICT_FOUND_H
#define FM_PREDICT_FOUND_H

#include <stddef.h>

#include "base/status.h"
#include "data/classes.h"
#include "detect/detector.h"
#include "predict/picture_list.h"
#include "predict/predictor.h"

typedef struct fm_found_picture {
  const char *path, *stem; // of the picture list, lent
  int width, height;
  fm_detections detections; // by falling score
  double seconds;           // of resize and network; reading the file is not in it
} fm_found_picture;

typedef struct fm_found_list {
  const fm_classes *classes; // lent
  float beyond;              // fm_predictor_beyond
  fm_found_picture *items;
  size_t count;
  size_t failed; // pictures that could not be read
} fm_found_list;

typedef struct fm_find_options {
  fm_predictor *predictor; // lent, as everything
  const fm_picture_list *pictures;
  // Gets STEM.png, or STEM.jpg for JPEGs, with boxes drawn; NULL: none. FM_ERR_ARGUMENT for a
  // folder that holds one of the pictures.
  const char *folder;
  void (*on_failure)(void *user, const char *message); // one line, naming the picture
  void *user;
} fm_find_options;

// A picture that cannot be read or drawn on is told to on_failure, and one that cannot be read
// counted; the others go on. `out` is to be
// released also after a failure.
FM_MUST_USE fm_status fm_find_faces(const fm_find_options *options, fm_found_list *out);
void fm_found_list_release(fm_found_list *list);
// STEM with the picture's own extension: a name that no other picture of the list has. Heap; NULL
// when out of memory.
char *fm_found_name(const fm_found_picture *found);

#endif
