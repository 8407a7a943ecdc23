// A thread that reads and resizes the pictures of a list ahead of the network.
#ifndef FM_PREDICT_PICTURE_QUEUE_H
#define FM_PREDICT_PICTURE_QUEUE_H

#include <stddef.h>

#include "base/status.h"
#include "image/image.h"
#include "predict/picture_list.h"
#include "predict/predictor.h"

typedef struct fm_queued_picture {
  const fm_picture_path *source;
  char *failure; // why it cannot be read, naming it; NULL when all is well
  fm_image image;
  fm_input *inputs; // (members)
  double seconds;   // of the resize
} fm_queued_picture;

typedef struct fm_picture_queue fm_picture_queue;
// Lends both.
FM_MUST_USE fm_status fm_picture_queue_open(fm_picture_queue **out, const fm_predictor *predictor,
                                            const fm_picture_list *list);
void fm_picture_queue_close(fm_picture_queue *queue); // waits for the thread
// In the order of the list; FM_END behind the last. The caller releases the picture.
FM_MUST_USE fm_status fm_picture_queue_next(fm_picture_queue *queue, fm_queued_picture *out);
void fm_queued_picture_release(const fm_predictor *predictor, fm_queued_picture *picture);

#endif
