// The model that ships with the program.
#ifndef FM_PREDICT_DEFAULT_MODEL_H
#define FM_PREDICT_DEFAULT_MODEL_H

#include "base/status.h"

// Heap path: $FACEMASK_MODEL, models/default.safetensors beside the program or up to three folders
// above it (a build tree), or in share/facemask of its installation. FM_ERR_IO, saying where it was
// looked for, when there is none.
FM_MUST_USE fm_status fm_default_model_find(char **out);

#endif
