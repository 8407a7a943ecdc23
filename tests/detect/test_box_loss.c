// The two losses of box deltas against their formulas in double, and gradients against central
// differences.
#include "detect/box_loss.h"

#include "support.h"

enum { ROWS = 40, NORMALISER = 7 };

static void fill(fm_box_loss_rows *rows, fm_scratch *memory, const fm_box_coder *coder) {
  fm_random random = fm_random_make(1, 0, 0);
  assert_int_equal(fm_box_loss_rows_make(rows, memory, coder, ROWS), FM_OK);
  for (size_t i = 0; i < ROWS; i++) {
    rows->references[i] = random_box(&random, 60, 60, 3);
    rows->truth[i] = random_box(&random, 60, 60, 3);
    // Every other prediction is near the truth, where smooth L1 is a square.
    float target[4];
    fm_box_encode(coder, rows->references[i], rows->truth[i], target);
    for (size_t k = 0; k < 4; k++) {
      double noise = 0.05 * fm_random_normal(&random);
      rows->deltas[4 * i + k] = (i % 2 == 0 ? target[k] : 0) + (float)noise;
    }
  }
}

static double smooth_l1(const fm_box_loss_rows *rows, const double *deltas) {
  double sum = 0;
  for (size_t i = 0; i < rows->count; i++) {
    const fm_box p = rows->references[i], g = rows->truth[i];
    const double pw = (double)(p.x2 - p.x1), ph = (double)(p.y2 - p.y1);
    const double gw = (double)(g.x2 - g.x1), gh = (double)(g.y2 - g.y1);
    const double target[4] = {(double)(g.x1 + g.x2 - p.x1 - p.x2) / 2 / pw,
                              (double)(g.y1 + g.y2 - p.y1 - p.y2) / 2 / ph, log(gw / pw),
                              log(gh / ph)};
    for (int k = 0; k < 4; k++) {
      const double beta = 1.0 / 9, weight = (double)rows->coder.weights[k];
      const double d = fabs(deltas[4 * i + (size_t)k] - weight * target[k]);
      sum += d < beta ? d * d / beta / 2 : d - beta / 2;
    }
  }
  return sum / NORMALISER;
}

// 1 - IoU + (hull - union) / hull (Rezatofighi et al. 2019).
static double giou(const fm_box_loss_rows *rows, const double *deltas) {
  double sum = 0;
  for (size_t i = 0; i < rows->count; i++) {
    const fm_box p = rows->references[i], g = rows->truth[i];
    const double *d = deltas + 4 * i;
    const float *weights = rows->coder.weights;
    const double w = (double)(p.x2 - p.x1), h = (double)(p.y2 - p.y1);
    const double x = d[0] / (double)weights[0] * w + (double)(p.x1 + p.x2) / 2;
    const double y = d[1] / (double)weights[1] * h + (double)(p.y1 + p.y2) / 2;
    const double bw = w * exp(d[2] / (double)weights[2]);
    const double bh = h * exp(d[3] / (double)weights[3]);
    const double x1 = x - bw / 2, x2 = x + bw / 2, y1 = y - bh / 2, y2 = y + bh / 2;
    const double gx1 = (double)g.x1, gx2 = (double)g.x2, gy1 = (double)g.y1, gy2 = (double)g.y2;
    const double both =
        fmax(fmin(x2, gx2) - fmax(x1, gx1), 0) * fmax(fmin(y2, gy2) - fmax(y1, gy1), 0);
    const double any = bw * bh + (gx2 - gx1) * (gy2 - gy1) - both;
    const double hull = (fmax(x2, gx2) - fmin(x1, gx1)) * (fmax(y2, gy2) - fmin(y1, gy1));
    sum += 1 - both / any + (hull - any) / hull;
  }
  return sum / NORMALISER;
}

static void check(fm_box_loss kind, double (*formula)(const fm_box_loss_rows *, const double *)) {
  static const fm_box_coder *const coders[] = {&fm_box_coder_rpn, &fm_box_coder_head};
  for (int c = 0; c < 2; c++) {
    fm_box_loss_rows rows;
    fm_scratch memory = {0};
    double deltas[4 * ROWS];
    fill(&rows, &memory, coders[c]);
    for (size_t i = 0; i < 4 * ROWS; i++)
      deltas[i] = (double)rows.deltas[i];
    const double loss = fm_box_loss_run(&rows, kind, NORMALISER), step = 1e-6;
    assert_near(loss, formula(&rows, deltas), 1e-6 * loss);
    for (size_t i = 0; i < 4 * ROWS; i++) {
      const double kept = deltas[i];
      deltas[i] = kept + step;
      const double above = formula(&rows, deltas);
      deltas[i] = kept - step;
      const double quotient = (above - formula(&rows, deltas)) / (2 * step);
      deltas[i] = kept;
      assert_near((double)rows.ddeltas[i], quotient, 1e-5 * fmax(1, fabs(quotient)));
    }
    fm_scratch_release(&memory);
  }
}

static void smooth_l1_is_the_formula_and_its_gradient(void **state) {
  (void)state;
  check(FM_BOX_LOSS_SMOOTH_L1, smooth_l1);
}

static void giou_is_the_formula_and_its_gradient(void **state) {
  (void)state;
  check(FM_BOX_LOSS_GIOU, giou);
}

static void no_rows_have_no_loss(void **state) {
  (void)state;
  fm_box_loss_rows rows;
  fm_scratch memory = {0};
  assert_int_equal(fm_box_loss_rows_make(&rows, &memory, &fm_box_coder_rpn, 0), FM_OK);
  assert_true(fm_box_loss_run(&rows, FM_BOX_LOSS_SMOOTH_L1, 1) == 0);
  assert_true(fm_box_loss_run(&rows, FM_BOX_LOSS_GIOU, 1) == 0);
  fm_scratch_release(&memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(smooth_l1_is_the_formula_and_its_gradient),
      cmocka_unit_test(giou_is_the_formula_and_its_gradient),
      cmocka_unit_test(no_rows_have_no_loss),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
