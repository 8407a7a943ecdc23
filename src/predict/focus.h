// Where to look in a picture, and how large (model.focus): a first look sees all of it, the others
// the part where the first one found faces.
#ifndef FM_PREDICT_FOCUS_H
#define FM_PREDICT_FOCUS_H

#include "base/status.h"
#include "detect/detector.h"
#include "image/image.h"

typedef struct fm_focus_options {
  int width, height; // of the picture
  float scale;       // network's pixels a pixel of the picture, where no face forbids it
  float ceiling;     // the same of the largest look: no face is to be shown larger in that one than
  float most;        // so many network's pixels; the other looks follow in proportion
  int longest;       // the network's side that no part needs more than
} fm_focus_options;

// A part of a picture, in its pixels, and the size the network reads it in. The part may reach
// beyond the picture's right and lower edge, never its left and upper one.
typedef struct fm_focus {
  int x, y, width, height;
  int shown_width, shown_height;
} fm_focus;

// `first`: what the first look found, in the picture's pixels, lent; NULL: this is the first look.
// The part holds what may be faces, with their surroundings; where nothing was found it is the
// picture. Shown sides are few and far between, so that networks need few plans: the part grows to
// them.
fm_focus fm_focus_choose(const fm_focus_options *options, const fm_detections *first);

// What the network reads of that part, whose size becomes fm_input's source; what of it lies in the
// picture is mirrored or not. Beyond the picture are zeros on the right and below, as beside the
// smaller pictures of a batch.
FM_MUST_USE fm_status fm_focus_input(fm_input *out, const fm_focus *focus,
                                     const fm_model_config *config, const fm_image *image,
                                     bool mirrored);

#endif
