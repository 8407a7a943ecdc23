// Draws what was found on the pictures and writes them, a few at a time on all threads.
#ifndef FM_PREDICT_FOUND_DRAWING_H
#define FM_PREDICT_FOUND_DRAWING_H

#include "base/status.h"
#include "predict/found.h"

typedef struct fm_found_drawing fm_found_drawing;
// options: its folder, on_failure and user; lent, as the classes.
FM_MUST_USE fm_status fm_found_drawing_open(fm_found_drawing **out, const fm_find_options *options,
                                            const fm_classes *classes);
// Keeps the picture, or draws it and those that were kept; FM_ERR_IO, of the first of them that
// could not be written. `found` is lent until fm_found_drawing_close, the image is taken.
FM_MUST_USE fm_status fm_found_drawing_put(fm_found_drawing *drawing, const fm_found_picture *found,
                                           fm_image *image);
// Draws those that are kept; fails as fm_found_drawing_put. NULL: does nothing.
FM_MUST_USE fm_status fm_found_drawing_close(fm_found_drawing *drawing);

#endif
