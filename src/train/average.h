// Averages of the weights, kept in slots of the parameters: one in the place of the weights, for
// measuring it, and the mean of the weights at several times.
#ifndef FM_TRAIN_AVERAGE_H
#define FM_TRAIN_AVERAGE_H

#include "base/status.h"
#include "nn/params.h"

// Exchanges the values of the trained parameters and buffers and their averages in `slot`
// (FM_MOMENT_AVERAGE, FM_MOMENT_MEAN); twice gives the same bits as before. FM_MOMENT_NONE: does
// nothing.
FM_MUST_USE fm_status fm_average_swap(fm_params *params, int slot);

// Takes the weights in `slot` (FM_MOMENT_NONE: the values themselves) into the mean FM_MOMENT_MEAN,
// which holds that of `count` times.
FM_MUST_USE fm_status fm_average_include(fm_params *params, int slot, int count);

#endif
