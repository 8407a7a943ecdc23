// The face classifier learns the colours of faces that are plain squares, gives probabilities, and
// does the same steps from the same seed.
#include <math.h>

#include "detect/detector.h"
#include "image/crop.h"
#include "support.h"

enum { CLASSES = 3, PICTURES = 4, STEPS = 25, SIDE = 96 };

static const uint32_t colors[] = {0, 0xe02020, 0x20e020, 0x2020e0};

static fm_model_config tiny_config(void) {
  fm_model_config config;
  fm_model_config_preset(&config, FM_ARCH_FACE_CLASSIFIER);
  config.min_size = config.max_size = SIDE;
  config.crop_size = 32;
  config.box_batch_size_per_image = 4;
  config.norm = FM_CONFIG_NORM_BATCH;
  return config;
}

static fm_detector *detector_of(const fm_model_config *config) {
  const fm_detector_options options = {
      .config = config, .class_count = CLASSES, .precision = FM_F32, .training = true, .seed = 5};
  fm_detector *detector;
  assert_int_equal(fm_detector_new(&detector, &options), FM_OK);
  return detector;
}

// Two faces a picture; of class 3 only one in all.
static fm_input picture(const fm_model_config *config, int number) {
  fm_image image;
  assert_int_equal(fm_image_new_filled(&image, SIDE, SIDE, 0x808080), FM_OK);
  const int32_t labels[2] = {number == 0 ? 3 : 1 + number % 2, 2};
  const fm_box boxes[2] = {{8 + (float)number, 10, 32 + (float)number, 38},
                           {50, 50 + (float)number, 80, 80 + (float)number}};
  for (int i = 0; i < 2; i++)
    fm_image_fill(&image, (int)boxes[i].x1, (int)boxes[i].y1, (int)(boxes[i].x2 - boxes[i].x1),
                  (int)(boxes[i].y2 - boxes[i].y1), colors[labels[i]]);
  fm_input input;
  assert_int_equal(fm_input_make(&input, config, &image, boxes, labels, 2), FM_OK);
  fm_image_release(&image);
  return input;
}

typedef struct problem {
  fm_model_config config;
  fm_detector *detector;
  fm_input inputs[PICTURES];
} problem;

static problem problem_make(void) {
  problem p = {.config = tiny_config()};
  p.detector = detector_of(&p.config);
  for (int i = 0; i < PICTURES; i++)
    p.inputs[i] = picture(&p.config, i);
  return p;
}

static void problem_release(problem *p) {
  fm_detector_free(p->detector);
  for (int i = 0; i < PICTURES; i++)
    fm_input_release(&p->inputs[i]);
}

// Plain gradient steps; the loss of the last one.
static double learn(problem *p, int steps) {
  fm_params *params = fm_detector_params(p->detector);
  fm_losses losses = {0};
  for (int step = 0; step < steps; step++) {
    fm_random random = fm_random_make(9, 0, (uint64_t)step);
    assert_int_equal(fm_detector_train(p->detector, p->inputs, PICTURES, &random, &losses), FM_OK);
    assert_true(losses.loss == losses.classifier && losses.box_reg == 0 && losses.objectness == 0);
    for (int id = 0; id < fm_params_count(params); id++) {
      if (fm_params_spec(params, id)->kind != FM_PARAM_TRAINED)
        continue;
      const size_t count = fm_params_elements(params, id);
      float *values = test_alloc(count, sizeof *values),
            *gradient = test_alloc(count, sizeof(float));
      fm_params_get(params, id, values);
      fm_params_get_gradient(params, id, gradient);
      for (size_t i = 0; i < count; i++)
        values[i] -= 0.02f * gradient[i];
      fm_params_set(params, id, values);
      free(values);
      free(gradient);
    }
  }
  return losses.loss;
}

static void it_learns_and_names_all_classes_of_a_face(void **state) {
  (void)state;
  problem p = problem_make();
  const double before = learn(&p, 1), after = learn(&p, STEPS);
  assert_true(before > 0.7 && after < 0.5 * before);
  fm_detections found[PICTURES];
  assert_int_equal(fm_detector_detect(p.detector, p.inputs, PICTURES, found), FM_OK);
  for (int i = 0; i < PICTURES; i++) {
    assert_int_equal(found[i].count, 2 * CLASSES);
    double sums[2] = {0};
    for (size_t k = 0; k < found[i].count; k++) {
      const fm_detection *d = &found[i].items[k];
      const int face = d->box.x1 > 45;
      sums[face] += (double)d->score;
      assert_true(k == 0 || d->score <= found[i].items[k - 1].score);
      assert_true(fabsf(d->box.x1 - p.inputs[i].boxes[face].x1) < 1e-3f);
    }
    assert_true(fabs(sums[0] - 1) < 1e-5 && fabs(sums[1] - 1) < 1e-5);
    fm_detections_release(&found[i]);
  }
  problem_release(&p);
}

static void the_same_seed_gives_the_same_steps(void **state) {
  (void)state;
  problem a = problem_make(), b = problem_make();
  assert_true(learn(&a, 3) == learn(&b, 3));
  problem_release(&a);
  problem_release(&b);
}

// Of faces of the first picture.
static void probabilities_of(problem *p, const fm_box *boxes, size_t count, float *probabilities) {
  const size_t each = fm_detector_cut_floats(p->detector);
  float *pixels = test_alloc(count * each, sizeof *pixels);
  for (size_t i = 0; i < count; i++)
    fm_detector_cut_face(p->detector, &p->inputs[0], boxes[i], pixels + i * each);
  assert_int_equal(fm_detector_classify(p->detector, pixels, count, probabilities), FM_OK);
  free(pixels);
}

static void training_may_see_faces_larger(void **state) {
  (void)state;
  problem large = problem_make(), both = problem_make();
  fm_detector_free(large.detector);
  fm_detector_free(both.detector);
  large.config.crop_size = both.config.crop_size_train = 64;
  large.detector = detector_of(&large.config);
  both.detector = detector_of(&both.config);
  assert_true(learn(&large, 3) == learn(&both, 3));
  float of_large[CLASSES], of_both[CLASSES];
  probabilities_of(&large, large.inputs[0].boxes, 1, of_large);
  probabilities_of(&both, both.inputs[0].boxes, 1, of_both);
  assert_true(of_large[0] != of_both[0]);
  problem_release(&large);
  problem_release(&both);
}

static void pictures_without_faces_teach_nothing(void **state) {
  (void)state;
  problem p = problem_make();
  for (int i = 0; i < PICTURES; i++)
    p.inputs[i].box_count = 0;
  fm_random random = fm_random_make(1, 0, 0);
  fm_losses losses;
  assert_int_equal(fm_detector_train(p.detector, p.inputs, PICTURES, &random, &losses), FM_OK);
  assert_true(losses.loss == 0);
  fm_detections found[PICTURES];
  assert_int_equal(fm_detector_detect(p.detector, p.inputs, PICTURES, found), FM_OK);
  for (int i = 0; i < PICTURES; i++) {
    assert_int_equal(found[i].count, 0);
    fm_detections_release(&found[i]);
  }
  problem_release(&p);
}

// More cut-outs than go through the network at once give what each gives by itself.
static void many_faces_are_classified_as_one(void **state) {
  (void)state;
  enum { MANY = 21 };
  problem p = problem_make();
  learn(&p, 2);
  fm_box boxes[MANY];
  for (int i = 0; i < MANY; i++)
    boxes[i] = (fm_box){(float)i, 8, (float)i + 30, 40};
  float all[MANY * CLASSES], one[CLASSES];
  probabilities_of(&p, boxes, MANY, all);
  for (int i = 0; i < MANY; i++) {
    probabilities_of(&p, &boxes[i], 1, one);
    for (int k = 0; k < CLASSES; k++)
      assert_true(fabsf(one[k] - all[i * CLASSES + k]) < 1e-4f);
  }
  problem_release(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_learns_and_names_all_classes_of_a_face),
      cmocka_unit_test(the_same_seed_gives_the_same_steps),
      cmocka_unit_test(training_may_see_faces_larger),
      cmocka_unit_test(pictures_without_faces_teach_nothing),
      cmocka_unit_test(many_faces_are_classified_as_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
