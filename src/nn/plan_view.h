// What an op may ask its plan while it is prepared. For op files.
#ifndef FM_NN_PLAN_VIEW_H
#define FM_NN_PLAN_VIEW_H

#include "nn/op.h"

// The node that alone reads what `node` makes; NULL when several do, or the caller.
const fm_node *fm_plan_only_reader(const fm_plan *plan, const fm_node *node);
// The number type, and scale, that the plan wishes for a value: leaves *y as it is where that is
// not in whole numbers.
void fm_plan_wish(const fm_plan *plan, int value, fm_tensor *y);

#endif
