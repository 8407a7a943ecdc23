// Losses and their gradients in one pass over plain fp32 arrays. Every function returns sum /
// normaliser and WRITES the gradient of exactly that (the rows it leaves out excepted, see each).
// Sums run in double and in an order that no thread count changes.
#ifndef FM_NN_LOSS_H
#define FM_NN_LOSS_H

#include <stddef.h>
#include <stdint.h>

// Mean reduction is normaliser = number of rows; torchvision's sums have their own. Must be > 0.

// torch.nn.functional.cross_entropy: logits (rows, classes), labels (rows) in [0, classes). A row
// whose label is negative is ignored: no loss, zero gradient. gradient (rows, classes). Of each
// label `smoothing`, 0 to 1, is dealt out to all classes alike (label_smoothing of torch's; Szegedy
// et al. 2016).
typedef struct fm_loss_smooth {
  float smoothing;
  double normaliser;
} fm_loss_smooth;
double fm_loss_softmax_cross_entropy(const float *logits, const int32_t *labels, size_t rows,
                                     int classes, const fm_loss_smooth *smooth, float *gradient);

// torch.nn.functional.binary_cross_entropy_with_logits over the `count` elements
// logits[selected[i]] against targets[i] (i, not selected[i]); selected NULL: logits[i]. Writes
// gradient[selected[i]] and leaves the others untouched. No index may repeat.
double fm_loss_sigmoid_cross_entropy(const float *logits, const int32_t *selected,
                                     const float *targets, size_t count, double normaliser,
                                     float *gradient);

// Focal loss (Lin et al. 2017). gamma >= 0; alpha weighs the foreground, 1 - alpha the background;
// alpha < 0: no weights.
typedef struct fm_loss_focal {
  float gamma, alpha;
  double normaliser;
} fm_loss_focal;
// Sum of alpha_t (1 - p_t)^gamma cross_entropy over rows; label 0 is the background, negative
// labels are ignored.
double fm_loss_softmax_focal(const float *logits, const int32_t *labels, size_t rows, int classes,
                             const fm_loss_focal *focal, float *gradient);
// torchvision.ops.sigmoid_focal_loss over elements; `selected` as in fm_loss_sigmoid_cross_entropy.
double fm_loss_sigmoid_focal(const float *logits, const int32_t *selected, const float *targets,
                             size_t count, const fm_loss_focal *focal, float *gradient);

// torch.nn.functional.smooth_l1_loss over `count` elements; beta 0 is the L1 loss.
double fm_loss_smooth_l1(const float *prediction, const float *target, size_t count, float beta,
                         double normaliser, float *gradient);

// torchvision.ops.generalized_box_iou_loss (Rezatofighi et al. 2019), eps 1e-7. boxes, targets,
// gradient: (rows, 4), each row x1, y1, x2, y2 with x2 >= x1 and y2 >= y1.
double fm_loss_giou(const float *boxes, const float *targets, size_t rows, double normaliser,
                    float *gradient);

#endif
