// Which rows the second stage sees, against torchvision's select_training_samples written down; and
// their levels.
#include "naive.h"

#include "detect/roi_heads.h"

enum { PICTURES = 3, CAPACITY = 60, PROPOSALS = 50 };

typedef struct problem {
  fm_proposals proposals;
  fm_box boxes[PICTURES * CAPACITY];
  size_t counts[PICTURES];
  fm_input inputs[PICTURES];
  fm_box truth[PICTURES][4];
  int32_t labels[PICTURES][4];
  fm_model_config config;
  fm_roi_heads heads;
  fm_roi_batch batch;
} problem;

// The last picture has no faces, the second no proposals.
static void problem_fill(problem *p, uint64_t seed) {
  static const size_t counts[PICTURES] = {PROPOSALS, 0, PROPOSALS}, faces[PICTURES] = {4, 2, 0};
  fm_random random = fm_random_make(seed, 0, 0);
  for (size_t i = 0; i < PICTURES; i++) {
    p->counts[i] = counts[i];
    for (size_t k = 0; k < faces[i]; k++) {
      p->truth[i][k] = random_box(&random, 64, 48, 4);
      p->labels[i][k] = 1 + (int32_t)fm_random_below(&random, 3);
    }
    for (size_t k = 0; k < counts[i]; k++) {
      // Many lie near a face.
      const fm_box any = random_box(&random, 64, 48, 2), near = p->truth[i][k % 4];
      p->boxes[i * CAPACITY + k] =
          k % 2 == 0 && faces[i] > 0
              ? (fm_box){near.x1, near.y1, near.x2 + (float)(k % 7), near.y2 + (float)(k % 5)}
              : any;
    }
    p->inputs[i] = (fm_input){.width = 64,
                              .height = 48,
                              .boxes = p->truth[i],
                              .labels = p->labels[i],
                              .box_count = faces[i]};
  }
  p->proposals = (fm_proposals){
      .pictures = PICTURES, .capacity = CAPACITY, .boxes = p->boxes, .counts = p->counts};
}

static problem *problem_new(uint64_t seed) {
  problem *p = test_alloc(1, sizeof *p);
  fm_model_config_preset(&p->config, FM_ARCH_RESNET50_FPN);
  p->config.box_batch_size_per_image = 1000;
  p->config.box_positive_fraction = 0.5f;
  problem_fill(p, seed);
  return p;
}

static void problem_free(problem *p) {
  fm_roi_heads_release(&p->heads);
  fm_roi_batch_release(&p->batch);
  free(p);
}

static void sample(problem *p, uint64_t seed) {
  const fm_batch_part part = {.seed = seed};
  assert_int_equal(
      fm_roi_heads_sample(&p->heads, &p->proposals, p->inputs, &p->config, &part, &p->batch),
      FM_OK);
}

static void assert_row(const problem *p, size_t row, fm_box box, int32_t match,
                       const fm_input *input) {
  assert_memory_equal(&p->batch.boxes[row], &box, sizeof box);
  assert_int_equal(p->batch.labels[row], match >= 0 ? input->labels[match] : 0);
  if (match >= 0)
    assert_memory_equal(&p->batch.truth[row], &input->boxes[match], sizeof box);
}

static void match_picture(const problem *p, size_t picture, fm_box *boxes, size_t count,
                          int32_t *matches) {
  const fm_match_options options = {p->config.box_fg_iou_thresh, p->config.box_bg_iou_thresh,
                                    false};
  naive_match(&options, p->truth[picture], p->inputs[picture].box_count, boxes, count, matches);
}

static void all_rows_are_the_proposals_and_the_truth_behind_them(void **state) {
  (void)state;
  // Without and with overlaps that are neither face nor background: those rows are left out.
  static const float low[] = {0.5f, 0.2f};
  for (int round = 0; round < 2; round++) {
    problem *p = problem_new(1);
    p->config.box_bg_iou_thresh = low[round];
    sample(p, 1);
    size_t row = 0, between = 0;
    assert_int_equal(p->batch.pictures, PICTURES);
    for (size_t i = 0; i < PICTURES; i++) {
      fm_box boxes[CAPACITY];
      int32_t matches[CAPACITY];
      const fm_input *input = &p->inputs[i];
      const size_t proposals = i == 1 ? 0 : PROPOSALS, count = proposals + input->box_count;
      memcpy(boxes, p->boxes + i * CAPACITY, proposals * sizeof *boxes);
      memcpy(boxes + proposals, input->boxes, input->box_count * sizeof *boxes);
      match_picture(p, i, boxes, count, matches);
      assert_int_equal(p->batch.starts[i], row);
      for (size_t k = 0; k < count; k++) {
        between += matches[k] == FM_MATCH_BETWEEN;
        if (matches[k] != FM_MATCH_BETWEEN)
          assert_row(p, row++, boxes[k], matches[k], input);
      }
      assert_int_equal(p->batch.starts[i + 1], row);
    }
    assert_int_equal(p->batch.count, row);
    assert_int_equal(between > 0, round);
    problem_free(p);
  }
}

static bool same_box(const fm_box *a, const fm_box *b) {
  return a->x1 == b->x1 && a->y1 == b->y1 && a->x2 == b->x2 && a->y2 == b->y2;
}

static void samples_keep_their_size_their_share_and_the_order(void **state) {
  (void)state;
  fm_box first[20];
  int changed = 0;
  for (uint64_t seed = 1; seed <= 30; seed++) {
    problem *p = problem_new(2);
    p->config.box_batch_size_per_image = 20;
    p->config.box_positive_fraction = 0.25f;
    sample(p, seed);
    static const size_t rows[PICTURES] = {20, 2, 20}, faces[PICTURES] = {5, 2, 0};
    for (size_t i = 0; i < PICTURES; i++) {
      size_t positive = 0, at = 0;
      assert_int_equal(p->batch.starts[i + 1] - p->batch.starts[i], rows[i]);
      for (size_t row = p->batch.starts[i]; row < p->batch.starts[i + 1]; row++) {
        positive += p->batch.labels[row] > 0;
        const fm_box *candidates = p->boxes + i * CAPACITY;
        while (at < p->counts[i] && !same_box(&candidates[at], &p->batch.boxes[row]))
          at++;
        assert_true(at++ < p->counts[i]); // each row is found behind the one before
      }
      assert_int_equal(positive, faces[i]);
    }
    if (seed == 1)
      memcpy(first, p->batch.boxes, sizeof first);
    bool same = true;
    for (size_t i = 0; i < 20; i++)
      same = same && same_box(&first[i], &p->batch.boxes[i]);
    changed += !same;
    problem_fill(p, 2);
    fm_box again[20];
    memcpy(again, p->batch.boxes, sizeof again);
    sample(p, seed);
    assert_memory_equal(again, p->batch.boxes, sizeof again);
    problem_free(p);
  }
  assert_true(changed > 25);
}

static void detection_takes_the_proposals_as_they_are(void **state) {
  (void)state;
  problem *p = problem_new(3);
  assert_int_equal(fm_roi_heads_take(&p->proposals, &p->batch), FM_OK);
  assert_int_equal(p->batch.count, 2 * PROPOSALS);
  static const size_t starts[] = {0, PROPOSALS, PROPOSALS, 2 * PROPOSALS};
  assert_memory_equal(p->batch.starts, starts, sizeof starts);
  assert_memory_equal(p->batch.boxes, p->boxes, PROPOSALS * sizeof(fm_box));
  assert_memory_equal(p->batch.boxes + PROPOSALS, p->boxes + 2 * CAPACITY,
                      PROPOSALS * sizeof(fm_box));
  problem_free(p);
}

// torchvision's LevelMapper over strides 4 to 32: the level, and 1 / stride.
static void rows_are_pooled_on_the_level_of_their_size(void **state) {
  (void)state;
  static const struct {
    fm_box box;
    int level;
  } rows[] = {{{0, 0, 112, 112}, 1},   {{0, 0, 111.9f, 112}, 0}, {{0, 0, 224, 224}, 2},
              {{0, 0, 223, 224}, 1},   {{0, 0, 448, 448}, 3},    {{9, 9, 456, 456}, 2},
              {{0, 0, 2000, 2000}, 3}, {{5, 5, 6, 6}, 0},        {{5, 5, 5, 9}, 0},
              {{0, 0, 56, 224}, 1},    {{0, 0, 1, 50176}, 2}};
  enum { ROWS = sizeof rows / sizeof *rows, PADDED = 16 };
  problem *p = problem_new(4);
  p->counts[0] = 4, p->counts[1] = 0, p->counts[2] = ROWS - 4;
  for (size_t i = 0; i < ROWS; i++)
    p->boxes[i < 4 ? i : 2 * CAPACITY + i - 4] = rows[i].box;
  assert_int_equal(fm_roi_heads_take(&p->proposals, &p->batch), FM_OK);
  const fm_model model = {
      .roi_level_count = 4, .rpn_level_count = 5, .strides = {4, 8, 16, 32, 64}};
  float rois[PADDED][7];
  memset(rois, 0x7f, sizeof rois);
  fm_roi_heads_rois(&p->batch, &model, PADDED, rois[0]);
  for (size_t i = 0; i < ROWS; i++) {
    const float expected[7] = {i < 4 ? 0 : 2,
                               rows[i].box.x1,
                               rows[i].box.y1,
                               rows[i].box.x2,
                               rows[i].box.y2,
                               (float)rows[i].level,
                               1.0f / (float)(4 << rows[i].level)};
    for (int k = 0; k < 7; k++) {
      if (rois[i][k] != expected[k])
        fail_msg("row %zu, column %d: %g instead of %g", i, k, (double)rois[i][k],
                 (double)expected[k]);
    }
  }
  for (size_t i = ROWS; i < PADDED; i++)
    assert_true(rois[i][5] == -1); // masked
  // MobileNet's two levels have one stride: torchvision pools all from the first.
  const fm_model mobilenet = {.roi_level_count = 2, .rpn_level_count = 3, .strides = {32, 32, 64}};
  fm_roi_heads_rois(&p->batch, &mobilenet, PADDED, rois[0]);
  for (size_t i = 0; i < ROWS; i++)
    assert_true(rois[i][5] == 0 && rois[i][6] == 1.0f / 32);
  problem_free(p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_rows_are_the_proposals_and_the_truth_behind_them),
      cmocka_unit_test(samples_keep_their_size_their_share_and_the_order),
      cmocka_unit_test(detection_takes_the_proposals_as_they_are),
      cmocka_unit_test(rows_are_pooled_on_the_level_of_their_size),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
