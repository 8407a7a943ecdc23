// Keeps the rows of a profile and the list of products.
#include "nn/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"

enum { PROFILE_ROWS_MAX = 1024, PROFILE_PRODUCTS_MAX = 4096, PROFILE_RUNS = 5 };

typedef struct profile_product {
  fm_status (*run)(void *user);
  void *user;
  size_t calls;
  double flops; // of one call
} profile_product;

struct fm_profile {
  bool by_layer, stale;
  fm_profile_row rows[PROFILE_ROWS_MAX];
  size_t row_count;
  profile_product products[PROFILE_PRODUCTS_MAX];
  size_t product_count;
  fm_section *inmost;
};

static _Thread_local fm_profile *profile_current;

fm_status fm_profile_new(fm_profile **out, bool by_layer) {
  *out = calloc(1, sizeof **out);
  FM_CHECK_ALLOC(*out);
  (*out)->by_layer = by_layer;
  return FM_OK;
}

void fm_profile_free(fm_profile *profile) {
  if (profile_current == profile)
    profile_current = NULL;
  free(profile);
}

void fm_profile_use(fm_profile *profile) {
  profile_current = profile;
}

bool fm_profile_is_stale(const fm_profile *profile) {
  return profile->stale;
}

void fm_profile_moved(void) {
  if (profile_current)
    profile_current->stale = true;
}

bool fm_profile_is_on(void) {
  return profile_current != NULL;
}

bool fm_profile_is_by_layer(void) {
  return profile_current && profile_current->by_layer;
}

void fm_section_begin(fm_section *section) {
  if (!profile_current)
    return;
  *section = (fm_section){.outer = profile_current->inmost, .begun = fm_clock()};
  profile_current->inmost = section;
}

// The last row takes what finds no room.
static fm_profile_row *profile_row(fm_profile *profile, const char *name) {
  for (size_t i = 0; i < profile->row_count; i++)
    if (strncmp(profile->rows[i].name, name, FM_PROFILE_NAME_BYTES - 1) == 0)
      return &profile->rows[i];
  if (profile->row_count == PROFILE_ROWS_MAX)
    return &profile->rows[PROFILE_ROWS_MAX - 1];
  fm_profile_row *row = &profile->rows[profile->row_count++];
  *row = (fm_profile_row){0};
  snprintf(row->name, sizeof row->name, "%s", name);
  return row;
}

static void profile_add_product(fm_profile *profile, const fm_work *work) {
  for (size_t i = 0; i < profile->product_count; i++)
    if (profile->products[i].user == work->user && profile->products[i].run == work->run) {
      profile->products[i].calls++;
      return;
    }
  if (profile->product_count < PROFILE_PRODUCTS_MAX)
    profile->products[profile->product_count++] =
        (profile_product){work->run, work->user, 1, work->flops};
}

void fm_section_end(fm_section *section, const fm_work *work) {
  fm_profile *profile = profile_current;
  if (!profile)
    return;
  const double seconds = fm_clock() - section->begun;
  profile->inmost = section->outer;
  if (section->outer)
    section->outer->inner += seconds;
  fm_profile_row *row = profile_row(profile, work->name);
  row->calls++;
  row->seconds += seconds - section->inner;
  row->flops += work->flops;
  row->bytes += work->bytes;
  if (work->run)
    profile_add_product(profile, work);
}

void fm_profile_run(fm_status (*run)(void *user), void *user,
                    void (*describe)(const void *user, fm_work *work, char *name)) {
  fm_section section = {0};
  fm_section_begin(&section);
  (void)!run(user); // our own loops do not fail
  if (!profile_current)
    return;
  char name[FM_PROFILE_NAME_BYTES];
  fm_work work = {.name = name, .run = run, .user = user};
  describe(user, &work, name);
  fm_section_end(&section, &work);
}

void fm_section_end_named(fm_section *section, const char *name) {
  fm_section_end(section, &(fm_work){.name = name});
}

static int profile_compare(const void *a, const void *b) {
  const double left = ((const fm_profile_row *)a)->seconds;
  const double right = ((const fm_profile_row *)b)->seconds;
  return (left < right) - (left > right);
}

const fm_profile_row *fm_profile_rows(fm_profile *profile, size_t *count) {
  qsort(profile->rows, profile->row_count, sizeof *profile->rows, profile_compare);
  *count = profile->row_count;
  return profile->rows;
}

fm_status fm_profile_bound(fm_profile *profile, double *seconds, double *flops) {
  double sum = 0, work = 0;
  fm_profile_use(NULL);
  for (size_t i = 0; i < profile->product_count; i++) {
    const profile_product *product = &profile->products[i];
    double shortest = 1e300;
    FM_TRY(product->run(product->user)); // warms the caches
    for (int run = 0; run < PROFILE_RUNS; run++) {
      const double begun = fm_clock();
      FM_TRY(product->run(product->user));
      const double taken = fm_clock() - begun;
      shortest = taken < shortest ? taken : shortest;
    }
    sum += shortest * (double)product->calls;
    work += product->flops * (double)product->calls;
  }
  *seconds = sum;
  if (flops)
    *flops = work;
  return FM_OK;
}
