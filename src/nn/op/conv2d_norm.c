// Batch statistics inside the convolution op, and the passes over its output: activation and its
// mask. A "row" is one image's block of channels: h * w pixels of `block` lanes. Sums run over each
// row by itself and are added in order, so the result does not depend on the number of threads.
#include <math.h>
#include <string.h>

#include "base/clones.h"
#include "nn/chunk.h"
#include "nn/op/activation.h"
#include "nn/op/conv2d.h"
#include "nn/params_layout.h"

enum { NORM_LANES_MAX = FM_CHUNK }; // ResNet-50 has 2048 interleaved channels

static const conv2d_options *norm_options(const fm_op_context *context) {
  return (const conv2d_options *)(const void *)context->node->options;
}

fm_status fm_conv2d_norm_check(const fm_tensor *y) {
  return y->block <= NORM_LANES_MAX
             ? FM_OK
             : fm_fail(FM_ERR_UNSUPPORTED, "batch norm over %d interleaved channels", y->block);
}

// What a channel's numbers are turned by: value * a + b.
typedef struct norm_affine {
  float *a, *b; // [padded channels]
} norm_affine;

FM_KERNEL static void norm_add(double *restrict sum, const float *restrict x, size_t pixels,
                               size_t lanes) {
  float part[NORM_LANES_MAX];
  memset(part, 0, lanes * sizeof *part);
  for (size_t p = 0; p < pixels; ++p)
    for (size_t l = 0; l < lanes; ++l)
      part[l] += x[p * lanes + l];
  for (size_t l = 0; l < lanes; ++l)
    sum[l] += (double)part[l];
}

FM_KERNEL static void norm_add_squares(double *restrict sum, const float *restrict x,
                                       const float *restrict mean, size_t pixels, size_t lanes) {
  float part[NORM_LANES_MAX];
  memset(part, 0, lanes * sizeof *part);
  for (size_t p = 0; p < pixels; ++p)
    for (size_t l = 0; l < lanes; ++l) {
      const float d = x[p * lanes + l] - mean[l];
      part[l] += d * d;
    }
  for (size_t l = 0; l < lanes; ++l)
    sum[l] += (double)part[l];
}

FM_KERNEL static void norm_add_products(double *restrict sum, const float *restrict x,
                                        const float *restrict mean, const float *restrict dy,
                                        size_t pixels, size_t lanes) {
  float part[NORM_LANES_MAX];
  memset(part, 0, lanes * sizeof *part);
  for (size_t p = 0; p < pixels; ++p)
    for (size_t l = 0; l < lanes; ++l)
      part[l] += (x[p * lanes + l] - mean[l]) * dy[p * lanes + l];
  for (size_t l = 0; l < lanes; ++l)
    sum[l] += (double)part[l];
}

FM_KERNEL static void norm_turn(float *restrict y, const float *restrict x, const float *restrict a,
                                const float *restrict b, size_t pixels, size_t lanes) {
  for (size_t p = 0; p < pixels; ++p)
    for (size_t l = 0; l < lanes; ++l)
      y[p * lanes + l] = x[p * lanes + l] * a[l] + b[l];
}

FM_KERNEL static void norm_turn_gradient(float *restrict dx, const float *restrict dy,
                                         const float *restrict x, const float *restrict a,
                                         const float *restrict b, const float *restrict c,
                                         size_t pixels_lanes, size_t lanes) {
  for (size_t p = 0; p < pixels_lanes; p += lanes)
    for (size_t l = 0; l < lanes; ++l)
      dx[p + l] = dy[p + l] * a[l] + x[p + l] * b[l] + c[l];
}

FM_KERNEL static void norm_plus(float *restrict y, const float *restrict x, size_t n) {
  for (size_t i = 0; i < n; ++i)
    y[i] += x[i];
}

// Walks one row in pieces that fit the first-level cache.
typedef struct norm_walk {
  size_t lanes, row_elements, piece; // piece: elements at a time, whole pixels
} norm_walk;

static norm_walk norm_walk_of(const fm_tensor *t) {
  const size_t lanes = (size_t)t->block;
  const size_t pixels = FM_CHUNK / lanes;
  return (norm_walk){lanes, (size_t)t->shape.h * (size_t)t->shape.w * lanes, pixels * lanes};
}

static size_t norm_piece(const norm_walk *walk, size_t at) {
  return walk->row_elements - at < walk->piece ? walk->row_elements - at : walk->piece;
}

typedef enum norm_sum { NORM_SUM, NORM_SQUARES, NORM_PRODUCTS } norm_sum;

static void norm_sum_row(norm_sum kind, const fm_tensor *t, const fm_tensor *z, const float *mean,
                         size_t row, double *sum) {
  const norm_walk walk = norm_walk_of(t);
  float buffer[FM_CHUNK], other[FM_CHUNK];
  memset(sum, 0, walk.lanes * sizeof *sum);
  for (size_t at = 0; at < walk.row_elements; at += walk.piece) {
    const size_t n = norm_piece(&walk, at), start = row * walk.row_elements + at;
    const float *x = fm_chunk_read(t, t, start, n, buffer);
    if (kind == NORM_SUM)
      norm_add(sum, x, n / walk.lanes, walk.lanes);
    else if (kind == NORM_SQUARES)
      norm_add_squares(sum, x, mean, n / walk.lanes, walk.lanes);
    else
      norm_add_products(sum, fm_chunk_read(z, z, start, n, other), mean, x, n / walk.lanes,
                        walk.lanes);
  }
}

// out[c] = sum over n, h, w. partial has room for one row of doubles each.
static void norm_sum_all(norm_sum kind, const fm_tensor *t, const fm_tensor *z, const float *mean,
                         double *partial, double *out) {
  const int blocks = fm_tensor_blocks(t), rows = t->shape.n * blocks;
  const size_t lanes = (size_t)t->block;
#pragma omp parallel for schedule(static)
  for (int row = 0; row < rows; ++row)
    norm_sum_row(kind, t, z, mean ? mean + (size_t)(row % blocks) * lanes : NULL, (size_t)row,
                 partial + (size_t)row * lanes);
  for (size_t c = 0; c < (size_t)blocks * lanes; ++c)
    out[c] = 0;
  for (int row = 0; row < rows; ++row)
    for (size_t l = 0; l < lanes; ++l)
      out[(size_t)(row % blocks) * lanes + l] += partial[(size_t)row * lanes + l];
}

static void norm_update_running(fm_op_context *context, const float *mean, const double *variance,
                                double count) {
  const conv2d_options *o = norm_options(context);
  const int *params = context->node->params;
  float *running_mean = fm_params_own_value(context->params, params[CONV_MEAN]);
  float *running_var = fm_params_own_value(context->params, params[CONV_VARIANCE]);
  for (int c = 0; c < o->out_channels; ++c) {
    const double unbiased = count > 1 ? variance[c] * count / (count - 1) : variance[c];
    running_mean[c] += o->momentum * (mean[c] - running_mean[c]);
    running_var[c] += o->momentum * ((float)unbiased - running_var[c]);
  }
  if (params[CONV_TRACKED] >= 0)
    fm_params_own_value(context->params, params[CONV_TRACKED])[0] += 1;
}

static size_t norm_padded(const fm_tensor *t) {
  return (size_t)fm_tensor_blocks(t) * (size_t)t->block;
}

// a, b of y = z a + b for every channel; zero in the padding.
static void norm_affine_of(const fm_op_context *context, const fm_tensor *z,
                           const float *statistics, norm_affine *affine) {
  const conv2d_options *o = norm_options(context);
  const size_t padded = norm_padded(z);
  const float *gamma = fm_params_value(context->params, context->node->params[CONV_GAMMA]);
  const float *beta = fm_params_value(context->params, context->node->params[CONV_BETA]);
  memset(affine->a, 0, padded * sizeof(float));
  memset(affine->b, 0, padded * sizeof(float));
  for (size_t c = 0; c < (size_t)o->out_channels; ++c) {
    affine->a[c] = gamma[c] * statistics[padded + c];
    affine->b[c] = beta[c] - statistics[c] * affine->a[c];
  }
}

// One piece of the activation's input: z a + b + residual.
static void norm_preactivation(const fm_op_context *context, const fm_tensor *z,
                               const norm_affine *affine, size_t row, size_t at, size_t n,
                               float *out) {
  const norm_walk walk = norm_walk_of(z);
  const size_t block = row % (size_t)fm_tensor_blocks(z), start = row * walk.row_elements + at;
  float buffer[FM_CHUNK];
  norm_turn(out, fm_chunk_read(z, z, start, n, buffer), affine->a + block * walk.lanes,
            affine->b + block * walk.lanes, n / walk.lanes, walk.lanes);
  if (norm_options(context)->residual) {
    const fm_tensor *residual = &context->x[1];
    norm_plus(out, fm_chunk_read(residual, &context->y, start, n, buffer), n);
  }
}

void fm_conv2d_norm_forward(fm_op_context *context, const fm_tensor *z, float *statistics,
                            double *partial) {
  const conv2d_options *o = norm_options(context);
  const size_t padded = norm_padded(z);
  double *sums = partial + (size_t)z->shape.n * padded;
  float *mean = statistics, *inverse = statistics + padded;
  const double count = (double)z->shape.n * z->shape.h * z->shape.w;
  norm_sum_all(NORM_SUM, z, NULL, NULL, partial, sums);
  for (size_t c = 0; c < padded; ++c)
    mean[c] = (float)(sums[c] / count);
  norm_sum_all(NORM_SQUARES, z, NULL, mean, partial, sums);
  for (size_t c = 0; c < padded; ++c) {
    sums[c] /= count;
    inverse[c] = (float)(1.0 / sqrt(sums[c] + (double)o->eps));
  }
  norm_update_running(context, mean, sums, count);
  norm_affine affine = {statistics + 2 * padded, statistics + 3 * padded};
  norm_affine_of(context, z, statistics, &affine);
  const norm_walk walk = norm_walk_of(z);
  const int rows = z->shape.n * fm_tensor_blocks(z);
#pragma omp parallel for schedule(static)
  for (int row = 0; row < rows; ++row) {
    float out[FM_CHUNK];
    for (size_t at = 0; at < walk.row_elements; at += walk.piece) {
      const size_t n = norm_piece(&walk, at), start = (size_t)row * walk.row_elements + at;
      float *y = fm_chunk_target(&context->y, &context->y, start, out);
      norm_preactivation(context, z, &affine, (size_t)row, at, n, y);
      fm_activation_apply(o->act, y, n);
      fm_chunk_write(&context->y, &context->y, start, n, y);
    }
  }
}

void fm_conv2d_norm_backward(fm_op_context *context, const fm_tensor *z, float *statistics,
                             double *partial, fm_tensor *dpre) {
  const conv2d_options *o = norm_options(context);
  const int *params = context->node->params;
  const size_t padded = norm_padded(z);
  double *sums = partial + (size_t)z->shape.n * padded, *products = sums + padded;
  const float *mean = statistics, *inverse = statistics + padded;
  const double count = (double)z->shape.n * z->shape.h * z->shape.w;
  norm_sum_all(NORM_SUM, dpre, NULL, NULL, partial, sums);
  norm_sum_all(NORM_PRODUCTS, dpre, z, mean, partial, products);
  const float *gamma = fm_params_value(context->params, params[CONV_GAMMA]);
  const bool trained =
      fm_params_spec(context->params, params[CONV_GAMMA])->kind == FM_PARAM_TRAINED;
  // dz = a (dpre - sum/M - xhat dgamma/M) = dpre a + z b + c
  float *a = statistics + 2 * padded, *b = statistics + 3 * padded, *c = statistics + 4 * padded;
  memset(a, 0, 3 * padded * sizeof *a);
  for (size_t i = 0; i < (size_t)o->out_channels; ++i) {
    const double inv = (double)inverse[i], dgamma = products[i] * inv;
    const double scale = (double)gamma[i] * inv;
    const double slope = -scale * dgamma * inv / count;
    a[i] = (float)scale;
    b[i] = (float)slope;
    c[i] = (float)(-scale * sums[i] / count - slope * (double)mean[i]);
    if (trained) {
      fm_params_gradient(context->params, params[CONV_GAMMA])[i] += (float)dgamma;
      fm_params_gradient(context->params, params[CONV_BETA])[i] += (float)sums[i];
    }
  }
  const norm_walk walk = norm_walk_of(z);
  const int blocks = fm_tensor_blocks(z), rows = z->shape.n * blocks;
#pragma omp parallel for schedule(static)
  for (int row = 0; row < rows; ++row) {
    float dy[FM_CHUNK], x[FM_CHUNK], out[FM_CHUNK];
    const size_t lane = (size_t)(row % blocks) * walk.lanes;
    for (size_t at = 0; at < walk.row_elements; at += walk.piece) {
      const size_t n = norm_piece(&walk, at), start = (size_t)row * walk.row_elements + at;
      norm_turn_gradient(out, fm_chunk_read(dpre, dpre, start, n, dy),
                         fm_chunk_read(z, z, start, n, x), a + lane, b + lane, c + lane, n,
                         walk.lanes);
      float *target = fm_chunk_target(dpre, dpre, start, dy);
      memcpy(target, out, n * sizeof *out);
      fm_chunk_write(dpre, dpre, start, n, target);
    }
  }
}

void fm_conv2d_mask(const fm_op_context *context, const fm_tensor *preactivation,
                    const float *statistics, fm_tensor *dpre) {
  const fm_tensor *y = &context->y;
  const fm_activation act = context->dy_has_slope ? FM_ACT_NONE : norm_options(context)->act;
  const norm_walk walk = norm_walk_of(y);
  const int rows = y->shape.n * fm_tensor_blocks(y);
  const size_t padded = norm_padded(y);
  // Batch statistics: the activation's input is made again from the raw output.
  norm_affine affine = {0};
  if (statistics)
    affine = (norm_affine){(float *)(uintptr_t)(statistics + 2 * padded),
                           (float *)(uintptr_t)(statistics + 3 * padded)};
#pragma omp parallel for schedule(static)
  for (int row = 0; row < rows; ++row) {
    float part[FM_CHUNK], out[FM_CHUNK], known[FM_CHUNK];
    for (size_t at = 0; at < walk.row_elements; at += walk.piece) {
      const size_t n = norm_piece(&walk, at), start = (size_t)row * walk.row_elements + at;
      float *d = fm_chunk_target(dpre, dpre, start, out);
      memcpy(d, fm_chunk_read(&context->dy_parts[0], y, start, n, part), n * sizeof *d);
      for (int i = 1; i < context->dy_part_count; ++i)
        norm_plus(d, fm_chunk_read(&context->dy_parts[i], y, start, n, part), n);
      const float *v = NULL;
      if (statistics) {
        norm_preactivation(context, preactivation, &affine, (size_t)row, at, n, known);
        v = known;
      } else if (act != FM_ACT_NONE) {
        v = fm_chunk_read(preactivation ? preactivation : y, y, start, n, known);
      }
      fm_activation_slope(act, d, v, n);
      fm_chunk_write(dpre, dpre, start, n, d);
    }
  }
}

void fm_conv2d_activate(const fm_tensor *y, const fm_tensor *z, fm_activation act) {
  const size_t total = fm_tensor_elements(y);
#pragma omp parallel for schedule(static)
  for (size_t start = 0; start < total; start += FM_CHUNK) {
    float in[FM_CHUNK], out[FM_CHUNK];
    const size_t n = total - start < FM_CHUNK ? total - start : FM_CHUNK;
    float *target = fm_chunk_target(y, y, start, out);
    const float *source = fm_chunk_read(z, y, start, n, in);
    if (target != source)
      memcpy(target, source, n * sizeof *target);
    fm_activation_apply(act, target, n);
    fm_chunk_write(y, y, start, n, target);
  }
}
