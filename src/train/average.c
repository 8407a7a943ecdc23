// Exchanging weights and averages.
#include "train/average.h"

#include <stdlib.h>

static size_t average_largest(const fm_params *params) {
  size_t largest = 1;
  for (int id = 0; id < fm_params_count(params); id++) {
    size_t elements = fm_params_elements(params, id);
    largest = elements > largest ? elements : largest;
  }
  return largest;
}

fm_status fm_average_swap(fm_params *params) {
  size_t largest = average_largest(params);
  float *values = malloc(2 * largest * sizeof *values);
  FM_CHECK_ALLOC(values);
  float *average = values + largest;
  fm_status status = FM_OK;
  for (int id = 0; status >= 0 && id < fm_params_count(params); id++) {
    if (fm_params_spec(params, id)->kind == FM_PARAM_FROZEN)
      continue; // has no average
    fm_params_get(params, id, values);
    fm_params_get_moment(params, 2, id, average);
    fm_params_set(params, id, average);
    status = fm_params_set_moment(params, 2, id, values);
  }
  free(values);
  return status;
}
