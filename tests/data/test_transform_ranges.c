// Every transform with every value its table allows, on pictures of awkward sizes: nothing fails,
// and boxes stay inside their picture.
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
#include "data/augment/transform.h"

enum { ROUNDS = 600, TEXT_BYTES = 2048, OBJECTS = 5 };

static int set_up(void **state) {
  *state = colored_open();
  return 0;
}

static int tear_down(void **state) {
  colored_close(*state);
  return 0;
}

// Often an end of the range: that is where things break.
static double draw_value(const fm_option *row, fm_random *random) {
  uint64_t kind = fm_random_below(random, 4);
  double value = kind == 0   ? row->minimum
                 : kind == 1 ? row->maximum
                             : fm_random_range(random, row->minimum, row->maximum);
  if (row->type == FM_OPTION_INT || fm_random_below(random, 2))
    value = fmin(fmax(round(value), row->minimum), row->maximum);
  return value;
}

// {"name": {"parameter": value, …}} with p 1.
static void write_transform(char *text, const fm_transform *transform, fm_random *random) {
  int used = snprintf(text, TEXT_BYTES, "[{\"min_visibility\": %g}, {\"%s\": {\"p\": 1",
                      fm_random_uniform(random), transform->name);
  for (const fm_option *row = transform->parameters + 1; row->name; row++) {
    double low = draw_value(row, random), high = draw_value(row, random);
    if (row->type == FM_OPTION_FLOATS)
      used += snprintf(text + used, (size_t)(TEXT_BYTES - used), ", \"%s\": [%.9g, %.9g]",
                       row->name, fmin(low, high), fmax(low, high));
    else
      used += snprintf(text + used, (size_t)(TEXT_BYTES - used), ", \"%s\": %.17g", row->name, low);
  }
  snprintf(text + used, (size_t)(TEXT_BYTES - used), "%s}}]",
           transform->nests ? ", \"transforms\": [\"hsv\", \"rotate\"]" : "");
}

static fm_augment_picture draw_picture(fm_random *random) {
  static const int sides[] = {1, 1, 2, 3, 5, 17, 40, 130};
  int width = sides[fm_random_below(random, 8)], height = sides[fm_random_below(random, 8)];
  fm_augment_picture picture = {.object_count = fm_random_below(random, OBJECTS + 1)};
  assert_int_equal(fm_image_new(&picture.image, width, height), FM_OK);
  for (int i = 0; i < width * height * 3; i++)
    picture.image.pixels[i] = (uint8_t)fm_random_bits(random);
  picture.objects = calloc(OBJECTS, sizeof *picture.objects);
  for (size_t i = 0; i < picture.object_count; i++) {
    float x1 = (float)fm_random_range(random, 0, width),
          x2 = (float)fm_random_range(random, 0, width);
    float y1 = (float)fm_random_range(random, 0, height);
    float y2 = (float)fm_random_range(random, 0, height);
    picture.objects[i].label = 1 + (int32_t)fm_random_below(random, COLORED_CLASSES);
    picture.objects[i].box = (fm_box){fminf(x1, x2), fminf(y1, y2), fmaxf(x1, x2), fmaxf(y1, y2)};
  }
  return picture;
}

static void check_picture(const fm_augment_picture *picture, const char *text) {
  const fm_image *image = &picture->image;
  bool fine = image->pixels && image->width > 0 && image->height > 0;
  for (size_t i = 0; fine && i < picture->object_count; i++) {
    const fm_box *box = &picture->objects[i].box;
    fine = box->x1 >= 0 && box->y1 >= 0 && box->x2 > box->x1 && box->y2 > box->y1 &&
           box->x2 <= (float)image->width && box->y2 <= (float)image->height &&
           picture->objects[i].label >= 1 && picture->objects[i].label <= COLORED_CLASSES;
  }
  if (!fine)
    fail_msg("a picture or a box is broken by %s", text);
}

static void every_value_in_the_ranges_can_be_used(void **state) {
  const colored *all = *state;
  const fm_transform *transform;
  for (size_t k = 0; (transform = fm_transform_at(k)); k++) {
    int used = 0;
    for (uint64_t round = 0; round < ROUNDS; round++) {
      fm_random random = fm_random_make(3, k, round);
      char text[TEXT_BYTES];
      write_transform(text, transform, &random);
      fm_augment *augment;
      if (fm_augment_parse(&augment, text) < 0) {
        assert_non_null(transform->check); // the only one that may refuse
        continue;
      }
      fm_augment_picture picture = draw_picture(&random);
      if (fm_augment_apply(augment, &random, all->pool, &picture) < 0)
        fail_msg("%s: %s", text, fm_error_message());
      check_picture(&picture, text);
      used++;
      fm_augment_picture_release(&picture);
      fm_augment_free(augment);
    }
    if (used < ROUNDS / 10)
      fail_msg("%s was tried %d times", transform->name, used);
  }
}

static void every_value_outside_is_refused_by_name(void **state) {
  (void)state;
  const fm_transform *transform;
  for (size_t k = 0; (transform = fm_transform_at(k)); k++)
    for (const fm_option *row = transform->parameters; row->name; row++) {
      const double values[] = {row->minimum - 0.5, row->maximum * 1.5 + 1};
      for (int i = 0; i < 2; i++) {
        char text[TEXT_BYTES];
        snprintf(text, sizeof text, "[{\"%s\": {\"%s\": %.17g}}]", transform->name, row->name,
                 values[i]);
        fm_augment *augment;
        assert_int_equal(fm_augment_parse(&augment, text), FM_ERR_ARGUMENT);
        if (!strstr(fm_error_message(), transform->name) || !strstr(fm_error_message(), row->name))
          fail_msg("\"%s\" does not name %s.%s", fm_error_message(), transform->name, row->name);
      }
    }
}

int main(void) {
  omp_set_num_threads(1); // as in a thread of the loader
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_value_in_the_ranges_can_be_used),
      cmocka_unit_test(every_value_outside_is_refused_by_name),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
