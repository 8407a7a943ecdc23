// The learning rate as a pure function of where training stands: nothing to save, nothing to
// resume.
#ifndef FM_NN_SCHEDULE_H
#define FM_NN_SCHEDULE_H

typedef enum fm_schedule_kind {
  FM_SCHEDULE_STEP,       // torch StepLR: falls by gamma every step_size epochs
  FM_SCHEDULE_MULTI_STEP, // torch MultiStepLR: falls by gamma at each milestone
  FM_SCHEDULE_COSINE,     // torch CosineAnnealingLR with T_max = epochs * steps_per_epoch, to 0;
                          // begun anew at restarts (Loshchilov and Hutter 2017)
  FM_SCHEDULE_CONSTANT
} fm_schedule_kind;

typedef struct fm_schedule {
  fm_schedule_kind kind;
  double lr;               // the rate that the schedule scales
  int step_size;           // epochs, > 0; for FM_SCHEDULE_STEP
  double gamma;            // for FM_SCHEDULE_STEP and FM_SCHEDULE_MULTI_STEP
  const float *milestones; // epochs, rising; lent; for FM_SCHEDULE_MULTI_STEP
  int milestone_count;
  const float *restarts; // epochs, rising, > 0 and < epochs; lent; for FM_SCHEDULE_COSINE
  int restart_count;
  int epochs;          // in all, > 0; for FM_SCHEDULE_COSINE
  int steps_per_epoch; // > 0
  int warmup_steps;    // 0: none
  double warmup_start; // the factor at step 0, 0 means 1 / warmup_steps (torchvision's engine: 1 /
                       // 1000)
} fm_schedule;

// The rate of step `step` (0-based, in the epoch) of epoch `epoch` (0-based). STEP and MULTI_STEP
// move at the start of epochs, COSINE at every step. During the first warmup_steps steps of the
// run, and of what begins at a restart, the rate is also multiplied by torch's LinearLR factor
// warmup_start + (1 - warmup_start) * step / warmup_steps, which reaches 1 at step = warmup_steps.
double fm_schedule_rate(const fm_schedule *schedule, int epoch, int step);

#endif
