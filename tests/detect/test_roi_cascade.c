// Between two stages of the cascade, against the same written down plainly.
#include "naive.h"

#include "detect/box.h"
#include "detect/roi_heads.h"

enum { PICTURES = 2, COUNT = 40, CLASSES = 4, TRUTH = 3 };

typedef struct problem {
  fm_roi_batch batch;
  size_t starts[PICTURES + 1];
  fm_box boxes[COUNT], before[COUNT], truth[COUNT];
  int32_t labels[COUNT], labels_before[COUNT];
  float logits[COUNT * CLASSES], deltas[COUNT * CLASSES * 4];
  fm_box true_boxes[PICTURES][TRUTH];
  int32_t true_labels[TRUTH];
  fm_input inputs[PICTURES];
  fm_model_config config;
  fm_roi_heads heads;
  fm_roi_outputs outputs;
} problem;

static problem *problem_new(int stage) {
  problem *p = test_alloc(1, sizeof *p);
  fm_random random = fm_random_make(11, 0, 0);
  p->starts[1] = 15;
  p->starts[2] = COUNT;
  for (int i = 0; i < PICTURES; i++) {
    for (int k = 0; k < TRUTH; k++) {
      p->true_boxes[i][k] = random_box(&random, 90, 60, 12);
      p->true_labels[k] = k + 1;
    }
    p->inputs[i] = (fm_input){.width = 90,
                              .height = 60,
                              .source_width = 90,
                              .source_height = 60,
                              .boxes = p->true_boxes[i],
                              .labels = p->true_labels,
                              .box_count = i == 0 ? TRUTH : TRUTH - 1};
  }
  for (size_t i = 0; i < COUNT; i++) { // near a true box, so that some match
    fm_box box = p->true_boxes[i >= p->starts[1]][i % TRUTH];
    float shift = 3 * (float)fm_random_normal(&random);
    p->before[i] = p->boxes[i] = (fm_box){box.x1 + shift, box.y1, box.x2 + shift, box.y2 + 1};
    p->labels_before[i] = p->labels[i] = (int32_t)fm_random_below(&random, CLASSES);
  }
  for (size_t i = 0; i < COUNT * CLASSES; i++)
    p->logits[i] = (float)fm_random_normal(&random);
  for (size_t i = 0; i < COUNT * CLASSES * 4; i++)
    p->deltas[i] = (float)fm_random_normal(&random);
  p->deltas[4 * CLASSES + 2] = -100; // a class of row 1 shrinks to nothing
  p->deltas[4 * CLASSES + 6] = p->deltas[4 * CLASSES + 10] = p->deltas[4 * CLASSES + 14] = -100;
  p->batch = (fm_roi_batch){.pictures = PICTURES,
                            .count = COUNT,
                            .starts = p->starts,
                            .boxes = p->boxes,
                            .labels = p->labels,
                            .truth = p->truth};
  fm_model_config_preset(&p->config, FM_ARCH_RESNET50_FPN);
  p->outputs = (fm_roi_outputs){
      .rows = COUNT, .classes = CLASSES, .logits = p->logits, .deltas = p->deltas, .stage = stage};
  return p;
}

static void problem_free(problem *p) {
  fm_roi_heads_release(&p->heads);
  free(p);
}

static void assert_moved(const problem *p, size_t row, int label) {
  const float *d = p->deltas + 4 * (row * CLASSES + (size_t)label),
              far = 10 * (float)(p->outputs.stage + 1);
  const fm_box b = p->before[row], now = p->boxes[row];
  if (row == 1) {
    assert_memory_equal(&now, &b, sizeof b);
    return;
  }
  const float w = b.x2 - b.x1, h = b.y2 - b.y1;
  const float x = b.x1 + w / 2 + d[0] / far * w, y = b.y1 + h / 2 + d[1] / far * h;
  const float nw = w * expf(d[2] / far * 2), nh = h * expf(d[3] / far * 2);
  assert_near(now.x1, fminf(fmaxf(x - nw / 2, 0), 90), 1e-4);
  assert_near(now.y1, fminf(fmaxf(y - nh / 2, 0), 60), 1e-4);
  assert_near(now.x2, fminf(fmaxf(x + nw / 2, 0), 90), 1e-4);
  assert_near(now.y2, fminf(fmaxf(y + nh / 2, 0), 60), 1e-4);
}

static int likeliest(const problem *p, size_t row) {
  const float *l = p->logits + row * CLASSES;
  return l[1] >= l[2] && l[1] >= l[3] ? 1 : l[2] >= l[3] ? 2 : 3;
}

static void in_training_rows_move_by_their_class_and_are_matched_anew(void **state) {
  (void)state;
  for (int stage = 0; stage < 2; stage++) {
    problem *p = problem_new(stage);
    assert_int_equal(
        fm_roi_heads_refine(&p->heads, &p->batch, &p->outputs, p->inputs, &p->config, true), FM_OK);
    const float threshold = 0.6f + 0.1f * (float)stage;
    int faces = 0;
    for (size_t row = 0; row < COUNT; row++) {
      const int own = p->labels_before[row];
      assert_moved(p, row, own > 0 ? own : likeliest(p, row));
      const fm_input *input = &p->inputs[row >= p->starts[1]];
      size_t best = 0;
      for (size_t k = 1; k < input->box_count; k++)
        if (naive_overlap(p->boxes[row], input->boxes[k]) >
            naive_overlap(p->boxes[row], input->boxes[best]))
          best = k;
      const bool face = naive_overlap(p->boxes[row], input->boxes[best]) >= threshold;
      assert_int_equal(p->labels[row], face ? input->labels[best] : 0);
      if (face)
        assert_memory_equal(&p->truth[row], &input->boxes[best], sizeof *p->truth);
      faces += face;
    }
    assert_true(faces > 3 && faces < COUNT - 3);
    problem_free(p);
  }
}

static void in_detection_scores_are_the_mean_over_the_stages(void **state) {
  (void)state;
  problem *p = problem_new(0);
  assert_int_equal(
      fm_roi_heads_refine(&p->heads, &p->batch, &p->outputs, p->inputs, &p->config, false), FM_OK);
  for (size_t row = 0; row < COUNT; row++)
    assert_moved(p, row, likeliest(p, row));
  float first[COUNT * CLASSES], second[COUNT * CLASSES];
  for (size_t row = 0; row < COUNT; row++) {
    fm_roi_softmax(p->logits + row * CLASSES, CLASSES, first + row * CLASSES);
    for (int c = 0; c < CLASSES; c++)
      p->logits[row * CLASSES + (size_t)c] *= -2;
    fm_roi_softmax(p->logits + row * CLASSES, CLASSES, second + row * CLASSES);
  }
  p->outputs.stage = 1;
  memset(p->deltas, 0, sizeof p->deltas);
  fm_detections found[PICTURES];
  const fm_roi_thresholds all = {0, 1, 100000, false, 0};
  assert_int_equal(fm_roi_heads_detect(&p->heads, &p->batch, &p->outputs, p->inputs, &all, found),
                   FM_OK);
  for (size_t i = 0; i < PICTURES; i++) {
    assert_int_equal(found[i].count, (p->starts[i + 1] - p->starts[i]) * (CLASSES - 1));
    for (size_t k = 0; k < found[i].count; k++) {
      const fm_detection *detection = &found[i].items[k];
      double best = 1;
      for (size_t row = p->starts[i]; row < p->starts[i + 1]; row++) {
        const size_t at = row * CLASSES + (size_t)detection->label;
        best = fmin(best, fabs((double)detection->score - (first[at] + second[at]) / 2.0));
      }
      assert_true(best < 1e-6);
    }
    fm_detections_release(&found[i]);
  }
  problem_free(p);
}

// Compared with the same refinement without a threshold.
static void in_detection_rows_that_are_background_end(void **state) {
  (void)state;
  const float threshold = 0.7f;
  problem *all = problem_new(0), *p = problem_new(0);
  p->config.cascade_score_thresh = threshold;
  assert_int_equal(fm_roi_heads_refine(&all->heads, &all->batch, &all->outputs, all->inputs,
                                       &all->config, false),
                   FM_OK);
  assert_int_equal(
      fm_roi_heads_refine(&p->heads, &p->batch, &p->outputs, p->inputs, &p->config, false), FM_OK);
  const float *scores = all->heads.scores.data, *left = p->heads.scores.data;
  size_t kept = 0;
  for (size_t i = 0; i < PICTURES; i++) {
    assert_int_equal(p->starts[i], kept);
    for (size_t row = all->starts[i]; row < all->starts[i + 1]; row++) {
      if (1 - scores[row * CLASSES] < threshold)
        continue;
      assert_memory_equal(&p->boxes[kept], &all->boxes[row], sizeof(fm_box));
      assert_memory_equal(left + kept * CLASSES, scores + row * CLASSES, CLASSES * sizeof *scores);
      kept++;
    }
  }
  assert_int_equal(p->starts[PICTURES], kept);
  assert_int_equal(p->batch.count, kept);
  assert_in_range(kept, 3, COUNT - 3);
  problem_free(all);
  problem_free(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(in_training_rows_move_by_their_class_and_are_matched_anew),
      cmocka_unit_test(in_detection_scores_are_the_mean_over_the_stages),
      cmocka_unit_test(in_detection_rows_that_are_background_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
