// torchvision's matcher and suppression written down over all pairs, for the tests of what is built
// on them.
#ifndef FM_TESTS_DETECT_NAIVE_H
#define FM_TESTS_DETECT_NAIVE_H

#include "detect/match.h"
#include "detect/nms.h"
#include "support.h"

// box_iou in float.
static inline float naive_overlap(fm_box a, fm_box b) {
  const float w = fmaxf(fminf(a.x2, b.x2) - fmaxf(a.x1, b.x1), 0);
  const float h = fmaxf(fminf(a.y2, b.y2) - fmaxf(a.y1, b.y1), 0);
  const float one = (a.x2 - a.x1) * (a.y2 - a.y1), other = (b.x2 - b.x1) * (b.y2 - b.y1);
  return w * h / (one + other - w * h);
}

// Matcher.__call__ and set_low_quality_matches_. Returns how many boxes only the latter matched.
static inline int naive_match(const fm_match_options *options, const fm_box *truth,
                              size_t truth_count, const fm_box *boxes, size_t count,
                              int32_t *matches) {
  int favoured = 0;
  float *greatest = test_alloc(truth_count, sizeof *greatest);
  for (size_t t = 0; t < truth_count; t++) {
    greatest[t] = -1;
    for (size_t i = 0; i < count; i++)
      greatest[t] = fmaxf(greatest[t], naive_overlap(truth[t], boxes[i]));
  }
  for (size_t i = 0; i < count; i++) {
    float best = -1;
    int32_t all = FM_MATCH_BACKGROUND;
    for (size_t t = 0; t < truth_count; t++) {
      const float value = naive_overlap(truth[t], boxes[i]);
      if (value > best) {
        best = value;
        all = (int32_t)t;
      }
    }
    const int32_t weak = best < options->low ? FM_MATCH_BACKGROUND : FM_MATCH_BETWEEN;
    matches[i] = best < options->high ? weak : all;
    for (size_t t = 0; options->allow_low_quality && t < truth_count; t++) {
      if (naive_overlap(truth[t], boxes[i]) == greatest[t]) {
        favoured += matches[i] < 0;
        matches[i] = all;
      }
    }
  }
  free(greatest);
  return favoured;
}

static inline fm_box naive_moved(fm_box box, float by) {
  return (fm_box){box.x1 + by, box.y1 + by, box.x2 + by, box.y2 + by};
}

// shifted: all boxes in one nms, the groups apart by the greatest coordinate and one
// (_batched_nms_coordinate_trick); otherwise boxes of different groups never meet
// (_batched_nms_vanilla). Returns the number of kept boxes.
static inline size_t naive_nms(const fm_nms_input *input, bool shifted, uint32_t *keep) {
  const size_t n = input->count;
  bool *gone = test_alloc(n, sizeof *gone);
  fm_box *boxes = test_alloc(n, sizeof *boxes);
  float most = -INFINITY;
  for (size_t i = 0; i < n; i++)
    most = fmaxf(most, fmaxf(fmaxf(input->boxes[i].x1, input->boxes[i].x2),
                             fmaxf(input->boxes[i].y1, input->boxes[i].y2)));
  for (size_t i = 0; i < n; i++)
    boxes[i] = shifted && input->groups
                   ? naive_moved(input->boxes[i], (float)input->groups[i] * (most + 1))
                   : input->boxes[i];
  size_t kept = 0;
  while (kept < input->limit) {
    size_t best = n;
    for (size_t i = 0; i < n; i++) {
      if (!gone[i] && (best == n || input->scores[i] > input->scores[best]))
        best = i;
    }
    if (best == n)
      break;
    keep[kept++] = (uint32_t)best;
    gone[best] = true;
    for (size_t i = 0; i < n; i++) {
      if (!shifted && input->groups && input->groups[i] != input->groups[best])
        continue;
      gone[i] |= (double)naive_overlap(boxes[best], boxes[i]) > input->threshold;
    }
  }
  free(gone);
  free(boxes);
  return kept;
}

// batched_nms, which changes its way above 4000 coordinates.
static inline size_t naive_batched_nms(const fm_nms_input *input, uint32_t *keep) {
  return naive_nms(input, input->count <= 1000, keep);
}

// smooth_l1_loss with beta 1/9 of one element.
static inline double naive_smooth_l1(double difference) {
  const double beta = 1.0 / 9, d = fabs(difference);
  return d < beta ? d * d / beta / 2 : d - beta / 2;
}

// Deltas of the box seen from the reference, in double, times the coder's weights.
static inline void naive_encode(const float *weights, fm_box reference, fm_box box,
                                double *deltas) {
  const double w = (double)(reference.x2 - reference.x1), h = (double)(reference.y2 - reference.y1);
  deltas[0] =
      ((double)box.x1 + (double)box.x2 - (double)reference.x1 - (double)reference.x2) / 2 / w;
  deltas[1] =
      ((double)box.y1 + (double)box.y2 - (double)reference.y1 - (double)reference.y2) / 2 / h;
  deltas[2] = log((double)(box.x2 - box.x1) / w);
  deltas[3] = log((double)(box.y2 - box.y1) / h);
  for (int k = 0; k < 4; k++)
    deltas[k] *= (double)weights[k];
}

#endif
