// What lies beyond the edges of a picture.
#ifndef FM_IMAGE_BORDER_H
#define FM_IMAGE_BORDER_H

// The place inside [0, size) that `at` mirrors to, without repeating the edge: -1 is 1, size is
// size
// - 2 (OpenCV's BORDER_REFLECT_101).
static inline int fm_border_reflect_101(int at, int size) {
  if (size == 1)
    return 0;
  while (at < 0 || at >= size) // far outside of a small picture it takes several mirrors
    at = at < 0 ? -at : 2 * (size - 1) - at;
  return at;
}

#endif
