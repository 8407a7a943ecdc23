// Panels: where pictures, boxes and titles stand on the sheet.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "image/panels.h"

static fm_image plain(int width, int height, uint8_t level) {
  fm_image image;
  assert_int_equal(fm_image_new(&image, width, height), FM_OK);
  memset(image.pixels, level, (size_t)width * (size_t)height * 3);
  return image;
}

static uint32_t pixel(const fm_image *image, int x, int y) {
  const uint8_t *at = image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3;
  return (uint32_t)at[0] << 16 | (uint32_t)at[1] << 8 | at[2];
}

// The pixels of columns [left, right) above row `bottom` that are not white.
static size_t ink(const fm_image *sheet, int left, int right, int bottom) {
  size_t count = 0;
  for (int y = 0; y < bottom; y++)
    for (int x = left; x < right; x++)
      count += pixel(sheet, x, y) != 0xffffff;
  return count;
}

static void pictures_stand_beside_each_other_below_their_titles(void **state) {
  (void)state;
  fm_image dark = plain(200, 150, 40), light = plain(200, 150, 160), sheet;
  const fm_draw_face face = {{50, 40, 120, 100}, NULL, 0xd62728};
  const fm_panel panels[] = {{&dark, NULL, 0, "Truth"}, {&light, &face, 1, "Prediction"}};
  assert_int_equal(fm_panels_draw(&sheet, panels, 2, 1), FM_OK);
  const int gap = sheet.width - 400, title = sheet.height - 150;
  assert_in_range(gap, 4, 20);
  assert_in_range(title, 15, 60);
  assert_int_equal(pixel(&sheet, 0, title), 0x282828);
  assert_int_equal(pixel(&sheet, 199, title + 149), 0x282828);
  assert_int_equal(pixel(&sheet, 200 + gap / 2, title + 75), 0xffffff);
  assert_int_equal(pixel(&sheet, 200 + gap, title), 0xa0a0a0);
  assert_int_equal(pixel(&sheet, 200 + gap + 50, title + 70), 0xd62728); // the box's left edge
  assert_int_equal(pixel(&sheet, 50, title + 70), 0x282828);             // not in the other one
  assert_true(ink(&sheet, 0, 200, title) > 20);
  assert_true(ink(&sheet, 200 + gap, sheet.width, title) > ink(&sheet, 0, 200, title));
  assert_int_equal(pixel(&light, 50, 70), 0xa0a0a0); // the source stays
  fm_image_release(&sheet);
  fm_image_release(&dark);
  fm_image_release(&light);
}

static void pictures_too_large_for_a_sheet_are_shrunk_with_their_boxes(void **state) {
  (void)state;
  fm_image image = plain(20000, 400, 100), sheet;
  const fm_draw_face face = {{4000, 100, 16000, 300}, NULL, 0xd62728};
  const fm_panel panels[] = {{&image, &face, 1, "One"}, {&image, NULL, 0, "Two"}};
  assert_int_equal(fm_panels_draw(&sheet, panels, 2, 1), FM_OK);
  assert_in_range(sheet.width, 6000, 6040);
  const int title = sheet.height - 60;
  assert_int_equal(pixel(&sheet, 600, title + 30), 0xd62728); // 4000 * 3000 / 20000
  assert_int_equal(pixel(&sheet, 700, title + 30), 0x646464);
  fm_image_release(&sheet);
  fm_image_release(&image);
}

static void a_scale_enlarges_pictures_and_boxes(void **state) {
  (void)state;
  fm_image image = plain(60, 40, 100), sheet;
  const fm_draw_face face = {{20, 10, 40, 30}, NULL, 0x1f9d3a};
  const fm_panel panel = {&image, &face, 1, "x"};
  assert_int_equal(fm_panels_draw(&sheet, &panel, 1, 4), FM_OK);
  assert_int_equal(sheet.width, 240);
  assert_int_equal(pixel(&sheet, 80, sheet.height - 160 + 80), 0x1f9d3a);
  assert_int_equal(pixel(&sheet, 160, sheet.height - 160 + 80), 0x1f9d3a);
  fm_image_release(&sheet);
  fm_image_release(&image);
}

static void a_title_wider_than_its_picture_stays_above_it(void **state) {
  (void)state;
  static char title[400];
  for (size_t i = 0; i + 2 < sizeof title; i += 2) { // two bytes a letter: cut between letters
    title[i] = '\xc3';
    title[i + 1] = '\xa4';
  }
  fm_image image = plain(160, 120, 100), sheet;
  const fm_panel panels[] = {{&image, NULL, 0, title}, {&image, NULL, 0, ""}};
  assert_int_equal(fm_panels_draw(&sheet, panels, 2, 1), FM_OK);
  const int height = sheet.height - 120;
  assert_true(ink(&sheet, 0, 160, height) > 50);
  assert_int_equal(ink(&sheet, 160, sheet.width, height), 0);
  fm_image_release(&sheet);
  fm_image_release(&image);
}

static void no_panels_and_too_many_are_refused(void **state) {
  (void)state;
  fm_image sheet;
  const fm_panel panels[FM_PANELS_MAX + 1] = {0};
  assert_int_equal(fm_panels_draw(&sheet, panels, 0, 1), FM_ERR_ARGUMENT);
  assert_int_equal(fm_panels_draw(&sheet, panels, FM_PANELS_MAX + 1, 1), FM_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pictures_stand_beside_each_other_below_their_titles),
      cmocka_unit_test(pictures_too_large_for_a_sheet_are_shrunk_with_their_boxes),
      cmocka_unit_test(a_scale_enlarges_pictures_and_boxes),
      cmocka_unit_test(a_title_wider_than_its_picture_stays_above_it),
      cmocka_unit_test(no_panels_and_too_many_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
