// The update of the trained parameters: clip, decay, SGD or Adam or AdamW, and the moving average,
// in one pass over their flat memory. The moments and the average are the parameters' slots
// (fm_params_get_moment), so that a checkpoint of the parameters and fm_optimizer_state is all
// there is to save.
#ifndef FM_NN_OPTIMIZER_H
#define FM_NN_OPTIMIZER_H

#include <stdint.h>

#include "base/status.h"
#include "nn/params.h"

typedef enum fm_optimizer_kind {
  FM_OPTIMIZER_SGD,  // torch.optim.SGD, dampening 0: m = momentum m + g; w -= lr m. Slot 0: m
  FM_OPTIMIZER_ADAM, // torch.optim.Adam. Slot 0: first moment, slot 1: second
  FM_OPTIMIZER_ADAMW // torch.optim.AdamW: the decay is w *= 1 - lr decay, not part of g
} fm_optimizer_kind;

typedef struct fm_optimizer_options {
  fm_optimizer_kind kind;
  double lr;                // of this step; see schedule.h
  double momentum;          // SGD
  double beta1, beta2, eps; // Adam, AdamW; 0 means 0.9, 0.999, 1e-8
  double weight_decay;      // parameters with no_decay are left out
  double clip_norm;         // torch.nn.utils.clip_grad_norm_; 0: none
  double ema;               // decay of the average in slot 2 (timm's ModelEmaV2); 0: none
} fm_optimizer_options;

typedef struct fm_optimizer_state {
  int64_t step;         // updates done; starts at 0
  double gradient_norm; // L2, at the last update, before clipping
} fm_optimizer_state;

// Which slots this optimiser keeps (bit 0, 1, 2), for checkpoints.
unsigned fm_optimizer_slots(const fm_optimizer_options *options);

// One update from the gradients that are there. Frozen parameters and buffers stay; the average
// follows buffers too (running statistics) and begins, at step 0, as a copy of everything before
// the update. When the gradients' norm is not finite: FM_ERR_NUMERIC, and nothing has changed.
FM_MUST_USE fm_status fm_optimizer_step(const fm_optimizer_options *options, fm_params *params,
                                        fm_optimizer_state *state);

#endif
