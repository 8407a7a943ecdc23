// The region proposal network behind its convolutions: from objectness and deltas to proposals, and
// its two losses. torchvision's RegionProposalNetwork (Ren et al. 2015, section 3.1).
#ifndef FM_DETECT_RPN_H
#define FM_DETECT_RPN_H

#include <stddef.h>
#include <stdint.h>

#include "base/box.h"
#include "base/random.h"
#include "base/status.h"
#include "detect/anchor.h"
#include "detect/batch_part.h"
#include "detect/config.h"
#include "detect/detector.h"
#include "detect/scratch.h"

// What the trunk gave, in the anchors' order: level l holds pictures x levels[l].count anchors.
typedef struct fm_rpn_outputs_view {
  const fm_anchors *anchors;
  size_t pictures;
  const fm_input *inputs; // (pictures): sizes, true boxes
  struct {
    const float *objectness, *deltas; // (pictures, count), (pictures, count, 4)
    float *dobjectness, *ddeltas;     // the same shapes; losses only
  } levels[FM_ANCHOR_LEVELS_MAX];
} fm_rpn_outputs_view;

// Proposals of all pictures in pixels of the network's input, by falling objectness.
typedef struct fm_proposals {
  size_t pictures, capacity; // capacity: room for each picture
  fm_box *boxes;             // (pictures, capacity)
  size_t *counts;            // (pictures)
  fm_scratch box_memory, count_memory;
} fm_proposals;
void fm_proposals_release(fm_proposals *proposals);

// Memory between calls; zero-initialised.
typedef struct fm_rpn {
  fm_scratch candidates, slots, work;        // proposing
  fm_scratch matches, samples, rows, places; // losses
  size_t sampled;                            // anchors of the last losses
} fm_rpn;
void fm_rpn_release(fm_rpn *rpn);

// torchvision's filter_proposals; `training` chooses the _train or the _test numbers. `spare` more
// boxes than these numbers give fit into each picture's row.
FM_MUST_USE fm_status fm_rpn_propose(fm_rpn *rpn, const fm_rpn_outputs_view *view,
                                     const fm_model_config *config, bool training, size_t spare,
                                     fm_proposals *out);

// Fills losses->objectness and losses->rpn_box_reg and WRITES all of dobjectness and ddeltas.
FM_MUST_USE fm_status fm_rpn_losses(fm_rpn *rpn, const fm_rpn_outputs_view *view,
                                    const fm_model_config *config, const fm_batch_part *part,
                                    fm_losses *losses);

#endif
