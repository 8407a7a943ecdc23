// The parameters' memory as the engine sees it: flat blocks for the optimiser, working copies for
// the ops. Private to nn.
#ifndef FM_NN_PARAMS_LAYOUT_H
#define FM_NN_PARAMS_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "nn/params.h"

// One run of the flat blocks: parameters of the same kind and decay that lie side by side.
typedef struct fm_param_range {
  size_t offset, count;
  fm_param_kind kind;
  bool no_decay;
} fm_param_range;

typedef struct fm_param_blocks {
  float *value, *gradient;        // [count]
  float *moment[FM_MOMENT_SLOTS]; // [count], NULL until fm_params_need_moment
  size_t count;
} fm_param_blocks;

fm_param_blocks fm_params_blocks(fm_params *params);
FM_MUST_USE fm_status fm_params_need_gradients(fm_params *params);        // zeroed when new
FM_MUST_USE fm_status fm_params_need_moment(fm_params *params, int slot); // zeroed when new
// Calls visit for each range in order.
void fm_params_each_range(const fm_params *params,
                          void (*visit)(void *user, const fm_param_range *range), void *user);
// Says that values have changed, so that working copies are made anew.
void fm_params_touch(fm_params *params);
uint64_t fm_params_version(const fm_params *params);

// Master values and gradient of one parameter, plain order. The second writes: only once gradients
// have been asked for, when no value is lent any more.
const float *fm_params_value(const fm_params *params, int id);
float *fm_params_own_value(fm_params *params, int id);
float *fm_params_gradient(fm_params *params, int id);
// False while the gradient is zero all over: what comes first need not be added to it, and asks for
// it by fm_params_gradient_to_write, which may hold anything. Asking counts as writing.
bool fm_params_gradient_written(const fm_params *params, int id);
float *fm_params_gradient_to_write(fm_params *params, int id);
// Says that the values will hardly be read again, a copy being made: lent memory may rest.
void fm_params_done_reading(const fm_params *params, int id);

// The list of working copies, kept by working.c and freed with the parameters.
typedef struct fm_working fm_working;
fm_working **fm_params_working(fm_params *params);
void fm_working_free_all(fm_working *working);

#endif
