// Drawn pictures of people with and without face masks, for tests and the demo: everything random
// comes from the generator, so the same generator gives the same bytes.
#ifndef FM_IMAGE_SCENE_H
#define FM_IMAGE_SCENE_H

#include <stddef.h>

#include "base/box.h"
#include "base/random.h"
#include "image/image.h"

typedef enum fm_scene_mask {
  FM_SCENE_BARE,    // no mask: nose and mouth can be seen
  FM_SCENE_WORN,    // over nose, mouth and chin
  FM_SCENE_SLIPPED, // below the nose, or on the chin
} fm_scene_mask;

typedef struct fm_scene_face {
  double x, y;   // the middle of the face in pixels
  double height; // of an upright face, forehead to chin, in pixels
  double tilt;   // radians, clockwise
  double turn;   // -1 (to the left) ... 1 (to the right)
  fm_scene_mask mask;
} fm_scene_face;

// The upright rectangle around the face (hair and shoulders are outside), not clipped to the
// picture.
fm_box fm_scene_face_box(const fm_scene_face *face);
// What the person covers besides: hair or hat and shoulders, as an upright rectangle.
fm_box fm_scene_body_box(const fm_scene_face *face);
// Fills the picture with a cluttered background and draws the people on it, in the given order (far
// ones first).
FM_MUST_USE fm_status fm_scene_draw(fm_image *image, const fm_scene_face *faces, size_t count,
                                    fm_random *random);

#endif
