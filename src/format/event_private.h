// What the files that write events share.
#ifndef FM_FORMAT_EVENT_PRIVATE_H
#define FM_FORMAT_EVENT_PRIVATE_H

#include "event.pb-c.h"
#include "format/event_file.h"

double fm_event_now(void); // seconds since 1970
// One event with these values.
FM_MUST_USE fm_status fm_event_file_put(fm_event_file *file, int64_t step,
                                        Tensorboard__Summary__Value **values, size_t count);

// The path of the newest event file in the folder, NULL in *out when there is none.
FM_MUST_USE fm_status fm_event_file_find(char **out, const char *folder);

#endif
