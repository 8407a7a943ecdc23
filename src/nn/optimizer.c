// One pass over the parameters' flat blocks: piece by piece, each piece read, updated and averaged
// while it lies in the cache. Threads walk the same list of ranges and take every n-th piece, so
// nothing is allocated and no result depends on their number.
#include "nn/optimizer.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/clones.h"
#include "nn/params_layout.h"
#include "nn/profile.h"

enum { OPTIMIZER_PIECE = 1 << 13 };

typedef struct optimizer_job {
  fm_param_blocks blocks;
  fm_optimizer_kind kind;
  bool starts_average;
  float lr, momentum, eps, decay;
  float beta1, rest1, beta2, rest2; // rest = 1 - beta, rounded once
  float average, average_rest;
  float step_size, root_correction; // Adam: lr / (1 - beta1^t), sqrt(1 - beta2^t)
  float scale;                      // of the gradient: clipping
} optimizer_job;

typedef struct optimizer_walk {
  const optimizer_job *job;
  size_t piece, threads, thread;
} optimizer_walk;

unsigned fm_optimizer_slots(const fm_optimizer_options *options) {
  unsigned average = options->ema > 0 ? 1u << FM_MOMENT_AVERAGE : 0;
  if (options->kind != FM_OPTIMIZER_SGD)
    return 3u | average;
  return (options->momentum != 0 ? 1u : 0) | average;
}

FM_KERNEL static void optimizer_plain(const optimizer_job *job, float *restrict w,
                                      const float *restrict gradient, float decay, size_t count) {
  float lr = job->lr, scale = job->scale;
  for (size_t i = 0; i < count; i++)
    w[i] -= lr * (gradient[i] * scale + decay * w[i]);
}

FM_KERNEL static void optimizer_momentum(const optimizer_job *job, float *restrict w,
                                         const float *restrict gradient, float *restrict m,
                                         float decay, size_t count) {
  float lr = job->lr, scale = job->scale, momentum = job->momentum;
  for (size_t i = 0; i < count; i++) {
    m[i] = momentum * m[i] + (gradient[i] * scale + decay * w[i]);
    w[i] -= lr * m[i];
  }
}

// `decay` joins the gradient (Adam), `keep` shrinks the weight first (AdamW); one of them does
// nothing.
FM_KERNEL static void optimizer_adam(const optimizer_job *job, float *restrict w,
                                     const float *restrict gradient, float *restrict m,
                                     float *restrict v, float decay, float keep, size_t count) {
  float beta1 = job->beta1, beta2 = job->beta2, rest1 = job->rest1, rest2 = job->rest2;
  float scale = job->scale, step = job->step_size, root = job->root_correction, eps = job->eps;
  for (size_t i = 0; i < count; i++) {
    float g = gradient[i] * scale + decay * w[i];
    m[i] = beta1 * m[i] + rest1 * g;
    v[i] = beta2 * v[i] + rest2 * g * g;
    w[i] = w[i] * keep - step * (m[i] / (sqrtf(v[i]) / root + eps));
  }
}

FM_KERNEL static void optimizer_average(float *restrict average, const float *restrict w,
                                        float decay, float rest, size_t count) {
  for (size_t i = 0; i < count; i++)
    average[i] = decay * average[i] + rest * w[i];
}

static void optimizer_update(const optimizer_job *job, size_t at, size_t count, bool no_decay) {
  float *w = job->blocks.value + at;
  const float *g = job->blocks.gradient + at;
  float decay = no_decay ? 0 : job->decay;
  if (job->kind == FM_OPTIMIZER_SGD && job->momentum == 0)
    optimizer_plain(job, w, g, decay, count);
  else if (job->kind == FM_OPTIMIZER_SGD)
    optimizer_momentum(job, w, g, job->blocks.moment[0] + at, decay, count);
  else if (job->kind == FM_OPTIMIZER_ADAM)
    optimizer_adam(job, w, g, job->blocks.moment[0] + at, job->blocks.moment[1] + at, decay, 1,
                   count);
  else
    optimizer_adam(job, w, g, job->blocks.moment[0] + at, job->blocks.moment[1] + at, 0,
                   1 - job->lr * decay, count);
}

static void optimizer_visit(void *user, const fm_param_range *range) {
  optimizer_walk *walk = user;
  const optimizer_job *job = walk->job;
  for (size_t start = 0; start < range->count; start += OPTIMIZER_PIECE) {
    if (walk->piece++ % walk->threads != walk->thread)
      continue;
    size_t at = range->offset + start, left = range->count - start;
    size_t count = left < OPTIMIZER_PIECE ? left : OPTIMIZER_PIECE;
    float *average = job->blocks.moment[FM_MOMENT_AVERAGE];
    if (job->starts_average)
      memcpy(average + at, job->blocks.value + at, count * sizeof(float));
    if (range->kind == FM_PARAM_TRAINED)
      optimizer_update(job, at, count, range->no_decay);
    if (job->average > 0 && range->kind != FM_PARAM_FROZEN)
      optimizer_average(average + at, job->blocks.value + at, job->average, job->average_rest,
                        count);
  }
}

static optimizer_job optimizer_job_make(const fm_optimizer_options *options, fm_params *params,
                                        int64_t step, double norm) {
  double beta1 = options->beta1 > 0 ? options->beta1 : 0.9;
  double beta2 = options->beta2 > 0 ? options->beta2 : 0.999;
  double clip = options->clip_norm > 0 ? options->clip_norm / (norm + 1e-6) : 1;
  double updates = (double)(step + 1);
  return (optimizer_job){
      .blocks = fm_params_blocks(params),
      .kind = options->kind,
      .starts_average = options->ema > 0 && step == 0,
      .lr = (float)options->lr,
      .momentum = (float)options->momentum,
      .beta1 = (float)beta1,
      .rest1 = (float)(1 - beta1),
      .beta2 = (float)beta2,
      .rest2 = (float)(1 - beta2),
      .eps = (float)(options->eps > 0 ? options->eps : 1e-8),
      .decay = (float)options->weight_decay,
      .average = (float)options->ema,
      .average_rest = (float)(1 - options->ema),
      .step_size = (float)(options->lr / (1 - pow(beta1, updates))),
      .root_correction = (float)sqrt(1 - pow(beta2, updates)),
      .scale = clip < 1 ? (float)clip : 1,
  };
}

fm_status fm_optimizer_step(const fm_optimizer_options *options, fm_params *params,
                            fm_optimizer_state *state) {
  unsigned slots = fm_optimizer_slots(options);
  FM_TRY(fm_params_need_gradients(params));
  for (int slot = 0; slot < FM_MOMENT_SLOTS; slot++)
    if (slots & 1u << slot)
      FM_TRY(fm_params_need_moment(params, slot));
  fm_section section;
  fm_section_begin(&section);
  double norm = fm_params_gradient_norm(params);
  fm_section_end_named(&section, "norm of the gradients");
  if (!isfinite(norm))
    return fm_fail(FM_ERR_NUMERIC, "the norm of the gradients is %g", norm);
  const optimizer_job job = optimizer_job_make(options, params, state->step, norm);
  fm_section_begin(&section);
#pragma omp parallel
  {
    optimizer_walk walk = {.job = &job,
                           .threads = (size_t)omp_get_num_threads(),
                           .thread = (size_t)omp_get_thread_num()};
    fm_params_each_range(params, optimizer_visit, &walk);
  }
  state->step++;
  state->gradient_norm = norm;
  fm_params_touch(params);
  fm_section_end_named(&section, "optimiser");
  return FM_OK;
}
