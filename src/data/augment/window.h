// Windows: the part of a picture that a transform keeps, and which of its boxes stay valid there. A
// face belongs to a window when most of it is inside; a window that shows a part of a face which
// then would have no box teaches that such a part is background, so it is no valid one.
#ifndef FM_DATA_AUGMENT_WINDOW_H
#define FM_DATA_AUGMENT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/random.h"
#include "data/dataset.h"

// `keep`: the share of a face's area from which on it belongs to the window. Without faces every
// window is valid; with faces it has to have one.
bool fm_window_is_valid(const fm_box *window, const fm_object *objects, size_t count, double keep);
// A window of a size, at most the picture's, at a random place in it.
fm_box fm_window_draw(fm_random *random, double width, double height, const fm_image *image);
// The objects that belong to the window, moved to where `target` shows it; may work in place.
// Returns their number.
size_t fm_window_map(const fm_box *window, const fm_box *target, const fm_object *objects,
                     size_t count, double keep, fm_object *out);

#endif
