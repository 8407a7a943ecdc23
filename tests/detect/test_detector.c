// The detector as a whole on a tiny model: gradients end to end, determinism, and memory that stays
// bounded.
#include "detect/detector.h"

#include <malloc.h>

#include "support.h"

enum { CLASS_COUNT = 3, PICTURES = 2 };

typedef struct problem {
  fm_model_config config;
  fm_detector *detector;
  fm_input inputs[PICTURES];
} problem;

static fm_input random_input(const fm_model_config *config, uint64_t seed, int width, int height) {
  fm_random random = fm_random_make(seed, 0, 0);
  fm_image image;
  fm_box boxes[3];
  int32_t labels[3];
  assert_int_equal(fm_image_new(&image, width, height), FM_OK);
  for (int i = 0; i < width * height * 3; i++)
    image.pixels[i] = (uint8_t)fm_random_below(&random, 256);
  for (int i = 0; i < 3; i++) {
    boxes[i] = random_box(&random, width, height, 6);
    labels[i] = 1 + i;
  }
  fm_input input;
  assert_int_equal(fm_input_make(&input, config, &image, boxes, labels, 3), FM_OK);
  fm_image_release(&image);
  return input;
}

static fm_detector *detector_of(const fm_model_config *config, fm_dtype precision, int together) {
  const fm_detector_options options = {.config = config,
                                       .class_count = CLASS_COUNT,
                                       .precision = precision,
                                       .training = true,
                                       .together = together,
                                       .seed = 7};
  fm_detector *detector;
  assert_int_equal(fm_detector_new(&detector, &options), FM_OK);
  return detector;
}

static fm_model_config tiny_config(fm_config_norm norm) {
  fm_model_config config;
  fm_model_config_preset(&config, FM_ARCH_MOBILENET_V3_LARGE_320_FPN);
  config.min_size = 64;
  config.max_size = 96;
  config.fpn_channels = 16;
  config.box_head_features = 32;
  config.roi_size = 3;
  config.norm = norm;
  config.trainable_backbone_layers = 6;
  config.rpn_batch_size_per_image = config.box_batch_size_per_image = 1000000;
  config.rpn_pre_nms_top_n_train = 60;
  config.rpn_post_nms_top_n_train = 40;
  config.box_score_thresh = 0;
  return config;
}

static problem make_problem(const fm_model_config *config) {
  problem p = {.config = *config, .detector = detector_of(config, FM_F32, 0)};
  p.inputs[0] = random_input(config, 1, 90, 70);
  p.inputs[1] = random_input(config, 2, 66, 100);
  return p;
}

static void release_problem(problem *p) {
  fm_detector_free(p->detector);
  for (int i = 0; i < PICTURES; i++)
    fm_input_release(&p->inputs[i]);
}

static fm_losses train(problem *p) {
  fm_random random = fm_random_make(3, 0, 0);
  fm_losses losses;
  assert_int_equal(fm_detector_train(p->detector, p->inputs, PICTURES, &random, &losses), FM_OK);
  return losses;
}

static fm_losses validate(problem *p) {
  fm_random random = fm_random_make(3, 0, 0);
  fm_losses losses;
  assert_int_equal(fm_detector_validate(p->detector, p->inputs, PICTURES, &random, &losses), FM_OK);
  return losses;
}

// --- gradients

static void enlarge(fm_params *params, int id, float factor) {
  const size_t count = fm_params_elements(params, id);
  float *values = test_alloc(count, sizeof *values);
  fm_params_get(params, id, values);
  for (size_t i = 0; i < count; i++)
    values[i] *= factor;
  fm_params_set(params, id, values);
  free(values);
}

// Depthwise convolutions start with weights so small that nothing comes through without batch
// statistics (the others with somewhat small ones), the proposal network with such that any step
// worth measuring would turn its ReLUs over.
static void enlarge_weights(fm_params *params) {
  for (int id = 0; id < fm_params_count(params); id++) {
    const fm_param_spec *spec = fm_params_spec(params, id);
    if (spec->rank == 4 && spec->dims[1] == 1)
      enlarge(params, id, sqrtf((float)spec->dims[0]));
    else if (spec->rank == 4 && !strstr(spec->name, ".fc") &&
             !strncmp(spec->name, "backbone.body", 13))
      enlarge(params, id, 1.1f);
    else if (strncmp(spec->name, "rpn.head", 8) == 0)
      enlarge(params, id, 10);
  }
}

// The loss moves along a parameter's gradient g by |g|^2 times the step.
static void check_along_gradient(problem *p, const char *name) {
  fm_params *params = fm_detector_params(p->detector);
  const int id = fm_params_find(params, name);
  assert_true(id >= 0);
  const size_t count = fm_params_elements(params, id);
  float *start = test_alloc(count, sizeof *start), *gradient = test_alloc(count, sizeof *gradient);
  float *moved = test_alloc(count, sizeof *moved);
  fm_params_zero_gradients(params);
  train(p);
  fm_params_get(params, id, start);
  fm_params_get_gradient(params, id, gradient);
  double square = 0, quotient[2];
  for (size_t i = 0; i < count; i++)
    square += (double)gradient[i] * (double)gradient[i];
  assert_true(square > 0);
  // Steps that change the loss by some thousandths and less: far above rounding, with little
  // curvature. The best counts, for a ReLU that switches between the points is no error.
  double best = INFINITY;
  for (int round = 0; round < 3; round++) {
    static const double changes[3] = {2e-3, 4e-4, 1e-4};
    const double step = changes[round] / square;
    for (int side = 0; side < 2; side++) {
      for (size_t i = 0; i < count; i++)
        moved[i] = start[i] + (float)((side == 0 ? step : -step) * (double)gradient[i]);
      fm_params_set(params, id, moved);
      quotient[side] = train(p).loss;
    }
    const double slope = (quotient[0] - quotient[1]) / (2 * step);
    best = fmin(best, fabs(slope / square - 1));
  }
  fm_params_set(params, id, start);
  if (!(best < 0.005))
    fail_msg("%s: the slope along the gradient is off by %.2g of it", name, best);
  free(start);
  free(gradient);
  free(moved);
}

static void check_gradients(fm_config_norm norm) {
  static const char *const names[] = {
      "roi_heads.box_predictor.cls_score.weight",
      "roi_heads.box_predictor.bbox_pred.bias",
      "roi_heads.box_head.fc6.weight",
      "rpn.head.cls_logits.weight",
      "rpn.head.bbox_pred.weight",
      "rpn.head.conv.0.0.weight",
      "backbone.fpn.inner_blocks.0.0.weight",
      "backbone.fpn.layer_blocks.0.0.weight",
      "backbone.body.16.0.weight",
      "backbone.body.15.block.1.0.weight",
      "backbone.body.15.block.2.fc2.weight",
      "backbone.body.4.block.0.0.weight",
      "backbone.body.0.0.weight",
  };
  fm_model_config config = tiny_config(norm);
  // No proposal survives: only the true boxes reach the second stage, since the gradient does not
  // follow the way through the proposals' coordinates.
  config.rpn_score_thresh = 1;
  problem p = make_problem(&config);
  enlarge_weights(fm_detector_params(p.detector));
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    check_along_gradient(&p, names[i]);
  if (norm == FM_CONFIG_NORM_BATCH) {
    check_along_gradient(&p, "backbone.body.15.block.1.1.weight");
    check_along_gradient(&p, "backbone.body.7.block.0.1.bias");
  }
  release_problem(&p);
}

static void the_loss_moves_along_its_gradient_with_frozen_norms(void **state) {
  (void)state;
  check_gradients(FM_CONFIG_NORM_FROZEN);
}

static void the_loss_moves_along_its_gradient_with_trained_norms(void **state) {
  (void)state;
  check_gradients(FM_CONFIG_NORM_BATCH);
}

// With the first stage's boxes left where they are (deltas of 0), the way through their coordinates
// that the gradient leaves out is not there.
static void the_loss_moves_along_its_gradient_over_a_cascade(void **state) {
  (void)state;
  static const char *const names[] = {
      "roi_heads.box_predictor.cls_score.weight",
      "roi_heads.box_head.fc6.weight",
      "roi_heads.box_predictor_2.cls_score.weight",
      "roi_heads.box_predictor_2.bbox_pred.bias",
      "roi_heads.box_head_2.fc6.weight",
      "roi_heads.box_head_2.fc7.bias",
      "backbone.fpn.layer_blocks.0.0.weight",
      "backbone.body.15.block.1.0.weight",
  };
  fm_model_config config = tiny_config(FM_CONFIG_NORM_FROZEN);
  config.rpn_score_thresh = 1;
  config.cascade_stages = 2;
  problem p = make_problem(&config);
  fm_params *params = fm_detector_params(p.detector);
  enlarge_weights(params);
  enlarge(params, fm_params_find(params, "roi_heads.box_predictor.bbox_pred.weight"), 0);
  enlarge(params, fm_params_find(params, "roi_heads.box_predictor.bbox_pred.bias"), 0);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    check_along_gradient(&p, names[i]);
  release_problem(&p);
}

static void a_step_replaces_the_gradients_of_the_one_before(void **state) {
  (void)state;
  const fm_model_config config = tiny_config(FM_CONFIG_NORM_FROZEN);
  problem p = make_problem(&config);
  fm_params *params = fm_detector_params(p.detector);
  train(&p);
  const double once = fm_params_gradient_norm(params);
  train(&p);
  assert_true(once > 0 && fm_params_gradient_norm(params) == once);
  release_problem(&p);
}

// --- parts of a batch

enum { BATCH = 5 };

typedef struct step {
  fm_losses losses;
  float *gradients; // of all parameters
  size_t count;
} step;

// The last of some steps with the same weights and samples.
static step take_steps(const fm_model_config *config, int together, int steps) {
  fm_detector *detector = detector_of(config, FM_F32, together);
  fm_params *params = fm_detector_params(detector);
  enlarge_weights(params);
  fm_input inputs[BATCH];
  for (int i = 0; i < BATCH; i++)
    inputs[i] = random_input(config, (uint64_t)i, 60 + 8 * i, 100 - 7 * i);
  step out = {0};
  for (int i = 0; i < steps; i++) {
    fm_random random = fm_random_make(3, 0, 0);
    assert_int_equal(fm_detector_train(detector, inputs, BATCH, &random, &out.losses), FM_OK);
  }
  for (int id = 0; id < fm_params_count(params); id++)
    if (fm_params_spec(params, id)->kind == FM_PARAM_TRAINED)
      out.count += fm_params_elements(params, id);
  out.gradients = test_alloc(out.count, sizeof *out.gradients);
  size_t at = 0;
  for (int id = 0; id < fm_params_count(params); id++)
    if (fm_params_spec(params, id)->kind == FM_PARAM_TRAINED) {
      fm_params_get_gradient(params, id, out.gradients + at);
      at += fm_params_elements(params, id);
    }
  for (int i = 0; i < BATCH; i++)
    fm_input_release(&inputs[i]);
  fm_detector_free(detector);
  return out;
}

static step take_step(const fm_model_config *config, int together) {
  return take_steps(config, together, 1);
}

static void assert_same_step(const fm_model_config *config, int together, double tolerance) {
  step whole = take_step(config, BATCH), parts = take_step(config, together);
  assert_near(parts.losses.classifier / whole.losses.classifier, 1, 1e-5);
  assert_near(parts.losses.box_reg / whole.losses.box_reg, 1, 1e-5);
  assert_near(parts.losses.objectness / whole.losses.objectness, 1, 1e-5);
  assert_near(parts.losses.rpn_box_reg / whole.losses.rpn_box_reg, 1, 1e-5);
  assert_near(parts.losses.loss / whole.losses.loss, 1, 1e-5);
  assert_int_equal(parts.count, whole.count);
  double square = 0, off = 0;
  for (size_t i = 0; i < whole.count; i++) {
    const double difference = (double)parts.gradients[i] - (double)whole.gradients[i];
    square += (double)whole.gradients[i] * (double)whole.gradients[i];
    off += difference * difference;
  }
  print_message("gradients of %d at once: %.1e off\n", together, sqrt(off / square));
  assert_true(square > 0 && off <= tolerance * tolerance * square);
  free(whole.gradients);
  free(parts.gradients);
}

static void parts_of_a_batch_give_its_gradients(void **state) {
  (void)state;
  fm_model_config config = tiny_config(FM_CONFIG_NORM_FROZEN);
  config.rpn_batch_size_per_image = 32;
  config.box_batch_size_per_image = 12;
  config.cascade_stages = 2;
  assert_same_step(&config, 0, 1e-5);
  assert_same_step(&config, 1, 1e-5);
  assert_same_step(&config, 2, 1e-5);
}

// Each picture gives as many samples as it has, which only the step itself tells.
static void parts_that_sample_less_than_they_may_divide_by_what_all_sampled(void **state) {
  (void)state;
  fm_model_config config = tiny_config(FM_CONFIG_NORM_FROZEN);
  assert_same_step(&config, 2, 1e-5);
  config.rpn_batch_size_per_image = 32;
  assert_same_step(&config, 3, 1e-5);
  // The first step is done again, the second one counts beforehand: to the same bytes.
  step again = take_steps(&config, 3, 1), counted = take_steps(&config, 3, 2);
  assert_int_equal(counted.count, again.count);
  assert_memory_equal(counted.gradients, again.gradients, again.count * sizeof *again.gradients);
  assert_memory_equal(&counted.losses, &again.losses, sizeof again.losses);
  free(again.gradients);
  free(counted.gradients);
}

static void batch_norm_keeps_the_batch_whole(void **state) {
  (void)state;
  const fm_model_config config = tiny_config(FM_CONFIG_NORM_BATCH);
  assert_same_step(&config, 1, 0);
}

// --- losses

static void a_step_repeats_itself_to_the_bit(void **state) {
  (void)state;
  fm_model_config config = tiny_config(FM_CONFIG_NORM_BATCH);
  config.rpn_batch_size_per_image = 64; // sampled
  config.box_batch_size_per_image = 20;
  fm_losses losses[2];
  double norms[2];
  for (int i = 0; i < 2; i++) {
    problem p = make_problem(&config);
    losses[i] = train(&p);
    norms[i] = fm_params_gradient_norm(fm_detector_params(p.detector));
    release_problem(&p);
  }
  assert_memory_equal(&losses[0], &losses[1], sizeof *losses);
  assert_true(norms[0] == norms[1]);
}

static void validation_computes_the_losses_of_training(void **state) {
  (void)state;
  const fm_model_config config = tiny_config(FM_CONFIG_NORM_FROZEN);
  problem p = make_problem(&config);
  const fm_losses trained = train(&p), validated = validate(&p);
  assert_near(validated.classifier, trained.classifier, 1e-5);
  assert_near(validated.box_reg, trained.box_reg, 1e-5);
  assert_near(validated.objectness, trained.objectness, 1e-5);
  assert_near(validated.rpn_box_reg, trained.rpn_box_reg, 1e-5);
  assert_true(trained.loss ==
              trained.classifier + trained.box_reg + trained.objectness + trained.rpn_box_reg);
  release_problem(&p);
}

static void validation_leaves_statistics_and_gradients_alone(void **state) {
  (void)state;
  const fm_model_config config = tiny_config(FM_CONFIG_NORM_BATCH);
  problem p = make_problem(&config);
  fm_params *params = fm_detector_params(p.detector);
  const int id = fm_params_find(params, "backbone.body.0.1.running_mean");
  float before[16], after[16];
  assert_int_equal(fm_params_elements(params, id), 16);
  fm_params_get(params, id, before);
  const fm_losses first = validate(&p), second = validate(&p);
  fm_params_get(params, id, after);
  assert_memory_equal(before, after, sizeof before);
  assert_memory_equal(&first, &second, sizeof first);
  assert_true(fm_params_gradient_norm(params) == 0);
  train(&p);
  fm_params_get(params, id, after);
  assert_memory_not_equal(before, after, sizeof before);
  release_problem(&p);
}

// --- detections

static void assert_same_detections(const fm_detections *a, const fm_detections *b,
                                   double tolerance) {
  assert_int_equal(a->count, b->count);
  for (size_t i = 0; i < a->count; i++) {
    assert_int_equal(a->items[i].label, b->items[i].label);
    assert_near((double)a->items[i].score, (double)b->items[i].score, tolerance);
    assert_near((double)a->items[i].box.x1, (double)b->items[i].box.x1, 1e3 * tolerance);
    assert_near((double)a->items[i].box.y2, (double)b->items[i].box.y2, 1e3 * tolerance);
  }
}

static void a_shared_detector_finds_the_same(void **state) {
  (void)state;
  const fm_model_config config = tiny_config(FM_CONFIG_NORM_FROZEN);
  problem p = make_problem(&config);
  fm_detector *shared;
  fm_detections one[PICTURES], other[PICTURES];
  assert_int_equal(fm_detector_share(&shared, p.detector), FM_OK);
  assert_int_equal(fm_detector_detect(p.detector, p.inputs, PICTURES, one), FM_OK);
  assert_int_equal(fm_detector_detect(shared, p.inputs, PICTURES, other), FM_OK);
  for (int i = 0; i < PICTURES; i++) {
    assert_true(one[i].count > 10);
    for (size_t k = 1; k < one[i].count; k++)
      assert_true(one[i].items[k].score <= one[i].items[k - 1].score);
    assert_same_detections(&one[i], &other[i], 0);
    fm_detections_release(&one[i]);
    fm_detections_release(&other[i]);
  }
  fm_detector_free(shared);
  release_problem(&p);
}

static void thresholds_apply_from_the_next_call(void **state) {
  (void)state;
  const fm_model_config config = tiny_config(FM_CONFIG_NORM_FROZEN);
  problem p = make_problem(&config);
  fm_detections all[PICTURES], some[PICTURES], again[PICTURES];
  assert_int_equal(fm_detector_detect(p.detector, p.inputs, PICTURES, all), FM_OK);
  const float middle = all[0].items[all[0].count / 2].score;
  fm_detector_set_thresholds(p.detector, middle, 0.1f, true);
  assert_int_equal(fm_detector_detect(p.detector, p.inputs, PICTURES, some), FM_OK);
  assert_true(some[0].count > 0 && some[0].count < all[0].count / 2 + 1);
  for (size_t i = 0; i < some[0].count; i++)
    assert_true(some[0].items[i].score > middle);
  fm_detector_set_thresholds(p.detector, config.box_score_thresh, config.box_nms_thresh, false);
  assert_int_equal(fm_detector_detect(p.detector, p.inputs, PICTURES, again), FM_OK);
  for (int i = 0; i < PICTURES; i++) {
    assert_same_detections(&all[i], &again[i], 0);
    fm_detections_release(&all[i]);
    fm_detections_release(&some[i]);
    fm_detections_release(&again[i]);
  }
  release_problem(&p);
}

// --- memory

static size_t bytes_in_use(void) {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// Every size from `first` on, in steps; pictures are trained on, validated and detected in turn.
static void visit_sizes(problem *p, int first, int count) {
  for (int i = 0; i < count; i++) {
    fm_input input = random_input(&p->config, (uint64_t)i, first + 3 * i, 64);
    fm_random random = fm_random_make(1, 0, (uint64_t)i);
    fm_losses losses;
    fm_detections found;
    if (i % 3 == 0)
      assert_int_equal(fm_detector_train(p->detector, &input, 1, &random, &losses), FM_OK);
    else if (i % 3 == 1)
      assert_int_equal(fm_detector_validate(p->detector, &input, 1, &random, &losses), FM_OK);
    else
      assert_int_equal(fm_detector_detect(p->detector, &input, 1, &found), FM_OK);
    if (i % 3 == 2)
      fm_detections_release(&found);
    fm_input_release(&input);
  }
}

// A thousand sizes with FACEMASK_FULL set, otherwise a few.
static void memory_stays_bounded_over_many_sizes(void **state) {
  (void)state;
  const int count = getenv("FACEMASK_FULL") ? 500 : 30, before_count = 30 + count / 5;
  fm_model_config config = tiny_config(FM_CONFIG_NORM_FROZEN);
  config.max_size = 10000; // widths as they come
  problem p = make_problem(&config);
  // Some small ones and the largest, so that each layout of weights was asked for, the arena has
  // its size, and the plans' cache is full of large plans.
  visit_sizes(&p, 40, before_count);
  visit_sizes(&p, 40 + 3 * count, before_count);
  const size_t before = bytes_in_use();
  visit_sizes(&p, 41, count);
  visit_sizes(&p, 42, count);
  const size_t after = bytes_in_use();
  print_message("%zu KiB in use, after %d more sizes %zu KiB\n", before >> 10, 2 * count,
                after >> 10);
  if (after > before + (4 << 20))
    fail_msg("%zu KiB more", (after - before) >> 10);
  release_problem(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_loss_moves_along_its_gradient_with_frozen_norms),
      cmocka_unit_test(the_loss_moves_along_its_gradient_with_trained_norms),
      cmocka_unit_test(the_loss_moves_along_its_gradient_over_a_cascade),
      cmocka_unit_test(a_step_replaces_the_gradients_of_the_one_before),
      cmocka_unit_test(parts_of_a_batch_give_its_gradients),
      cmocka_unit_test(parts_that_sample_less_than_they_may_divide_by_what_all_sampled),
      cmocka_unit_test(batch_norm_keeps_the_batch_whole),
      cmocka_unit_test(a_step_repeats_itself_to_the_bit),
      cmocka_unit_test(validation_computes_the_losses_of_training),
      cmocka_unit_test(validation_leaves_statistics_and_gradients_alone),
      cmocka_unit_test(a_shared_detector_finds_the_same),
      cmocka_unit_test(thresholds_apply_from_the_next_call),
      cmocka_unit_test(memory_stays_bounded_over_many_sizes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
