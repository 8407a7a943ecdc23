// Scale and shift of each sum.
#include "nn/op/rows_output.h"

#include <math.h>
#include <stdlib.h>

enum { ROWS_BYTE_MOST = 255 };

int fm_rows_zero(const fm_tensor *tensor) {
  return tensor->dtype == FM_S8 ? FM_ROWS_SIGN : 0;
}

static int rows_positions(const fm_rows_sums *s) {
  return s->kernel ? fm_rows_filter_positions(s->out) : fm_rows_product_positions(s->out);
}

static int rows_channel(const fm_rows_sums *s, int position) {
  return s->kernel ? fm_rows_filter_channel(s->out, s->kernel, position)
                   : fm_rows_product_channel(s->out, position);
}

// Bytes of x and of the residual are moved by their zeros, so the sums are, too: with u = qx + zx
// they are sum(w u) = sum(w qx) + zx sum(w), and y's byte is (sum(w qx) sx sw + bias + r) / sy +
// zy; of floats, sy is 1 and zy 0.
static fm_status rows_numbers(float **numbers, const fm_rows_sums *s, float unit) {
  void *weight, *bias;
  const float *scales;
  FM_TRY(fm_working_data(s->weight, &weight));
  FM_TRY(fm_working_data(s->bias, &bias));
  FM_TRY(fm_working_scales(s->weight, &scales));
  const int positions = rows_positions(s);
  const int32_t *sums = s->kernel ? fm_rows_filter_sums(weight, s->out, s->kernel)
                                  : fm_rows_product_sums(weight, s->in, s->out);
  float *scale = calloc(2 * (size_t)positions, sizeof *scale);
  FM_CHECK_ALLOC(scale);
  float *shift = scale + positions;
  *numbers = scale;
  for (int at = 0; at < positions; ++at) {
    const int c = rows_channel(s, at);
    if (c < 0)
      continue;
    scale[at] = s->source_scale * scales[c] / unit;
    shift[at] = ((const float *)bias)[c] / unit + (float)fm_rows_zero(s->y) -
                scale[at] * (float)s->source_zero * (float)sums[at];
    if (s->residual)
      shift[at] -= (float)fm_rows_zero(s->residual) * s->residual->scale / unit;
  }
  return FM_OK;
}

fm_status fm_rows_output_make(fm_rows_output *out, float **numbers, const fm_rows_sums *s) {
  const bool exact = !fm_dtype_is_int8(s->y->dtype);
  const float unit = exact ? 1 : s->y->scale, zero = (float)fm_rows_zero(s->y);
  FM_TRY(rows_numbers(numbers, s, unit));
  *out = (fm_rows_output){.scale = *numbers,
                          .shift = *numbers + rows_positions(s),
                          .high = ROWS_BYTE_MOST,
                          .exact = exact,
                          .least = s->act == FM_ACT_NONE ? -INFINITY : 0};
  if (s->act != FM_ACT_NONE)
    out->low = (uint8_t)fm_rows_zero(s->y);
  const float most = zero + rintf(6 / unit);
  if (s->act == FM_ACT_RELU6 && most < ROWS_BYTE_MOST)
    out->high = (uint8_t)most;
  if (!s->within)
    out->flip = (uint8_t)fm_rows_zero(s->y);
  return FM_OK;
}
