// Reading the pictures of event files.
#include "format/event_read.h"

#include <stdlib.h>

#include "base/file.h"
#include "format/event_private.h"
#include "format/event_record.h"

enum { EVENT_READ_BYTES_MAX = 1 << 30 };

static fm_status event_read_record(const fm_record *record, const char *path, fm_event_visit visit,
                                   void *user) {
  Tensorboard__Event *event = tensorboard__event__unpack(NULL, record->size, record->data);
  if (!event)
    return fm_fail(FM_ERR_FORMAT, "%s: a record is no event", path);
  fm_status status = FM_OK;
  const Tensorboard__Summary *summary =
      event->what_case == TENSORBOARD__EVENT__WHAT_SUMMARY ? event->summary : NULL;
  for (size_t i = 0; summary && i < summary->n_value && status >= 0; i++) {
    const Tensorboard__Summary__Value *value = summary->value[i];
    if (value->value_case != TENSORBOARD__SUMMARY__VALUE__VALUE_IMAGE)
      continue;
    const ProtobufCBinaryData *bytes = &value->image->encoded_image_string;
    status = visit(user, &(fm_event_picture){event->step, value->tag, bytes->data, bytes->len});
  }
  tensorboard__event__free_unpacked(event, NULL);
  return status;
}

fm_status fm_event_pictures_read(const char *folder, fm_event_visit visit, void *user) {
  if (!fm_path_is_folder(folder))
    return FM_END;
  char *path;
  FM_TRY(fm_event_file_find(&path, folder));
  if (!path)
    return FM_END;
  // Not mapped: a training that resumes may cut the file meanwhile.
  fm_bytes bytes = {0};
  fm_status status = fm_file_read(&bytes, path, EVENT_READ_BYTES_MAX);
  size_t at = 0;
  fm_record record;
  while (status >= 0 && fm_record_next(&record, bytes.data, bytes.size, &at))
    status = event_read_record(&record, path, visit, user);
  free(bytes.data);
  free(path);
  return status;
}
