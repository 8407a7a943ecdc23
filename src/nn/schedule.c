// Closed forms of torch's learning-rate schedules.
#include "nn/schedule.h"

#include <math.h>
#include <stdint.h>

#include "base/status.h"

// The epochs from the restart before `epoch`, or the beginning, to the next one, or the end.
typedef struct schedule_cycle {
  double begin, end;
} schedule_cycle;

static schedule_cycle schedule_find_cycle(const fm_schedule *schedule, int epoch) {
  schedule_cycle cycle = {0, schedule->epochs};
  const int count = schedule->kind == FM_SCHEDULE_COSINE ? schedule->restart_count : 0;
  for (int i = 0; i < count; i++) {
    const double restart = (double)schedule->restarts[i];
    if (restart <= (double)epoch)
      cycle.begin = restart;
    else {
      cycle.end = restart;
      break;
    }
  }
  return cycle;
}

// cycle_step: steps since the cycle began.
static double schedule_factor(const fm_schedule *schedule, int epoch, schedule_cycle cycle,
                              double cycle_step) {
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
    double total = (cycle.end - cycle.begin) * (double)schedule->steps_per_epoch;
    FM_ASSERT(total > 0);
    double done = fmin(cycle_step / total, 1.0);
    return 0.5 * (1.0 + cos(pi * done));
  }
  case FM_SCHEDULE_CONSTANT:
    break;
  }
  return 1.0;
}

double fm_schedule_rate(const fm_schedule *schedule, int epoch, int step) {
  const schedule_cycle cycle = schedule_find_cycle(schedule, epoch);
  double cycle_step =
      ((double)epoch - cycle.begin) * (double)schedule->steps_per_epoch + (double)step;
  double rate = schedule->lr * schedule_factor(schedule, epoch, cycle, cycle_step);
  double warmup = (double)schedule->warmup_steps;
  if (cycle_step < warmup) {
    double start = schedule->warmup_start > 0 ? schedule->warmup_start : 1.0 / warmup;
    rate *= start + (1.0 - start) * cycle_step / warmup;
  }
  return rate;
}
