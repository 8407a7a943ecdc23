// Closed forms of torch's learning-rate schedules.
#include "nn/schedule.h"

#include <math.h>
#include <stdint.h>

#include "base/status.h"

static double schedule_factor(const fm_schedule *schedule, int epoch, double global_step) {
  switch (schedule->kind) {
  case FM_SCHEDULE_STEP:
    FM_ASSERT(schedule->step_size > 0);
    return pow(schedule->gamma, (double)(epoch / schedule->step_size));
  case FM_SCHEDULE_MULTI_STEP: {
    int passed = 0;
    for (int i = 0; i < schedule->milestone_count; i++)
      passed += (double)epoch >= (double)schedule->milestones[i];
    return pow(schedule->gamma, (double)passed);
  }
  case FM_SCHEDULE_COSINE: {
    const double pi = 3.14159265358979323846;
    double total = (double)schedule->epochs * (double)schedule->steps_per_epoch;
    FM_ASSERT(total > 0);
    double done = fmin(global_step / total, 1.0);
    return 0.5 * (1.0 + cos(pi * done));
  }
  case FM_SCHEDULE_CONSTANT:
    break;
  }
  return 1.0;
}

double fm_schedule_rate(const fm_schedule *schedule, int epoch, int step) {
  double global_step = (double)epoch * (double)schedule->steps_per_epoch + (double)step;
  double rate = schedule->lr * schedule_factor(schedule, epoch, global_step);
  double warmup = (double)schedule->warmup_steps;
  if (global_step < warmup) {
    double start = schedule->warmup_start > 0 ? schedule->warmup_start : 1.0 / warmup;
    rate *= start + (1.0 - start) * global_step / warmup;
  }
  return rate;
}
