// Exchanging weights and averages, and the mean of several.
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

typedef fm_status (*average_task)(fm_params *params, int id, int slot, int count, float *values,
                                  float *others);

// Every parameter that has averages; two arrays with room for any of them are lent to the task.
static fm_status average_each(fm_params *params, average_task task, int slot, int count) {
  size_t largest = average_largest(params);
  float *values = malloc(2 * largest * sizeof *values);
  FM_CHECK_ALLOC(values);
  fm_status status = FM_OK;
  for (int id = 0; status >= 0 && id < fm_params_count(params); id++)
    if (fm_params_spec(params, id)->kind != FM_PARAM_FROZEN)
      status = task(params, id, slot, count, values, values + largest);
  free(values);
  return status;
}

static fm_status average_swap_one(fm_params *params, int id, int slot, int count, float *values,
                                  float *others) {
  (void)count;
  fm_params_get(params, id, values);
  fm_params_get_moment(params, slot, id, others);
  fm_params_set(params, id, others);
  return fm_params_set_moment(params, slot, id, values);
}

fm_status fm_average_swap(fm_params *params, int slot) {
  return slot == FM_MOMENT_NONE ? FM_OK : average_each(params, average_swap_one, slot, 0);
}

static fm_status average_include_one(fm_params *params, int id, int slot, int count, float *values,
                                     float *others) {
  fm_params_get_moment(params, slot, id, values);
  fm_params_get_moment(params, FM_MOMENT_MEAN, id, others);
  const size_t elements = fm_params_elements(params, id);
  for (size_t i = 0; i < elements; i++)
    others[i] += (values[i] - others[i]) / (float)(count + 1);
  return fm_params_set_moment(params, FM_MOMENT_MEAN, id, others);
}

fm_status fm_average_include(fm_params *params, int slot, int count) {
  return average_each(params, average_include_one, slot, count);
}
