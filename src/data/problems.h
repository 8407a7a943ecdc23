// The list of what is wrong with a data set.
#ifndef FM_DATA_PROBLEMS_H
#define FM_DATA_PROBLEMS_H

#include "data/dataset.h"

typedef struct fm_problem_list {
  fm_problem *items;
  size_t count, capacity;
} fm_problem_list;

// Adds one; file and the formatted reason are copied, bytes that are not UTF-8 become '?'.
FM_MUST_USE fm_status fm_problem_list_add(fm_problem_list *list, const char *file,
                                          const char *reason_format, ...)
    __attribute__((format(printf, 3, 4)));
// Adds the message of this thread's last failure, without the file's name in front of it, and
// `ending` behind it. Out of memory is no problem of the data: then the failure is returned.
FM_MUST_USE fm_status fm_problem_list_add_failure(fm_problem_list *list, const char *file,
                                                  fm_status failure, const char *ending);
void fm_problem_list_release(fm_problem_list *list);

#endif
