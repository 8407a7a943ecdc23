// The losses of the second stage against fastrcnn_loss's formulas in double, and gradients against
// central differences.
#include "naive.h"

#include "detect/roi_heads.h"

enum { COUNT = 21, ROWS = 24, CLASSES = 4 };

typedef struct problem {
  fm_roi_batch batch;
  fm_box boxes[COUNT], truth[COUNT];
  int32_t labels[COUNT];
  float logits[ROWS * CLASSES], deltas[ROWS * CLASSES * 4];
  float dlogits[ROWS * CLASSES], ddeltas[ROWS * CLASSES * 4];
  fm_roi_outputs outputs;
  fm_model_config config;
  fm_roi_heads heads;
  fm_losses losses;
} problem;

static problem *problem_new(uint64_t seed) {
  problem *p = test_alloc(1, sizeof *p);
  fm_random random = fm_random_make(seed, 0, 0);
  fm_model_config_preset(&p->config, FM_ARCH_RESNET50_FPN);
  for (size_t i = 0; i < COUNT; i++) {
    p->boxes[i] = random_box(&random, 64, 48, 3);
    p->truth[i] = random_box(&random, 64, 48, 3);
    p->labels[i] = (int32_t)fm_random_below(&random, CLASSES);
  }
  for (size_t i = 0; i < ROWS * CLASSES; i++)
    p->logits[i] = (float)fm_random_normal(&random);
  for (size_t i = 0; i < ROWS * CLASSES * 4; i++)
    p->deltas[i] = (float)fm_random_normal(&random);
  // What masked rows hold does not matter.
  for (size_t i = COUNT * CLASSES; i < ROWS * CLASSES; i++)
    p->logits[i] = p->deltas[4 * i] = NAN;
  p->batch = (fm_roi_batch){.pictures = 1,
                            .count = COUNT,
                            .divisor = COUNT,
                            .boxes = p->boxes,
                            .labels = p->labels,
                            .truth = p->truth};
  p->outputs = (fm_roi_outputs){.rows = ROWS,
                                .classes = CLASSES,
                                .logits = p->logits,
                                .deltas = p->deltas,
                                .dlogits = p->dlogits,
                                .ddeltas = p->ddeltas};
  return p;
}

static void problem_free(problem *p) {
  fm_roi_heads_release(&p->heads);
  free(p);
}

static void run(problem *p) {
  memset(p->dlogits, 0x7f, sizeof p->dlogits);
  memset(p->ddeltas, 0x7f, sizeof p->ddeltas);
  p->losses = (fm_losses){0};
  assert_int_equal(fm_roi_heads_losses(&p->heads, &p->batch, &p->outputs, &p->config, &p->losses),
                   FM_OK);
}

static double class_loss(const problem *p, const double *logits) {
  double sum = 0;
  for (size_t i = 0; i < COUNT; i++) {
    const double *row = logits + i * CLASSES;
    double total = 0;
    for (int c = 0; c < CLASSES; c++)
      total += exp(row[c]);
    const double probability = exp(row[p->labels[i]]) / total, entropy = -log(probability);
    const double alpha = p->labels[i] > 0 ? 0.25 : 0.75, s = (double)p->config.label_smoothing;
    double smoothed = (1 - s) * entropy;
    for (int c = 0; c < CLASSES; c++)
      smoothed += s / CLASSES * (log(total) - row[c]);
    sum += p->config.loss_class == FM_CLASS_LOSS_FOCAL ? alpha * pow(1 - probability, 2) * entropy
                                                       : smoothed;
  }
  return sum / COUNT;
}

static double box_loss(const problem *p, const double *deltas) {
  static const float weights[4] = {10, 10, 5, 5};
  double sum = 0;
  for (size_t i = 0; i < COUNT; i++) {
    double target[4];
    naive_encode(weights, p->boxes[i], p->truth[i], target);
    for (size_t k = 0; p->labels[i] > 0 && k < 4; k++)
      sum += naive_smooth_l1(deltas[(i * CLASSES + (size_t)p->labels[i]) * 4 + k] - target[k]);
  }
  return sum / COUNT * (double)p->config.box_weight;
}

typedef double formula(const problem *p, const double *values);

// Rows of `width` values; those of masked rows have no gradient.
static void check(const problem *p, double loss, formula *f, const float *values,
                  const float *gradient, size_t width) {
  const size_t count = COUNT * width, masked = (ROWS - COUNT) * width;
  double *exact = test_alloc(count + masked, sizeof *exact);
  for (size_t i = 0; i < count; i++)
    exact[i] = (double)values[i];
  assert_near(loss, f(p, exact), 1e-6 * loss);
  for (size_t i = 0; i < count; i++) {
    const double kept = exact[i], step = 1e-5;
    exact[i] = kept + step;
    const double above = f(p, exact);
    exact[i] = kept - step;
    const double quotient = (above - f(p, exact)) / (2 * step);
    exact[i] = kept;
    assert_near((double)gradient[i], quotient, 1e-6);
  }
  for (size_t i = count; i < count + masked; i++)
    assert_true(gradient[i] == 0);
  free(exact);
}

static void losses_and_gradients_are_those_of_the_formulas(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 3; seed++) {
    problem *p = problem_new(seed);
    p->config.box_weight = (float)seed;
    p->config.label_smoothing = 0.25f * (float)(seed - 1);
    for (int kind = 0; kind < 2; kind++) {
      p->config.loss_class = kind;
      run(p);
      check(p, p->losses.classifier, class_loss, p->logits, p->dlogits, CLASSES);
    }
    check(p, p->losses.box_reg, box_loss, p->deltas, p->ddeltas, CLASSES * 4);
    problem_free(p);
  }
}

static void background_alone_has_no_box_loss(void **state) {
  (void)state;
  problem *p = problem_new(4);
  memset(p->labels, 0, sizeof p->labels);
  run(p);
  assert_true(p->losses.box_reg == 0 && p->losses.classifier > 0);
  for (size_t i = 0; i < ROWS * CLASSES * 4; i++)
    assert_true(p->ddeltas[i] == 0);
  problem_free(p);
}

static void no_rows_have_no_loss(void **state) {
  (void)state;
  problem *p = problem_new(5);
  p->batch.count = 0;
  run(p);
  assert_true(p->losses.box_reg == 0 && p->losses.classifier == 0);
  for (size_t i = 0; i < ROWS * CLASSES; i++)
    assert_true(p->dlogits[i] == 0);
  problem_free(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(losses_and_gradients_are_those_of_the_formulas),
      cmocka_unit_test(background_alone_has_no_box_loss),
      cmocka_unit_test(no_rows_have_no_loss),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
