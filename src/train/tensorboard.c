// The two writers of a fold, and which scalars they get.
#include "train/tensorboard.h"

#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static fm_status tensorboard_open_one(fm_event_file **out, const char *prefix, const char *phase) {
  char *folder = NULL;
  if (asprintf(&folder, "%s_%s", prefix, phase) < 0)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  const fm_status status = fm_event_file_open(out, folder);
  free(folder);
  return status;
}

// From the middle of each third of the list, so that they do not depend on the epoch.
static void tensorboard_choose(fm_tensorboard *board, const fm_tensorboard_options *options) {
  const size_t count = options->valid_count < FM_TENSORBOARD_PICTURES ? options->valid_count
                                                                      : FM_TENSORBOARD_PICTURES;
  for (size_t i = 0; i < count; i++)
    board->watched[i] = options->valid[(2 * i + 1) * options->valid_count / (2 * count)];
  board->watched_count = count;
}

// The row of hyper-parameters lies with the results it is compared by: the validation's.
static fm_status tensorboard_begin(fm_event_file *file, double bytes, bool has_results,
                                   const fm_tensorboard_options *options) {
  FM_TRY(fm_event_file_cut(file, (uint64_t)bytes));
  if (bytes > 0 || !has_results)
    return FM_OK;
  return fm_tensorboard_describe(file, options);
}

fm_status fm_tensorboard_open(fm_tensorboard *board, const fm_tensorboard_options *options) {
  *board = (fm_tensorboard){0};
  if (!options->config->log.tensorboard)
    return FM_OK;
  const bool validates = options->valid_count > 0;
  FM_TRY(tensorboard_open_one(&board->train, options->prefix, "train"));
  FM_TRY(tensorboard_begin(board->train, options->train_bytes, !validates, options));
  if (!validates)
    return FM_OK;
  tensorboard_choose(board, options);
  FM_TRY(tensorboard_open_one(&board->valid, options->prefix, "valid"));
  return tensorboard_begin(board->valid, options->valid_bytes, true, options);
}

static void tensorboard_forget_pictures(fm_tensorboard *board) {
  for (size_t i = 0; i < board->picture_count; i++) {
    free(board->pictures[i].tag);
    free(board->pictures[i].png.data);
  }
  board->picture_count = 0;
}

void fm_tensorboard_release(fm_tensorboard *board) {
  fm_event_file_free(board->train);
  fm_event_file_free(board->valid);
  tensorboard_forget_pictures(board);
  *board = (fm_tensorboard){0};
}

static fm_status tensorboard_sync_one(fm_event_file *file, double *bytes) {
  if (!file)
    return FM_OK;
  FM_TRY(fm_event_file_sync(file));
  *bytes = (double)fm_event_file_bytes(file);
  return FM_OK;
}

fm_status fm_tensorboard_sync(fm_tensorboard *board, double *train_bytes, double *valid_bytes) {
  FM_TRY(tensorboard_sync_one(board->train, train_bytes));
  return tensorboard_sync_one(board->valid, valid_bytes);
}

fm_status fm_tensorboard_step(fm_tensorboard *board, const fm_step_line *line,
                              double gradient_norm) {
  if (!board->train)
    return FM_OK;
  const fm_losses *losses = &line->losses;
  const fm_event_scalar scalars[] = {
      {"step/loss", losses->loss},
      {"step/loss_classifier", losses->classifier},
      {"step/loss_box_reg", losses->box_reg},
      {"step/loss_objectness", losses->objectness},
      {"step/loss_rpn_box_reg", losses->rpn_box_reg},
      {"step/lr", line->lr},
      {"step/images_per_second", (double)line->images / (line->seconds > 0 ? line->seconds : 1e-9)},
      {"step/gradient_norm", gradient_norm},
  };
  return fm_event_file_scalars(board->train, line->step, scalars, COUNT(scalars));
}

static bool tensorboard_watches(const fm_tensorboard *board, size_t sample) {
  for (size_t i = 0; i < board->watched_count; i++)
    if (board->watched[i] == sample)
      return board->picture_count < FM_TENSORBOARD_PICTURES;
  return false;
}

fm_status fm_tensorboard_watch(fm_tensorboard *board, const fm_dataset *dataset, size_t sample,
                               const fm_detections *found) {
  if (!board->valid || !tensorboard_watches(board, sample))
    return FM_OK;
  FM_TRY(fm_tensorboard_draw(&board->pictures[board->picture_count], dataset, sample, found));
  board->picture_count++;
  return FM_OK;
}

static fm_status tensorboard_write_pictures(fm_tensorboard *board, int epoch) {
  for (size_t i = 0; i < board->picture_count; i++) {
    const fm_tensorboard_picture *picture = &board->pictures[i];
    const fm_event_image image = {.tag = picture->tag,
                                  .width = picture->width,
                                  .height = picture->height,
                                  .png = picture->png.data,
                                  .png_bytes = picture->png.size};
    FM_TRY(fm_event_file_image(board->valid, epoch, &image));
  }
  tensorboard_forget_pictures(board);
  return FM_OK;
}

// The notebook's six tags.
static fm_status tensorboard_means(fm_event_file *file, const fm_metrics_row *row,
                                   const fm_losses *means) {
  const fm_event_scalar scalars[] = {
      {"loss_classifier", means->classifier}, {"loss_box_reg", means->box_reg},
      {"loss_objectness", means->objectness}, {"loss_rpn_box_reg", means->rpn_box_reg},
      {"average_loss", means->loss},          {"lr_epoch", row->lr},
  };
  return fm_event_file_scalars(file, row->epoch, scalars, COUNT(scalars));
}

fm_status fm_tensorboard_epoch(fm_tensorboard *board, const fm_metrics_row *row) {
  if (!board->train)
    return FM_OK;
  FM_TRY(tensorboard_means(board->train, row, &row->train));
  if (!board->valid || !row->has_valid)
    return FM_OK;
  FM_TRY(tensorboard_means(board->valid, row, &row->valid));
  const fm_event_scalar measures[] = {
      {"mAP", row->mAP}, {"mAP50", row->mAP50}, {"mAP75", row->mAP75}};
  // The same over the axis of the steps, beside the losses of these.
  const fm_event_scalar at_step[] = {
      {"step/mAP", row->mAP}, {"step/mAP50", row->mAP50}, {"step/mAP75", row->mAP75}};
  if (row->mAP >= 0) { // -1: the validation part has no boxes
    FM_TRY(fm_event_file_scalars(board->valid, row->epoch, measures, COUNT(measures)));
    FM_TRY(fm_event_file_scalars(board->valid, row->step, at_step, COUNT(at_step)));
  }
  return tensorboard_write_pictures(board, row->epoch);
}

fm_status fm_tensorboard_finish(fm_tensorboard *board) {
  fm_event_file *file = board->valid ? board->valid : board->train;
  return file ? fm_event_file_end_session(file, true) : FM_OK;
}
