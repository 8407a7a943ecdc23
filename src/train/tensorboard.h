// What of a fold's training goes to TensorBoard: two writers, PREFIX_train and PREFIX_valid. A
// step's losses, learning rate, pictures a second and gradient norm; an epoch's means by the
// notebook's tags, in both writers; mAP and predictions on a few validation pictures; the
// configuration. A struct of NULLs, as after {0}, writes nothing.
#ifndef FM_TRAIN_TENSORBOARD_H
#define FM_TRAIN_TENSORBOARD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"
#include "base/status.h"
#include "data/dataset.h"
#include "detect/detector.h"
#include "format/event_file.h"
#include "train/config.h"
#include "train/run_log.h"

enum { FM_TENSORBOARD_PICTURES = 3 };

// A picture that waits for its epoch's other events.
typedef struct fm_tensorboard_picture {
  char *tag;
  int width, height;
  fm_bytes png;
} fm_tensorboard_picture;

typedef struct fm_tensorboard {
  fm_event_file *train, *valid;            // valid is NULL without a validation part
  size_t watched[FM_TENSORBOARD_PICTURES]; // samples of the data set
  size_t watched_count;
  fm_tensorboard_picture pictures[FM_TENSORBOARD_PICTURES];
  size_t picture_count;
} fm_tensorboard;

typedef struct fm_tensorboard_options {
  const char *prefix; // "runs/NAME/logs/faster_rcnn_fold_1"
  const fm_config *config;
  const size_t *valid;             // the validation part, samples of the data set
  size_t valid_count;              // 0: none
  double train_bytes, valid_bytes; // what of the files belongs to the training so far
} fm_tensorboard_options;

// Opens both writers and cuts them to what the checkpoint knows. To be released also after a
// failure.
FM_MUST_USE fm_status fm_tensorboard_open(fm_tensorboard *board,
                                          const fm_tensorboard_options *options);
void fm_tensorboard_release(fm_tensorboard *board);
// Brings what was written to the disk and says how much it is.
FM_MUST_USE fm_status fm_tensorboard_sync(fm_tensorboard *board, double *train_bytes,
                                          double *valid_bytes);
FM_MUST_USE fm_status fm_tensorboard_step(fm_tensorboard *board, const fm_step_line *line,
                                          double gradient_norm);
// Draws truth and predictions when `sample` is one of the watched pictures, and keeps them for the
// epoch: a validation that is stopped half way leaves nothing behind.
FM_MUST_USE fm_status fm_tensorboard_watch(fm_tensorboard *board, const fm_dataset *dataset,
                                           size_t sample, const fm_detections *found);
FM_MUST_USE fm_status fm_tensorboard_epoch(fm_tensorboard *board, const fm_metrics_row *row);
// The training is through.
FM_MUST_USE fm_status fm_tensorboard_finish(fm_tensorboard *board);

// For tensorboard.c: the row of hyper-parameters and the text with the whole configuration.
FM_MUST_USE fm_status fm_tensorboard_describe(fm_event_file *file,
                                              const fm_tensorboard_options *options);
// For tensorboard.c: ground truth and predictions side by side.
FM_MUST_USE fm_status fm_tensorboard_draw(fm_tensorboard_picture *out, const fm_dataset *dataset,
                                          size_t sample, const fm_detections *found);

#endif
