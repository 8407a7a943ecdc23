// Weights that others trained, as weights files: PyTorch's and safetensors files of known naming,
// under torchvision's detection names.
#ifndef FM_DETECT_IMPORT_H
#define FM_DETECT_IMPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

typedef struct fm_import_report {
  const char *family;  // what the names are those of
  char *archs;         // the models whose backbone it is, "a, b"; heap, "" when none
  bool complete;       // a whole detector, not a backbone alone
  size_t tensor_count; // written
  char *dropped;       // heap, a name a line
  size_t dropped_count;
} fm_import_report;

// Reads `source` and writes `path`. When it fits one architecture, that stands in the new file, so
// that no setting is needed where it is used. FM_ERR_FORMAT when the naming is not known.
FM_MUST_USE fm_status fm_weights_import(const char *source, const char *path,
                                        fm_import_report *report);
void fm_import_report_release(fm_import_report *report);

#endif
