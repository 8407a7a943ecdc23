// The model that ships with the program: a detector, and the classifiers of the faces it finds.
#ifndef FM_PREDICT_DEFAULT_MODEL_H
#define FM_PREDICT_DEFAULT_MODEL_H

#include "base/status.h"

enum { FM_DEFAULT_MODEL_FILES = 16 };

typedef struct fm_default_model {
  char *paths[FM_DEFAULT_MODEL_FILES]; // of weights files, as --weights has them; heap
  int count;
} fm_default_model;

// The files that $FACEMASK_MODEL names with ':' between them, or models/default.safetensors beside
// the program or up to three folders above it (a build tree), or in share/facemask of its
// installation, and classifier.safetensors and second_classifier.safetensors where they are beside
// it. FM_ERR_IO, saying where it was looked for, when there is none.
FM_MUST_USE fm_status fm_default_model_find(fm_default_model *out);
void fm_default_model_release(fm_default_model *model);

#endif
