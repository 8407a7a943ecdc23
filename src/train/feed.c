// The loader's maker of fm_input.
#include "train/feed.h"

#include <stdlib.h>

#include "detect/detector.h"

static fm_status feed_make(const void *user, const fm_image *image, const fm_object *objects,
                           size_t object_count, void *out) {
  size_t room = object_count ? object_count : 1;
  fm_box *boxes = malloc(room * sizeof *boxes);
  int32_t *labels = malloc(room * sizeof *labels);
  size_t count = 0;
  for (size_t i = 0; boxes && labels && i < object_count; i++) {
    const fm_box *box = &objects[i].box;
    if (!(box->x2 > box->x1) || !(box->y2 > box->y1))
      continue; // nothing of it is left in the picture
    boxes[count] = *box;
    labels[count++] = objects[i].label;
  }
  fm_status status = boxes && labels ? fm_input_make(out, user, image, boxes, labels, count)
                                     : fm_fail(FM_ERR_MEMORY, "out of memory");
  free(boxes);
  free(labels);
  return status;
}

static void feed_release(void *input) {
  fm_input_release(input);
}

fm_loader_maker fm_feed_maker(const fm_model_config *config) {
  return (fm_loader_maker){
      .input_bytes = sizeof(fm_input), .make = feed_make, .release = feed_release, .user = config};
}
