// Which part of a picture is looked at again, how large, and what the network then reads.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "predict/focus.h"

static const fm_focus_options plain = {
    .width = 400, .height = 300, .scale = 3, .ceiling = 3, .most = 150, .longest = 1200};

static fm_detection face(float x, float y, float side, float score) {
  return (fm_detection){{x, y, x + side, y + side}, 1, score};
}

static fm_focus choose(const fm_focus_options *options, fm_detection *faces, size_t count) {
  const fm_detections first = {faces, count};
  return fm_focus_choose(options, &first);
}

static bool holds(const fm_focus *focus, const fm_detection *face) {
  return (float)focus->x <= face->box.x1 && (float)focus->y <= face->box.y1 &&
         (float)(focus->x + focus->width) >= face->box.x2 &&
         (float)(focus->y + focus->height) >= face->box.y2;
}

static double scale_of(const fm_focus *focus) {
  return (double)focus->shown_width / focus->width;
}

static void nothing_found_is_looked_for_everywhere(void **state) {
  (void)state;
  fm_detection doubtful[] = {face(100, 100, 20, 0.05f)};
  const fm_focus all[] = {fm_focus_choose(&plain, NULL), choose(&plain, NULL, 0),
                          choose(&plain, doubtful, 1)};
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(all[i].x, 0);
    assert_int_equal(all[i].y, 0);
    assert_true(all[i].width >= 400 && all[i].height >= 300);
    assert_true(fabs(scale_of(&all[i]) - 3) < 0.02);
  }
}

static void the_part_holds_the_faces_and_little_else(void **state) {
  (void)state;
  fm_detection faces[] = {face(200, 150, 30, 0.9f), face(250, 160, 30, 0.2f),
                          face(10, 10, 20, 0.01f)};
  const fm_focus part = choose(&plain, faces, 3);
  assert_true(holds(&part, &faces[0]) && holds(&part, &faces[1]));
  assert_false(holds(&part, &faces[2]));
  assert_true(part.x >= 0 && part.x + part.width <= 400);
  assert_true(part.y >= 0 && part.y + part.height <= 300);
  // 30 pixels three times as large are 90, which may be.
  assert_true(fabs(scale_of(&part) - 3) < 0.02);
  assert_true(part.shown_width < 3 * 200 && part.shown_height < 3 * 150);
  assert_int_equal(part.shown_width % 32, 0);
  assert_int_equal(part.shown_height % 32, 0);
}

static void the_smallest_sure_face_is_not_shown_too_large(void **state) {
  (void)state;
  fm_detection faces[] = {face(50, 50, 200, 0.9f), face(260, 100, 100, 0.5f),
                          face(300, 250, 10, 0.2f)};
  const fm_focus part = choose(&plain, faces, 3);
  assert_true(fabs(scale_of(&part) * 100 - 150) < 2);
  // A smaller look beside that one follows in proportion.
  fm_focus_options half = plain;
  half.scale = 1.5f;
  const fm_focus smaller = choose(&half, faces, 3);
  assert_true(fabs(scale_of(&smaller) * 100 - 75) < 2);
}

// Faces at every place and of every size, in pictures of every shape.
static void parts_are_always_such_that_can_be_shown(void **state) {
  (void)state;
  static const int sides[] = {1, 2, 31, 300, 1000, 32767};
  for (size_t w = 0; w < 6; w++)
    for (size_t h = 0; h < 6; h++)
      for (int n = 0; n < 50; n++) {
        fm_focus_options o = {.width = sides[w], .height = sides[h], .most = 170};
        const float one = fminf(640.0f / fminf((float)o.width, (float)o.height),
                                800.0f / fmaxf((float)o.width, (float)o.height));
        o.scale = one * (0.4f + 0.1f * (float)(n % 15));
        o.ceiling = one * 1.9f;
        o.longest = (int)ceilf(800 * o.scale / one);
        const float x = (float)(o.width * (n % 7)) / 7, y = (float)(o.height * (n % 5)) / 5;
        const float side = (float)(1 + n * n);
        fm_detection one_face[] = {
            {{x, y, fminf(x + side, (float)o.width), fminf(y + side, (float)o.height)}, 1, 0.9f}};
        const fm_focus part = choose(&o, one_face, 1);
        assert_true(part.x >= 0 && part.x < o.width && part.y >= 0 && part.y < o.height);
        assert_true(part.width >= 1 && part.height >= 1);
        assert_true(holds(&part, &one_face[0]));
        assert_true(part.shown_width >= 1 && part.shown_width <= o.longest + 31);
        assert_true(part.shown_height >= 1 && part.shown_height <= o.longest + 31);
      }
}

static void few_sizes_are_shown(void **state) {
  (void)state;
  bool seen[64] = {false};
  int sizes = 0;
  for (int side = 4; side < 400; side++) {
    fm_focus_options o = plain;
    o.most = 5000;
    fm_detection one_face[] = {face(0, 0, (float)side, 0.9f)};
    const int step = choose(&o, one_face, 1).shown_width / 32;
    assert_true(step < 64);
    sizes += !seen[step];
    seen[step] = true;
  }
  assert_true(sizes > 3 && sizes < 16);
}

// Inside the picture its own pixels, beyond it zeros.
static void the_network_reads_the_part(void **state) {
  (void)state;
  const fm_model_config config = {.image_mean = {.count = 3, .values = {0, 0, 0}},
                                  .image_std = {.count = 3, .values = {1, 1, 1}}};
  fm_image image;
  assert_int_equal(fm_image_new(&image, 60, 40), FM_OK);
  for (size_t i = 0; i < (size_t)60 * 40 * 3; i++)
    image.pixels[i] = (uint8_t)(50 + i % 3 * 50 + i / 3 % 60);
  const fm_focus focus = {
      .x = 30, .y = 10, .width = 64, .height = 64, .shown_width = 64, .shown_height = 64};
  for (int mirrored = 0; mirrored < 2; mirrored++) {
    fm_input input;
    assert_int_equal(fm_focus_input(&input, &focus, &config, &image, mirrored), FM_OK);
    assert_int_equal(input.source_width, 64);
    assert_int_equal(input.width, 64);
    for (int c = 0; c < 3; c++)
      for (int y = 0; y < 64; y++)
        for (int x = 0; x < 64; x++) {
          const float value = input.pixels[((size_t)c * 64 + (size_t)y) * 64 + (size_t)x];
          const int from = mirrored ? 29 - x : x;
          const float expected = x < 30 && y < 30 ? (float)(50 + c * 50 + 30 + from) / 255 : 0;
          assert_true(fabsf(value - expected) < 1e-5f);
        }
    fm_input_release(&input);
  }
  fm_image_release(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_found_is_looked_for_everywhere),
      cmocka_unit_test(the_part_holds_the_faces_and_little_else),
      cmocka_unit_test(the_smallest_sure_face_is_not_shown_too_large),
      cmocka_unit_test(parts_are_always_such_that_can_be_shown),
      cmocka_unit_test(few_sizes_are_shown),
      cmocka_unit_test(the_network_reads_the_part),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
