// From the loader's pictures to the detector's inputs.
#ifndef FM_TRAIN_FEED_H
#define FM_TRAIN_FEED_H

#include "data/loader.h"
#include "detect/config.h"

// Makes fm_input; lends the configuration, which must not change while a loader uses it.
fm_loader_maker fm_feed_maker(const fm_model_config *config);

#endif
