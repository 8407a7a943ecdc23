// Where the time of a step goes, by name, and which convolutions and matrix products it ran. Off,
// and then free, unless this thread has started a profile. Sections nest: an outer one is charged
// with what its inner ones leave.
#ifndef FM_NN_PROFILE_H
#define FM_NN_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

enum { FM_PROFILE_NAME_BYTES = 128 };

typedef struct fm_profile_row {
  char name[FM_PROFILE_NAME_BYTES];
  size_t calls;
  double seconds, flops, bytes; // bytes: of the arrays read and written once
} fm_profile_row;

typedef struct fm_profile fm_profile;
// by_layer: a row for each shape instead of each kind of work.
FM_MUST_USE fm_status fm_profile_new(fm_profile **out, bool by_layer);
void fm_profile_free(fm_profile *profile);
// From now on this thread's sections go to `profile`; NULL: nowhere.
void fm_profile_use(fm_profile *profile);
// By falling time; lent until the next section.
const fm_profile_row *fm_profile_rows(fm_profile *profile, size_t *count);

// What the products alone take: each one that ran since fm_profile_use is run again by itself, with
// its arrays in the caches as far as they fit, and the shortest of some runs counts, as often as it
// ran. Overwrites what the network had computed. *flops may be NULL.
FM_MUST_USE fm_status fm_profile_bound(fm_profile *profile, double *seconds, double *flops);

// Whether, since it was made, memory was given back that products of the profile point to: they
// cannot be run again then.
bool fm_profile_is_stale(const fm_profile *profile);

// --- for who does the work

void fm_profile_moved(void); // memory that products read or write was given back

typedef struct fm_section {
  struct fm_section *outer;
  double begun, inner;
} fm_section;

// What a section did. `run` repeats a convolution or matrix product on the arrays it had last time;
// NULL for other work.
typedef struct fm_work {
  const char *name;
  double flops, bytes;
  fm_status (*run)(void *user);
  void *user;
} fm_work;

bool fm_profile_is_on(void);
bool fm_profile_is_by_layer(void);
void fm_section_begin(fm_section *section);
void fm_section_end(fm_section *section, const fm_work *work);
// Runs one of our own products as a section, described only when somebody profiles: `name` has
// FM_PROFILE_NAME_BYTES, flops and bytes are asked for.
void fm_profile_run(fm_status (*run)(void *user), void *user,
                    void (*describe)(const void *user, fm_work *work, char *name));
// The same for a section that has nothing but a name.
void fm_section_end_named(fm_section *section, const char *name);

// FM_TRY around a call that is a section.
#define FM_TRY_SECTION(name, call)            \
  do {                                        \
    fm_section section_;                      \
    fm_section_begin(&section_);              \
    const fm_status section_status_ = (call); \
    fm_section_end_named(&section_, (name));  \
    FM_TRY(section_status_);                  \
  } while (0)

#endif
