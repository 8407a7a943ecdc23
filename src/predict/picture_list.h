// What the words behind `facemask detect` mean: pictures, folders of them, globs, standard input.
#ifndef FM_PREDICT_PICTURE_LIST_H
#define FM_PREDICT_PICTURE_LIST_H

#include <stddef.h>

#include "base/status.h"
#include "image/image.h"

typedef struct fm_picture_path {
  char *path; // "-" is standard input
  char *stem; // file name without extension, unlike every other in the list
} fm_picture_path;

typedef struct fm_picture_list {
  fm_picture_path *items;
  size_t count, capacity;
} fm_picture_list;

// A folder stands for its pictures (by extension, not below it; also of kinds that reading refuses)
// in the order of their names, a glob for what it matches. A word that is none of these is taken
// for a picture; reading it will tell. FM_ERR_UNSUPPORTED for a video or a camera, FM_ERR_IO for a
// folder without pictures. `out` needs no release after a failure.
FM_MUST_USE fm_status fm_picture_list_make(fm_picture_list *out, const char *const *words,
                                           int count);
void fm_picture_list_release(fm_picture_list *list);
// The picture behind a path of the list.
FM_MUST_USE fm_status fm_picture_list_read(const char *path, fm_image *out);

#endif
