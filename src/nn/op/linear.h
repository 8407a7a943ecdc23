// What the linear ops share.
#ifndef FM_NN_OP_LINEAR_H
#define FM_NN_OP_LINEAR_H

#include "nn/op.h"

enum { LINEAR_WEIGHT, LINEAR_BIAS, LINEAR_PARAMS };

// Adds options->name's weight (outputs, inputs) and bias; ids are -1 after a failure, which the
// graph keeps.
void fm_linear_add_params(fm_graph *graph, const fm_linear_options *options, int inputs,
                          int ids[LINEAR_PARAMS]);
extern const fm_op_case fm_linear_cases[]; // linear_cases.c

#endif
