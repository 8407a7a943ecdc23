// Losses and gradients against values of torch 1.13 in double, and gradients against central
// differences.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <omp.h>

#include "nn/loss.h"

static void test_near(double value, double expected, double tolerance) {
  if (!(fabs(value - expected) <= tolerance * fmax(1, fabs(expected))))
    fail_msg("%.10g is not %.10g", value, expected);
}

static void test_all_near(const float *values, const double *expected, size_t count) {
  for (size_t i = 0; i < count; i++)
    test_near((double)values[i], expected[i], 1e-6);
}

static const float test_logits[12] = {1.5f,  -0.5f, 0.25f, 2.0f, 0.1f, 0.2f,
                                      -3.0f, 0.7f,  -1.0f, 4.0f, 0.5f, 0.0f};
static const int32_t test_labels[3] = {0, 2, 1};
static const fm_loss_smooth test_plain = {.normaliser = 2};

static void test_cross_entropy_equals_torch(void **unused) {
  (void)unused;
  const double expected[12] = {-0.3371633252,  0.0220375475,   0.04665348842, 0.2684722893,
                               0.125870428,    0.1391083364,   -0.4943296376, 0.2293508732,
                               0.003192580341, -0.02617906589, 0.01430815242, 0.008678333127};
  float gradient[12];
  double loss =
      fm_loss_softmax_cross_entropy(test_logits, test_labels, 3, 4, &test_plain, gradient);
  test_near(loss, 2.827497045, 1e-7);
  test_all_near(gradient, expected, 12);
}

static void test_smoothed_labels_equal_torch(void **unused) {
  (void)unused;
  const double expected[12] = {-0.2902883252,  0.006412547499, 0.03102848842,   0.2528472893,
                               0.1102454287,   0.1234833374,   -0.4474546376,   0.2137258715,
                               -0.01243241966, 0.02069593411,  -0.001316847579, -0.006946666873};
  const fm_loss_smooth smooth = {.smoothing = 0.125f, .normaliser = 2};
  float gradient[12];
  test_near(fm_loss_softmax_cross_entropy(test_logits, test_labels, 3, 4, &smooth, gradient),
            2.9095282927826984, 1e-7);
  test_all_near(gradient, expected, 12);
  const int32_t left_out[3] = {-1, -1, -1};
  assert_true(fm_loss_softmax_cross_entropy(test_logits, left_out, 3, 4, &smooth, gradient) == 0);
  for (int i = 0; i < 12; i++)
    assert_true(gradient[i] == 0);
}

static void test_negative_labels_leave_rows_out(void **unused) {
  (void)unused;
  const int32_t labels[3] = {0, -1, 1};
  float gradient[12], alone[4];
  double loss = fm_loss_softmax_cross_entropy(test_logits, labels, 3, 4, &test_plain, gradient);
  double first = fm_loss_softmax_cross_entropy(test_logits, labels, 1, 4, &test_plain, alone);
  double last =
      fm_loss_softmax_cross_entropy(test_logits + 8, labels + 2, 1, 4, &test_plain, alone);
  test_near(loss, first + last, 1e-12);
  for (int i = 4; i < 8; i++)
    assert_true(gradient[i] == 0);
}

static void test_large_logits_stay_finite(void **unused) {
  (void)unused;
  const float logits[4] = {1e4f, -1e4f, 0, 50};
  const float targets[4] = {0, 1, 1, 1};
  const int32_t labels[1] = {1};
  float gradient[4];
  fm_loss_focal focal = {.gamma = 0.5f, .alpha = 0.25f, .normaliser = 1};
  const fm_loss_smooth one = {.normaliser = 1};
  test_near(fm_loss_softmax_cross_entropy(logits, labels, 1, 4, &one, gradient), 2e4, 1e-9);
  test_near((double)gradient[1], -1, 1e-7);
  test_near(fm_loss_sigmoid_cross_entropy(logits, NULL, targets, 2, 1, gradient), 2e4, 1e-9);
  assert_true(isfinite(fm_loss_sigmoid_focal(logits, NULL, targets, 4, &focal, gradient)));
  for (int i = 0; i < 4; i++)
    assert_true(isfinite(gradient[i]));
}

static void test_softmax_focal_equals_autograd(void **unused) {
  (void)unused;
  const double expected[12] = {-0.2395866858,   0.01565977843,    0.0331517512,    0.1907751562,
                               0.03391872056,   0.03748598354,    -0.1332086425,   0.06180393841,
                               6.447428699e-06, -5.286872771e-05, 2.889537073e-05, 1.752592827e-05};
  float gradient[12], plain[12];
  fm_loss_focal focal = {.gamma = 2, .alpha = 0.25f, .normaliser = 2};
  test_near(fm_loss_softmax_focal(test_logits, test_labels, 3, 4, &focal, gradient), 0.7386081747,
            1e-7);
  test_all_near(gradient, expected, 12);
  focal = (fm_loss_focal){.gamma = 0, .alpha = -1, .normaliser = 2};
  double same = fm_loss_softmax_focal(test_logits, test_labels, 3, 4, &focal, gradient);
  assert_true(same ==
              fm_loss_softmax_cross_entropy(test_logits, test_labels, 3, 4, &test_plain, plain));
  assert_memory_equal(gradient, plain, sizeof plain);
}

static const float test_scores[5] = {1.5f, -0.5f, 0.25f, 2.0f, -3.0f};
static const float test_targets[5] = {1, 0, 1, 0, 1};

static void test_sigmoid_cross_entropy_equals_torch(void **unused) {
  (void)unused;
  const double expected[5] = {-0.03648510476, 0.07550813376, -0.08756469982, 0.1761594156,
                              -0.1905148254};
  float gradient[5];
  double loss = fm_loss_sigmoid_cross_entropy(test_scores, NULL, test_targets, 5, 5, gradient);
  test_near(loss, 1.285389009, 1e-7);
  test_all_near(gradient, expected, 5);
}

static void test_selected_elements_alone_are_read_and_written(void **unused) {
  (void)unused;
  const int32_t selected[2] = {4, 1};
  const float targets[2] = {1, 0};
  float gradient[5] = {7, 7, 7, 7, 7};
  fm_loss_sigmoid_cross_entropy(test_scores, selected, targets, 2, 5, gradient);
  const double expected[5] = {7, 0.07550813376, 7, 7, -0.1905148254};
  test_all_near(gradient, expected, 5);
}

static void test_sigmoid_focal_equals_torchvision(void **unused) {
  (void)unused;
  const double expected[5] = {-0.0008515552612, 0.0206905496, -0.01040281896, 0.1615070596,
                              -0.05633749403};
  const double plain[5] = {-0.02261654805, 0.06452730657, -0.07936393852, 0.1891215602,
                           -0.200053468};
  float gradient[5];
  fm_loss_focal focal = {.gamma = 2, .alpha = 0.25f, .normaliser = 5};
  test_near(fm_loss_sigmoid_focal(test_scores, NULL, test_targets, 5, &focal, gradient),
            0.4018169895, 1e-7);
  test_all_near(gradient, expected, 5);
  focal = (fm_loss_focal){.gamma = 0.5f, .alpha = -1, .normaliser = 5};
  test_near(fm_loss_sigmoid_focal(test_scores, NULL, test_targets, 5, &focal, gradient), 1.14599314,
            1e-7);
  test_all_near(gradient, plain, 5);
}

static void test_smooth_l1_equals_torch(void **unused) {
  (void)unused;
  const float a[5] = {0.05f, -0.5f, 0.25f, 2.0f, -3.0f}, b[5] = {0, 0, 0.2f, 0, -2.95f};
  const double smooth[5] = {0.09, -0.2, 0.09, 0.2, -0.09}, sharp[5] = {0.2, -0.2, 0.2, 0.2, -0.2};
  float gradient[5];
  test_near(fm_loss_smooth_l1(a, b, 5, 1.0f / 9, 5, gradient), 0.4845277778, 1e-6);
  for (int i = 0; i < 5; i++)
    test_near((double)gradient[i], smooth[i], 1e-5);
  test_near(fm_loss_smooth_l1(a, b, 5, 0, 5, gradient), 0.53, 1e-6);
  test_all_near(gradient, sharp, 5);
}

static void test_giou_equals_torchvision(void **unused) {
  (void)unused;
  const float boxes[20] = {10, 20, 50, 60, 0, 0, 5, 5, 12, 8, 30, 22, 3, 3, 9, 11, 1, 2, 4, 6};
  const float goals[20] = {15, 18, 40, 70, 20, 30, 40, 50, 14, 9, 28, 20, 0, 0, 20, 20, 1, 2, 4, 6};
  const double expected[20] = {
      -0.004895367213,  0.005404769515,   0.004895367213,   -0.005404769515,  -0.0009375000003,
      -0.0005833333336, -0.0008333333333, -0.0008333333333, -0.01131687242,   -0.01455026454,
      0.01131687242,    0.01455026454,    0.006666666665,   0.004999999999,   -0.006666666665,
      -0.004999999999,  4.629629527e-10,  3.472222093e-10,  -4.629629527e-10, -3.472222093e-10};
  float gradient[20];
  test_near(fm_loss_giou(boxes, goals, 5, 3, gradient), 1.20553719, 1e-8);
  for (int i = 0; i < 20; i++)
    test_near((double)gradient[i], expected[i], 1e-9);
}

// Each gradient against (loss(x + h) - loss(x - h)) / 2h; `which` picks the loss.
static double test_loss_of(int which, const float *x, float *gradient) {
  static const int32_t labels[6] = {0, 3, 1, 2, -1, 1};
  static const float targets[24] = {1, 0, 0, 1, 1, 1, 0, 0.5f, 0, 1, 0, 0,
                                    0, 1, 1, 0, 1, 0, 1, 0,    1, 1, 0, 1};
  fm_loss_focal focal = {.gamma = 1.5f, .alpha = 0.3f, .normaliser = 4};
  const fm_loss_smooth smooth = {.smoothing = 0.1f, .normaliser = 4};
  switch (which) {
  case 0:
    return fm_loss_softmax_cross_entropy(x, labels, 6, 4, &smooth, gradient);
  case 1:
    return fm_loss_softmax_focal(x, labels, 6, 4, &focal, gradient);
  case 2:
    return fm_loss_sigmoid_cross_entropy(x, NULL, targets, 24, 4, gradient);
  case 3:
    return fm_loss_sigmoid_focal(x, NULL, targets, 24, &focal, gradient);
  default:
    return fm_loss_smooth_l1(x, targets, 24, 1.0f / 9, 4, gradient);
  }
}

static void test_gradients_equal_central_differences(void **unused) {
  (void)unused;
  const float h = 1.0f / 256;
  for (int which = 0; which < 5; which++) {
    float x[24], gradient[24], other[24];
    for (int i = 0; i < 24; i++)
      x[i] = (float)(i * 37 % 23) / 8 - 1.4f;
    test_loss_of(which, x, gradient);
    for (int i = 0; i < 24; i++) {
      float kept = x[i], above = kept + h, below = kept - h;
      x[i] = above;
      double high = test_loss_of(which, x, other);
      x[i] = below;
      double low = test_loss_of(which, x, other);
      x[i] = kept;
      test_near((double)gradient[i], (high - low) / ((double)above - (double)below), 2e-5);
    }
  }
}

static void test_threads_do_not_change_a_bit(void **unused) {
  (void)unused;
  enum { ROWS = 5003, CLASSES = 4 };
  float *x = malloc(sizeof(float) * ROWS * CLASSES);
  float *gradients[2] = {malloc(sizeof(float) * ROWS * CLASSES),
                         malloc(sizeof(float) * ROWS * CLASSES)};
  int32_t *labels = malloc(sizeof(int32_t) * ROWS);
  double losses[2];
  const fm_loss_smooth mean = {.normaliser = ROWS};
  assert_true(x && gradients[0] && gradients[1] && labels);
  for (int i = 0; i < ROWS * CLASSES; i++)
    x[i] = (float)sin(i * 0.7) * 3;
  for (int i = 0; i < ROWS; i++)
    labels[i] = i % CLASSES;
  int threads = omp_get_max_threads();
  for (int i = 0; i < 2; i++) {
    omp_set_num_threads(i == 0 ? 1 : 3);
    losses[i] = fm_loss_softmax_cross_entropy(x, labels, ROWS, CLASSES, &mean, gradients[i]);
  }
  omp_set_num_threads(threads);
  assert_true(losses[0] == losses[1]);
  assert_memory_equal(gradients[0], gradients[1], sizeof(float) * ROWS * CLASSES);
  free(x);
  free(gradients[0]);
  free(gradients[1]);
  free(labels);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_cross_entropy_equals_torch),
      cmocka_unit_test(test_smoothed_labels_equal_torch),
      cmocka_unit_test(test_negative_labels_leave_rows_out),
      cmocka_unit_test(test_large_logits_stay_finite),
      cmocka_unit_test(test_softmax_focal_equals_autograd),
      cmocka_unit_test(test_sigmoid_cross_entropy_equals_torch),
      cmocka_unit_test(test_selected_elements_alone_are_read_and_written),
      cmocka_unit_test(test_sigmoid_focal_equals_torchvision),
      cmocka_unit_test(test_smooth_l1_equals_torch),
      cmocka_unit_test(test_giou_equals_torchvision),
      cmocka_unit_test(test_gradients_equal_central_differences),
      cmocka_unit_test(test_threads_do_not_change_a_bit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
