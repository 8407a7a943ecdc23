// The second stage around its layers: which proposals it sees, its two losses, and from its outputs
// to detections. torchvision's RoIHeads (Girshick 2015; Lin et al. 2017 for the levels).
#ifndef FM_DETECT_ROI_HEADS_H
#define FM_DETECT_ROI_HEADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/box.h"
#include "base/status.h"
#include "detect/batch_part.h"
#include "detect/box.h"
#include "detect/config.h"
#include "detect/detector.h"
#include "detect/model/model.h"
#include "detect/rpn.h"
#include "detect/scratch.h"

// The rows the head runs on, all pictures together, and what each stands for.
typedef struct fm_roi_batch {
  size_t pictures, count; // rows in all
  size_t divisor;         // of the losses: the rows of the whole batch
  size_t *starts;         // (pictures + 1): a picture's rows
  fm_box *boxes;          // (count), in pixels of the network's input
  int32_t *labels;        // (count): 0 is background; training only
  fm_box *truth;          // (count): of rows with a label > 0
  fm_scratch memory;
} fm_roi_batch;
void fm_roi_batch_release(fm_roi_batch *batch);

typedef struct fm_roi_heads {
  fm_scratch work, rows, places, scores;
} fm_roi_heads;
void fm_roi_heads_release(fm_roi_heads *heads);

// Training: the proposals and the true boxes (added to the proposals, for which each picture's row
// needs that much spare room), matched and sampled.
FM_MUST_USE fm_status fm_roi_heads_sample(fm_roi_heads *heads, fm_proposals *proposals,
                                          const fm_input *inputs, const fm_model_config *config,
                                          const fm_batch_part *part, fm_roi_batch *out);
// Training: the rows' labels and true boxes anew, at this IoU.
FM_MUST_USE fm_status fm_roi_heads_rematch(fm_roi_heads *heads, fm_roi_batch *batch,
                                           const fm_input *inputs, float threshold);
// Detection: the proposals as they are.
FM_MUST_USE fm_status fm_roi_heads_take(const fm_proposals *proposals, fm_roi_batch *out);

// The rows as fm_roi_align reads them: rois (rows, FM_ROI_COLUMNS); what lies behind batch->count
// is masked. Levels by torchvision's LevelMapper (scale 224, level 4).
void fm_roi_heads_rois(const fm_roi_batch *batch, const fm_model *model, size_t rows, float *rois);

// What the head gave for `rows` rows, of which the first batch->count count.
typedef struct fm_roi_outputs {
  size_t rows;
  int classes;                  // with background
  const float *logits, *deltas; // (rows, classes), (rows, 4 * classes)
  float *dlogits, *ddeltas;     // the same shapes; losses only
  int stage;                    // of the cascade, from 0
} fm_roi_outputs;

// Cascade R-CNN (Cai and Vasconcelos 2018) over torchvision's head. A later stage's deltas are
// smaller, so its coder weighs them more: by stage + 1.
fm_box_coder fm_roi_coder(int stage);
// A box that would become smaller in some direction stays where it was.
#define FM_CASCADE_MIN_SIDE 1.0f
// Moves the batch's boxes to where the stage that gave `outputs` sees them, by the deltas of their
// likeliest class, for the next stage. In training a row's own class serves where it has one, and
// the rows are matched with the true boxes anew, at an IoU that rises by 0.1 a stage; in detection
// the stage's class scores are kept for the mean that fm_roi_heads_detect takes, and rows are
// dropped whose mean so far is below cascade_score_thresh for all classes together.
FM_MUST_USE fm_status fm_roi_heads_refine(fm_roi_heads *heads, fm_roi_batch *batch,
                                          const fm_roi_outputs *outputs, const fm_input *inputs,
                                          const fm_model_config *config, bool training);

// Adds to losses->classifier and losses->box_reg, a stage of the cascade half as much as the one
// before, and WRITES all of dlogits and ddeltas.
FM_MUST_USE fm_status fm_roi_heads_losses(fm_roi_heads *heads, const fm_roi_batch *batch,
                                          const fm_roi_outputs *outputs,
                                          const fm_model_config *config, fm_losses *losses);

// torch.softmax over the classes of one row, in float.
void fm_roi_softmax(const float *logits, int classes, float *out);

typedef struct fm_roi_thresholds {
  float score, nms;
  int limit;     // detections a picture at most
  bool agnostic; // boxes of different classes suppress each other too
  float vote;    // IoU from which dropped boxes share in the corners of the one kept; 0: none
} fm_roi_thresholds;
// out (pictures): boxes in pixels of the source pictures.
FM_MUST_USE fm_status fm_roi_heads_detect(fm_roi_heads *heads, const fm_roi_batch *batch,
                                          const fm_roi_outputs *outputs, const fm_input *inputs,
                                          const fm_roi_thresholds *thresholds, fm_detections *out);

#endif
