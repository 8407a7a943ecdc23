// Labels and boxes on pictures: where pixels change, and that nothing hostile in a box does harm.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "image/draw.h"
#include "image/resize.h"

static fm_image gray(int width, int height) {
  fm_image image;
  assert_int_equal(fm_image_new(&image, width, height), FM_OK);
  memset(image.pixels, 128, (size_t)width * (size_t)height * 3);
  return image;
}

static uint32_t pixel(const fm_image *image, int x, int y) {
  const uint8_t *at = image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3;
  return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

static size_t count_color(const fm_image *image, uint32_t rgb) {
  size_t count = 0;
  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width; x++)
      count += pixel(image, x, y) == rgb;
  return count;
}

static void a_box_has_its_color_on_the_edge_and_nothing_inside(void **state) {
  (void)state;
  fm_image image = gray(400, 300);
  const fm_draw_face face = {{100, 100, 200, 220}, "with_mask 0.93", 0x1f9d3a};
  assert_int_equal(fm_draw_faces(&image, &face, 1), FM_OK);
  assert_int_equal(pixel(&image, 100, 150), 0x1f9d3a);
  assert_int_equal(pixel(&image, 200, 150), 0x1f9d3a);
  assert_int_equal(pixel(&image, 150, 220), 0x1f9d3a);
  assert_int_equal(pixel(&image, 150, 160), 0x808080);
  assert_int_equal(pixel(&image, 300, 280), 0x808080);
  assert_int_equal(pixel(&image, 104, 96), 0x1f9d3a); // the label stands above the box
  fm_image_release(&image);
}

static void labels_of_boxes_at_the_rims_stay_in_the_picture(void **state) {
  (void)state;
  static const fm_box boxes[] = {
      {0, 0, 40, 40}, {360, 0, 400, 40}, {0, 260, 40, 300}, {360, 260, 400, 300}, {0, 0, 400, 300}};
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
    fm_image image = gray(400, 300);
    const fm_draw_face with = {boxes[i], "without_mask", 0xd62728},
                       without = {boxes[i], "", 0xd62728};
    assert_int_equal(fm_draw_faces(&image, &without, 1), FM_OK);
    size_t bare = count_color(&image, 0xd62728);
    assert_int_equal(fm_draw_faces(&image, &with, 1), FM_OK);
    assert_true(count_color(&image, 0xd62728) > bare + 300); // the ground of the label
    fm_image_release(&image);
  }
}

static void labels_of_neighbours_do_not_cover_one_another(void **state) {
  (void)state;
  fm_image image = gray(400, 300);
  const fm_draw_face faces[] = {{{100, 100, 130, 140}, "with_mask", 0x1f9d3a},
                                {{135, 100, 165, 140}, "without_mask", 0xd62728}};
  fm_image alone = gray(400, 300);
  assert_int_equal(fm_draw_faces(&alone, faces, 1), FM_OK);
  assert_int_equal(fm_draw_faces(&image, faces, 2), FM_OK);
  assert_int_equal(count_color(&image, 0x1f9d3a), count_color(&alone, 0x1f9d3a));
  fm_image_release(&image);
  fm_image_release(&alone);
}

static void boxes_that_make_no_sense_are_survived(void **state) {
  (void)state;
  const fm_draw_face faces[] = {{{-1e9f, -1e9f, 1e9f, 1e9f}, "a", 0xff0000},
                                {{NAN, 0, INFINITY, 5}, "b", 0xff0000},
                                {{30, 30, 10, 10}, "reversed", 0xff0000},
                                {{1, 1, 2, 2}, "\xff\xfe not UTF-8", 0xff0000},
                                {{1, 1, 2, 2}, NULL, 0xff0000}};
  for (size_t i = 0; i < sizeof faces / sizeof *faces; i++) {
    fm_image image = gray(1 + 30 * (int)i, 1 + 20 * (int)i);
    fm_status status = fm_draw_faces(&image, &faces[i], 1);
    assert_int_equal(status,
                     i == 3 ? FM_ERR_ARGUMENT : FM_OK); // a text that is not UTF-8 is an error
    fm_image_release(&image);
  }
}

static void small_pictures_are_enlarged_with_their_boxes(void **state) {
  (void)state;
  fm_image image = gray(120, 90);
  fm_draw_face face = {{10, 20, 30, 40}, "x", 0};
  assert_int_equal(fm_draw_scale(&image), 7);
  assert_int_equal(fm_draw_enlarge(&image, &face, 1, 7), FM_OK);
  assert_int_equal(image.width, 840);
  assert_int_equal(pixel(&image, 839, 629), 0x808080);
  const fm_box expected = {70, 140, 210, 280};
  assert_memory_equal(&face.box, &expected, sizeof expected);
  assert_int_equal(fm_draw_scale(&image), 1);
  assert_int_equal(fm_draw_enlarge(&image, &face, 1, 9), FM_ERR_ARGUMENT);
  fm_image_release(&image);
}

// The definition of PIL's BILINEAR resize, in double and without any sharing of work.
static double naive_resize(const fm_image *image, int width, int height, int x, int y, int c) {
  double scale_x = (double)image->width / width, scale_y = (double)image->height / height;
  double reach_x = fmax(1, scale_x), reach_y = fmax(1, scale_y), sum = 0, weights = 0;
  for (int v = 0; v < image->height; v++)
    for (int u = 0; u < image->width; u++) {
      double wx = 1 - fabs(u + 0.5 - (x + 0.5) * scale_x) / reach_x;
      double wy = 1 - fabs(v + 0.5 - (y + 0.5) * scale_y) / reach_y;
      if (wx > 0 && wy > 0) {
        sum += wx * wy * image->pixels[(v * image->width + u) * 3 + c];
        weights += wx * wy;
      }
    }
  return sum / weights;
}

static void resize_equals_the_triangle_filter(void **state) {
  (void)state;
  static const int sizes[][2] = {{19, 13}, {40, 31}, {7, 5}, {1, 1}, {3, 40}};
  fm_image image = gray(19, 13), out;
  for (int i = 0; i < 19 * 13 * 3; i++)
    image.pixels[i] = (uint8_t)(i * 97 % 251);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    int width = sizes[i][0], height = sizes[i][1];
    assert_int_equal(fm_image_resize(&out, &image, width, height), FM_OK);
    for (int y = 0; y < height; y++)
      for (int x = 0; x < width; x++)
        for (int c = 0; c < 3; c++)
          assert_true(fabs(naive_resize(&image, width, height, x, y, c) -
                           out.pixels[(y * width + x) * 3 + c]) < 0.51);
    fm_image_release(&out);
  }
  fm_image_release(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_box_has_its_color_on_the_edge_and_nothing_inside),
      cmocka_unit_test(labels_of_boxes_at_the_rims_stay_in_the_picture),
      cmocka_unit_test(labels_of_neighbours_do_not_cover_one_another),
      cmocka_unit_test(boxes_that_make_no_sense_are_survived),
      cmocka_unit_test(small_pictures_are_enlarged_with_their_boxes),
      cmocka_unit_test(resize_equals_the_triangle_filter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
