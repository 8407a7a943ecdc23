// One or several weights files as one detector that any number of threads may use at once. Several
// files are an ensemble, and each may look at a picture in several views (model.views): their
// detections are fused (predict/fuse.h).
#ifndef FM_PREDICT_PREDICTOR_H
#define FM_PREDICT_PREDICTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "data/classes.h"
#include "detect/detector.h"
#include "image/image.h"

enum { FM_PREDICTOR_MEMBERS_MAX = 64 };

typedef struct fm_predictor_options {
  const char *const *weights; // everything is lent for the call
  int weights_count;
  const char *config_file; // over the configuration in the weights; NULL: none
  const char *const *assignments;
  int assignment_count;
  const char *classes; // "a,b,c": names for weights that carry none; NULL: class_1, class_2 ...
  float score, nms;    // thresholds; a negative one is the configuration's
  bool agnostic;       // boxes of different classes suppress each other too
  bool classifiers;    // all weights are face classifiers, for fm_predictor_refine alone
} fm_predictor_options;

typedef struct fm_predictor fm_predictor;

// FM_ERR_ARGUMENT for a foreign file without model.arch, FM_ERR_FORMAT when a file lacks tensors of
// the model or the files know different classes.
FM_MUST_USE fm_status fm_predictor_open(fm_predictor **out, const fm_predictor_options *options);
void fm_predictor_free(fm_predictor *predictor);
// Inputs a picture: the views of all members.
int fm_predictor_inputs(const fm_predictor *predictor);
// What to take from x1 and y1 of a detection to come to the edge of its first pixel: 1 where data
// name first and last pixels, counted from 1 (model.inclusive_boxes), else 0.
float fm_predictor_beyond(const fm_predictor *predictor);
const fm_classes *fm_predictor_classes(const fm_predictor *predictor); // lent
// False when the weights did not say what their classes are called.
bool fm_predictor_names_known(const fm_predictor *predictor);

// What the members' networks read, one input a view; views that follow from what the first one
// finds (model.focus) stay empty. Safe in any thread. `inputs` has room for fm_predictor_inputs of
// them and needs no release after a failure.
FM_MUST_USE fm_status fm_predictor_prepare(const fm_predictor *predictor, const fm_image *image,
                                           fm_input *inputs);
void fm_predictor_inputs_release(const fm_predictor *predictor, fm_input *inputs);
// Detections in `image`, from which the inputs were prepared, by falling score; release them. Safe
// in any thread: each call takes a detector from a pool that grows to the number of threads.
FM_MUST_USE fm_status fm_predictor_detect(fm_predictor *predictor, const fm_image *image,
                                          const fm_input *inputs, fm_detections *out);

// The classifiers' words (predict/refine.h) on detections of others: for a predictor of
// classifiers. Safe in any thread, as above.
FM_MUST_USE fm_status fm_predictor_refine(fm_predictor *predictor, const fm_image *image,
                                          fm_detections *list);

#endif
