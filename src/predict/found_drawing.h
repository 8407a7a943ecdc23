// A thread that draws what was found on the pictures and writes them, while the next is looked at.
#ifndef FM_PREDICT_FOUND_DRAWING_H
#define FM_PREDICT_FOUND_DRAWING_H

#include "base/status.h"
#include "predict/found.h"

typedef struct fm_found_drawing fm_found_drawing;
// options: its folder, on_failure (called by the thread that puts and closes) and user; lent, as
// the classes.
FM_MUST_USE fm_status fm_found_drawing_open(fm_found_drawing **out, const fm_find_options *options,
                                            const fm_classes *classes);
// Waits for the picture before; FM_ERR_IO when that could not be written. `found` is lent until
// the next call, the image is taken.
FM_MUST_USE fm_status fm_found_drawing_put(fm_found_drawing *drawing, const fm_found_picture *found,
                                           fm_image *image);
// Waits for the last picture; fails as fm_found_drawing_put. NULL: does nothing.
FM_MUST_USE fm_status fm_found_drawing_close(fm_found_drawing *drawing);

#endif
