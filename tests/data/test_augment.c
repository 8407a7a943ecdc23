// Tests of the augmentations: the list's text, and each transform.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "augment_table.h"
#include "base/file.h"
#include "data/augment/augment.h"
#include "support.h"

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
    assert_int_equal(fm_augment_apply(augment, &random, NULL, &picture), FM_OK);
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
    assert_int_equal(fm_augment_apply(augment, &random, NULL, &picture), FM_OK);
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

static void a_range_is_one_number_or_two_that_rise(void **state) {
  (void)state;
  fm_augment_free(parse("[{\"hsv\": {\"value\": 0.5, \"hue\": [-3, 4]}}]"));
  refuses("[{\"hsv\": {\"value\": [2, 1]}}]", "value");
  refuses("[{\"hsv\": {\"value\": []}}]", "value");
  refuses("[{\"hsv\": {\"value\": [1, 2, 3]}}]", "value");
  refuses("[{\"hsv\": {\"value\": [0, 11]}}]", "value");
  refuses("[{\"hsv\": {\"value\": [0, null]}}]", "value");
  refuses("[{\"copy_paste\": {\"faces\": [1, 2.5]}}]", "faces");
}

// One number for a range fixes what is drawn.
static void one_number_is_the_value_itself(void **state) {
  (void)state;
  fm_augment *augment = parse("[{\"brightness_contrast\": {\"p\": 1, \"brightness\": 0.2, "
                              "\"contrast\": 0}}]");
  fm_augment_picture picture = picture_make(5, 4), before = picture_make(5, 4);
  fm_random random = fm_random_make(1, 2, 3);
  assert_int_equal(fm_augment_apply(augment, &random, NULL, &picture), FM_OK);
  for (int i = 0; i < 5 * 4 * 3; i++) {
    int wanted = before.image.pixels[i] + 51;
    assert_int_equal(picture.image.pixels[i], wanted > 255 ? 255 : wanted);
  }
  picture_release(&picture);
  picture_release(&before);
  fm_augment_free(augment);
}

// Boxes that reach outside are clipped after the transform, and dropped when too little is left.
static void boxes_are_clipped_and_dropped_by_visibility(void **state) {
  (void)state;
  static const struct {
    const char *text;
    size_t left;
  } cases[] = {{"[{\"min_visibility\": 0.5}, {\"grayscale\": {\"p\": 1}}]", 1},
               {"[{\"grayscale\": {\"p\": 1}}, {\"min_visibility\": 0.49}]", 2},
               {"[{\"grayscale\": {\"p\": 1}}, {\"min_visibility\": 0}]", 2},
               {"[{\"grayscale\": {\"p\": 1}}, {\"min_visibility\": 1}]", 0}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fm_augment *augment = parse(cases[i].text);
    assert_int_equal(fm_augment_count(augment), 1);
    fm_augment_picture picture = picture_make(8, 4);
    picture.objects[0].box = (fm_box){-2, 1, 2, 3}; // half is outside
    picture.objects[1].box = (fm_box){1, -1, 7, 5}; // two thirds are inside
    fm_random random = fm_random_make(1, 2, 3);
    assert_int_equal(fm_augment_apply(augment, &random, NULL, &picture), FM_OK);
    assert_int_equal(picture.object_count, cases[i].left);
    if (cases[i].left > 0) {
      const fm_object *last = &picture.objects[cases[i].left - 1];
      assert_int_equal(last->label, 2);
      assert_true(last->box.y1 == 0 && last->box.y2 == 4 && last->box.x1 == 1);
    }
    if (cases[i].left == 2)
      assert_true(picture.objects[0].box.x1 == 0 && picture.objects[0].box.x2 == 2);
    picture_release(&picture);
    fm_augment_free(augment);
  }
  refuses("[{\"min_visibility\": 1.5}]", "min_visibility");
  refuses("[{\"min_visibility\": {\"p\": 1}}]", "min_visibility");
  refuses("[\"min_visibility\"]", "min_visibility");
  refuses("[{\"min_visibilty\": 1}]", "min_visibility");
}

// What one transform draws does not depend on the parameters of another.
static void transforms_draw_from_generators_of_their_own(void **state) {
  (void)state;
  fm_augment *first = parse("[{\"grayscale\": {\"p\": 0}}, {\"brightness_contrast\": {\"p\": 1}}]");
  fm_augment *second = parse("[{\"random_crop\": {\"p\": 1, \"scale\": 1, \"ratio\": 1}}, "
                             "{\"brightness_contrast\": {\"p\": 1}}]");
  fm_augment_picture one = picture_make(9, 7), other = picture_make(9, 7);
  fm_random random = fm_augment_random(4, 5, 6, 0);
  assert_int_equal(fm_augment_apply(first, &random, NULL, &one), FM_OK);
  assert_int_equal(fm_augment_apply(second, &random, NULL, &other), FM_OK);
  assert_memory_equal(one.image.pixels, other.image.pixels, 9 * 7 * 3);
  picture_release(&one);
  picture_release(&other);
  fm_augment_free(first);
  fm_augment_free(second);
}

static void every_epoch_picture_and_copy_has_its_own_generator(void **state) {
  (void)state;
  uint64_t seen[2 * 3 * 4 * 3];
  size_t count = 0;
  for (uint64_t seed = 0; seed < 2; seed++)
    for (uint64_t epoch = 0; epoch < 3; epoch++)
      for (size_t sample = 0; sample < 4; sample++)
        for (uint32_t copy = 0; copy < 3; copy++) {
          fm_random random = fm_augment_random(seed, epoch, sample, copy);
          seen[count] = fm_random_bits(&random);
          for (size_t i = 0; i < count; i++)
            assert_true(seen[i] != seen[count]);
          count++;
        }
}

static void one_of_chooses_by_weight_and_forces_its_choice(void **state) {
  (void)state;
  fm_augment *augment =
      parse("[{\"one_of\": {\"p\": 0.5, \"transforms\": [{\"horizontal_flip\": {\"p\": 0.1}}, "
            "{\"brightness_contrast\": {\"p\": 0.3, \"brightness\": 1}}]}}]");
  int flipped = 0, white = 0;
  for (uint64_t i = 0; i < 4000; i++) {
    fm_augment_picture picture = picture_make(3, 2);
    fm_random random = fm_random_make(9, 1, i);
    assert_int_equal(fm_augment_apply(augment, &random, NULL, &picture), FM_OK);
    bool flip = picture.objects[0].box.x1 != 0, all = picture.image.pixels[0] == 255;
    assert_false(flip && all);
    flipped += flip;
    white += all;
    picture_release(&picture);
  }
  assert_in_range(flipped, 420, 580); // 500 expected, 3.8 deviations either way
  assert_in_range(white, 1380, 1620); // 1500 expected
  fm_augment_free(augment);
  refuses("[\"one_of\"]", "one_of");
  refuses("[{\"one_of\": {\"transforms\": []}}]", "one_of");
  refuses("[{\"one_of\": {\"transforms\": 3}}]", "transforms");
  refuses("[{\"one_of\": {\"transforms\": [{\"hsv\": {\"p\": 0}}]}}]", "p above 0");
  refuses("[{\"one_of\": {\"transforms\": [{\"min_visibility\": 0.3}]}}]", "whole list");
  refuses("[{\"hsv\": {\"transforms\": [\"hsv\"]}}]", "transforms");
  refuses("[{\"one_of\": {\"transforms\": [{\"one_of\": {\"transforms\": [{\"one_of\": "
          "{\"transforms\": [{\"one_of\": {\"transforms\": [{\"one_of\": {\"transforms\": "
          "[\"hsv\"]}}]}}]}}]}}]}}]",
          "nested");
}

static void sizes_of_kernels_are_odd(void **state) {
  (void)state;
  refuses("[{\"motion_blur\": {\"kernel\": [3, 6]}}]", "odd");
  refuses("[{\"motion_blur\": {\"kernel\": 4}}]", "odd");
  refuses("[{\"gaussian_blur\": {\"kernel\": [2, 5]}}]", "odd");
  refuses("[{\"gaussian_blur\": {\"kernel\": 33}}]", "kernel");
}

static void presets_are_lists_that_can_be_read(void **state) {
  (void)state;
  static const char *const names[] = {"notebook", "strong"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *text;
    assert_int_equal(fm_augment_preset(names[i], &text), FM_OK);
    fm_augment *augment = parse(text);
    assert_true(fm_augment_count(augment) > 0);
    fm_augment_free(augment);
  }
  const char *text;
  assert_int_equal(fm_augment_preset("strng", &text), FM_ERR_ARGUMENT);
  assert_non_null(strstr(fm_error_message(), "strong"));
}

// Every row of the table as the code has it, and every name.
static void the_documentation_has_every_parameter(void **state) {
  (void)state;
  char *path = support_source("docs/augmentation.md"), *table = NULL;
  fm_bytes page;
  size_t size;
  assert_int_equal(fm_file_read(&page, path, 1 << 20), FM_OK);
  FILE *stream = open_memstream(&table, &size);
  augment_table_write(stream);
  fclose(stream);
  if (!strstr((const char *)page.data, table))
    fail_msg("the table of %s is not what augment_runner table writes", path);
  free(table);
  free(page.data);
  free(path);
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
      cmocka_unit_test(a_range_is_one_number_or_two_that_rise),
      cmocka_unit_test(one_number_is_the_value_itself),
      cmocka_unit_test(boxes_are_clipped_and_dropped_by_visibility),
      cmocka_unit_test(transforms_draw_from_generators_of_their_own),
      cmocka_unit_test(every_epoch_picture_and_copy_has_its_own_generator),
      cmocka_unit_test(one_of_chooses_by_weight_and_forces_its_choice),
      cmocka_unit_test(sizes_of_kernels_are_odd),
      cmocka_unit_test(presets_are_lists_that_can_be_read),
      cmocka_unit_test(the_documentation_has_every_parameter),
      cmocka_unit_test(mistakes_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
