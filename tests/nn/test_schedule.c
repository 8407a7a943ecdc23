// Learning rates against torch.optim.lr_scheduler (StepLR, MultiStepLR, CosineAnnealingLR,
// LinearLR).
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/schedule.h"

enum { TEST_EPOCHS = 7, TEST_STEPS = 2, TEST_COUNT = TEST_EPOCHS * TEST_STEPS };

static void test_rates(fm_schedule schedule, const double *expected) {
  schedule.lr = 0.02;
  schedule.epochs = TEST_EPOCHS;
  schedule.steps_per_epoch = TEST_STEPS;
  for (int i = 0; i < TEST_COUNT; i++) {
    double rate = fm_schedule_rate(&schedule, i / TEST_STEPS, i % TEST_STEPS);
    assert_true(fabs(rate - expected[i]) < 1e-12);
  }
}

static void test_step_falls_every_step_size_epochs(void **unused) {
  (void)unused;
  const double expected[] = {0.02,  0.02,  0.02,  0.02,  0.02,  0.02,   0.002,
                             0.002, 0.002, 0.002, 0.002, 0.002, 0.0002, 0.0002};
  test_rates((fm_schedule){.kind = FM_SCHEDULE_STEP, .step_size = 3, .gamma = 0.1}, expected);
}

static void test_multi_step_falls_at_each_milestone(void **unused) {
  (void)unused;
  const double expected[] = {0.02,  0.02,  0.02,  0.02,   0.006,  0.006,  0.006,
                             0.006, 0.006, 0.006, 0.0018, 0.0018, 0.0018, 0.0018};
  const float milestones[] = {2, 5};
  test_rates((fm_schedule){.kind = FM_SCHEDULE_MULTI_STEP,
                           .gamma = 0.3,
                           .milestones = milestones,
                           .milestone_count = 2},
             expected);
}

static void test_cosine_reaches_zero_after_the_last_step(void **unused) {
  (void)unused;
  const double expected[] = {0.02,
                             0.0197492791218,
                             0.019009688679,
                             0.0178183148247,
                             0.0162348980186,
                             0.0143388373912,
                             0.0122252093396,
                             0.01,
                             0.00777479066044,
                             0.00566116260882,
                             0.00376510198141,
                             0.00218168517532,
                             0.000990311320976,
                             0.000250720878182};
  fm_schedule cosine = {.kind = FM_SCHEDULE_COSINE};
  test_rates(cosine, expected);
  cosine = (fm_schedule){
      .kind = FM_SCHEDULE_COSINE, .lr = 1, .epochs = TEST_EPOCHS, .steps_per_epoch = TEST_STEPS};
  assert_true(fabs(fm_schedule_rate(&cosine, TEST_EPOCHS, 0)) < 1e-15);
}

// Cycles of 4, 2 and 1 epochs of 2 steps; each begins with half of the rate at its first step.
static void test_cosine_begins_anew_at_restarts(void **unused) {
  (void)unused;
  const float restarts[] = {4, 6};
  fm_schedule schedule = {.kind = FM_SCHEDULE_COSINE, .restarts = restarts, .restart_count = 2};
  double expected[TEST_COUNT];
  const int lengths[] = {8, 4, 2};
  int at = 0;
  for (int cycle = 0; cycle < 3; cycle++)
    for (int i = 0; i < lengths[cycle]; i++)
      expected[at++] = 0.01 * (1 + cos(acos(-1) * i / lengths[cycle]));
  assert_int_equal(at, TEST_COUNT);
  test_rates(schedule, expected);
  schedule.warmup_steps = 2;
  for (int i = 0; i < TEST_COUNT; i++)
    if (i == 0 || i == 8 || i == 12)
      expected[i] *= 0.5;
    else if (i == 1 || i == 9 || i == 13)
      expected[i] *= 0.75;
  test_rates(schedule, expected);
}

static void test_warmup_rises_in_a_line_to_the_full_rate(void **unused) {
  (void)unused;
  const double fifth[] = {0.004, 0.0072, 0.0104, 0.0136, 0.0168, 0.02, 0.02,
                          0.02,  0.02,   0.02,   0.02,   0.02,   0.02, 0.02};
  const double thousandth[] = {2e-05, 0.004016, 0.008012, 0.012008, 0.016004, 0.02, 0.02,
                               0.02,  0.02,     0.02,     0.02,     0.02,     0.02, 0.02};
  fm_schedule schedule = {.kind = FM_SCHEDULE_CONSTANT, .warmup_steps = 5};
  test_rates(schedule, fifth);
  schedule.warmup_start = 1e-3;
  test_rates(schedule, thousandth);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_step_falls_every_step_size_epochs),
      cmocka_unit_test(test_multi_step_falls_at_each_milestone),
      cmocka_unit_test(test_cosine_reaches_zero_after_the_last_step),
      cmocka_unit_test(test_cosine_begins_anew_at_restarts),
      cmocka_unit_test(test_warmup_rises_in_a_line_to_the_full_rate),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
