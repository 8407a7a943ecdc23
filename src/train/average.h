// The moving average of the weights (moment slot 2 of the parameters) in the place of the weights,
// for measuring it.
#ifndef FM_TRAIN_AVERAGE_H
#define FM_TRAIN_AVERAGE_H

#include "base/status.h"
#include "nn/params.h"

// Exchanges the values of the trained parameters and buffers and their averages; twice gives the
// same bits as before.
FM_MUST_USE fm_status fm_average_swap(fm_params *params);

#endif
