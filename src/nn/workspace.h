// The engine's side of fm_workspace (plan.h). Private to nn.
#ifndef FM_NN_WORKSPACE_H
#define FM_NN_WORKSPACE_H

#include <stdint.h>

#include "nn/plan.h"

// At least `bytes`, aligned to a page. The base stays until a larger demand moves it.
FM_MUST_USE fm_status fm_workspace_reserve(fm_workspace *workspace, size_t bytes, uint8_t **base);

#endif
