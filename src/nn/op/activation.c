// Loops of the activations; activation.h says what for.
#include "nn/op/activation.h"

#include "base/clones.h"

static inline float activation_clamp6(float x) {
  x = x < 0 ? 0 : x;
  return x > 6 ? 6 : x;
}

FM_KERNEL void fm_activation_apply(fm_activation act, float *v, size_t count) {
  switch (act) {
  case FM_ACT_NONE:
    break;
  case FM_ACT_RELU:
    for (size_t i = 0; i < count; i++)
      v[i] = v[i] < 0 ? 0 : v[i];
    break;
  case FM_ACT_RELU6:
    for (size_t i = 0; i < count; i++)
      v[i] = activation_clamp6(v[i]);
    break;
  case FM_ACT_HARD_SWISH:
    for (size_t i = 0; i < count; i++)
      v[i] = v[i] * activation_clamp6(v[i] + 3) / 6;
    break;
  case FM_ACT_HARD_SIGMOID:
    for (size_t i = 0; i < count; i++)
      v[i] = activation_clamp6(v[i] + 3) / 6;
    break;
  }
}

FM_KERNEL void fm_activation_slope(fm_activation act, float *restrict d,
                                   const float *restrict known, size_t count) {
  switch (act) {
  case FM_ACT_NONE:
    break;
  case FM_ACT_RELU:
    for (size_t i = 0; i < count; i++)
      d[i] = known[i] > 0 ? d[i] : 0;
    break;
  case FM_ACT_RELU6:
    for (size_t i = 0; i < count; i++)
      d[i] = (known[i] > 0) & (known[i] < 6) ? d[i] : 0;
    break;
  case FM_ACT_HARD_SWISH:
    for (size_t i = 0; i < count; i++) {
      const float slope = known[i] <= 3 ? known[i] / 3 + 0.5f : 1;
      d[i] = known[i] < -3 ? 0 : d[i] * slope;
    }
    break;
  case FM_ACT_HARD_SIGMOID:
    for (size_t i = 0; i < count; i++)
      d[i] = (known[i] > -3) & (known[i] < 3) ? d[i] / 6 : 0;
    break;
  }
}

bool fm_activation_tells_slope(fm_activation act) {
  return act == FM_ACT_RELU || act == FM_ACT_RELU6;
}
