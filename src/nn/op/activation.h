// The activations and their slopes over runs of fp32 numbers, in place; activate.c has the
// formulas.
#ifndef FM_NN_OP_ACTIVATION_H
#define FM_NN_OP_ACTIVATION_H

#include <stdbool.h>
#include <stddef.h>

#include "nn/graph.h"

// v = act(v); NaN stays NaN.
void fm_activation_apply(fm_activation act, float *v, size_t count);
// d = d * act'; `known` is the activation's output where fm_activation_tells_slope, else its input.
void fm_activation_slope(fm_activation act, float *restrict d, const float *restrict known,
                         size_t count);
// Whether the output alone tells the slope (a rounded hard_sigmoid of almost 1 looks saturated).
bool fm_activation_tells_slope(fm_activation act);

#endif
