// The network's input against torchvision's GeneralizedRCNNTransform: its sizes, and bilinear
// interpolation in double.
#include "detect/detector.h"
#include "support.h"

static fm_model_config config_of(int min_size, int max_size) {
  fm_model_config config;
  fm_model_config_preset(&config, FM_ARCH_RESNET50_FPN);
  config.min_size = min_size;
  config.max_size = max_size;
  return config;
}

static fm_image random_image(fm_random *random, int width, int height) {
  fm_image image;
  assert_int_equal(fm_image_new(&image, width, height), FM_OK);
  for (int i = 0; i < width * height * 3; i++)
    image.pixels[i] = (uint8_t)fm_random_below(random, 256);
  return image;
}

static void sizes_are_torchvisions_to_the_pixel(void **state) {
  (void)state;
  static const int limits[5][2] = {{800, 1333}, {320, 640}, {480, 480}, {97, 131}, {333, 1000}};
  static const int sizes[10][2] = {{400, 300}, {301, 225}, {1, 400},   {500, 30},   {600, 600},
                                   {267, 400}, {399, 267}, {33, 1999}, {1024, 768}, {7, 5}};
  // Computed with torchvision 0.14. It fails on {1, 400} within {97, 131}, where no pixel is left.
  static const int expected[5][10][2] = {{{1066, 800},
                                          {1070, 800},
                                          {3, 1332},
                                          {1333, 79},
                                          {800, 800},
                                          {800, 1198},
                                          {1195, 800},
                                          {22, 1333},
                                          {1066, 800},
                                          {1120, 800}},
                                         {{426, 320},
                                          {428, 320},
                                          {1, 639},
                                          {640, 38},
                                          {320, 320},
                                          {319, 479},
                                          {478, 319},
                                          {10, 640},
                                          {426, 320},
                                          {448, 320}},
                                         {{479, 359},
                                          {479, 358},
                                          {1, 479},
                                          {480, 28},
                                          {480, 480},
                                          {320, 479},
                                          {479, 321},
                                          {7, 480},
                                          {480, 360},
                                          {480, 342}},
                                         {{129, 97},
                                          {129, 97},
                                          {1, 130},
                                          {131, 7},
                                          {97, 97},
                                          {87, 130},
                                          {130, 87},
                                          {2, 130},
                                          {129, 97},
                                          {131, 93}},
                                         {{444, 333},
                                          {445, 333},
                                          {2, 1000},
                                          {1000, 60},
                                          {333, 333},
                                          {333, 498},
                                          {497, 333},
                                          {16, 1000},
                                          {444, 333},
                                          {466, 332}}};
  fm_random random = fm_random_make(1, 0, 0);
  for (int l = 0; l < 5; l++) {
    const fm_model_config config = config_of(limits[l][0], limits[l][1]);
    for (int s = 0; s < 10; s++) {
      fm_image image = random_image(&random, sizes[s][0], sizes[s][1]);
      fm_input input;
      assert_int_equal(fm_input_make(&input, &config, &image, NULL, NULL, 0), FM_OK);
      if (input.width != expected[l][s][0] || input.height != expected[l][s][1])
        fail_msg("%d x %d within %d, %d: %d x %d instead of %d x %d", sizes[s][0], sizes[s][1],
                 limits[l][0], limits[l][1], input.width, input.height, expected[l][s][0],
                 expected[l][s][1]);
      assert_int_equal(input.source_width, sizes[s][0]);
      assert_int_equal(input.source_height, sizes[s][1]);
      fm_input_release(&input);
      fm_image_release(&image);
    }
  }
}

// Half-pixel centres, the border repeated.
static double interpolated(const fm_image *image, int channel, double x, double y) {
  const double cx = fmin(fmax(x, 0), image->width - 1), cy = fmin(fmax(y, 0), image->height - 1);
  const int x0 = (int)cx, y0 = (int)cy;
  double sum = 0;
  for (int dy = 0; dy < 2; dy++) {
    for (int dx = 0; dx < 2; dx++) {
      const double wx = dx ? cx - x0 : 1 - (cx - x0), wy = dy ? cy - y0 : 1 - (cy - y0);
      if (wx * wy > 0)
        sum += wx * wy * image->pixels[((y0 + dy) * image->width + x0 + dx) * 3 + channel];
    }
  }
  return sum;
}

static void assert_pixels(const fm_input *input, const fm_image *image) {
  static const double mean[3] = {0.485, 0.456, 0.406}, deviation[3] = {0.229, 0.224, 0.225};
  const double across = (double)image->width / input->width;
  const double down = (double)image->height / input->height;
  for (int c = 0; c < 3; c++) {
    for (int y = 0; y < input->height; y++) {
      for (int x = 0; x < input->width; x++) {
        const double value =
            interpolated(image, c, (x + 0.5) * across - 0.5, (y + 0.5) * down - 0.5);
        assert_near((double)input->pixels[(c * input->height + y) * input->width + x],
                    (value / 255 - mean[c]) / deviation[c], 2e-4);
      }
    }
  }
}

static void pixels_are_interpolated_and_normalised(void **state) {
  (void)state;
  static const int sizes[][2] = {{40, 30}, {120, 90}, {7, 5}, {64, 200},
                                 {97, 64}, {64, 64},  {1, 1}};
  const fm_model_config config = config_of(64, 96);
  fm_random random = fm_random_make(2, 0, 0);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    fm_image image = random_image(&random, sizes[i][0], sizes[i][1]);
    fm_input input;
    assert_int_equal(fm_input_make(&input, &config, &image, NULL, NULL, 0), FM_OK);
    assert_pixels(&input, &image);
    fm_input_release(&input);
    fm_image_release(&image);
  }
}

static void a_picture_of_the_right_size_keeps_its_pixels(void **state) {
  (void)state;
  const fm_model_config config = config_of(64, 96);
  fm_random random = fm_random_make(3, 0, 0);
  fm_image image = random_image(&random, 80, 64);
  fm_input input;
  assert_int_equal(fm_input_make(&input, &config, &image, NULL, NULL, 0), FM_OK);
  assert_int_equal(input.width, 80);
  assert_int_equal(input.height, 64);
  static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
  for (int i = 0; i < 80 * 64; i++) {
    for (int c = 0; c < 3; c++) {
      const float value = ((float)image.pixels[3 * i + c] / 255 - mean[c]) / deviation[c];
      assert_true(input.pixels[c * 80 * 64 + i] == value);
    }
  }
  fm_input_release(&input);
  fm_image_release(&image);
}

static void boxes_are_scaled_with_the_picture(void **state) {
  (void)state;
  const fm_model_config config = config_of(97, 131);
  fm_random random = fm_random_make(4, 0, 0);
  fm_image image = random_image(&random, 400, 300);
  const fm_box boxes[2] = {{0, 0, 400, 300}, {10, 20, 30, 50}};
  const int32_t labels[2] = {3, 1};
  fm_input input;
  assert_int_equal(fm_input_make(&input, &config, &image, boxes, labels, 2), FM_OK);
  assert_int_equal(input.box_count, 2);
  assert_memory_equal(input.labels, labels, sizeof labels);
  // 400 x 300 becomes 129 x 97.
  for (int i = 0; i < 2; i++) {
    assert_near((double)input.boxes[i].x1, (double)boxes[i].x1 * 129 / 400, 1e-4);
    assert_near((double)input.boxes[i].y1, (double)boxes[i].y1 * 97 / 300, 1e-4);
    assert_near((double)input.boxes[i].x2, (double)boxes[i].x2 * 129 / 400, 1e-4);
    assert_near((double)input.boxes[i].y2, (double)boxes[i].y2 * 97 / 300, 1e-4);
  }
  fm_input_release(&input);
  fm_image_release(&image);
}

static void boxes_without_an_area_are_refused(void **state) {
  (void)state;
  const fm_model_config config = config_of(97, 131);
  fm_random random = fm_random_make(5, 0, 0);
  fm_image image = random_image(&random, 400, 300);
  const fm_box boxes[] = {
      {10, 10, 10, 20}, {10, 10, 20, 10}, {20, 10, 10, 20}, {NAN, 0, 1, 1}, {0, 0, INFINITY, 1}};
  const int32_t label = 1;
  for (size_t i = 0; i < sizeof boxes / sizeof *boxes; i++) {
    fm_input input;
    assert_int_equal(fm_input_make(&input, &config, &image, &boxes[i], &label, 1), FM_ERR_ARGUMENT);
    assert_non_null(strstr(fm_error_message(), "empty or reversed"));
    assert_null(input.pixels);
  }
  fm_image_release(&image);
}

static void pictures_of_impossible_sizes_are_refused(void **state) {
  (void)state;
  const fm_model_config config = config_of(97, 131);
  const fm_image images[] = {{0, 10, NULL}, {10, -1, NULL}, {FM_IMAGE_SIDE_MAX + 1, 1, NULL}};
  for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
    fm_input input;
    assert_int_equal(fm_input_make(&input, &config, &images[i], NULL, NULL, 0), FM_ERR_SHAPE);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_are_torchvisions_to_the_pixel),
      cmocka_unit_test(pixels_are_interpolated_and_normalised),
      cmocka_unit_test(a_picture_of_the_right_size_keeps_its_pixels),
      cmocka_unit_test(boxes_are_scaled_with_the_picture),
      cmocka_unit_test(boxes_without_an_area_are_refused),
      cmocka_unit_test(pictures_of_impossible_sizes_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
