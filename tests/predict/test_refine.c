// Detections with the words of a classifier on them: against its own probabilities, and the same
// through a predictor that has its weights file. FACEMASK_TEST_WEIGHTS names a detector's.
#include "predict/refine.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "detect/weights.h"
#include "predict/predictor.h"

enum { CLASSES = 3, WIDTH = 120, HEIGHT = 90 };

static const char *const names[] = {"without_mask", "with_mask", "mask_weared_incorrect",
                                    "background"};

static fm_detector *classifier_of(int classes, uint64_t seed) {
  fm_model_config config;
  fm_model_config_preset(&config, FM_ARCH_FACE_CLASSIFIER);
  config.crop_size = 48;
  const fm_detector_options options = {
      .config = &config, .class_count = classes, .precision = FM_F32, .seed = seed};
  fm_detector *detector;
  assert_int_equal(fm_detector_new(&detector, &options), FM_OK);
  // Start values tell little apart.
  fm_params *params = fm_detector_params(detector);
  const int id = fm_params_find(params, "classifier.weight");
  const size_t count = fm_params_elements(params, id);
  float *values = malloc(count * sizeof *values);
  fm_params_get(params, id, values);
  for (size_t i = 0; i < count; i++)
    values[i] *= 20;
  fm_params_set(params, id, values);
  free(values);
  return detector;
}

static fm_detector *classifier_make(uint64_t seed) {
  return classifier_of(CLASSES, seed);
}

static fm_image picture(void) {
  fm_image image;
  fm_random random = fm_random_make(4, 0, 0);
  assert_int_equal(fm_image_new(&image, WIDTH, HEIGHT), FM_OK);
  for (int i = 0; i < WIDTH * HEIGHT * 3; i++)
    image.pixels[i] = (uint8_t)(fm_random_below(&random, 100) + (unsigned)(i / 900));
  return image;
}

static void probabilities_of(fm_detector *classifier, const fm_image *image, fm_box box,
                             float *out) {
  fm_input input;
  assert_int_equal(fm_input_make_sized(&input, fm_detector_config(classifier), image, image->width,
                                       image->height),
                   FM_OK);
  float *pixels = malloc(fm_detector_cut_floats(classifier) * sizeof *pixels);
  fm_detector_cut_face(classifier, &input, box, pixels);
  assert_int_equal(fm_detector_classify(classifier, pixels, 1, out), FM_OK);
  free(pixels);
  fm_input_release(&input);
}

static fm_detections list_of(const fm_detection *items, size_t count) {
  fm_detections list = {malloc(count * sizeof *items), count};
  memcpy(list.items, items, count * sizeof *items);
  return list;
}

// All that the classifiers make of `list`.
static fm_detections refined(fm_detector *const *classifiers, int count, const fm_image *image,
                             fm_detections list) {
  const fm_refine_options options = {.classifiers = classifiers,
                                     .classifier_count = count,
                                     .class_count = CLASSES,
                                     .score = 0,
                                     .limit = 100};
  assert_int_equal(fm_refine_detections(&options, image, &list), FM_OK);
  return list;
}

static bool same_box(fm_box a, fm_box b) {
  return a.x1 == b.x1 && a.y1 == b.y1 && a.x2 == b.x2 && a.y2 == b.y2;
}

static const fm_detection *find(const fm_detections *list, fm_box box, int label) {
  for (size_t i = 0; i < list->count; i++)
    if (list->items[i].label == label && same_box(list->items[i].box, box))
      return &list->items[i];
  return NULL;
}

// What `sure` is dealt out in, from the detector's shares and the classifiers' mean.
static void deal(const float *shares, const float *mean, float sure, float *out) {
  double sum = 0, pooled[CLASSES];
  for (int k = 0; k < CLASSES; k++) {
    pooled[k] = exp(0.6 * log((double)shares[k] + 0.01) + 0.4 * log((double)mean[k] + 0.01));
    sum += pooled[k];
  }
  for (int k = 0; k < CLASSES; k++)
    out[k] = (float)(pooled[k] / sum) * sure;
}

// A face as the detector gives it, and the classifiers behind it, of which the first `background`
// know the background.
typedef struct face {
  fm_detector *const *classifiers;
  int count, background;
  fm_box box;
  float shares[CLASSES], sum;
} face;

// The scores of a face by a first classifier and then, where that leaves doubts, a second one; how
// many were asked.
static int deal_by(const face *self, const fm_image *image, float *out) {
  float mean[CLASSES] = {0}, is_face = 0, sure = fminf(self->sum, 1), most = 0;
  for (int i = 0; i < self->count; i++) {
    float own[CLASSES + 1] = {0};
    probabilities_of(self->classifiers[i], image, self->box, own);
    const float known = own[0] + own[1] + own[2];
    if (i < self->background) {
      is_face = (is_face * (float)i + known) / (float)(i + 1);
      sure = expf(0.7f * logf(fminf(self->sum, 1)) + 0.3f * logf(is_face + 0.01f));
    }
    for (int k = 0; k < CLASSES; k++)
      mean[k] = (mean[k] * (float)i + own[k] / known) / (float)(i + 1);
    deal(self->shares, mean, sure, out);
    most = fmaxf(out[0], fmaxf(out[1], out[2])) / sure;
    if (most >= 0.85f || sure < 0.1f)
      return i + 1;
  }
  return self->count;
}

static void assert_scores(const fm_detections *list, const fm_box *boxes, const float *expected) {
  for (int k = 0; k < CLASSES; k++) {
    const fm_detection *found = find(list, boxes[k], k + 1);
    assert_non_null(found);
    assert_true(fabsf(found->score - expected[k]) < 1e-4f);
  }
}

static void scores_are_dealt_out_to_all_classes(void **state) {
  (void)state;
  fm_detector *classifiers[] = {classifier_make(3), classifier_make(8)};
  fm_image image = picture();
  const fm_box a = {20, 20, 50, 60}, near_a = {21, 22, 52, 60}, b = {70, 10, 80, 22};
  const fm_box boxes_a[] = {a, a, near_a}, boxes_b[] = {b, b, b};
  const fm_detection before[] = {{a, 2, 0.7f}, {b, 1, 0.6f}, {near_a, 3, 0.5f}};
  int asked[2] = {0};
  for (int count = 1; count <= 2; count++) {
    fm_detections list = refined(classifiers, count, &image, list_of(before, 3));
    assert_int_equal(list.count, 2 * CLASSES);
    // A face's scores add up to 1.2, of which 1 counts.
    const face faces[] = {
        {classifiers, count, 0, a, {0, 0.7f / 1.2f, 0.5f / 1.2f}, 1.2f},
        {classifiers, count, 0, b, {1, 0, 0}, 0.6f},
    };
    float expected[CLASSES];
    asked[0] = deal_by(&faces[0], &image, expected);
    assert_scores(&list, boxes_a, expected);
    asked[1] = deal_by(&faces[1], &image, expected);
    assert_scores(&list, boxes_b, expected);
    for (size_t i = 1; i < list.count; i++)
      assert_true(list.items[i].score <= list.items[i - 1].score);
    fm_detections_release(&list);
  }
  // The second one was asked about one of them alone.
  assert_int_equal(asked[0] + asked[1], 3);
  fm_detector_free(classifiers[0]);
  fm_detector_free(classifiers[1]);
  fm_image_release(&image);
}

// One that knows the background has a word on whether there is a face, and on its classes as if
// there were one; beside it one that does not has a word on the classes alone.
static void the_background_counts_against_a_face(void **state) {
  (void)state;
  fm_detector *classifiers[] = {classifier_of(CLASSES + 1, 5), classifier_make(8)};
  fm_image image = picture();
  const fm_box box = {20, 20, 50, 60}, boxes[] = {box, box, box};
  const fm_detection before[] = {{box, 2, 0.5f}, {box, 1, 0.3f}};
  float four[CLASSES + 1];
  probabilities_of(classifiers[0], &image, box, four);
  assert_in_range((long)(100 * (four[0] + four[1] + four[2])), 2, 98);
  for (int count = 1; count <= 2; count++) {
    fm_detections list = refined(classifiers, count, &image, list_of(before, 2));
    assert_int_equal(list.count, CLASSES);
    const face only = {classifiers, count, 1, box, {0.375f, 0.625f, 0}, 0.8f};
    float expected[CLASSES];
    assert_int_equal(deal_by(&only, &image, expected), count);
    assert_scores(&list, boxes, expected);
    fm_detections_release(&list);
  }
  fm_detector_free(classifiers[0]);
  fm_detector_free(classifiers[1]);
  fm_image_release(&image);
}

// Odds of 1 fall by the square root of a quarter; the large face, and one alone, stay as they are.
static void small_faces_beside_large_ones_are_doubted(void **state) {
  (void)state;
  fm_image image = picture();
  const fm_detection before[] = {{{0, 0, 40, 40}, 2, 0.95f}, {{60, 60, 70, 70}, 2, 0.5f}};
  const double bit = 0.5, odds = 1 * pow(10.0 / 40, bit);
  for (int alone = 0; alone <= 1; alone++) {
    fm_detections list = list_of(before + alone, (size_t)(2 - alone));
    const fm_refine_options options = {.classifier_count = 0,
                                       .class_count = CLASSES,
                                       .size_context = (float)bit,
                                       .score = 0,
                                       .limit = 100};
    assert_int_equal(fm_refine_detections(&options, &image, &list), FM_OK);
    assert_int_equal(list.count, 2 - alone);
    const fm_detection *large = find(&list, before[0].box, 2);
    const fm_detection *small = find(&list, before[1].box, 2);
    assert_true(alone ? !large : large->score == 0.95f);
    const double expected = alone ? 0.5 : odds / (1 + odds);
    assert_true(fabs((double)small->score - expected) < 1e-6);
    fm_detections_release(&list);
  }
  fm_image_release(&image);
}

static void what_is_weak_clear_or_outside_stays(void **state) {
  (void)state;
  fm_detector *classifier = classifier_make(3);
  fm_image image = picture();
  const fm_detection before[] = {{{200, 200, 240, 240}, 2, 0.9f},
                                 {{-3e30f, 0, 3e30f, 50}, 3, 0.8f}, // as files of others may have
                                 {{0, -3e38f, 40, 3e38f}, 3, 0.7f},
                                 {{70, 70, 80, 80}, 2, 0.04f},
                                 {{20, 20, 40, 40}, 1, 0.02f}};
  fm_detections list = list_of(before, 5), none = {0};
  const fm_refine_options options = {.classifiers = &classifier,
                                     .classifier_count = 1,
                                     .class_count = CLASSES,
                                     .score = 0.01f,
                                     .limit = 100};
  assert_int_equal(fm_refine_detections(&options, &image, &list), FM_OK);
  assert_int_equal(list.count, 5);
  assert_memory_equal(list.items, before, sizeof before);
  fm_detections_release(&list);
  // What the detector is sure of is settled, unless another class is too likely.
  const fm_detection clear[] = {{{20, 20, 40, 40}, 1, 0.93f}, {{21, 20, 40, 40}, 3, 0.02f}};
  list = list_of(clear, 2);
  assert_int_equal(fm_refine_detections(&options, &image, &list), FM_OK);
  assert_int_equal(list.count, 2);
  assert_memory_equal(list.items, clear, sizeof clear);
  list.items[1].score = 0.04f;
  assert_int_equal(fm_refine_detections(&options, &image, &list), FM_OK);
  assert_int_equal(list.count, CLASSES);
  fm_detections_release(&list);
  assert_int_equal(fm_refine_detections(&options, &image, &none), FM_OK);
  assert_int_equal(none.count, 0);
  fm_detector_free(classifier);
  fm_image_release(&image);
}

static void no_more_are_kept_than_asked_for(void **state) {
  (void)state;
  fm_detector *classifier = classifier_make(3);
  fm_image image = picture();
  const fm_detection before[] = {{{20, 20, 50, 60}, 2, 0.7f}, {{70, 10, 80, 22}, 1, 0.6f}};
  fm_detections list = list_of(before, 2);
  fm_refine_options options = {
      .classifiers = &classifier, .classifier_count = 1, .class_count = CLASSES, .limit = 2};
  assert_int_equal(fm_refine_detections(&options, &image, &list), FM_OK);
  assert_int_equal(list.count, 2);
  const float second = list.items[1].score;
  fm_detections_release(&list);
  list = list_of(before, 2);
  options.limit = 100;
  options.score = second;
  assert_int_equal(fm_refine_detections(&options, &image, &list), FM_OK);
  assert_int_equal(list.count, 2);
  fm_detections_release(&list);
  fm_detector_free(classifier);
  fm_image_release(&image);
}

// --- through a predictor

static fm_status predict_from(float score, const char *const *weights, int count,
                              const fm_image *image, fm_detections *out) {
  const char *const assignments[] = {"train.precision=fp32", "model.score=overlap"};
  const fm_predictor_options options = {.weights = weights,
                                        .weights_count = count,
                                        .assignments = assignments,
                                        .assignment_count = 2,
                                        .score = score,
                                        .nms = 0.5f};
  fm_predictor *predictor;
  FM_TRY(fm_predictor_open(&predictor, &options));
  fm_input inputs[4];
  assert_int_equal(fm_predictor_inputs(predictor), 1);
  assert_int_equal(fm_predictor_prepare(predictor, image, inputs), FM_OK);
  const fm_status status = fm_predictor_detect(predictor, image, inputs, out);
  fm_predictor_inputs_release(predictor, inputs);
  fm_predictor_free(predictor);
  return status;
}

static fm_status predict(const char *const *weights, int count, const fm_image *image,
                         fm_detections *out) {
  return predict_from(0.05f, weights, count, image, out);
}

static void make_file(char *path) {
  const int file = mkstemp(path);
  assert_true(file >= 0);
  close(file);
}

// A classifier, and its file at `path`, which is made.
static fm_detector *classifier_file(char *path, int classes) {
  make_file(path);
  fm_detector *classifier = classifier_of(classes, 3);
  assert_int_equal(fm_weights_save(classifier, path, names, classes, FM_MOMENT_NONE), FM_OK);
  return classifier;
}

static void a_predictor_with_a_classifier_refines(void **state) {
  (void)state;
  char path[] = "/tmp/facemask-test-XXXXXX";
  fm_detector *classifier = classifier_file(path, CLASSES);
  const char *detector = getenv("FACEMASK_TEST_WEIGHTS");
  assert_non_null(detector);
  const char *const both[] = {detector, path}, *const turned[] = {path, detector};
  fm_image image = picture();
  fm_detections plain, found;
  assert_int_equal(predict(both, 1, &image, &plain), FM_OK);
  assert_true(plain.count > 0);
  assert_int_equal(predict(both, 2, &image, &found), FM_OK);
  const fm_refine_options options = {.classifiers = &classifier,
                                     .classifier_count = 1,
                                     .class_count = CLASSES,
                                     .score = 0.05f,
                                     .limit = 100};
  assert_int_equal(fm_refine_detections(&options, &image, &plain), FM_OK);
  assert_int_equal(found.count, plain.count);
  for (size_t i = 0; i < found.count; i++) {
    assert_int_equal(found.items[i].label, plain.items[i].label);
    assert_true(fabsf(found.items[i].score - plain.items[i].score) < 1e-3f);
  }
  fm_detections_release(&plain);
  fm_detections_release(&found);
  // A classifier alone, or in front, has nothing to look at.
  assert_int_equal(predict(turned, 1, &image, &found), FM_ERR_ARGUMENT);
  assert_int_equal(predict(turned, 2, &image, &found), FM_ERR_ARGUMENT);
  assert_non_null(strstr(fm_error_message(), "face classifier"));
  fm_image_release(&image);
  fm_detector_free(classifier);
  unlink(path);
}

// Whatever score is asked for, a face has the same: classifiers have their word before any is left
// out, and who is not asked changes nothing for others.
static void the_score_asked_for_changes_none(void **state) {
  (void)state;
  char path[] = "/tmp/facemask-test-XXXXXX";
  fm_detector *classifier = classifier_file(path, CLASSES + 1);
  const char *const both[] = {getenv("FACEMASK_TEST_WEIGHTS"), path};
  fm_image image = picture();
  fm_detections all, few;
  assert_int_equal(predict_from(0.01f, both, 2, &image, &all), FM_OK);
  assert_true(all.count > 2);
  const float middle = all.items[all.count / 2].score;
  assert_int_equal(predict_from(middle, both, 2, &image, &few), FM_OK);
  assert_in_range(few.count, all.count / 2 + 1, all.count - 1);
  for (size_t i = 0; i < few.count; i++) {
    assert_int_equal(few.items[i].label, all.items[i].label);
    assert_true(fabsf(few.items[i].score - all.items[i].score) < 1e-5f);
  }
  fm_detections_release(&all);
  fm_detections_release(&few);
  fm_image_release(&image);
  fm_detector_free(classifier);
  unlink(path);
}

// A class more is a classifier's if it is the background, nothing else.
static void a_predictor_takes_a_classifier_that_knows_the_background(void **state) {
  (void)state;
  char path[] = "/tmp/facemask-test-XXXXXX";
  fm_detector *classifier = classifier_file(path, CLASSES + 1);
  const char *const both[] = {getenv("FACEMASK_TEST_WEIGHTS"), path};
  fm_image image = picture();
  fm_detections found;
  assert_int_equal(predict(both, 2, &image, &found), FM_OK);
  assert_true(found.count > 0);
  for (size_t i = 0; i < found.count; i++)
    assert_in_range(found.items[i].label, 1, CLASSES);
  fm_detections_release(&found);
  const char *const others[] = {names[0], names[1], names[2], "hat"};
  assert_int_equal(fm_weights_save(classifier, path, others, CLASSES + 1, FM_MOMENT_NONE), FM_OK);
  assert_int_equal(predict(both, 2, &image, &found), FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "knows 4 classes, 3 are expected"));
  fm_image_release(&image);
  fm_detector_free(classifier);
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scores_are_dealt_out_to_all_classes),
      cmocka_unit_test(the_background_counts_against_a_face),
      cmocka_unit_test(small_faces_beside_large_ones_are_doubted),
      cmocka_unit_test(what_is_weak_clear_or_outside_stays),
      cmocka_unit_test(no_more_are_kept_than_asked_for),
      cmocka_unit_test(a_predictor_with_a_classifier_refines),
      cmocka_unit_test(the_score_asked_for_changes_none),
      cmocka_unit_test(a_predictor_takes_a_classifier_that_knows_the_background),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
