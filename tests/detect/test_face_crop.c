// Cut-outs of a picture that is linear in x and y, where the mean of what a pixel covers is the
// value in its middle.
#include "detect/face_crop.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { WIDTH = 60, HEIGHT = 50, SIZE = 32 };

static float value_at(int channel, double x, double y) {
  return (float)(0.01 * x - 0.02 * y + 0.3 * channel + 1);
}

static fm_input input_make(int width, int height) {
  fm_input input = {.width = width,
                    .height = height,
                    .pixels = malloc(3 * (size_t)(width * height) * sizeof(float))};
  for (int c = 0; c < 3; c++)
    for (int y = 0; y < height; y++)
      for (int x = 0; x < width; x++)
        input.pixels[(c * height + y) * width + x] = value_at(c, x + 0.5, y + 0.5);
  return input;
}

static void check_linear(const fm_input *input, fm_box region, bool mirrored) {
  float out[3 * SIZE * SIZE];
  const fm_face_crop crop = {input, region, mirrored};
  fm_face_crop_cut(&crop, SIZE, out);
  for (int c = 0; c < 3; c++)
    for (int y = 0; y < SIZE; y++)
      for (int x = 0; x < SIZE; x++) {
        const double across = ((mirrored ? SIZE - 1 - x : x) + 0.5) / SIZE;
        const double down = (y + 0.5) / SIZE;
        const float expected = value_at(c, region.x1 + across * (double)(region.x2 - region.x1),
                                        region.y1 + down * (double)(region.y2 - region.y1));
        assert_true(fabsf(out[(c * SIZE + y) * SIZE + x] - expected) < 1e-4f);
      }
}

static void every_scale_gives_the_mean_of_what_is_covered(void **state) {
  (void)state;
  fm_input input = input_make(WIDTH, HEIGHT);
  static const fm_box regions[] = {
      {5, 7, 5 + SIZE, 7 + SIZE}, // as it is
      {9.3f, 8.6f, 20.1f, 19.4f}, // enlarged
      {2, 1, 58, 48},             // twice as small, sides of their own
  };
  for (size_t i = 0; i < sizeof regions / sizeof *regions; i++) {
    check_linear(&input, regions[i], false);
    check_linear(&input, regions[i], true);
  }
  fm_input_release(&input);
  input = input_make(700, 650); // more than eight samples would be needed
  check_linear(&input, (fm_box){10, 10, 600, 640}, false);
  fm_input_release(&input);
}

static void beyond_the_picture_are_zeros(void **state) {
  (void)state;
  fm_input input = input_make(WIDTH, HEIGHT);
  float out[3 * SIZE * SIZE];
  const fm_face_crop corner = {&input, {-16, -16, 16, 16}, false};
  fm_face_crop_cut(&corner, SIZE, out);
  for (int y = 0; y < SIZE; y++)
    for (int x = 0; x < SIZE; x++) {
      const float expected = x < 16 || y < 16 ? 0 : value_at(1, x - 15.5, y - 15.5);
      assert_true(fabsf(out[(SIZE + y) * SIZE + x] - expected) < 1e-4f);
    }
  const fm_face_crop away = {&input, {WIDTH + 5, 0, WIDTH + 25, 20}, false};
  fm_face_crop_cut(&away, SIZE, out);
  for (int i = 0; i < 3 * SIZE * SIZE; i++)
    assert_true(out[i] == 0);
  fm_input_release(&input);
}

static void a_picture_of_one_pixel_is_enough(void **state) {
  (void)state;
  fm_input input = input_make(1, 1);
  float out[3 * SIZE * SIZE];
  const fm_face_crop crop = {&input, {0.49f, 0.49f, 0.51f, 0.51f}, false};
  fm_face_crop_cut(&crop, SIZE, out);
  for (int i = 0; i < SIZE * SIZE; i++)
    assert_true(fabsf(out[i] - value_at(0, 0.5, 0.5)) < 0.05f);
  fm_input_release(&input);
}

static void the_region_is_a_square_around_the_face(void **state) {
  (void)state;
  const fm_box region = fm_face_crop_region((fm_box){10, 20, 20, 40}, 1.5f);
  assert_true(region.x1 == 0 && region.x2 == 30 && region.y1 == 15 && region.y2 == 45);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_scale_gives_the_mean_of_what_is_covered),
      cmocka_unit_test(beyond_the_picture_are_zeros),
      cmocka_unit_test(a_picture_of_one_pixel_is_enough),
      cmocka_unit_test(the_region_is_a_square_around_the_face),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
