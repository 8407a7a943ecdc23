// TensorBoard's event files: scalars, pictures, texts and hyper-parameters of a training as the
// page of `tensorboard --logdir` shows them. A folder is one writer (TensorBoard calls it a run)
// and holds one file, events.out.tfevents.SECONDS.HOST.PROCESS.0, which a resumed training cuts
// back and goes on with. Every event is handed to the system whole, as soon as it is made.
#ifndef FM_FORMAT_EVENT_FILE_H
#define FM_FORMAT_EVENT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct fm_event_file fm_event_file;

// Opens the folder's event file, or makes it and the folder. fm_event_file_cut must come next.
FM_MUST_USE fm_status fm_event_file_open(fm_event_file **out, const char *folder);
void fm_event_file_free(fm_event_file *file);
// Keeps the whole records of the first `bytes` bytes and cuts what is behind them; 0 begins anew.
// A file that holds less, or is damaged before, goes on behind its last whole record.
FM_MUST_USE fm_status fm_event_file_cut(fm_event_file *file, uint64_t bytes);
uint64_t fm_event_file_bytes(const fm_event_file *file); // written so far
const char *fm_event_file_path(const fm_event_file *file);
FM_MUST_USE fm_status fm_event_file_sync(fm_event_file *file); // brings it to the disk

typedef struct fm_event_scalar {
  const char *tag; // UTF-8; the part before a '/' is the group it is shown in
  double value;    // kept as float, as the format has it
} fm_event_scalar;
FM_MUST_USE fm_status fm_event_file_scalars(fm_event_file *file, int64_t step,
                                            const fm_event_scalar *scalars, size_t count);

typedef struct fm_event_image {
  const char *tag;
  int width, height;
  const void *png;
  size_t png_bytes;
} fm_event_image;
FM_MUST_USE fm_status fm_event_file_image(fm_event_file *file, int64_t step,
                                          const fm_event_image *image);
// `text` is Markdown.
FM_MUST_USE fm_status fm_event_file_text(fm_event_file *file, int64_t step, const char *tag,
                                         const char *text);

// A hyper-parameter: a text when it has one, else a number or a truth value.
typedef struct fm_event_hparam {
  const char *name, *text;
  bool is_bool;
  double number;
} fm_event_hparam;

// What the page of hyper-parameters has in a row: a training with its settings, and which of the
// folder's scalars are its results.
typedef struct fm_event_session {
  const char *group; // sessions of one group share a row; NULL: a row of its own, by the folder
  const fm_event_hparam *hparams;
  size_t hparam_count;
  const char *const *metrics; // tags
  size_t metric_count;
  bool of_validation; // the metrics are a validation part's
} fm_event_session;
FM_MUST_USE fm_status fm_event_file_begin_session(fm_event_file *file,
                                                  const fm_event_session *session);
FM_MUST_USE fm_status fm_event_file_end_session(fm_event_file *file, bool success);

#endif
