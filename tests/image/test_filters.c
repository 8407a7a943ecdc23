// Filters, rotation, colours, noise and pieces of pictures, against plain loops.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "image/color.h"
#include "image/convolve.h"
#include "image/crop.h"
#include "image/noise.h"
#include "image/resize.h"
#include "image/rotate.h"

static const int sizes[][2] = {{1, 1}, {2, 1}, {1, 7}, {3, 2}, {5, 4}, {21, 22}, {43, 9}, {200, 3}};
enum { SIZES = sizeof sizes / sizeof *sizes };

static fm_image picture_make(int width, int height, uint64_t seed) {
  fm_image image;
  assert_int_equal(fm_image_new(&image, width, height), FM_OK);
  fm_random random = fm_random_make(seed, 1, 1);
  for (int i = 0; i < width * height * 3; i++)
    image.pixels[i] = (uint8_t)fm_random_bits(&random);
  return image;
}

static int mirrored(int at, int size) {
  while (size > 1 && (at < 0 || at >= size))
    at = at < 0 ? -at : 2 * size - 2 - at;
  return size > 1 ? at : 0;
}

static int pixel(const fm_image *image, int x, int y, int c) {
  x = mirrored(x, image->width);
  y = mirrored(y, image->height);
  return image->pixels[(y * image->width + x) * 3 + c];
}

static void convolutions_are_sums_over_the_mirrored_neighbourhood(void **state) {
  (void)state;
  for (int k = 0; k < SIZES; k++)
    for (int size = 1; size <= 9; size += 2) {
      fm_image image = picture_make(sizes[k][0], sizes[k][1], (uint64_t)k);
      fm_image before = picture_make(sizes[k][0], sizes[k][1], (uint64_t)k);
      float kernel[81];
      fm_random random = fm_random_make(7, (uint64_t)k, (uint64_t)size);
      for (int i = 0; i < size * size; i++)
        kernel[i] = i % 3 == 1 ? 0 : (float)fm_random_range(&random, -0.4, 0.5);
      assert_int_equal(fm_image_convolve(&image, kernel, size), FM_OK);
      for (int y = 0; y < before.height; y++)
        for (int x = 0; x < before.width; x++)
          for (int c = 0; c < 3; c++) {
            double sum = 0;
            for (int i = 0; i < size * size; i++)
              sum += (double)kernel[i] *
                     pixel(&before, x + i % size - size / 2, y + i / size - size / 2, c);
            double wanted = fmin(fmax(sum, 0), 255);
            if (fabs(wanted - pixel(&image, x, y, c)) > 0.5001)
              fail_msg("(%d, %d, %d) is %d, not %g", x, y, c, pixel(&image, x, y, c), wanted);
          }
      fm_image_release(&image);
      fm_image_release(&before);
    }
}

static void halves_are_rounded_to_even(void **state) {
  (void)state;
  fm_image image = picture_make(4, 1, 1);
  for (int i = 0; i < 12; i++)
    image.pixels[i] = (uint8_t)(i < 6 ? 1 : 3 * (i - 5)); // 1, 1, 1, 1, 1, 1, 3, 6, 9, …
  const float half[1] = {0.5f};
  assert_int_equal(fm_image_convolve(&image, half, 1), FM_OK);
  const uint8_t wanted[12] = {0, 0, 0, 0, 0, 0, 2, 3, 4, 6, 8, 9};
  assert_memory_equal(image.pixels, wanted, 12);
  fm_image_release(&image);
}

static void a_gaussian_blur_spreads_a_point_by_its_bell(void **state) {
  (void)state;
  fm_image image;
  assert_int_equal(fm_image_new_filled(&image, 31, 31, 0), FM_OK);
  fm_image_fill(&image, 15, 15, 1, 1, 0xffffff);
  double sigma = 2, sum = 0;
  assert_int_equal(fm_image_gaussian_blur(&image, 13, sigma), FM_OK);
  for (int i = -6; i <= 6; i++)
    sum += exp(-i * i / (2 * sigma * sigma));
  for (int y = 0; y < 31; y++)
    for (int x = 0; x < 31; x++) {
      double far = (x - 15) * (x - 15) + (y - 15) * (y - 15);
      bool inside = abs(x - 15) <= 6 && abs(y - 15) <= 6;
      double wanted = inside ? 255 * exp(-far / (2 * sigma * sigma)) / (sum * sum) : 0;
      assert_true(fabs(pixel(&image, x, y, 1) - wanted) <= 1);
    }
  fm_image_release(&image);
}

static void a_rotation_is_bilinear_around_the_middle(void **state) {
  (void)state;
  static const double angles[] = {0, 33, -12.5, 90, 180, -179};
  for (size_t k = 0; k < sizeof angles / sizeof *angles; k++) {
    fm_image image = picture_make(37, 26, 4), turned;
    // Slopes, so that 1/32 pixel is a gray level at most.
    for (int i = 0; i < 37 * 26 * 3; i++)
      image.pixels[i] = (uint8_t)(i / 3 % 37 * 4 + i / 111 * 3 + i % 3 * 10);
    assert_int_equal(fm_image_rotate(&turned, &image, angles[k]), FM_OK);
    double cosine = cos(angles[k] * M_PI / 180), sine = sin(angles[k] * M_PI / 180);
    for (int y = 0; y < 26; y++)
      for (int x = 0; x < 37; x++) {
        double dx = x - 18.5, dy = y - 13;
        double fx = cosine * dx - sine * dy + 18.5, fy = sine * dx + cosine * dy + 13;
        int ix = (int)floor(fx), iy = (int)floor(fy);
        double ax = fx - ix, ay = fy - iy;
        for (int c = 0; c < 3; c++) {
          double wanted =
              (1 - ay) * ((1 - ax) * pixel(&image, ix, iy, c) + ax * pixel(&image, ix + 1, iy, c)) +
              ay *
                  ((1 - ax) * pixel(&image, ix, iy + 1, c) + ax * pixel(&image, ix + 1, iy + 1, c));
          assert_true(fabs(wanted - pixel(&turned, x, y, c)) < 1);
        }
      }
    fm_image_release(&image);
    fm_image_release(&turned);
  }
}

static void small_pictures_can_be_turned(void **state) {
  (void)state;
  for (int k = 0; k < SIZES; k++)
    for (double angle = -180; angle <= 180; angle += 22.5) {
      fm_image image = picture_make(sizes[k][0], sizes[k][1], 1), turned;
      memset(image.pixels, 77, (size_t)(sizes[k][0] * sizes[k][1] * 3));
      assert_int_equal(fm_image_rotate(&turned, &image, angle), FM_OK);
      assert_memory_equal(turned.pixels, image.pixels, (size_t)(sizes[k][0] * sizes[k][1] * 3));
      fm_image_release(&image);
      fm_image_release(&turned);
    }
}

static void a_change_of_nothing_changes_no_color(void **state) {
  (void)state;
  fm_image image = picture_make(301, 40, 1), before = picture_make(301, 40, 1);
  fm_image_change_hsv(&image, &(fm_hsv_change){0, 1, 1});
  assert_memory_equal(image.pixels, before.pixels, 301 * 40 * 3);
  fm_image_change_hsv(&image, &(fm_hsv_change){-360, 1, 1});
  assert_memory_equal(image.pixels, before.pixels, 301 * 40 * 3);
  fm_image_release(&image);
  fm_image_release(&before);
}

static void a_third_of_the_circle_exchanges_the_channels(void **state) {
  (void)state;
  fm_image image = picture_make(301, 40, 1), before = picture_make(301, 40, 1);
  fm_image_change_hsv(&image, &(fm_hsv_change){120, 1, 1});
  for (int i = 0; i < 301 * 40; i++)
    for (int c = 0; c < 3; c++)
      assert_int_equal(image.pixels[3 * i + (c + 1) % 3], before.pixels[3 * i + c]);
  fm_image_release(&image);
  fm_image_release(&before);
}

static void saturation_and_value_are_factors(void **state) {
  (void)state;
  fm_image image = picture_make(301, 40, 1), before = picture_make(301, 40, 1);
  fm_image_change_hsv(&image, &(fm_hsv_change){0, 0.5f, 0.6f});
  for (int i = 0; i < 301 * 40; i++) {
    const uint8_t *from = before.pixels + 3 * i;
    double value = fmax(fmax(from[0], from[1]), from[2]);
    for (int c = 0; c < 3; c++) // half way to the gray of the same value, then darker
      assert_true(fabs(0.6 * (0.5 * from[c] + 0.5 * value) - image.pixels[3 * i + c]) < 0.51);
  }
  fm_image_release(&image);
  fm_image_release(&before);
}

static void gray_is_the_luma(void **state) {
  (void)state;
  fm_image image = picture_make(301, 40, 1), before = picture_make(301, 40, 1);
  fm_image_gray(&image);
  for (int i = 0; i < 301 * 40; i++) {
    const uint8_t *from = before.pixels + 3 * i, *to = image.pixels + 3 * i;
    assert_true(fabs(0.299 * from[0] + 0.587 * from[1] + 0.114 * from[2] - to[0]) < 0.51);
    assert_true(to[0] == to[1] && to[1] == to[2]);
  }
  fm_image_release(&image);
  fm_image_release(&before);
}

static void noise_has_its_deviation_and_no_pattern(void **state) {
  (void)state;
  enum { WIDTH = 320, HEIGHT = 200, COUNT = WIDTH * HEIGHT * 3 };
  fm_image image;
  assert_int_equal(fm_image_new_filled(&image, WIDTH, HEIGHT, 0x808080), FM_OK);
  fm_image_add_noise(&image, 9, 12345);
  double sum = 0, squares = 0, fourth = 0, beside = 0, below = 0;
  for (int i = 0; i < COUNT; i++) {
    double value = image.pixels[i] - 128;
    sum += value;
    squares += value * value;
    fourth += value * value * value * value;
    beside += i + 3 < COUNT ? value * (image.pixels[i + 3] - 128) : 0;
    below += i + 3 * WIDTH < COUNT ? value * (image.pixels[i + 3 * WIDTH] - 128) : 0;
  }
  double variance = squares / COUNT;
  assert_true(fabs(sum / COUNT) < 0.1);
  assert_true(fabs(sqrt(variance) - 9) < 0.1);
  assert_true(fourth / COUNT / variance / variance > 2.5); // 3 is normal, 1.8 uniform
  assert_true(fabs(beside / squares) < 0.01 && fabs(below / squares) < 0.01);
  fm_image other;
  assert_int_equal(fm_image_new_filled(&other, WIDTH, HEIGHT, 0x808080), FM_OK);
  fm_image_add_noise(&other, 9, 12346);
  double both = 0;
  for (int i = 0; i < COUNT; i++)
    both += (image.pixels[i] - 128) * (other.pixels[i] - 128);
  assert_true(fabs(both / squares) < 0.01);
  fm_image_release(&image);
  fm_image_release(&other);
}

static void a_part_in_its_own_size_is_a_crop(void **state) {
  (void)state;
  fm_image image = picture_make(40, 30, 1), part, crop, whole;
  assert_int_equal(fm_image_resize_part(&part, &image, &(fm_box){7, 5, 29, 21}, 22, 16), FM_OK);
  assert_int_equal(fm_image_crop(&crop, &image, 7, 5, 22, 16), FM_OK);
  assert_memory_equal(part.pixels, crop.pixels, 22 * 16 * 3);
  for (int y = 0; y < 16; y++)
    assert_memory_equal(crop.pixels + y * 66, image.pixels + ((y + 5) * 40 + 7) * 3, 66);
  fm_image_release(&part);
  assert_int_equal(fm_image_resize_part(&part, &image, &(fm_box){0, 0, 40, 30}, 13, 55), FM_OK);
  assert_int_equal(fm_image_resize(&whole, &image, 13, 55), FM_OK);
  assert_memory_equal(part.pixels, whole.pixels, 13 * 55 * 3);
  fm_image_release(&whole);
  fm_image_release(&part);
  fm_image_release(&crop);
  static const fm_box wrong[] = {{-1, 0, 5, 5}, {0, 0, 41, 5}, {5, 5, 5, 9}, {0, 9, 3, 2}};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    assert_int_equal(fm_image_resize_part(&part, &image, &wrong[i], 4, 4), FM_ERR_SHAPE);
  assert_int_equal(fm_image_crop(&crop, &image, 30, 0, 11, 3), FM_ERR_SHAPE);
  assert_int_equal(fm_image_crop(&crop, &image, 0, -1, 3, 3), FM_ERR_SHAPE);
  fm_image_release(&image);
}

static void pieces_that_reach_outside_are_cut_off(void **state) {
  (void)state;
  for (int y = -6; y <= 9; y++)
    for (int x = -6; x <= 9; x++) {
      fm_image image, filled, piece;
      assert_int_equal(fm_image_new_filled(&image, 7, 8, 0x010203), FM_OK);
      assert_int_equal(fm_image_new_filled(&filled, 7, 8, 0x010203), FM_OK);
      assert_int_equal(fm_image_new_filled(&piece, 5, 4, 0xfffefd), FM_OK);
      fm_image_put(&image, &piece, x, y);
      fm_image_fill(&filled, x, y, 5, 4, 0xfffefd);
      for (int i = 0; i < 56; i++) {
        bool inside = i % 7 >= x && i % 7 < x + 5 && i / 7 >= y && i / 7 < y + 4;
        assert_int_equal(image.pixels[3 * i + 2], inside ? 0xfd : 3);
      }
      assert_memory_equal(image.pixels, filled.pixels, 7 * 8 * 3);
      fm_image_release(&image);
      fm_image_release(&filled);
      fm_image_release(&piece);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(convolutions_are_sums_over_the_mirrored_neighbourhood),
      cmocka_unit_test(halves_are_rounded_to_even),
      cmocka_unit_test(a_gaussian_blur_spreads_a_point_by_its_bell),
      cmocka_unit_test(a_rotation_is_bilinear_around_the_middle),
      cmocka_unit_test(small_pictures_can_be_turned),
      cmocka_unit_test(a_change_of_nothing_changes_no_color),
      cmocka_unit_test(a_third_of_the_circle_exchanges_the_channels),
      cmocka_unit_test(saturation_and_value_are_factors),
      cmocka_unit_test(gray_is_the_luma),
      cmocka_unit_test(noise_has_its_deviation_and_no_pattern),
      cmocka_unit_test(a_part_in_its_own_size_is_a_crop),
      cmocka_unit_test(pieces_that_reach_outside_are_cut_off),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
