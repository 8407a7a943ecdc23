// What others call the parameters that have torchvision's detection names here.
#ifndef FM_DETECT_WEIGHT_NAMES_H
#define FM_DETECT_WEIGHT_NAMES_H

#include <stdbool.h>

#include "detect/config.h"
#include "nn/params.h"

// torchvision's names from before 0.13, which its published COCO files still carry, in today's
// form; false for any other name.
bool fm_weight_name_modernise(char out[FM_PARAM_NAME_BYTES], const char *name);

// A way of naming that files come in.
typedef struct fm_weight_naming {
  const char *family; // for people
  const char
      *signature; // a file has a tensor of this name, or one that begins so when it ends with '.'
  const char *from, *to;  // this beginning of a name is replaced by that one
  const char *dropped[4]; // beginnings of names that detectors have no use for; ends with NULL
  bool (*has_arch)(int arch);
} fm_weight_naming;
extern const fm_weight_naming fm_weight_namings[]; // ends with family NULL

// The name in a detector; false when it is of no use there.
bool fm_weight_name_translate(const fm_weight_naming *naming, char out[FM_PARAM_NAME_BYTES],
                              const char *name);

#endif
