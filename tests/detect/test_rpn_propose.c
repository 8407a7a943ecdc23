// Proposals against torchvision's filter_proposals written down picture by picture.
#include "detect/box.h"
#include "naive.h"
#include "outputs.h"

typedef struct candidates {
  size_t count;
  fm_box *boxes;
  float *scores;
  int32_t *levels;
} candidates;

// _get_top_n_idx of one level, decoded, clipped and filtered.
static void add_level(const outputs *data, size_t picture, int level, size_t top,
                      float score_thresh, candidates *out) {
  const fm_anchor_level *place = &data->anchors.levels[level];
  bool *taken = test_alloc(place->count, sizeof *taken);
  for (size_t i = 0; i < top && i < place->count; i++) {
    size_t best = place->count, logit, delta;
    float most = 0;
    for (size_t a = 0; a < place->count; a++) {
      outputs_place(data, picture, place->first + a, &logit, &delta);
      if (!taken[a] && (best == place->count || data->values[logit] > most)) {
        best = a;
        most = data->values[logit];
      }
    }
    taken[best] = true;
    outputs_place(data, picture, place->first + best, &logit, &delta);
    const fm_input *input = &data->inputs[picture];
    fm_box box =
        fm_box_decode(&fm_box_coder_rpn, fm_anchors_box(&data->anchors, place->first + best),
                      data->values + delta);
    box.x1 = fminf(fmaxf(box.x1, 0), (float)input->width);
    box.x2 = fminf(fmaxf(box.x2, 0), (float)input->width);
    box.y1 = fminf(fmaxf(box.y1, 0), (float)input->height);
    box.y2 = fminf(fmaxf(box.y2, 0), (float)input->height);
    const float score = 1 / (1 + expf(-data->values[logit]));
    if (box.x2 - box.x1 < 1e-3f || box.y2 - box.y1 < 1e-3f || score < score_thresh)
      continue;
    out->boxes[out->count] = box;
    out->scores[out->count] = score;
    out->levels[out->count++] = level;
  }
  free(taken);
}

typedef struct limits {
  int pre, post;
  float nms, score;
  float in_detection; // what a score needs there, where it is more
} limits;

// The number of proposals of all pictures.
static size_t check(const outputs *data, fm_rpn *rpn, fm_proposals *proposals, limits numbers,
                    bool training) {
  fm_model_config config;
  fm_model_config_preset(&config, FM_ARCH_RESNET50_FPN);
  *(training ? &config.rpn_pre_nms_top_n_train : &config.rpn_pre_nms_top_n_test) = numbers.pre;
  *(training ? &config.rpn_post_nms_top_n_train : &config.rpn_post_nms_top_n_test) = numbers.post;
  config.rpn_nms_thresh = numbers.nms;
  config.rpn_score_thresh = numbers.score;
  config.rpn_score_thresh_test = numbers.in_detection;
  const float score = training ? numbers.score : fmaxf(numbers.score, numbers.in_detection);
  assert_int_equal(fm_rpn_propose(rpn, &data->view, &config, training, 4, proposals), FM_OK);
  assert_int_equal(proposals->pictures, OUTPUTS_PICTURES);
  size_t total = 0, all = data->anchors.count;
  candidates c = {.boxes = test_alloc(all, sizeof *c.boxes),
                  .scores = test_alloc(all, sizeof *c.scores),
                  .levels = test_alloc(all, sizeof *c.levels)};
  uint32_t *keep = test_alloc(all, sizeof *keep);
  for (size_t picture = 0; picture < OUTPUTS_PICTURES; picture++) {
    c.count = 0;
    for (int level = 0; level < OUTPUTS_LEVELS; level++)
      add_level(data, picture, level, (size_t)numbers.pre, score, &c);
    const fm_nms_input nms = {.boxes = c.boxes,
                              .scores = c.scores,
                              .groups = c.levels,
                              .group_count = OUTPUTS_LEVELS,
                              .count = c.count,
                              .threshold = fm_box_decimal(numbers.nms),
                              .limit = (size_t)numbers.post};
    const size_t expected = naive_batched_nms(&nms, keep);
    assert_int_equal(proposals->counts[picture], expected);
    assert_true(expected + 4 <= proposals->capacity);
    for (size_t i = 0; i < expected; i++) {
      const fm_box *box = &proposals->boxes[picture * proposals->capacity + i];
      assert_memory_equal(box, &c.boxes[keep[i]], sizeof *box);
    }
    total += expected;
  }
  free(c.boxes);
  free(c.scores);
  free(c.levels);
  free(keep);
  return total;
}

static void proposals_are_those_of_torchvisions_steps(void **state) {
  (void)state;
  fm_rpn rpn = {0};
  fm_proposals proposals = {0};
  for (uint64_t seed = 1; seed <= 2; seed++) {
    outputs data;
    outputs_make(&data, seed, 1);
    // Every cut by itself, none, and all together; few and many candidates in turn in the same
    // memory.
    check(&data, &rpn, &proposals, (limits){100000, 100000, 1, 0, 0}, true);
    const size_t thinned =
        check(&data, &rpn, &proposals, (limits){100000, 100000, 0.7f, 0, 0}, true);
    assert_int_equal(check(&data, &rpn, &proposals, (limits){100000, 50, 0.7f, 0, 0}, true), 150);
    const size_t few = check(&data, &rpn, &proposals, (limits){20, 100000, 0.7f, 0, 0}, true);
    assert_true(few < thinned && few <= 3 * 60);
    const size_t sure =
        check(&data, &rpn, &proposals, (limits){100000, 100000, 0.7f, 0.7f, 0}, true);
    assert_true(sure > 0 && sure < thinned);
    check(&data, &rpn, &proposals, (limits){30, 40, 0.5f, 0.6f, 0}, false);
    assert_int_equal(check(&data, &rpn, &proposals, (limits){30, 40, 0.5f, 1, 0}, false), 0);
    assert_int_equal(check(&data, &rpn, &proposals, (limits){30, 40, 0.5f, 0.3f, 1}, false), 0);
    check(&data, &rpn, &proposals, (limits){30, 40, 0.5f, 0.3f, 0.6f}, false);
    assert_int_equal(check(&data, &rpn, &proposals, (limits){100000, 100000, 0.7f, 0.7f, 1}, true),
                     sure);
    outputs_release(&data);
  }
  fm_rpn_release(&rpn);
  fm_proposals_release(&proposals);
}

static void what_is_no_number_is_no_proposal(void **state) {
  (void)state;
  outputs data;
  outputs_make(&data, 3, 1);
  size_t logit, delta;
  for (size_t anchor = 0; anchor < data.anchors.count; anchor += 5) {
    outputs_place(&data, 1, anchor, &logit, &delta);
    data.values[anchor % 2 == 0 ? logit : delta + anchor % 4] = NAN;
  }
  fm_rpn rpn = {0};
  fm_proposals proposals = {0};
  fm_model_config config;
  fm_model_config_preset(&config, FM_ARCH_RESNET50_FPN);
  assert_int_equal(fm_rpn_propose(&rpn, &data.view, &config, true, 0, &proposals), FM_OK);
  for (size_t i = 0; i < proposals.counts[1]; i++) {
    const fm_box box = proposals.boxes[proposals.capacity + i];
    assert_true(box.x2 - box.x1 >= 1e-3f && box.y2 - box.y1 >= 1e-3f);
  }
  fm_rpn_release(&rpn);
  fm_proposals_release(&proposals);
  outputs_release(&data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(proposals_are_those_of_torchvisions_steps),
      cmocka_unit_test(what_is_no_number_is_no_proposal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
