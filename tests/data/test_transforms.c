// Tests of the transforms that move faces: on pictures whose faces are plain rectangles in the
// colour of their class, boxes have to lie where the colour is.
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "colored.h"

static int set_up(void **state) {
  *state = colored_open();
  return 0;
}

static int tear_down(void **state) {
  colored_close(*state);
  return 0;
}

static fm_augment *parse(const char *text) {
  fm_augment *augment;
  if (fm_augment_parse(&augment, text) < 0)
    fail_msg("%s", fm_error_message());
  return augment;
}

// How many pixels of a rectangle have the colour of a class; any class when label is 0.
static int count_pixels(const fm_image *image, const fm_box *box, int label) {
  int count = 0;
  for (int y = (int)fmaxf(floorf(box->y1), 0); y < image->height && (float)y < box->y2; y++)
    for (int x = (int)fmaxf(floorf(box->x1), 0); x < image->width && (float)x < box->x2; x++) {
      int class = colored_class(image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3);
      count += label ? class == label : class > 0;
    }
  return count;
}

// Every box is filled with the colour of its class up to its rim, and little colour is outside the
// boxes: `loose` pixels for every face at most.
static void check_boxes(const fm_augment_picture *picture, int loose) {
  const fm_box whole = {0, 0, (float)picture->image.width, (float)picture->image.height};
  int total = count_pixels(&picture->image, &whole, 0), inside = 0;
  for (size_t i = 0; i < picture->object_count; i++) {
    const fm_box *box = &picture->objects[i].box;
    assert_true(box->x1 >= 0 && box->y1 >= 0 && box->x2 <= whole.x2 && box->y2 <= whole.y2);
    int label = picture->objects[i].label;
    const fm_box inner = {ceilf(box->x1) + 1, ceilf(box->y1) + 1, floorf(box->x2) - 1,
                          floorf(box->y2) - 1};
    const fm_box outer = {floorf(box->x1) - 1, floorf(box->y1) - 1, ceilf(box->x2) + 1,
                          ceilf(box->y2) + 1};
    int wanted = (int)(fmaxf(inner.x2 - inner.x1, 0) * fmaxf(inner.y2 - inner.y1, 0));
    if (count_pixels(&picture->image, &inner, label) < wanted * 19 / 20)
      fail_msg("box %zu: %d of %d pixels have its colour", i,
               count_pixels(&picture->image, &inner, label), wanted);
    inside += count_pixels(&picture->image, &outer, label);
  }
  if (total - inside > loose)
    fail_msg("%d pixels of faces have no box", total - inside);
}

static void check_many(const colored *all, const char *text, int loose, int rounds) {
  fm_augment *augment = parse(text);
  for (int round = 0; round < rounds; round++) {
    size_t sample = (size_t)round % COLORED_PICTURES;
    if (sample == COLORED_BROKEN)
      continue;
    fm_augment_picture picture = colored_picture(all, sample);
    fm_random random = fm_augment_random(1, (uint64_t)round, sample, 0);
    if (fm_augment_apply(augment, &random, all->pool, &picture) < 0)
      fail_msg("%s", fm_error_message());
    check_boxes(&picture, loose);
    fm_augment_picture_release(&picture);
  }
  fm_augment_free(augment);
}

static void boxes_follow_the_faces_through_every_transform(void **state) {
  const colored *all = *state;
  check_many(all, "[]", 0, 9);
  check_many(all, "[{\"horizontal_flip\": {\"p\": 1}}]", 0, 20);
  // A tenth of a face of up to 20 x 20 pixels may stay without a box, twice as large with the
  // scale.
  check_many(all, "[{\"random_crop\": {\"p\": 1}}]", 3 * 40, 400);
  check_many(all, "[{\"scale_jitter\": {\"p\": 1, \"scale\": [1, 2]}}]", 3 * 160, 400);
  check_many(all, "[{\"scale_jitter\": {\"p\": 1, \"scale\": [0.3, 1]}}]", 0, 400);
}

static void cropped_pictures_keep_a_face_and_cut_none(void **state) {
  const colored *all = *state;
  fm_augment *augment = parse("[{\"random_crop\": {\"p\": 1, \"scale\": [0.2, 0.6]}}]");
  int cropped = 0;
  for (uint64_t epoch = 0; epoch < 200; epoch++) {
    fm_augment_picture picture = colored_picture(all, 1);
    int width = picture.image.width;
    fm_random random = fm_augment_random(1, epoch, 1, 0);
    assert_int_equal(fm_augment_apply(augment, &random, NULL, &picture), FM_OK);
    cropped += picture.image.width < width;
    assert_in_range(picture.object_count, 1, 3);
    for (size_t i = 0; i < picture.object_count; i++) {
      const fm_box *box = &picture.objects[i].box;
      float area = (box->x2 - box->x1) * (box->y2 - box->y1);
      assert_true(area >= 0.6f * 14 * 19 - 1); // of the smallest face
    }
    fm_augment_picture_release(&picture);
  }
  assert_true(cropped > 100);
  fm_augment_free(augment);
}

static void a_crop_with_no_valid_part_leaves_the_picture_alone(void **state) {
  const colored *all = *state;
  fm_augment *augment = parse("[{\"random_crop\": {\"p\": 1, \"scale\": 0.01}}]"); // below any face
  fm_augment_picture picture = colored_picture(all, 1), before = colored_picture(all, 1);
  fm_random random = fm_augment_random(1, 1, 1, 0);
  assert_int_equal(fm_augment_apply(augment, &random, NULL, &picture), FM_OK);
  assert_int_equal(picture.image.width, before.image.width);
  assert_int_equal(picture.object_count, before.object_count);
  fm_augment_picture_release(&picture);
  fm_augment_picture_release(&before);
  fm_augment_free(augment);
}

static void scale_jitter_keeps_the_size_of_the_picture_and_scales_faces(void **state) {
  const colored *all = *state;
  static const struct {
    const char *text;
    float factor;
  } cases[] = {{"[{\"scale_jitter\": {\"p\": 1, \"scale\": 0.5, \"tries\": 1}}]", 0.5f},
               {"[{\"scale_jitter\": {\"p\": 1, \"scale\": 2, \"tries\": 1}}]", 2}};
  for (size_t k = 0; k < 2; k++) {
    fm_augment *augment = parse(cases[k].text);
    int whole = 0;
    for (uint64_t epoch = 0; epoch < 200; epoch++) {
      fm_augment_picture picture = colored_picture(all, 3), before = colored_picture(all, 3);
      fm_random random = fm_augment_random(1, epoch, 3, 0);
      assert_int_equal(fm_augment_apply(augment, &random, NULL, &picture), FM_OK);
      assert_int_equal(picture.image.width, before.image.width);
      assert_int_equal(picture.image.height, before.image.height);
      for (size_t i = 0; i < picture.object_count; i++) {
        const fm_box *box = &picture.objects[i].box;
        float height = (box->y2 - box->y1) / (before.objects[0].box.y2 - before.objects[0].box.y1);
        whole += fabsf(height - cases[k].factor) < 0.02f;
      }
      fm_augment_picture_release(&picture);
      fm_augment_picture_release(&before);
    }
    assert_true(whole > 20);
    fm_augment_free(augment);
  }
}

static void a_mosaic_has_the_size_of_its_picture_and_faces_of_four(void **state) {
  const colored *all = *state;
  check_many(all, "[{\"mosaic\": {\"p\": 1, \"tries\": 60}}]", 9 * 60, 300);
  fm_augment *augment = parse("[{\"mosaic\": {\"p\": 1, \"tries\": 60}}]");
  size_t most = 0, sum = 0;
  for (uint64_t epoch = 0; epoch < 60; epoch++) {
    fm_augment_picture picture = colored_picture(all, 2); // has no face of its own
    int width = picture.image.width, height = picture.image.height;
    fm_random random = fm_augment_random(1, epoch, 2, 0);
    assert_int_equal(fm_augment_apply(augment, &random, all->pool, &picture), FM_OK);
    assert_int_equal(picture.image.width, width);
    assert_int_equal(picture.image.height, height);
    most = picture.object_count > most ? picture.object_count : most;
    sum += picture.object_count;
    fm_augment_picture_release(&picture);
  }
  assert_true(most > 3 && sum > 100);
  fm_augment_free(augment);
}

static void pasted_faces_are_rare_ones_and_hide_no_others(void **state) {
  const colored *all = *state;
  // The rim shows some of the ground, so boxes are filled but for it.
  fm_augment *augment = parse("[{\"copy_paste\": {\"p\": 1, \"faces\": 2, \"scale\": [1, 2]}}]");
  int pasted = 0, rare = 0;
  for (int round = 0; round < 300; round++) {
    size_t sample = (size_t)round % COLORED_PICTURES;
    if (sample == COLORED_BROKEN)
      continue;
    fm_augment_picture picture = colored_picture(all, sample);
    size_t before = picture.object_count;
    fm_random random = fm_augment_random(5, (uint64_t)round, sample, 0);
    assert_int_equal(fm_augment_apply(augment, &random, all->pool, &picture), FM_OK);
    assert_true(picture.object_count >= before && picture.object_count <= before + 2);
    for (size_t i = before; i < picture.object_count; i++, pasted++)
      rare += picture.objects[i].label == 3;
    for (size_t i = 0; i < picture.object_count; i++) {
      fm_box box = picture.objects[i].box;
      box = (fm_box){box.x1 + 2, box.y1 + 2, box.x2 - 2, box.y2 - 2};
      float area = (box.x2 - box.x1) * (box.y2 - box.y1);
      assert_true((float)count_pixels(&picture.image, &box, picture.objects[i].label) >
                  0.8f * area);
    }
    fm_augment_picture_release(&picture);
  }
  // One face of class 3 against 12 and 11 of the others: 1 / (1 + 1/12 + 1/11) = 85 % are of
  // class 3.
  assert_true(pasted > 300);
  assert_in_range(rare * 100 / pasted, 75, 93);
  fm_augment_free(augment);
}

static void a_turned_face_lies_in_its_box(void **state) {
  const colored *all = *state;
  fm_augment *augment = parse("[{\"min_visibility\": 0.9}, {\"rotate\": {\"p\": 1}}]");
  for (uint64_t epoch = 0; epoch < 100; epoch++) {
    fm_augment_picture picture = colored_picture(all, 3);
    fm_random random = fm_augment_random(2, epoch, 3, 0);
    assert_int_equal(fm_augment_apply(augment, &random, NULL, &picture), FM_OK);
    for (size_t i = 0; i < picture.object_count; i++) {
      // Mirrored faces beyond the edges have no box, so only the box is looked at: the face touches
      // its four sides, and its middle is in the box's.
      const fm_box *box = &picture.objects[i].box;
      const fm_box sides[4] = {{box->x1 - 1, box->y1, box->x1 + 3, box->y2},
                               {box->x2 - 3, box->y1, box->x2 + 1, box->y2},
                               {box->x1, box->y1 - 1, box->x2, box->y1 + 3},
                               {box->x1, box->y2 - 3, box->x2, box->y2 + 1}};
      for (int k = 0; k < 4; k++)
        assert_true(count_pixels(&picture.image, &sides[k], picture.objects[i].label) > 0);
      float x = (box->x1 + box->x2) / 2, y = (box->y1 + box->y2) / 2;
      const fm_box middle = {x - 2, y - 2, x + 2, y + 2};
      assert_true(count_pixels(&picture.image, &middle, picture.objects[i].label) >= 16);
    }
    fm_augment_picture_release(&picture);
  }
  fm_augment_free(augment);
}

static void a_hidden_face_loses_its_box_and_no_other(void **state) {
  const colored *all = *state;
  fm_augment *augment = parse("[{\"cutout\": {\"p\": 1, \"holes\": [1, 6], \"size\": [0.1, 0.4], "
                              "\"keep\": 0.5}}]");
  int lost = 0;
  for (uint64_t epoch = 0; epoch < 200; epoch++) {
    fm_augment_picture picture = colored_picture(all, 3), before = colored_picture(all, 3);
    fm_random random = fm_augment_random(2, epoch, 3, 0);
    assert_int_equal(fm_augment_apply(augment, &random, NULL, &picture), FM_OK);
    size_t next = 0;
    for (size_t i = 0; i < before.object_count; i++) {
      const fm_object *object = &before.objects[i];
      double area =
          (double)(object->box.x2 - object->box.x1) * (double)(object->box.y2 - object->box.y1);
      double seen = count_pixels(&picture.image, &object->box, object->label) / area;
      const fm_object *kept_one = &picture.objects[next];
      bool kept = next < picture.object_count && kept_one->label == object->label &&
                  kept_one->box.x1 == object->box.x1 && kept_one->box.y1 == object->box.y1;
      next += kept;
      lost += !kept;
      if (seen < 0.4 || seen > 0.6) // a grid of points tells no finer
        assert_int_equal(kept, seen > 0.5);
    }
    assert_int_equal(next, picture.object_count);
    fm_augment_picture_release(&picture);
    fm_augment_picture_release(&before);
  }
  assert_true(lost > 30);
  fm_augment_free(augment);
}

static void colors_noise_and_compression_leave_boxes_alone(void **state) {
  const colored *all = *state;
  check_many(all,
             "[{\"jpeg\": {\"p\": 1, \"quality\": [70, 95]}}, {\"noise\": {\"p\": 1, "
             "\"deviation\": 3}}, {\"hsv\": {\"p\": 1, \"hue\": [-5, 5], \"saturation\": 1, "
             "\"value\": [0.9, 1]}}]",
             0, 40);
}

static void without_a_pool_pictures_stay_alone(void **state) {
  const colored *all = *state;
  fm_augment *augment = parse("[{\"mosaic\": {\"p\": 1}}, {\"copy_paste\": {\"p\": 1}}]");
  fm_augment_picture picture = colored_picture(all, 1), before = colored_picture(all, 1);
  fm_random random = fm_augment_random(1, 1, 1, 0);
  assert_int_equal(fm_augment_apply(augment, &random, NULL, &picture), FM_OK);
  size_t bytes = (size_t)before.image.width * (size_t)before.image.height * 3;
  assert_memory_equal(picture.image.pixels, before.image.pixels, bytes);
  assert_int_equal(picture.object_count, before.object_count);
  fm_augment_picture_release(&picture);
  fm_augment_picture_release(&before);
  fm_augment_free(augment);
}

int main(void) {
  omp_set_num_threads(1); // as in a thread of the loader
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(boxes_follow_the_faces_through_every_transform),
      cmocka_unit_test(cropped_pictures_keep_a_face_and_cut_none),
      cmocka_unit_test(a_crop_with_no_valid_part_leaves_the_picture_alone),
      cmocka_unit_test(scale_jitter_keeps_the_size_of_the_picture_and_scales_faces),
      cmocka_unit_test(a_mosaic_has_the_size_of_its_picture_and_faces_of_four),
      cmocka_unit_test(pasted_faces_are_rare_ones_and_hide_no_others),
      cmocka_unit_test(a_turned_face_lies_in_its_box),
      cmocka_unit_test(a_hidden_face_loses_its_box_and_no_other),
      cmocka_unit_test(colors_noise_and_compression_leave_boxes_alone),
      cmocka_unit_test(without_a_pool_pictures_stay_alone),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
