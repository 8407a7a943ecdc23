// The losses of the proposal network against their formulas in double over all pairs, and gradients
// against central differences.
#include "naive.h"
#include "outputs.h"

typedef struct problem {
  outputs data;
  fm_model_config config;
  fm_rpn rpn;
  fm_losses losses;
  int32_t *matches; // (pictures, anchors), naive
} problem;

static void problem_make(problem *p, uint64_t seed) {
  *p = (problem){0};
  outputs_make(&p->data, seed, 1);
  fm_model_config_preset(&p->config, FM_ARCH_RESNET50_FPN);
  p->config.rpn_batch_size_per_image = 1000000;
  p->config.rpn_fg_iou_thresh = 0.45f; // more faces
  const fm_anchors *anchors = &p->data.anchors;
  fm_box *boxes = test_alloc(anchors->count, sizeof *boxes);
  for (size_t i = 0; i < anchors->count; i++)
    boxes[i] = fm_anchors_box(anchors, i);
  p->matches = test_alloc(p->data.cells, sizeof *p->matches);
  const fm_match_options options = {0.45f, 0.3f, true};
  for (size_t i = 0; i < OUTPUTS_PICTURES; i++)
    naive_match(&options, p->data.inputs[i].boxes, p->data.inputs[i].box_count, boxes,
                anchors->count, p->matches + i * anchors->count);
  free(boxes);
}

static void problem_release(problem *p) {
  fm_rpn_release(&p->rpn);
  outputs_release(&p->data);
  free(p->matches);
}

static void run(problem *p, uint64_t seed) {
  const fm_batch_part part = {.seed = seed};
  // Whatever lies there is overwritten.
  memset(p->data.gradients, 0x7f, 5 * p->data.cells * sizeof *p->data.gradients);
  assert_int_equal(fm_rpn_losses(&p->rpn, &p->data.view, &p->config, &part, &p->losses), FM_OK);
}

static double class_term(const problem *p, double logit, bool face) {
  const double probability = 1 / (1 + exp(face ? -logit : logit)), entropy = -log(probability);
  if (p->config.loss_class == FM_CLASS_LOSS_CROSS_ENTROPY)
    return entropy;
  return (face ? 0.25 : 0.75) * pow(1 - probability, 2) * entropy;
}

// Terms of the two losses in one anchor; logit and deltas are given, so that they may differ from
// the outputs.
static double anchor_term(const problem *p, size_t picture, size_t anchor, double logit,
                          const double *deltas) {
  static const float weights[4] = {1, 1, 1, 1};
  const int32_t match = p->matches[picture * p->data.anchors.count + anchor];
  double sum = class_term(p, logit, match >= 0), target[4];
  if (match < 0)
    return sum;
  naive_encode(weights, fm_anchors_box(&p->data.anchors, anchor),
               p->data.inputs[picture].boxes[match], target);
  for (int k = 0; k < 4; k++)
    sum += naive_smooth_l1(deltas[k] - target[k]);
  return sum;
}

// Values of an anchor, logit first.
static void values_of(const problem *p, size_t picture, size_t anchor, double *values,
                      size_t *places) {
  size_t delta;
  outputs_place(&p->data, picture, anchor, &places[0], &delta);
  for (size_t k = 0; k < 4; k++)
    places[1 + k] = delta + k;
  for (int k = 0; k < 5; k++)
    values[k] = (double)p->data.values[places[k]];
}

static void check_everything_sampled(problem *p) {
  run(p, 1);
  const size_t count = p->data.anchors.count;
  size_t total = 0, faces = 0;
  double sum = 0;
  for (size_t i = 0; i < p->data.cells; i++) {
    total += p->matches[i] != FM_MATCH_BETWEEN;
    faces += p->matches[i] >= 0;
  }
  assert_in_range(faces, 7, total);
  assert_in_range(total, 100, p->data.cells - 1);
  for (size_t i = 0; i < p->data.cells; i++) {
    double values[5];
    size_t places[5];
    values_of(p, i / count, i % count, values, places);
    const bool counts = p->matches[i] != FM_MATCH_BETWEEN;
    if (counts)
      sum += anchor_term(p, i / count, i % count, values[0], values + 1);
    for (int k = 0; k < 5; k++) {
      const double kept = values[k], step = 1e-5;
      values[k] = kept + step;
      const double above = anchor_term(p, i / count, i % count, values[0], values + 1);
      values[k] = kept - step;
      const double below = anchor_term(p, i / count, i % count, values[0], values + 1);
      values[k] = kept;
      const double expected = counts ? (above - below) / (2 * step) / (double)total : 0;
      assert_near((double)p->data.gradients[places[k]], expected, 2e-5 / (double)total);
    }
  }
  sum /= (double)total;
  assert_near(p->losses.objectness + p->losses.rpn_box_reg, sum, 1e-6 * sum);
}

static void losses_and_gradients_are_those_of_the_formulas(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 3; seed++) {
    problem p;
    problem_make(&p, seed);
    check_everything_sampled(&p);
    p.config.loss_class = FM_CLASS_LOSS_FOCAL;
    check_everything_sampled(&p);
    problem_release(&p);
  }
}

// The sampled anchors are those with a gradient of their logit.
static void check_sample(const problem *p, int size, float fraction) {
  const size_t count = p->data.anchors.count;
  size_t total = 0;
  double sum = 0;
  for (size_t picture = 0; picture < OUTPUTS_PICTURES; picture++) {
    size_t sampled[2] = {0}, there[2] = {0};
    for (size_t anchor = 0; anchor < count; anchor++) {
      const int32_t match = p->matches[picture * count + anchor];
      double values[5];
      size_t places[5];
      values_of(p, picture, anchor, values, places);
      there[match >= 0] += match != FM_MATCH_BETWEEN;
      if (p->data.gradients[places[0]] == 0)
        continue;
      assert_int_not_equal(match, FM_MATCH_BETWEEN);
      sampled[match >= 0]++;
      sum += anchor_term(p, picture, anchor, values[0], values + 1);
    }
    const size_t most = (size_t)((float)size * fraction);
    assert_int_equal(sampled[1], there[1] < most ? there[1] : most);
    assert_int_equal(sampled[0], (size_t)size - sampled[1]);
    total += sampled[0] + sampled[1];
  }
  sum /= (double)total;
  assert_near(p->losses.objectness + p->losses.rpn_box_reg, sum, 1e-6 * sum);
}

static void samples_have_their_size_and_the_losses_are_theirs(void **state) {
  (void)state;
  problem p;
  problem_make(&p, 4);
  p.config.rpn_batch_size_per_image = 16;
  p.config.rpn_positive_fraction = 0.25f;
  const size_t bytes = 5 * p.data.cells * sizeof *p.data.gradients;
  float *first = test_alloc(bytes, 1);
  for (uint64_t seed = 1; seed <= 20; seed++) {
    run(&p, seed);
    check_sample(&p, 16, 0.25f);
    if (seed > 1)
      assert_memory_not_equal(p.data.gradients, first, bytes);
    else
      memcpy(first, p.data.gradients, bytes);
  }
  run(&p, 1);
  assert_memory_equal(p.data.gradients, first, bytes);
  free(first);
  problem_release(&p);
}

static void pictures_without_faces_have_no_box_loss(void **state) {
  (void)state;
  problem p;
  problem_make(&p, 5);
  for (int i = 0; i < OUTPUTS_PICTURES; i++)
    p.data.inputs[i].box_count = 0;
  run(&p, 1);
  assert_true(p.losses.rpn_box_reg == 0 && p.losses.objectness > 0);
  problem_release(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(losses_and_gradients_are_those_of_the_formulas),
      cmocka_unit_test(samples_have_their_size_and_the_losses_are_theirs),
      cmocka_unit_test(pictures_without_faces_have_no_box_loss),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
