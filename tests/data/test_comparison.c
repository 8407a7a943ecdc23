// Ground truth beside prediction: which boxes stand in which panel.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "data/comparison.h"
#include "image/draw.h"
#include "support.h"

typedef struct fixture {
  char *folder;
  fm_dataset *dataset;
} fixture;

static int setup(void **state) {
  static fixture self;
  self.folder = support_folder_make();
  support_write_text(self.folder, "images/a.png", "");
  char path[512];
  snprintf(path, sizeof path, "%s/images/a.png", self.folder);
  fm_image image;
  assert_int_equal(fm_image_new(&image, 300, 200), FM_OK);
  memset(image.pixels, 128, 300 * 200 * 3);
  assert_int_equal(fm_image_write_png(&image, path), FM_OK);
  fm_image_release(&image);
  support_write_text(
      self.folder, "annotations/a.xml",
      "<annotation><filename>a.png</filename>"
      "<object><name>with_mask</name><bndbox><xmin>40</xmin><ymin>60</ymin>"
      "<xmax>90</xmax><ymax>120</ymax></bndbox></object>"
      "<object><name>without_mask</name><bndbox><xmin>180</xmin><ymin>60</ymin>"
      "<xmax>240</xmax><ymax>130</ymax></bndbox></object>"
      "<object><name>mask_weared_incorrect</name><bndbox><xmin>5</xmin><ymin>160</ymin>"
      "<xmax>30</xmax><ymax>190</ymax></bndbox></object></annotation>");
  const fm_dataset_options options = {0};
  assert_int_equal(fm_dataset_open(&self.dataset, self.folder, &options), FM_OK);
  *state = &self;
  return 0;
}

static int teardown(void **state) {
  fixture *self = *state;
  fm_dataset_free(self->dataset);
  support_folder_remove(self->folder);
  return 0;
}

static size_t count_color(const fm_image *image, int left, int right, uint32_t rgb) {
  size_t count = 0;
  for (int y = 0; y < image->height; y++)
    for (int x = left; x < right; x++) {
      const uint8_t *at = image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3;
      count += ((uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2]) == rgb;
    }
  return count;
}

// Green with, red without, blue incorrect (image/draw.h).
static const fm_detection found[] = {{{42, 60, 92, 118}, 2, 0.9f}, {{180, 60, 240, 130}, 1, 0.4f}};

static fm_image draw(const fixture *self, const fm_comparison *with) {
  fm_comparison comparison = *with;
  comparison.dataset = self->dataset;
  comparison.detections = found;
  comparison.detection_count = 2;
  comparison.scale = 1;
  fm_image out;
  assert_int_equal(fm_comparison_draw(&out, &comparison), FM_OK);
  return out;
}

static void truth_stands_left_and_what_reaches_the_score_right(void **state) {
  fm_image image = draw(*state, &(fm_comparison){.score = 0.5});
  const int middle = image.width / 2;
  const uint32_t green = fm_draw_class_color("with_mask", 2);
  const uint32_t red = fm_draw_class_color("without_mask", 1);
  assert_true(count_color(&image, 0, middle, green) > 100);
  assert_true(count_color(&image, 0, middle, red) > 100);
  assert_true(count_color(&image, middle, image.width, green) > 100);
  assert_int_equal(count_color(&image, middle, image.width, red), 0);
  fm_image_release(&image);
  image = draw(*state, &(fm_comparison){.score = 0.3});
  assert_true(count_color(&image, middle, image.width, red) > 100);
  fm_image_release(&image);
}

static void plain_boxes_have_no_text(void **state) {
  const uint32_t green = fm_draw_class_color("with_mask", 2);
  fm_image image = draw(*state, &(fm_comparison){.score = 0.5});
  const int middle = image.width / 2;
  const size_t truth = count_color(&image, 0, middle, green);
  const size_t prediction = count_color(&image, middle, image.width, green);
  fm_image_release(&image);
  const bool plain[] = {true, true, true};
  image = draw(*state,
               &(fm_comparison){.score = 0.5, .plain_truths = plain, .plain_detections = plain});
  assert_true(count_color(&image, 0, middle, green) + 200 < truth);
  assert_true(count_color(&image, middle, image.width, green) + 200 < prediction);
  assert_true(count_color(&image, 0, middle, green) > 100);
  fm_image_release(&image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(truth_stands_left_and_what_reaches_the_score_right),
      cmocka_unit_test(plain_boxes_have_no_text),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
