// The pictures in an event file, for whoever shows them again.
#ifndef FM_FORMAT_EVENT_READ_H
#define FM_FORMAT_EVENT_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct fm_event_picture {
  int64_t step;
  const char *tag;  // lent for the call, as the bytes are
  const void *data; // PNG or what else the writer chose
  size_t size;
} fm_event_picture;
// A negative status ends the reading and is returned.
typedef fm_status (*fm_event_visit)(void *user, const fm_event_picture *picture);

// Visits each picture of the newest event file in a folder, in the order written. What is behind
// the last whole record (of a writer that is at work, or was killed) is not looked at. FM_END when
// the folder has no event file, or there is no such folder.
FM_MUST_USE fm_status fm_event_pictures_read(const char *folder, fm_event_visit visit, void *user);

#endif
