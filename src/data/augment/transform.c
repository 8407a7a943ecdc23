// Drawing from ranges.
#include "data/augment/transform.h"

#include <math.h>

double fm_transform_draw(const fm_float_list *range, fm_random *random) {
  return fm_random_range(random, (double)range->values[0], (double)range->values[1]);
}

int fm_transform_draw_int(const fm_float_list *range, fm_random *random) {
  int low = (int)range->values[0], high = (int)range->values[1];
  return low + (int)fm_random_below(random, (uint64_t)(high - low) + 1);
}

int fm_transform_draw_odd(const fm_float_list *range, fm_random *random) {
  int low = (int)range->values[0], high = (int)range->values[1];
  return low + 2 * (int)fm_random_below(random, (uint64_t)(high - low) / 2 + 1);
}

double fm_transform_draw_factor(const fm_float_list *range, fm_random *random) {
  return exp(fm_random_range(random, log((double)range->values[0]), log((double)range->values[1])));
}

fm_status fm_transform_check_whole(const fm_float_list *range, const char *name) {
  for (int i = 0; i < range->count; i++) {
    if (range->values[i] != floorf(range->values[i]))
      return fm_fail(FM_ERR_ARGUMENT, "%s: %g is not a whole number", name,
                     (double)range->values[i]);
  }
  return FM_OK;
}

fm_status fm_transform_check_odd(const fm_float_list *range, const char *name) {
  for (int i = 0; i < range->count; i++) {
    if (fmodf(range->values[i], 2) != 1)
      return fm_fail(FM_ERR_ARGUMENT, "%s: %g is not an odd number", name,
                     (double)range->values[i]);
  }
  return FM_OK;
}
