// The losses of loss.h. Rows are cut into a fixed number of slices; slices run in parallel, their
// sums are added in order.
#include "nn/loss.h"

#include <math.h>
#include <stdbool.h>

#include "base/status.h"

enum { FM_LOSS_SLICES = 64, FM_LOSS_PARALLEL_MIN = 4096 };

typedef struct fm_loss_job {
  const float *x;
  const float *target;
  const int32_t *index; // labels or selected elements
  int classes;
  float gamma, alpha, beta;
  float smoothing;
  bool focal;
  double scale;
  float *gradient;
} fm_loss_job;

typedef double (*fm_loss_slice)(const fm_loss_job *job, size_t begin, size_t end);

static double loss_run(const fm_loss_job *job, fm_loss_slice slice, size_t rows, size_t row_work) {
  double sums[FM_LOSS_SLICES];
#pragma omp parallel for schedule(static) if (rows * row_work >= FM_LOSS_PARALLEL_MIN)
  for (int i = 0; i < FM_LOSS_SLICES; i++) {
    size_t begin = rows * (size_t)i / FM_LOSS_SLICES;
    size_t end = rows * (size_t)(i + 1) / FM_LOSS_SLICES;
    sums[i] = slice(job, begin, end);
  }
  double sum = 0;
  for (int i = 0; i < FM_LOSS_SLICES; i++)
    sum += sums[i];
  return sum * job->scale;
}

static double loss_scale(double normaliser) {
  FM_ASSERT(normaliser > 0);
  return 1.0 / normaliser;
}

static double loss_alpha(float alpha, double target) {
  return alpha < 0 ? 1.0 : (double)alpha * target + (1.0 - (double)alpha) * (1.0 - target);
}

// (1 - p)^gamma and its derivative by (1 - p), without 0 * infinity at p = 1.
static double loss_power(double q, double gamma, double *derivative) {
  if (gamma == 0) {
    *derivative = 0;
    return 1;
  }
  if (q <= 0) {
    *derivative = gamma == 1 ? 1 : 0;
    return 0;
  }
  double lower = pow(q, gamma - 1);
  *derivative = gamma * lower;
  return q * lower;
}

// One row: with p_t the label's probability, L = -a (1 - p_t)^g log p_t, so that
// dL/dz_j = a (g (1 - p_t)^(g-1) p_t log p_t - (1 - p_t)^g) ([j = t] - p_j).
static double loss_softmax_row(const fm_loss_job *job, const float *z, int label, float *dz) {
  float highest = z[0];
  for (int j = 1; j < job->classes; j++)
    highest = z[j] > highest ? z[j] : highest;
  double others = 0;
  for (int j = 0; j < job->classes; j++)
    others += j == label ? 0 : exp((double)z[j] - (double)highest);
  double own = exp((double)z[label] - (double)highest);
  double sum = own + others;
  double p = own / sum, log_p = (double)z[label] - (double)highest - log(sum);
  double power = 1, power_slope = 0, weight = 1;
  if (job->focal) {
    power = loss_power(others / sum, (double)job->gamma, &power_slope);
    weight = loss_alpha(job->alpha, label > 0 ? 1 : 0);
  }
  double slope = weight * (power_slope * p * log_p - power) * job->scale;
  for (int j = 0; j < job->classes; j++) {
    if (j == label)
      dz[j] = (float)(slope * (others / sum));
    else
      dz[j] = (float)(-slope * (exp((double)z[j] - (double)highest) / sum));
  }
  return -weight * power * log_p;
}

// Adds what smoothing changes: cross entropy against the label and all classes alike,
// L += s (log p_t - mean of log p), so that dL/dz_j += s ([j = t] - 1 / classes).
static double loss_smooth_row(const fm_loss_job *job, const float *z, int label, float *dz) {
  const double smoothing = (double)job->smoothing;
  double mean = 0;
  for (int j = 0; j < job->classes; j++) {
    mean += (double)z[j] / job->classes;
    dz[j] += (float)(smoothing * ((j == label) - 1.0 / job->classes) * job->scale);
  }
  return smoothing * ((double)z[label] - mean);
}

static double loss_softmax_slice(const fm_loss_job *job, size_t begin, size_t end) {
  double sum = 0;
  size_t classes = (size_t)job->classes;
  for (size_t i = begin; i < end; i++) {
    float *dz = job->gradient + i * classes;
    FM_ASSERT(job->index[i] < job->classes);
    if (job->index[i] >= 0)
      sum += loss_softmax_row(job, job->x + i * classes, job->index[i], dz);
    else
      for (size_t j = 0; j < classes; j++)
        dz[j] = 0;
    if (job->index[i] >= 0 && job->smoothing > 0)
      sum += loss_smooth_row(job, job->x + i * classes, job->index[i], dz);
  }
  return sum;
}

double fm_loss_softmax_cross_entropy(const float *logits, const int32_t *labels, size_t rows,
                                     int classes, const fm_loss_smooth *smooth, float *gradient) {
  FM_ASSERT(smooth->smoothing >= 0 && smooth->smoothing <= 1);
  fm_loss_job job = {.x = logits, .index = labels, .classes = classes, .gradient = gradient};
  job.smoothing = smooth->smoothing;
  job.scale = loss_scale(smooth->normaliser);
  return loss_run(&job, loss_softmax_slice, rows, (size_t)classes);
}

double fm_loss_softmax_focal(const float *logits, const int32_t *labels, size_t rows, int classes,
                             const fm_loss_focal *focal, float *gradient) {
  fm_loss_job job = {.x = logits, .index = labels, .classes = classes, .gradient = gradient};
  job.focal = true;
  job.gamma = focal->gamma;
  job.alpha = focal->alpha;
  job.scale = loss_scale(focal->normaliser);
  return loss_run(&job, loss_softmax_slice, rows, (size_t)classes);
}

static double loss_sigmoid_slice(const fm_loss_job *job, size_t begin, size_t end) {
  double sum = 0;
  for (size_t i = begin; i < end; i++) {
    size_t at = job->index ? (size_t)job->index[i] : i;
    double x = (double)job->x[at], t = (double)job->target[i];
    double tail = exp(-fabs(x)); // never overflows
    double p = x >= 0 ? 1 / (1 + tail) : tail / (1 + tail);
    double cross = (x > 0 ? x : 0) - x * t + log1p(tail);
    double slope = p - t;
    if (job->focal) {
      double not_p = x >= 0 ? tail / (1 + tail) : 1 / (1 + tail);
      double power_slope, weight = loss_alpha(job->alpha, t);
      double power = loss_power(not_p * t + p * (1 - t), (double)job->gamma, &power_slope);
      slope = weight * (slope * power - cross * power_slope * p * not_p * (2 * t - 1));
      cross *= weight * power;
    }
    job->gradient[at] = (float)(slope * job->scale);
    sum += cross;
  }
  return sum;
}

double fm_loss_sigmoid_cross_entropy(const float *logits, const int32_t *selected,
                                     const float *targets, size_t count, double normaliser,
                                     float *gradient) {
  fm_loss_job job = {.x = logits, .index = selected, .target = targets, .gradient = gradient};
  job.scale = loss_scale(normaliser);
  return loss_run(&job, loss_sigmoid_slice, count, 1);
}

double fm_loss_sigmoid_focal(const float *logits, const int32_t *selected, const float *targets,
                             size_t count, const fm_loss_focal *focal, float *gradient) {
  fm_loss_job job = {.x = logits, .index = selected, .target = targets, .gradient = gradient};
  job.focal = true;
  job.gamma = focal->gamma;
  job.alpha = focal->alpha;
  job.scale = loss_scale(focal->normaliser);
  return loss_run(&job, loss_sigmoid_slice, count, 1);
}

static double loss_smooth_l1_slice(const fm_loss_job *job, size_t begin, size_t end) {
  double sum = 0, beta = (double)job->beta;
  for (size_t i = begin; i < end; i++) {
    double d = (double)job->x[i] - (double)job->target[i];
    double size = fabs(d), slope;
    if (size < beta) {
      sum += 0.5 * d * d / beta;
      slope = d / beta;
    } else {
      sum += size - 0.5 * beta;
      slope = (d > 0) - (d < 0);
      slope = isnan(d) ? d : slope;
    }
    job->gradient[i] = (float)(slope * job->scale);
  }
  return sum;
}

double fm_loss_smooth_l1(const float *prediction, const float *target, size_t count, float beta,
                         double normaliser, float *gradient) {
  FM_ASSERT(beta >= 0);
  fm_loss_job job = {.x = prediction, .target = target, .beta = beta, .gradient = gradient};
  job.scale = loss_scale(normaliser);
  return loss_run(&job, loss_smooth_l1_slice, count, 1);
}

// How much of max(a, b) is a: torch gives half to each at a tie.
static double loss_share(double a, double b) {
  return a > b ? 1 : a < b ? 0 : 0.5;
}

// loss = 1 - I/(U + eps) + (C - U)/(C + eps); I, U, C: intersection, union and enclosing area; U =
// A + B - I.
static double loss_giou_row(const float *box, const float *goal, double scale, float *gradient) {
  const double eps = 1e-7;
  double p[4], g[4], inner[2], outer[2];
  for (int i = 0; i < 4; i++) {
    p[i] = (double)box[i];
    g[i] = (double)goal[i];
  }
  for (int axis = 0; axis < 2; axis++) {
    inner[axis] = fmin(p[axis + 2], g[axis + 2]) - fmax(p[axis], g[axis]);
    outer[axis] = fmax(p[axis + 2], g[axis + 2]) - fmin(p[axis], g[axis]);
  }
  bool touches = inner[0] > 0 && inner[1] > 0;
  double meet = touches ? inner[0] * inner[1] : 0;
  double own = (p[2] - p[0]) * (p[3] - p[1]);
  double join = own + (g[2] - g[0]) * (g[3] - g[1]) - meet;
  double hull = outer[0] * outer[1];
  // Partial derivatives of the loss by I, U and C.
  double by_meet = -1 / (join + eps);
  double by_join = meet / ((join + eps) * (join + eps)) - 1 / (hull + eps);
  double by_hull = (join + eps) / ((hull + eps) * (hull + eps));
  for (int axis = 0; axis < 2; axis++) {
    int other = 1 - axis;
    double side = p[other + 2] - p[other];
    for (int end = 0; end < 2; end++) {
      int i = axis + 2 * end;
      double sign = end ? 1 : -1;
      double in_share = end ? loss_share(g[i], p[i]) : loss_share(p[i], g[i]);
      double d_meet = touches ? sign * in_share * inner[other] : 0;
      double d_hull = sign * (1 - in_share) * outer[other];
      double d_join = sign * side - d_meet;
      double slope = by_meet * d_meet + by_join * d_join + by_hull * d_hull;
      gradient[i] = (float)(slope * scale);
    }
  }
  return 1 - meet / (join + eps) + (hull - join) / (hull + eps);
}

static double loss_giou_slice(const fm_loss_job *job, size_t begin, size_t end) {
  double sum = 0;
  for (size_t i = begin; i < end; i++)
    sum += loss_giou_row(job->x + 4 * i, job->target + 4 * i, job->scale, job->gradient + 4 * i);
  return sum;
}

double fm_loss_giou(const float *boxes, const float *targets, size_t rows, double normaliser,
                    float *gradient) {
  fm_loss_job job = {.x = boxes, .target = targets, .gradient = gradient};
  job.scale = loss_scale(normaliser);
  return loss_run(&job, loss_giou_slice, rows, 4);
}
