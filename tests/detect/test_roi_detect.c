// Detections against torchvision's postprocess_detections written down.
#include "naive.h"

#include "detect/box.h"
#include "detect/roi_heads.h"

enum { PICTURES = 3, COUNT = 150, CLASSES = 4 };

typedef struct problem {
  fm_roi_batch batch;
  size_t starts[PICTURES + 1];
  fm_box boxes[COUNT];
  float logits[COUNT * CLASSES], deltas[COUNT * CLASSES * 4];
  fm_roi_outputs outputs;
  fm_input inputs[PICTURES];
  fm_roi_heads heads;
  fm_detections found[PICTURES];
} problem;

// The second picture has no rows, the third was made smaller.
static problem *problem_new(uint64_t seed) {
  problem *p = test_alloc(1, sizeof *p);
  fm_random random = fm_random_make(seed, 0, 0);
  static const size_t starts[PICTURES + 1] = {0, 60, 60, COUNT};
  memcpy(p->starts, starts, sizeof starts);
  for (size_t i = 0; i < COUNT; i++)
    p->boxes[i] = random_box(&random, 64, 48, 1);
  for (size_t i = 0; i < COUNT * CLASSES; i++)
    p->logits[i] = (float)(1.5 * fm_random_normal(&random));
  for (size_t i = 0; i < COUNT * CLASSES * 4; i++)
    p->deltas[i] = (float)fm_random_normal(&random);
  p->inputs[0] = (fm_input){.source_width = 64, .source_height = 48, .width = 64, .height = 48};
  p->inputs[1] = p->inputs[0];
  p->inputs[2] = (fm_input){.source_width = 131, .source_height = 97, .width = 60, .height = 44};
  p->batch =
      (fm_roi_batch){.pictures = PICTURES, .count = COUNT, .starts = p->starts, .boxes = p->boxes};
  p->outputs =
      (fm_roi_outputs){.rows = COUNT, .classes = CLASSES, .logits = p->logits, .deltas = p->deltas};
  return p;
}

static void release_found(problem *p) {
  for (int i = 0; i < PICTURES; i++)
    fm_detections_release(&p->found[i]);
}

static void problem_free(problem *p) {
  fm_roi_heads_release(&p->heads);
  free(p);
}

static size_t candidates_of(const problem *p, size_t picture, float threshold, fm_box *boxes,
                            float *scores, int32_t *labels) {
  const fm_input *input = &p->inputs[picture];
  size_t count = 0;
  for (size_t row = p->starts[picture]; row < p->starts[picture + 1]; row++) {
    const float *logits = p->logits + row * CLASSES;
    float most = -INFINITY, sum = 0;
    for (int c = 0; c < CLASSES; c++)
      most = fmaxf(most, logits[c]);
    for (int c = 0; c < CLASSES; c++)
      sum += expf(logits[c] - most);
    for (int c = 1; c < CLASSES; c++) {
      fm_box box = fm_box_decode(&fm_box_coder_head, p->boxes[row],
                                 p->deltas + (row * CLASSES + (size_t)c) * 4);
      box.x1 = fminf(fmaxf(box.x1, 0), (float)input->width);
      box.x2 = fminf(fmaxf(box.x2, 0), (float)input->width);
      box.y1 = fminf(fmaxf(box.y1, 0), (float)input->height);
      box.y2 = fminf(fmaxf(box.y2, 0), (float)input->height);
      const float score = expf(logits[c] - most) / sum;
      if (score <= threshold || box.x2 - box.x1 < 1e-2f || box.y2 - box.y1 < 1e-2f)
        continue;
      boxes[count] = box;
      scores[count] = score;
      labels[count++] = c;
    }
  }
  return count;
}

// The mean of the overlapping boxes of the class, weighted by score; the box itself without votes.
static fm_box voted(const fm_nms_input *all, uint32_t kept, float threshold) {
  const fm_box *boxes = all->boxes;
  double sum[5] = {0};
  if (threshold == 0)
    return boxes[kept];
  for (size_t i = 0; i < all->count; i++) {
    if ((all->groups && all->groups[i] != all->groups[kept]) ||
        naive_overlap(boxes[i], boxes[kept]) < threshold)
      continue;
    const float corners[4] = {boxes[i].x1, boxes[i].y1, boxes[i].x2, boxes[i].y2};
    for (int k = 0; k < 4; k++)
      sum[k] += (double)all->scores[i] * (double)corners[k];
    sum[4] += (double)all->scores[i];
  }
  return (fm_box){(float)(sum[0] / sum[4]), (float)(sum[1] / sum[4]), (float)(sum[2] / sum[4]),
                  (float)(sum[3] / sum[4])};
}

static size_t check(problem *p, fm_roi_thresholds thresholds) {
  assert_int_equal(
      fm_roi_heads_detect(&p->heads, &p->batch, &p->outputs, p->inputs, &thresholds, p->found),
      FM_OK);
  static fm_box boxes[COUNT * CLASSES];
  static float scores[COUNT * CLASSES];
  static int32_t labels[COUNT * CLASSES];
  static uint32_t keep[COUNT * CLASSES];
  size_t total = 0;
  for (size_t i = 0; i < PICTURES; i++) {
    const size_t count = candidates_of(p, i, thresholds.score, boxes, scores, labels);
    const fm_nms_input nms = {.boxes = boxes,
                              .scores = scores,
                              .groups = thresholds.agnostic ? NULL : labels,
                              .group_count = CLASSES,
                              .count = count,
                              .threshold = fm_box_decimal(thresholds.nms),
                              .limit = (size_t)thresholds.limit};
    // In the picture's own pixels.
    const float across = (float)p->inputs[i].source_width / (float)p->inputs[i].width;
    const float down = (float)p->inputs[i].source_height / (float)p->inputs[i].height;
    const size_t expected = naive_batched_nms(&nms, keep);
    assert_int_equal(p->found[i].count, expected);
    for (size_t k = 0; k < expected; k++) {
      const fm_detection *found = &p->found[i].items[k];
      const fm_box b = voted(&nms, keep[k], thresholds.vote);
      const fm_box box = {b.x1 * across, b.y1 * down, b.x2 * across, b.y2 * down};
      assert_memory_equal(&found->box, &box, sizeof box);
      assert_true(found->score == scores[keep[k]]);
      assert_int_equal(found->label, labels[keep[k]]);
    }
    total += expected;
  }
  release_found(p);
  return total;
}

static void detections_are_those_of_torchvisions_steps(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    problem *p = problem_new(seed);
    const size_t all = check(p, (fm_roi_thresholds){0, 1, 100000, false, 0});
    const size_t thinned = check(p, (fm_roi_thresholds){0.05f, 0.5f, 100000, false, 0});
    const size_t agnostic = check(p, (fm_roi_thresholds){0.05f, 0.5f, 100000, true, 0});
    const size_t sure = check(p, (fm_roi_thresholds){0.5f, 0.5f, 100000, false, 0});
    assert_true(all > thinned && thinned > agnostic && agnostic > 0 && thinned > sure && sure > 0);
    assert_int_equal(check(p, (fm_roi_thresholds){0.05f, 0.5f, 10, false, 0}), 20);
    problem_free(p);
  }
}

static void dropped_boxes_vote_on_the_corners_of_the_one_kept(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= 5; seed++) {
    problem *p = problem_new(seed);
    assert_true(check(p, (fm_roi_thresholds){0.05f, 0.3f, 100000, false, 0.6f}) > 0);
    assert_true(check(p, (fm_roi_thresholds){0.05f, 0.3f, 100000, true, 0.4f}) > 0);
    problem_free(p);
  }
}

static void what_is_no_number_is_not_found(void **state) {
  (void)state;
  problem *p = problem_new(6);
  for (size_t i = 0; i < COUNT; i++) {
    if (i % 2 == 0)
      p->logits[i * CLASSES + i % 4] = NAN;
    else
      p->deltas[i * CLASSES * 4 + i % 16] = NAN;
  }
  const fm_roi_thresholds thresholds = {0, 0.5f, 100000, false, 0};
  assert_int_equal(
      fm_roi_heads_detect(&p->heads, &p->batch, &p->outputs, p->inputs, &thresholds, p->found),
      FM_OK);
  assert_true(p->found[0].count > 0);
  for (size_t i = 0; i < PICTURES; i++) {
    for (size_t k = 0; k < p->found[i].count; k++) {
      const fm_detection found = p->found[i].items[k];
      assert_true(found.score > 0 && found.box.x2 > found.box.x1 && found.box.y2 > found.box.y1);
    }
  }
  release_found(p);
  problem_free(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(detections_are_those_of_torchvisions_steps),
      cmocka_unit_test(dropped_boxes_vote_on_the_corners_of_the_one_kept),
      cmocka_unit_test(what_is_no_number_is_not_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
