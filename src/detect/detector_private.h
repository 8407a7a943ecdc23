// The inside of a detector, for detector.c and detector_losses.c.
#ifndef FM_DETECT_DETECTOR_PRIVATE_H
#define FM_DETECT_DETECTOR_PRIVATE_H

#include "detect/anchor.h"
#include "detect/detector.h"
#include "detect/model/model.h"
#include "detect/roi_heads.h"
#include "detect/rpn.h"
#include "nn/plan.h"

struct fm_detector {
  fm_model_config config;
  int class_count; // without background
  fm_dtype precision;
  bool training;
  int together;      // pictures in the network at once in training, 0: chosen
  bool counts_first; // the step before sampled less than it may
  bool owns;         // params and model; a shared detector lends its origin's
  fm_params *params;
  fm_model model;
  // Lent like the model; those of map_heads are views of head_ranges.
  fm_ranges *trunk_ranges, *head_ranges[FM_CASCADE_STAGES_MAX], *map_ranges[FM_CASCADE_STAGES_MAX];
  bool observes; // measuring ranges just now
  fm_roi_thresholds thresholds;
  // The head reads the trunk's outputs in place, so they cannot share memory.
  fm_workspace *trunk_memory, *head_memory;
  fm_plan_cache *trunk_plans, *head_plans[FM_CASCADE_STAGES_MAX];
  fm_plan_cache *map_plans[FM_CASCADE_STAGES_MAX];
  fm_anchors anchors;
  fm_rpn rpn;
  fm_proposals proposals;
  fm_roi_heads heads;
  fm_roi_batch batch;
  fm_scratch pixels, rois, gradients, pyramid;
};

// torchvision's batch_images: the largest sides, rounded up to what the pyramid divides.
fm_shape fm_detector_batch_shape(const fm_input *inputs, size_t count);
// The trunk's forward on a batch (shape, planar fp32).
FM_MUST_USE fm_status fm_detector_forward_trunk(fm_detector *self, float *pixels, fm_shape shape,
                                                fm_purpose purpose, fm_plan **trunk);
// Runs the trunk on shape.n pictures, padded to the shape; `view` shows its proposals' outputs.
FM_MUST_USE fm_status fm_detector_run_trunk(fm_detector *self, const fm_input *inputs,
                                            fm_shape shape, fm_purpose purpose, fm_plan **trunk,
                                            fm_rpn_outputs_view *view);
// Runs the head of outputs->stage on self->batch. gradients: of the pyramid's levels, in training.
FM_MUST_USE fm_status fm_detector_run_head(fm_detector *self, fm_plan *trunk, fm_purpose purpose,
                                           void *const *gradients, fm_plan **head,
                                           fm_roi_outputs *outputs);

// What fm_detector_detect, _train and _validate do for a face classifier.
FM_MUST_USE fm_status fm_face_classifier_detect(fm_detector *self, const fm_input *inputs,
                                                size_t count, fm_detections *out);
FM_MUST_USE fm_status fm_face_classifier_losses(fm_detector *self, const fm_input *inputs,
                                                size_t count, fm_purpose purpose, uint64_t seed,
                                                fm_losses *out);

#endif
