// The parameters of a model by torchvision's state_dict names: fp32 master values, gradients and
// optimiser moments, each one flat block, in the order of creation. Plain (row-major) order is what
// get, set and files see; inside, a parameter may lie in the layout its primitives want. Working
// copies in other layouts and number types are kept per layout and refreshed when `version` moves.
#ifndef FM_NN_PARAMS_H
#define FM_NN_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "base/status.h"

typedef enum fm_param_kind {
  FM_PARAM_TRAINED, // gets a gradient and an update
  FM_PARAM_FROZEN,  // a parameter that is not trained
  FM_PARAM_BUFFER,  // running statistics, frozen norm: in the state_dict, never in the optimiser
} fm_param_kind;

typedef enum fm_init {
  FM_INIT_ZERO,
  FM_INIT_ONE,
  FM_INIT_NORMAL,                 // std = init_scale
  FM_INIT_KAIMING_UNIFORM,        // torch.nn.init.kaiming_uniform_ with a = init_scale, fan_in
  FM_INIT_KAIMING_NORMAL_FAN_OUT, // mode fan_out, nonlinearity relu
  FM_INIT_UNIFORM,                // [-init_scale, init_scale)
} fm_init;

enum { FM_PARAM_NAME_BYTES = 160, FM_PARAM_RANK_MAX = 4 };

// What is kept beside each parameter's value. Slots 0 and 1 are the optimiser's: momentum, second
// moment.
enum {
  FM_MOMENT_NONE = -1,   // where a slot is asked for: the value itself
  FM_MOMENT_AVERAGE = 2, // moving average of the value
  FM_MOMENT_MEAN = 3,    // mean of what the value was at several times
  FM_MOMENT_SLOTS = 4
};

typedef struct fm_param_spec {
  char name[FM_PARAM_NAME_BYTES];
  int rank;
  int dims[FM_PARAM_RANK_MAX];
  fm_param_kind kind;
  fm_init init;
  float init_scale;
  bool no_decay; // left out of weight decay
} fm_param_spec;

typedef struct fm_params fm_params;

FM_MUST_USE fm_status fm_params_new(fm_params **out);
void fm_params_free(fm_params *params);
// Adds a parameter, or finds the one of this name (weights shared by several ops; the dims must
// agree). *id is its index.
FM_MUST_USE fm_status fm_params_add(fm_params *params, const fm_param_spec *spec, int *id);
int fm_params_count(const fm_params *params);
const fm_param_spec *fm_params_spec(const fm_params *params, int id);
int fm_params_find(const fm_params *params, const char *name); // -1 when there is none
size_t fm_params_elements(const fm_params *params, int id);    // plain elements
// Fills every parameter from its init; the values of one depend on (seed, its name) alone.
FM_MUST_USE fm_status fm_params_initialise(fm_params *params, uint64_t seed);

// Plain order, `fm_params_elements` floats.
void fm_params_get(const fm_params *params, int id, float *out);
void fm_params_set(fm_params *params, int id, const float *values);
// Values may be lent instead, in plain order, by memory of another that is only read: a mapped
// file. fm_params_keep gives the memory into the parameters' care, fm_params_lend takes the values
// of one from the memory given last. Parameters that are trained copy what is lent to them.
typedef struct fm_param_memory {
  void *owner;
  void (*release)(void *owner); // called when nothing of it is read any more
  // May be NULL; called when a part will hardly be read again, whose pages can go.
  void (*rest)(const void *part, size_t bytes);
} fm_param_memory;
FM_MUST_USE fm_status fm_params_keep(fm_params *params, const fm_param_memory *memory);
void fm_params_lend(fm_params *params, int id, const float *values);
void fm_params_get_gradient(const fm_params *params, int id, float *out);
// slot: 0 to FM_MOMENT_SLOTS - 1, zero where never set; what is got may be FM_MOMENT_NONE, too.
void fm_params_get_moment(const fm_params *params, int slot, int id, float *out);
FM_MUST_USE fm_status fm_params_set_moment(fm_params *params, int slot, int id,
                                           const float *values);

void fm_params_zero_gradients(fm_params *params);
// Changes the kind of every parameter whose name starts with prefix (TRAINED <-> FROZEN); before
// the first plan.
void fm_params_freeze(fm_params *params, const char *prefix, bool frozen);
// L2 norm over the gradients of all trained parameters; also the sum in a fixed order, so the same
// on every run.
double fm_params_gradient_norm(const fm_params *params);

#endif
