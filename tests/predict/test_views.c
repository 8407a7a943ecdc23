// A predictor of several views against plain predictors that are given the pictures of these views.
// FACEMASK_TEST_WEIGHTS names weights.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "predict/fuse.h"
#include "predict/predictor.h"

enum { WIDTH = 150, HEIGHT = 110, SHORT = 96, LONG = 128, VIEWS = 4 };
#define SCORE 0.3f

static fm_image picture(bool mirrored) {
  fm_image image;
  fm_random random = fm_random_make(4, 0, 0);
  assert_int_equal(fm_image_new(&image, WIDTH, HEIGHT), FM_OK);
  for (int y = 0; y < HEIGHT; y++) {
    for (int x = 0; x < WIDTH; x++) {
      const int at = mirrored ? WIDTH - 1 - x : x;
      for (int c = 0; c < 3; c++)
        image.pixels[(y * WIDTH + at) * 3 + c] =
            (uint8_t)(fm_random_below(&random, 128) +
                      (unsigned)(64 + 60 * sin(x * 0.1 + y * 0.05 * c)));
    }
  }
  return image;
}

// views: the value of model.views, `count` of them. width: of what the first view's network reads.
static fm_detections detect_with(const char *more, float scale, bool mirrored, const char *views,
                                 int count, int *width) {
  const char *weights = getenv("FACEMASK_TEST_WEIGHTS");
  assert_non_null(weights);
  char words[3][64];
  snprintf(words[0], sizeof *words, "model.min_size=%d", (int)(SHORT * scale));
  snprintf(words[1], sizeof *words, "model.max_size=%d", (int)(LONG * scale));
  snprintf(words[2], sizeof *words, "model.views=%s", views);
  const char *const assignments[] = {words[0], words[1], words[2], "train.precision=fp32", more};
  const fm_predictor_options options = {.weights = &weights,
                                        .weights_count = 1,
                                        .assignments = assignments,
                                        .assignment_count = 5,
                                        .score = count > 1 ? SCORE : 0.05f,
                                        .nms = 0.5f};
  fm_predictor *predictor;
  assert_int_equal(fm_predictor_open(&predictor, &options), FM_OK);
  fm_image image = picture(mirrored);
  fm_input inputs[VIEWS];
  assert_int_equal(fm_predictor_inputs(predictor), count);
  assert_int_equal(fm_predictor_prepare(predictor, &image, inputs), FM_OK);
  *width = inputs[0].width;
  fm_detections out;
  assert_int_equal(fm_predictor_detect(predictor, &image, inputs, &out), FM_OK);
  fm_predictor_inputs_release(predictor, inputs);
  fm_image_release(&image);
  fm_predictor_free(predictor);
  return out;
}

static fm_detections detect(float scale, bool mirrored, const char *views, int count, int *width) {
  return detect_with("model.inclusive_boxes=false", scale, mirrored, views, count, width);
}

static bool agree(const fm_detection *a, const fm_detection *b) {
  return a->label == b->label && fabsf(a->score - b->score) < 1e-3f &&
         fabsf(a->box.x1 - b->box.x1) < 0.05f && fabsf(a->box.x2 - b->box.x2) < 0.05f &&
         fabsf(a->box.y1 - b->box.y1) < 0.05f && fabsf(a->box.y2 - b->box.y2) < 0.05f;
}

// Random weights leave many overlaps and scores nearly equal, so a few may fall the other way.
static void views_are_fused_as_pictures_of_their_own(void **state) {
  (void)state;
  static const float scales[VIEWS] = {0.75f, 1.5f, 1.5f, 1};
  static const bool mirrored[VIEWS] = {false, true, false, true};
  static const char *const words[] = {"[0.75, -1.5]", "[0.75, -1.5, 1.5]", "[0.75, -1.5, 1.5, -1]"};
  fm_detections lists[VIEWS];
  float sizes[VIEWS];
  for (int views = 2; views <= VIEWS; views++) {
    for (int i = 0; i < views; i++) {
      int width;
      lists[i] = detect(scales[i], mirrored[i], "[1]", 1, &width);
      // The middle of the anchors from 32 to 512 is 128.
      sizes[i] = (float)width / WIDTH / 128;
      for (size_t k = 0; mirrored[i] && k < lists[i].count; k++) {
        fm_box *box = &lists[i].items[k].box;
        *box = (fm_box){WIDTH - box->x2, box->y1, WIDTH - box->x1, box->y2};
      }
    }
    int width;
    fm_detections expected, found = detect(1, false, words[views - 2], views, &width);
    const fm_fuse_options fuse = {.threshold = 0.5f, .score = SCORE, .limit = 100, .sizes = sizes};
    assert_int_equal(fm_fuse_detections(&fuse, lists, (size_t)views, &expected), FM_OK);
    size_t pairs = 0;
    for (size_t i = 0; i < found.count; i++)
      for (size_t k = 0; k < expected.count; k++)
        if (agree(&found.items[i], &expected.items[k])) {
          pairs++;
          break;
        }
    assert_true(found.count > 5);
    assert_true(pairs * 100 >= found.count * 95 && pairs * 100 >= expected.count * 95);
    fm_detections_release(&found);
    fm_detections_release(&expected);
    for (int i = 0; i < views; i++)
      fm_detections_release(&lists[i]);
  }
}

// What one look finds as it is, and with another setting: faces enough to tell.
static void detect_both(const char *more, fm_detections *plain, fm_detections *other) {
  int width;
  *plain = detect(1, false, "[1]", 1, &width);
  *other = detect_with(more, 1, false, "[1]", 1, &width);
  assert_true(plain->count > 5);
}

// The network sees the same; only what its edges are called differs.
static void inclusive_boxes_start_a_pixel_beyond_the_edge(void **state) {
  (void)state;
  fm_detections edges, pixels;
  detect_both("model.inclusive_boxes=true", &edges, &pixels);
  assert_int_equal(pixels.count, edges.count);
  for (size_t i = 0; i < edges.count; i++) {
    const fm_box *a = &edges.items[i].box, *b = &pixels.items[i].box;
    assert_true(fabsf(b->x1 - a->x1 - 1) < 1e-3f && fabsf(b->y1 - a->y1 - 1) < 1e-3f);
    assert_true(b->x2 == a->x2 && b->y2 == a->y2);
  }
  fm_detections_release(&edges);
  fm_detections_release(&pixels);
}

static void whole_pixels_are_those_nearest(void **state) {
  (void)state;
  fm_detections found, whole;
  detect_both("model.whole_pixels=true", &found, &whole);
  assert_int_equal(whole.count, found.count);
  for (size_t i = 0; i < found.count; i++) {
    const fm_box a = found.items[i].box, b = whole.items[i].box;
    assert_true(b.x1 == rintf(b.x1) && b.y1 == rintf(b.y1));
    assert_true(b.x2 == rintf(b.x2) && b.y2 == rintf(b.y2));
    assert_true(b.x2 >= b.x1 + 1 && b.y2 >= b.y1 + 1 && b.x1 >= 0 && b.y1 >= 0);
    assert_true(b.x2 <= WIDTH && b.y2 <= HEIGHT);
    assert_true(found.items[i].score == whole.items[i].score);
    if (a.x2 - a.x1 >= 2)
      assert_true(fabsf(b.x1 - a.x1) <= 0.5f && fabsf(b.x2 - a.x2) <= 0.5f);
    if (a.y2 - a.y1 >= 2)
      assert_true(fabsf(b.y1 - a.y1) <= 0.5f && fabsf(b.y2 - a.y2) <= 0.5f);
  }
  fm_detections_release(&found);
  fm_detections_release(&whole);
}

// Of a single view nothing disagrees, so that the size alone lowers a score.
static void scores_tell_the_overlap_to_be_expected(void **state) {
  (void)state;
  fm_detections found, lowered;
  detect_both("model.score=overlap", &found, &lowered);
  size_t pairs = 0;
  assert_true(lowered.count > 5 && lowered.count <= found.count);
  for (size_t i = 0; i < lowered.count; i++) {
    const fm_box box = lowered.items[i].box;
    const float side = sqrtf((box.x2 - box.x1) * (box.y2 - box.y1));
    assert_true(i == 0 || lowered.items[i].score <= lowered.items[i - 1].score);
    assert_true(lowered.items[i].score >= 0.05f);
    fm_detection raised = lowered.items[i];
    raised.score *= (side + 1) / side;
    for (size_t k = 0; k < found.count; k++)
      pairs += agree(&raised, &found.items[k]);
  }
  assert_int_equal(pairs, lowered.count);
  fm_detections_release(&found);
  fm_detections_release(&lowered);
}

// Later views see a part of the picture; their boxes come back to it.
static void focused_views_find_the_same_inside_the_picture(void **state) {
  (void)state;
  int width;
  fm_detections once = detect(1, false, "[1]", 1, &width);
  fm_detections alone = detect_with("model.focus=100", 1, false, "[1]", 1, &width);
  assert_int_equal(alone.count, once.count); // nothing to focus
  static const char *const words[] = {"[1, -1.5]", "[-1, 0.75, 1.5]"};
  for (int i = 0; i < 2; i++) {
    fm_detections found = detect_with("model.focus=100", 1, false, words[i], i + 2, &width);
    assert_true(found.count > 5);
    for (size_t k = 0; k < found.count; k++) {
      const fm_box box = found.items[k].box;
      assert_true(box.x1 >= 0 && box.y1 >= 0 && box.x2 > box.x1 && box.y2 > box.y1);
      assert_true(box.x2 <= WIDTH && box.y2 <= HEIGHT);
      assert_true(found.items[k].score >= SCORE && found.items[k].score <= 1);
    }
    fm_detections again = detect_with("model.focus=100", 1, false, words[i], i + 2, &width);
    assert_int_equal(again.count, found.count);
    assert_memory_equal(again.items, found.items, found.count * sizeof *found.items);
    fm_detections_release(&again);
    fm_detections_release(&found);
  }
  fm_detections_release(&once);
  fm_detections_release(&alone);
}

static void views_that_make_no_picture_are_refused(void **state) {
  (void)state;
  const char *weights = getenv("FACEMASK_TEST_WEIGHTS");
  static const char *const wrong[] = {"model.views=[]", "model.views=[0]", "model.views=[-5]",
                                      "model.views=[1,1,1,1,1,1,1,1,1]", "model.views=[0.001]"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    const fm_predictor_options options = {
        .weights = &weights, .weights_count = 1, .assignments = &wrong[i], .assignment_count = 1};
    fm_predictor *predictor;
    assert_int_equal(fm_predictor_open(&predictor, &options), FM_ERR_ARGUMENT);
    assert_non_null(strstr(fm_error_message(), "model.views"));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(views_are_fused_as_pictures_of_their_own),
      cmocka_unit_test(inclusive_boxes_start_a_pixel_beyond_the_edge),
      cmocka_unit_test(whole_pixels_are_those_nearest),
      cmocka_unit_test(scores_tell_the_overlap_to_be_expected),
      cmocka_unit_test(focused_views_find_the_same_inside_the_picture),
      cmocka_unit_test(views_that_make_no_picture_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
