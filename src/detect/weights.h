// Weights files: safetensors by torchvision's names, with the configuration and the class names in
// the metadata.
#ifndef FM_DETECT_WEIGHTS_H
#define FM_DETECT_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "detect/config.h"
#include "detect/detector.h"
#include "format/safetensors.h"

// What a weights file says of itself. has_config is false for a foreign state_dict.
typedef struct fm_weights_info {
  bool has_config;
  fm_model_config config;
  char **class_names; // without background; NULL for a foreign file
  int class_count;
  bool has_ranges; // when read
  char *ranges;    // for int8, see weight_ranges.h; to write, not read; NULL: none
} fm_weights_info;
FM_MUST_USE fm_status fm_weights_info_read(fm_weights_info *out, const char *path);
void fm_weights_info_release(fm_weights_info *info);
// The layer whose rows are the classes and background.
#define FM_WEIGHTS_CLASSIFIER "roi_heads.box_predictor.cls_score.weight"
// For files that do not name their classes: the rows of the classifier, without background; 0 when
// there is no classifier.
FM_MUST_USE fm_status fm_weights_count_classes(int *out, const char *path);
// A file of these tensors that says what `info` does.
FM_MUST_USE fm_status fm_weights_write(const char *path, const fm_st_tensor *tensors, size_t count,
                                       const fm_weights_info *info);

// What loading found: names missing from the file, superfluous in it, and whether the box predictor
// was left at its start values because the number of classes differs. Lists are heap strings, one
// name a line.
typedef struct fm_weights_report {
  char *missing, *superfluous;
  size_t taken_count, missing_count, superfluous_count; // num_batches_tracked is in none of them
  bool predictor_replaced;
} fm_weights_report;
// fp32 tensors are not copied until they are trained: the file stays mapped as long as the detector
// lives, and must not be cut short or overwritten in place (replacing it by a rename, as every
// writer of this program does, is fine).
FM_MUST_USE fm_status fm_weights_load(fm_detector *detector, const char *path,
                                      fm_weights_report *report);
void fm_weights_report_release(fm_weights_report *report);
// The report in a line for people: "270 tensors taken; 16 of backbone.fpn, 6 of rpn keep their
// random values; not used: 2 (_fc.weight, ...)". Heap; NULL when out of memory.
char *fm_weights_report_describe(const fm_weights_report *report);

// With the ranges for int8 when the detector has all of them. slot: FM_MOMENT_NONE, or the average
// (FM_MOMENT_AVERAGE, FM_MOMENT_MEAN) that is written instead of the weights.
FM_MUST_USE fm_status fm_weights_save(fm_detector *detector, const char *path,
                                      const char *const *class_names, int class_count, int slot);

#endif
