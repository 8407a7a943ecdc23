// The arithmetic of boxes against closed forms in double, and gradients against central
// differences.
#include "detect/box.h"

#include "support.h"

static const fm_box_coder *const coders[] = {&fm_box_coder_rpn, &fm_box_coder_head};

// "Rich feature hierarchies" (Girshick et al. 2014), appendix C, times the weights.
static void closed_encode(const fm_box_coder *coder, fm_box p, fm_box g, double *deltas) {
  const double pw = (double)p.x2 - (double)p.x1, ph = (double)p.y2 - (double)p.y1;
  const double gw = (double)g.x2 - (double)g.x1, gh = (double)g.y2 - (double)g.y1;
  deltas[0] = ((double)g.x1 + (double)g.x2 - (double)p.x1 - (double)p.x2) / 2 / pw;
  deltas[1] = ((double)g.y1 + (double)g.y2 - (double)p.y1 - (double)p.y2) / 2 / ph;
  deltas[2] = log(gw / pw);
  deltas[3] = log(gh / ph);
  for (int i = 0; i < 4; i++)
    deltas[i] *= (double)coder->weights[i];
}

static void closed_decode(const fm_box_coder *coder, fm_box p, const double *deltas, double *box) {
  double d[4];
  for (int i = 0; i < 4; i++)
    d[i] = deltas[i] / (double)coder->weights[i];
  const double w = (double)p.x2 - (double)p.x1, h = (double)p.y2 - (double)p.y1;
  const double x = d[0] * w + (double)p.x1 + w / 2, y = d[1] * h + (double)p.y1 + h / 2;
  const double cut = log(1000.0 / 16);
  const double half_w = exp(fmin(d[2], cut)) * w / 2, half_h = exp(fmin(d[3], cut)) * h / 2;
  const double out[4] = {x - half_w, y - half_h, x + half_w, y + half_h};
  memcpy(box, out, sizeof out);
}

static void encoding_follows_the_paper(void **state) {
  (void)state;
  fm_random random = fm_random_make(1, 0, 0);
  for (int i = 0; i < 2000; i++) {
    const fm_box a = random_box(&random, 400, 300, 0.25f), b = random_box(&random, 400, 300, 0.25f);
    float deltas[4];
    double expected[4];
    fm_box_encode(coders[i % 2], a, b, deltas);
    closed_encode(coders[i % 2], a, b, expected);
    for (int k = 0; k < 4; k++)
      assert_near((double)deltas[k], expected[k], 2e-6 * fmax(1, fabs(expected[k])));
  }
}

static void decoding_follows_the_paper_and_its_cut(void **state) {
  (void)state;
  fm_random random = fm_random_make(2, 0, 0);
  for (int i = 0; i < 2000; i++) {
    const fm_box a = random_box(&random, 400, 300, 0.25f);
    float deltas[4];
    double exact[4], expected[4];
    for (int k = 0; k < 4; k++) {
      // Every tenth size lies beyond the cut.
      const double spread = k >= 2 && i % 10 == 0 ? 8 : 1;
      deltas[k] = (float)(spread * fm_random_normal(&random)) * coders[i % 2]->weights[k];
      exact[k] = (double)deltas[k];
    }
    const fm_box box = fm_box_decode(coders[i % 2], a, deltas);
    closed_decode(coders[i % 2], a, exact, expected);
    const float values[4] = {box.x1, box.y1, box.x2, box.y2};
    const double scale = fmax(400, expected[2] - expected[0] + expected[3] - expected[1]);
    for (int k = 0; k < 4; k++)
      assert_near((double)values[k], expected[k], 1e-6 * scale);
  }
}

static void decoding_undoes_encoding(void **state) {
  (void)state;
  fm_random random = fm_random_make(3, 0, 0);
  for (int i = 0; i < 2000; i++) {
    const fm_box a = random_box(&random, 400, 300, 2), b = random_box(&random, 400, 300, 8);
    float deltas[4];
    fm_box_encode(coders[i % 2], a, b, deltas);
    const float cut = FM_BOX_CODER_CLIP * coders[i % 2]->weights[2];
    if (deltas[2] > cut || deltas[3] > cut)
      continue;
    const fm_box c = fm_box_decode(coders[i % 2], a, deltas);
    assert_near((double)c.x1, (double)b.x1, 1e-3);
    assert_near((double)c.y1, (double)b.y1, 1e-3);
    assert_near((double)c.x2, (double)b.x2, 1e-3);
    assert_near((double)c.y2, (double)b.y2, 1e-3);
  }
}

static void a_delta_that_is_no_number_gives_a_box_that_is_dropped(void **state) {
  (void)state;
  for (int k = 0; k < 4; k++) {
    float deltas[4] = {0};
    deltas[k] = NAN;
    fm_box box = fm_box_decode(&fm_box_coder_rpn, (fm_box){0, 0, 32, 32}, deltas);
    assert_false(fm_box_is_large(fm_box_clip(box, 100, 100), 1e-3f));
  }
}

// A weighted sum of the decoded box, in double.
static double weighed(const fm_box_coder *coder, fm_box p, const double *deltas,
                      const float *dbox) {
  double box[4], sum = 0;
  closed_decode(coder, p, deltas, box);
  for (int k = 0; k < 4; k++)
    sum += (double)dbox[k] * box[k];
  return sum;
}

static void the_gradient_of_decoding_is_its_difference_quotient(void **state) {
  (void)state;
  fm_random random = fm_random_make(4, 0, 0);
  for (int i = 0; i < 500; i++) {
    const fm_box_coder *coder = coders[i % 2];
    const fm_box a = random_box(&random, 100, 100, 1);
    float deltas[4], dbox[4], gradient[4];
    for (int k = 0; k < 4; k++) {
      const double spread = k >= 2 && i % 10 == 0 ? 8 : 1;
      deltas[k] = (float)(spread * fm_random_normal(&random)) * coder->weights[k];
      dbox[k] = (float)fm_random_normal(&random);
    }
    fm_box_decode_gradient(coder, a, deltas, dbox, gradient);
    for (int k = 0; k < 4; k++) {
      double at[4], step = 1e-5 * (double)coder->weights[k];
      for (int j = 0; j < 4; j++)
        at[j] = (double)deltas[j];
      at[k] += step;
      double above = weighed(coder, a, at, dbox);
      at[k] -= 2 * step;
      double quotient = (above - weighed(coder, a, at, dbox)) / (2 * step);
      assert_near((double)gradient[k], quotient, 1e-4 * fmax(1, fabs(quotient)));
    }
  }
}

// By counting unit squares.
static double counted_iou(fm_box a, fm_box b) {
  int both = 0, any = 0;
  for (int y = 0; y < 24; y++) {
    for (int x = 0; x < 24; x++) {
      const float cx = (float)x + 0.5f, cy = (float)y + 0.5f;
      const bool in_a = cx > a.x1 && cx < a.x2 && cy > a.y1 && cy < a.y2;
      const bool in_b = cx > b.x1 && cx < b.x2 && cy > b.y1 && cy < b.y2;
      both += in_a && in_b;
      any += in_a || in_b;
    }
  }
  return (double)both / any;
}

static void overlap_is_the_share_of_common_squares(void **state) {
  (void)state;
  fm_random random = fm_random_make(5, 0, 0);
  for (int i = 0; i < 2000; i++) {
    const fm_box a = random_box(&random, 24, 24, 1), b = random_box(&random, 24, 24, 1);
    const float iou = fm_box_iou(a, fm_box_area(a), b, fm_box_area(b));
    assert_true(iou == (float)counted_iou(a, b));
  }
  const fm_box empty = {3, 3, 3, 3};
  assert_true(isnan(fm_box_iou(empty, 0, empty, 0)));
}

static void clipping_keeps_what_is_inside(void **state) {
  (void)state;
  const fm_box box = fm_box_clip((fm_box){-5, 7, 130, 90}, 100, 80);
  assert_true(box.x1 == 0 && box.y1 == 7 && box.x2 == 100 && box.y2 == 80);
  const fm_box gone = fm_box_clip((fm_box){120, 7, 130, 20}, 100, 80);
  assert_true(gone.x1 == 100 && gone.x2 == 100);
  assert_false(fm_box_is_large(gone, 1e-3f));
  assert_true(fm_box_is_large((fm_box){0, 0, 1, 1}, 1));
  assert_false(fm_box_is_large((fm_box){0, 0, 1, 0.75f}, 1));
  assert_true(isnan(fm_box_clip((fm_box){NAN, 0, 1, 1}, 10, 10).x1));
}

static void thresholds_are_the_decimals_that_were_written(void **state) {
  (void)state;
  assert_true(fm_box_decimal(0.7f) == 0.7);
  assert_true(fm_box_decimal(0.05f) == 0.05);
  assert_true(fm_box_decimal(1e-3f) == 1e-3);
  assert_true(fm_box_decimal(1.0f) == 1.0);
  assert_true(fm_box_decimal(0.3333333f) == 0.3333333);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(encoding_follows_the_paper),
      cmocka_unit_test(decoding_follows_the_paper_and_its_cut),
      cmocka_unit_test(decoding_undoes_encoding),
      cmocka_unit_test(a_delta_that_is_no_number_gives_a_box_that_is_dropped),
      cmocka_unit_test(the_gradient_of_decoding_is_its_difference_quotient),
      cmocka_unit_test(overlap_is_the_share_of_common_squares),
      cmocka_unit_test(clipping_keeps_what_is_inside),
      cmocka_unit_test(thresholds_are_the_decimals_that_were_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
