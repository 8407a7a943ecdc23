// The shared library through its header alone. Weights: the file in $FACEMASK_TEST_WEIGHTS.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "facemask.h"

enum { THREADS = 4, ROUNDS = 3, PICTURES = 3 };

// A low threshold, since random weights are sure of nothing.
static const facemask_options options = {.threads = 1, .score_threshold = 0.01f};
static const int widths[PICTURES] = {320, 200, 257}, heights[PICTURES] = {240, 300, 131};
static uint8_t *pictures[PICTURES];

static facemask_picture picture(int p) {
  return (facemask_picture){.rgb = pictures[p], .width = widths[p], .height = heights[p]};
}

static const char *weights(void) {
  const char *path = getenv("FACEMASK_TEST_WEIGHTS");
  assert_non_null(path);
  return path;
}

static int make_pictures(void **state) {
  (void)state;
  uint32_t noise = 1;
  for (int p = 0; p < PICTURES; ++p) {
    const size_t bytes = (size_t)widths[p] * (size_t)heights[p] * 3;
    pictures[p] = malloc(bytes);
    if (!pictures[p])
      return 1;
    for (size_t i = 0; i < bytes; ++i) {
      noise = noise * 1664525u + 1013904223u;
      pictures[p][i] = (uint8_t)(i / 97 + (noise >> 27));
    }
  }
  return 0;
}

static int free_pictures(void **state) {
  (void)state;
  for (int p = 0; p < PICTURES; ++p)
    free(pictures[p]);
  return 0;
}

static facemask_model *open_model(void) {
  facemask_model *model;
  if (facemask_open(&model, weights(), &options) < 0)
    fail_msg("%s", facemask_error_message());
  return model;
}

static void a_model_tells_its_classes(void **state) {
  (void)state;
  facemask_model *model = open_model();
  assert_int_equal(facemask_class_count(model), 3);
  assert_string_equal(facemask_class_name(model, 1), "without_mask");
  assert_string_equal(facemask_class_name(model, 3), "mask_weared_incorrect");
  assert_null(facemask_class_name(model, 0));
  assert_null(facemask_class_name(model, 4));
  facemask_close(model);
}

static void faces_come_by_falling_score_inside_the_picture(void **state) {
  (void)state;
  facemask_model *model = open_model();
  facemask_face *faces;
  size_t count;
  const facemask_picture first = picture(0);
  assert_int_equal(facemask_detect(model, &first, &faces, &count), 0);
  assert_true(count > 0);
  for (size_t i = 0; i < count; ++i) {
    assert_true(i == 0 || faces[i].score <= faces[i - 1].score);
    assert_true(faces[i].x1 >= 0 && faces[i].x1 <= faces[i].x2 && faces[i].x2 <= 320);
    assert_true(faces[i].y1 >= 0 && faces[i].y1 <= faces[i].y2 && faces[i].y2 <= 240);
    assert_true(faces[i].label >= 1 && faces[i].label <= 3);
  }
  facemask_free_faces(faces);
  facemask_close(model);
}

static void a_model_of_several_views_looks_at_all_of_them(void **state) {
  (void)state;
  const char *path = getenv("FACEMASK_TEST_WEIGHTS_VIEWS");
  assert_non_null(path);
  facemask_model *model;
  assert_int_equal(facemask_open(&model, path, &options), 0);
  for (int p = 0; p < PICTURES; ++p) {
    facemask_face *faces;
    size_t count;
    const facemask_picture given = picture(p);
    assert_int_equal(facemask_detect(model, &given, &faces, &count), 0);
    assert_true(count > 0);
    bool at_edge = false; // edges, whatever pixels the data name
    for (size_t i = 0; i < count; ++i) {
      assert_true(faces[i].x1 >= 0 && faces[i].x2 <= (float)widths[p]);
      assert_true(faces[i].y1 >= 0 && faces[i].y2 <= (float)heights[p]);
      at_edge = at_edge || faces[i].x1 == 0 || faces[i].y1 == 0;
    }
    assert_true(at_edge);
    facemask_free_faces(faces);
  }
  facemask_close(model);
}

// The classifier, which knows nothing, makes the classes' scores more alike.
static void several_files_are_one_model(void **state) {
  (void)state;
  const char *paths[2] = {weights(), getenv("FACEMASK_TEST_WEIGHTS_CLASSIFIER")};
  assert_non_null(paths[1]);
  facemask_model *alone = open_model(), *both;
  assert_int_equal(facemask_open_files(&both, paths, 2, &options), 0);
  const facemask_picture first = picture(0);
  facemask_face *before, *after;
  size_t before_count, after_count;
  assert_int_equal(facemask_detect(alone, &first, &before, &before_count), 0);
  assert_int_equal(facemask_detect(both, &first, &after, &after_count), 0);
  assert_true(before_count > 0 && after_count > 0);
  assert_true(after[0].score < before[0].score);
  facemask_free_faces(before);
  facemask_free_faces(after);
  facemask_close(alone);
  facemask_close(both);
  assert_true(facemask_open(&both, paths[1], NULL) < 0);
  assert_non_null(strstr(facemask_error_message(), "face classifier"));
  assert_true(facemask_open_files(&both, paths, 0, NULL) < 0);
  paths[1] = NULL;
  assert_true(facemask_open_files(&both, paths, 2, NULL) < 0);
}

static void a_stride_passes_over_what_is_between_the_rows(void **state) {
  (void)state;
  facemask_model *model = open_model();
  uint8_t *wide = malloc(240 * 1000);
  assert_non_null(wide);
  memset(wide, 0xaa, 240 * 1000);
  for (size_t y = 0; y < 240; ++y)
    memcpy(wide + y * 1000, pictures[0] + y * 960, 960);
  facemask_face *tight_faces, *wide_faces;
  size_t tight_count, wide_count;
  const facemask_picture tight = picture(0);
  const facemask_picture spread = {.rgb = wide, .width = 320, .height = 240, .stride = 1000};
  assert_int_equal(facemask_detect(model, &tight, &tight_faces, &tight_count), 0);
  assert_int_equal(facemask_detect(model, &spread, &wide_faces, &wide_count), 0);
  assert_int_equal(tight_count, wide_count);
  assert_memory_equal(tight_faces, wide_faces, tight_count * sizeof *tight_faces);
  facemask_free_faces(tight_faces);
  facemask_free_faces(wide_faces);
  facemask_close(model);
  free(wide);
}

// What one thread found, and what was expected.
typedef struct worker {
  pthread_t thread;
  facemask_model *model;
  facemask_face *expected[PICTURES];
  size_t expected_count[PICTURES];
  int first, differing;
} worker;

static void *work(void *user) {
  worker *self = user;
  for (int i = 0; i < ROUNDS * PICTURES; ++i) {
    const int p = (self->first + i) % PICTURES;
    facemask_face *faces;
    size_t count;
    const facemask_picture given = picture(p);
    const int status = facemask_detect(self->model, &given, &faces, &count);
    if (status < 0 || count != self->expected_count[p] ||
        memcmp(faces, self->expected[p], count * sizeof *faces) != 0)
      ++self->differing;
    facemask_free_faces(faces);
  }
  return NULL;
}

static void threads_at_once_find_what_one_finds(void **state) {
  (void)state;
  facemask_model *model = open_model();
  worker workers[THREADS] = {{.model = model}};
  for (int p = 0; p < PICTURES; ++p) {
    const facemask_picture given = picture(p);
    assert_int_equal(
        facemask_detect(model, &given, &workers[0].expected[p], &workers[0].expected_count[p]), 0);
  }
  facemask_close(model);
  // A model opened anew: the threads meet while its detectors are made.
  workers[0].model = open_model();
  for (int t = 0; t < THREADS; ++t) {
    workers[t] = workers[0];
    workers[t].first = t;
    assert_int_equal(pthread_create(&workers[t].thread, NULL, work, &workers[t]), 0);
  }
  for (int t = 0; t < THREADS; ++t)
    assert_int_equal(pthread_join(workers[t].thread, NULL), 0);
  for (int t = 0; t < THREADS; ++t)
    assert_int_equal(workers[t].differing, 0);
  for (int p = 0; p < PICTURES; ++p)
    facemask_free_faces(workers[0].expected[p]);
  facemask_close(workers[0].model);
}

static void a_wrong_call_is_answered_with_words(void **state) {
  (void)state;
  facemask_model *model = NULL;
  assert_true(facemask_open(&model, "/nowhere.safetensors", NULL) < 0);
  assert_null(model);
  assert_non_null(strstr(facemask_error_message(), "/nowhere.safetensors"));
  assert_true(facemask_open(NULL, weights(), NULL) < 0);
  assert_true(facemask_open(&model, NULL, NULL) < 0);
  static const facemask_options bad[] = {{.threads = -1},
                                         {.score_threshold = 1.5f},
                                         {.nms_threshold = -0.1f},
                                         {.nms_threshold = NAN},
                                         {.precision = (facemask_precision)4}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i)
    assert_true(facemask_open(&model, weights(), &bad[i]) < 0);
  // These weights bring no ranges.
  assert_true(facemask_open(&model, weights(), &(facemask_options){.precision = FACEMASK_INT8}) <
              0);
  assert_non_null(strstr(facemask_error_message(), "facemask export"));
  model = open_model();
  facemask_face *faces;
  size_t count;
  const facemask_picture good = picture(0);
  static const struct {
    int width, height;
    size_t stride;
  } wrong[] = {{0, 240, 960}, {320, -1, 960}, {INT32_MAX, INT32_MAX, SIZE_MAX}, {320, 240, 959}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; ++i) {
    const facemask_picture bad_picture = {pictures[0], wrong[i].width, wrong[i].height,
                                          wrong[i].stride};
    assert_true(facemask_detect(model, &bad_picture, &faces, &count) < 0);
    assert_null(faces);
  }
  assert_non_null(strstr(facemask_error_message(), "959"));
  const facemask_picture none = {.width = 320, .height = 240};
  assert_true(facemask_detect(model, &none, &faces, &count) < 0);
  assert_true(facemask_detect(model, NULL, &faces, &count) < 0);
  assert_true(facemask_detect(NULL, &good, &faces, &count) < 0);
  assert_true(facemask_detect(model, &good, NULL, &count) < 0);
  facemask_close(model);
  facemask_close(NULL);
}

static void a_message_belongs_to_its_thread(void **state) {
  (void)state;
  facemask_model *model;
  assert_true(facemask_open(&model, "/mine", NULL) < 0);
  pthread_t thread;
  worker other = {.model = NULL};
  assert_int_equal(pthread_create(&thread, NULL, work, &other), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(other.differing, ROUNDS * PICTURES);
  assert_non_null(strstr(facemask_error_message(), "/mine"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_model_tells_its_classes),
      cmocka_unit_test(faces_come_by_falling_score_inside_the_picture),
      cmocka_unit_test(a_model_of_several_views_looks_at_all_of_them),
      cmocka_unit_test(several_files_are_one_model),
      cmocka_unit_test(a_stride_passes_over_what_is_between_the_rows),
      cmocka_unit_test(threads_at_once_find_what_one_finds),
      cmocka_unit_test(a_wrong_call_is_answered_with_words),
      cmocka_unit_test(a_message_belongs_to_its_thread),
  };
  return cmocka_run_group_tests(tests, make_pictures, free_pictures);
}
