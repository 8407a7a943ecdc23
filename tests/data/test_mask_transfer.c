// Tests of mask_transfer on faces that are plain rectangles: red ones are bare, the "masks" are the
// lower parts of green ones.
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

enum { BARE = 1, MASKED = 2, WRONGLY = 3 };

static int set_up(void **state) {
  *state = colored_open();
  return 0;
}

static int tear_down(void **state) {
  colored_close(*state);
  return 0;
}

// A picture before and after; colored_picture of the same sample.
typedef struct pair {
  fm_augment_picture before, after;
} pair;

static void apply(const colored *all, const char *text, size_t sample, uint64_t epoch,
                  fm_augment_picture *picture) {
  fm_augment *augment;
  if (fm_augment_parse(&augment, text) < 0)
    fail_msg("%s", fm_error_message());
  fm_random random = fm_augment_random(3, epoch, sample, 0);
  assert_int_equal(fm_augment_apply(augment, &random, all->pool, picture), FM_OK);
  fm_augment_free(augment);
}

static pair pair_make(const colored *all, const char *text, size_t sample, uint64_t epoch) {
  pair made = {colored_picture(all, sample), colored_picture(all, sample)};
  apply(all, text, sample, epoch, &made.after);
  assert_int_equal(made.after.object_count, made.before.object_count);
  return made;
}

static void pair_release(pair *made) {
  fm_augment_picture_release(&made->before);
  fm_augment_picture_release(&made->after);
}

static const uint8_t *pixel_at(const fm_image *image, float x, float y) {
  return image->pixels + ((size_t)y * (size_t)image->width + (size_t)x) * 3;
}

// In the middle of a face, `down` shares of its height from the top, green has come for red.
static bool is_covered(const fm_augment_picture *picture, const fm_box *box, float down) {
  const uint8_t *pixel =
      pixel_at(&picture->image, (box->x1 + box->x2) / 2, box->y1 + down * (box->y2 - box->y1));
  return pixel[1] > pixel[0] && pixel[1] > pixel[2];
}

static bool is_same_picture(const pair *made) {
  size_t bytes = (size_t)made->before.image.width * (size_t)made->before.image.height * 3;
  return memcmp(made->before.image.pixels, made->after.image.pixels, bytes) == 0;
}

// Outside a bare face's columns, and above the upper edge of its mask, nothing changes.
static void check_the_rest_is_untouched(const pair *made, float top) {
  const fm_image *image = &made->after.image;
  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width; x++) {
      bool may = false;
      for (size_t i = 0; i < made->before.object_count; i++) {
        const fm_box *box = &made->before.objects[i].box;
        const float height = box->y2 - box->y1;
        may = may || (made->before.objects[i].label == BARE && (float)x >= box->x1 &&
                      (float)x < box->x2 && (float)y >= box->y1 + top * height - 1 &&
                      (float)y < box->y1 + (top + 0.65f) * height + 1);
      }
      const size_t at = ((size_t)y * (size_t)image->width + (size_t)x) * 3;
      if (!may && memcmp(image->pixels + at, made->before.image.pixels + at, 3) != 0)
        fail_msg("pixel %d, %d has changed", x, y);
    }
}

typedef struct placed {
  const char *text;
  int label;
  float lower;
  float covered, bare; // shares of the height where the mask is, and where it is not
} placed;

static void a_mask_is_put_where_its_class_says(void **state) {
  const colored *all = *state;
  static const placed cases[] = {
      {"[{\"mask_transfer\": {\"p\": 1, \"share\": 1, \"wrong\": 0, \"well\": 0}}]", MASKED, 0,
       0.65f, 0.38f},
      {"[{\"mask_transfer\": {\"p\": 1, \"share\": 1, \"wrong\": 1, \"low\": 0.3}}]", WRONGLY, 0.3f,
       0.95f, 0.65f}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    int changed = 0;
    for (uint64_t epoch = 0; epoch < 20; epoch++)
      for (size_t sample = 0; sample < COLORED_PICTURES; sample++) {
        if (sample == COLORED_BROKEN)
          continue;
        pair made = pair_make(all, cases[k].text, sample, epoch);
        check_the_rest_is_untouched(&made, 0.4f + cases[k].lower);
        for (size_t i = 0; i < made.after.object_count; i++) {
          const fm_object *before = &made.before.objects[i], *after = &made.after.objects[i];
          assert_memory_equal(&after->box, &before->box, sizeof before->box);
          if (after->label == before->label)
            continue;
          changed++;
          assert_int_equal(before->label, BARE);
          assert_int_equal(after->label, cases[k].label);
          assert_true(is_covered(&made.after, &after->box, cases[k].covered));
          assert_false(is_covered(&made.after, &after->box, cases[k].bare));
        }
        pair_release(&made);
      }
    assert_true(changed > 100);
  }
}

// How many bare faces get a mask, and how many of them a wrong one.
static void count_masks(const colored *all, const char *text, int counts[2]) {
  for (uint64_t epoch = 0; epoch < 150; epoch++)
    for (size_t sample = 0; sample < COLORED_PICTURES; sample++) {
      if (sample == COLORED_BROKEN)
        continue;
      pair made = pair_make(all, text, sample, epoch);
      for (size_t i = 0; i < made.after.object_count; i++) {
        const int label = made.after.objects[i].label;
        counts[0] += label != made.before.objects[i].label;
        counts[1] += label != made.before.objects[i].label && label == WRONGLY;
      }
      pair_release(&made);
    }
}

static void the_shares_are_those_asked_for(void **state) {
  const colored *all = *state;
  int every[2] = {0}, some[2] = {0};
  count_masks(all,
              "[{\"mask_transfer\": {\"p\": 1, \"share\": 1, \"wrong\": 0.5, \"well\": 0, "
              "\"low\": 0}}]",
              every);
  count_masks(all,
              "[{\"mask_transfer\": {\"p\": 1, \"share\": 0.4, \"wrong\": 0.25, \"well\": 0, "
              "\"low\": 0}}]",
              some);
  assert_in_range(some[0] * 100 / every[0], 36, 44);
  assert_in_range(every[1] * 100 / every[0], 45, 55);
  assert_in_range(some[1] * 100 / some[0], 20, 30);
}

static void faces_stay_bare_where_no_mask_can_be_put(void **state) {
  const colored *all = *state;
  static const char *const texts[] = {
      // too small; classes that there are none of
      "[{\"mask_transfer\": {\"p\": 1, \"share\": 1, \"min_side\": 40}}]",
      "[{\"mask_transfer\": {\"p\": 1, \"share\": 1, \"masked\": 9}}]",
      "[{\"mask_transfer\": {\"p\": 1, \"share\": 1, \"wrongly\": 9}}]",
      "[{\"mask_transfer\": {\"p\": 1, \"share\": 1, \"bare\": 9}}]",
  };
  for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
    pair made = pair_make(all, texts[k], 1, 1);
    assert_true(is_same_picture(&made));
    pair_release(&made);
  }
}

static void a_mask_hides_no_other_face_and_stays_inside(void **state) {
  const colored *all = *state;
  const char *text =
      "[{\"mask_transfer\": {\"p\": 1, \"share\": 1, \"wrong\": 1, \"low\": [0, 1]}}]";
  for (uint64_t epoch = 0; epoch < 100; epoch++)
    for (size_t sample = 5; sample < COLORED_PICTURES; sample++) {
      // A face that ends with the picture, and one right below another.
      pair made = {colored_picture(all, sample), colored_picture(all, sample)};
      fm_object *objects = made.after.objects;
      const float height = (float)made.after.image.height;
      objects[0] = (fm_object){.box = {8, height - 18, 22, height}, .label = BARE};
      objects[1] = (fm_object){.box = {40, 10, 54, 28}, .label = BARE};
      objects[2] = (fm_object){.box = {40, 29, 54, 47}, .label = MASKED};
      apply(all, text, sample, epoch, &made.after);
      // Of the rows below the second face's box at most a tenth of the third's is touched.
      const fm_image *before = &made.before.image, *after = &made.after.image;
      const size_t row = 3 * (size_t)before->width;
      assert_memory_equal(after->pixels + 32 * row + 120, before->pixels + 32 * row + 120, 14 * 3);
      pair_release(&made);
    }
}

// As model.inclusive_boxes moves them, only further.
static void faces_may_begin_outside_the_picture(void **state) {
  const colored *all = *state;
  const char *text = "[{\"mask_transfer\": {\"p\": 1, \"share\": 1}}]";
  int changed = 0;
  for (float by = 1; by <= 64; by *= 4) {
    fm_dataset_move_starts(all->dataset, -by);
    for (uint64_t epoch = 0; epoch < 40; epoch++)
      for (size_t sample = 5; sample < COLORED_PICTURES; sample++) {
        pair made = {colored_picture(all, sample), colored_picture(all, sample)};
        apply(all, text, sample, epoch, &made.after); // which leaves out what is hardly inside
        changed += !is_same_picture(&made);
        pair_release(&made);
      }
    fm_dataset_move_starts(all->dataset, by);
  }
  assert_true(changed > 100);
}

int main(void) {
  omp_set_num_threads(1); // as in a thread of the loader
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_mask_is_put_where_its_class_says),
      cmocka_unit_test(the_shares_are_those_asked_for),
      cmocka_unit_test(faces_stay_bare_where_no_mask_can_be_put),
      cmocka_unit_test(a_mask_hides_no_other_face_and_stays_inside),
      cmocka_unit_test(faces_may_begin_outside_the_picture),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
