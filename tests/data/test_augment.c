// Tests of the augmentations: the list's text, and each transform.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/augment/augment.h"

static fm_augment *parse(const char *text) {
  fm_augment *augment;
  if (fm_augment_parse(&augment, text) < 0)
    fail_msg("%s", fm_error_message());
  return augment;
}

static void refuses(const char *text, const char *word) {
  fm_augment *augment;
  assert_int_equal(fm_augment_parse(&augment, text), FM_ERR_ARGUMENT);
  assert_null(augment);
  if (!strstr(fm_error_message(), word))
    fail_msg("\"%s\" does not say %s", fm_error_message(), word);
}

static fm_augment_picture picture_make(int width, int height) {
  fm_augment_picture picture = {.object_count = 2};
  assert_int_equal(fm_image_new(&picture.image, width, height), FM_OK);
  for (int i = 0; i < width * height * 3; i++)
    picture.image.pixels[i] = (uint8_t)(i * 7 + 1);
  picture.objects = calloc(2, sizeof *picture.objects);
  picture.objects[0] = (fm_object){{0, 1, 2.5f, 3}, 1};
  picture.objects[1] = (fm_object){{1, 0, (float)width, 2}, 2};
  return picture;
}

static void picture_release(fm_augment_picture *picture) {
  fm_image_release(&picture->image);
  free(picture->objects);
}

static void horizontal_flip_mirrors_pixels_and_boxes(void **state) {
  (void)state;
  fm_augment *augment = parse("[{\"horizontal_flip\": {\"p\": 1}}]");
  for (int width = 3; width < 7; width++) {
    fm_augment_picture picture = picture_make(width, 4), before = picture_make(width, 4);
    fm_random random = fm_random_make(1, 2, 3);
    assert_int_equal(fm_augment_apply(augment, &random, &picture), FM_OK);
    for (int y = 0; y < 4; y++)
      for (int x = 0; x < width; x++)
        for (int c = 0; c < 3; c++)
          assert_int_equal(picture.image.pixels[(y * width + x) * 3 + c],
                           before.image.pixels[(y * width + width - 1 - x) * 3 + c]);
    assert_true(picture.objects[0].box.x1 == (float)width - 2.5f);
    assert_true(picture.objects[0].box.x2 == (float)width);
    assert_true(picture.objects[0].box.y1 == 1 && picture.objects[0].box.y2 == 3);
    assert_true(picture.objects[1].box.x1 == 0 && picture.objects[1].box.x2 == (float)width - 1);
    assert_int_equal(picture.objects[1].label, 2);
    picture_release(&picture);
    picture_release(&before);
  }
  fm_augment_free(augment);
}

static void its_probability_is_kept(void **state) {
  (void)state;
  fm_augment *augment = parse("[{\"horizontal_flip\": {\"p\": 0.25}}]");
  int flips = 0;
  for (uint64_t i = 0; i < 4000; i++) {
    fm_augment_picture picture = picture_make(3, 2);
    fm_random random = fm_random_make(9, 1, i);
    assert_int_equal(fm_augment_apply(augment, &random, &picture), FM_OK);
    flips += picture.objects[0].box.x1 != 0;
    picture_release(&picture);
  }
  assert_in_range(flips, 880, 1120); // 1000 expected, 4.4 deviations either way
  fm_augment_free(augment);
}

static void an_empty_list_changes_nothing(void **state) {
  (void)state;
  fm_augment *augment = parse("[]");
  assert_int_equal(fm_augment_count(augment), 0);
  fm_augment_free(augment);
}

static void names_alone_take_the_default_parameters(void **state) {
  (void)state;
  fm_augment *augment = parse("[\"horizontal_flip\", {\"horizontal_flip\": null}]");
  assert_int_equal(fm_augment_count(augment), 2);
  fm_augment_free(augment);
}

static void mistakes_are_named(void **state) {
  (void)state;
  refuses("[\"horizontal_flop\"]", "horizontal_flip");
  refuses("[{\"horizontal_flip\": {\"q\": 1}}]", "q");
  refuses("[{\"horizontal_flip\": {\"p\": 1.5}}]", "p");
  refuses("[{\"horizontal_flip\": 3}]", "map");
  refuses("[{}]", "one name");
  refuses("{}", "list");
  refuses("[", "augment");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(horizontal_flip_mirrors_pixels_and_boxes),
      cmocka_unit_test(its_probability_is_kept),
      cmocka_unit_test(an_empty_list_changes_nothing),
      cmocka_unit_test(names_alone_take_the_default_parameters),
      cmocka_unit_test(mistakes_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
