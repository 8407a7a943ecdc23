// Pictures that are the same or nearly so, their groups, and labels that contradict each other.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/duplicates.h"
#include "support.h"

// A picture of 64 x 48 in waves that depend on `seed`, each value changed by `shift`.
static void write_sample(const char *folder, const char *name, unsigned seed, int shift,
                         const char *objects) {
  fm_image image;
  assert_int_equal(fm_image_new(&image, 64, 48), FM_OK);
  for (int i = 0; i < 64 * 48 * 3; i++) {
    const double x = i / 3 % 64, y = i / 3 / 64;
    const double wave = 60 * sin(x / 9 + seed) + 40 * cos(y / 7 + 2.0 * seed);
    image.pixels[i] = (uint8_t)(128 + wave + shift);
  }
  char text[1024], file[64];
  snprintf(file, sizeof file, "images/%s.png", name);
  support_write(folder, file, "", 0);
  char *path = fm_path_join(folder, file);
  assert_int_equal(fm_image_write_png(&image, path), FM_OK);
  free(path);
  fm_image_release(&image);
  snprintf(text, sizeof text,
           "<annotation><size><width>64</width><height>48</height></size>%s</annotation>", objects);
  snprintf(file, sizeof file, "annotations/%s.xml", name);
  support_write_text(folder, file, text);
}

#define OBJECT(name, x1, y1, x2, y2)                                                        \
  "<object><name>" name "</name><bndbox><xmin>" #x1 "</xmin><ymin>" #y1 "</ymin><xmax>" #x2 \
  "</xmax><ymax>" #y2 "</ymax></bndbox></object>"

// a = c in every pixel, e near them, f near e but not a; b and d like none.
static fm_dataset *write_samples(const char *folder) {
  write_sample(folder, "a", 1, 0, OBJECT("mask", 1, 1, 21, 21) OBJECT("mask", 40, 20, 50, 40));
  write_sample(folder, "b", 2, 0, OBJECT("mask", 1, 1, 21, 21));
  write_sample(folder, "c", 1, 0, OBJECT("none", 40, 20, 50, 41) OBJECT("mask", 2, 2, 22, 22));
  write_sample(folder, "d", 3, 0, "");
  write_sample(folder, "e", 1, 2, OBJECT("mask", 1, 1, 21, 21));
  write_sample(folder, "f", 1, 4, OBJECT("mask", 1, 1, 21, 21));
  fm_dataset *dataset;
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_OK);
  assert_null(fm_dataset_fingerprint(dataset, 0));
  assert_int_equal(fm_dataset_check_pictures(dataset), FM_OK);
  return dataset;
}

static void same_and_near_pictures_are_paired_and_grouped(void **state) {
  (void)state;
  static const fm_duplicate expected[] = {
      {0, 2, 0, true}, {0, 4, 2, false}, {2, 4, 2, false}, {4, 5, 2, false}};
  static const size_t groups[] = {0, 1, 0, 3, 0, 0};
  char *folder = support_folder_make();
  fm_dataset *dataset = write_samples(folder);
  fm_duplicates duplicates;
  assert_int_equal(fm_duplicates_find(&duplicates, dataset), FM_OK);
  assert_int_equal(duplicates.count, 4);
  assert_int_equal(duplicates.pair_count, 4);
  assert_int_equal(duplicates.same_count, 1);
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(duplicates.pairs[i].first, expected[i].first);
    assert_int_equal(duplicates.pairs[i].second, expected[i].second);
    assert_int_equal(duplicates.pairs[i].same, expected[i].same);
    // Means that end in a half are rounded either way.
    assert_true(fabsf(duplicates.pairs[i].difference - expected[i].difference) < 0.05f);
  }
  for (size_t i = 0; i < 6; i++)
    assert_int_equal(duplicates.group[i], groups[i]);
  fm_duplicates_release(&duplicates);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void labels_on_them_that_differ_or_are_missing_are_told(void **state) {
  (void)state;
  // a against c: the second face has another class; a and c against e, and f, which has no second.
  static const fm_contradiction expected[] = {{0, 1, 0}, {1, 1, -1}, {2, 0, -1}};
  char *folder = support_folder_make();
  fm_dataset *dataset = write_samples(folder);
  fm_duplicates duplicates;
  assert_int_equal(fm_duplicates_find(&duplicates, dataset), FM_OK);
  assert_int_equal(duplicates.contradiction_count, 3);
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(duplicates.contradictions[i].pair, expected[i].pair);
    assert_int_equal(duplicates.contradictions[i].first_object, expected[i].first_object);
    assert_int_equal(duplicates.contradictions[i].second_object, expected[i].second_object);
  }
  fm_duplicates_release(&duplicates);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void a_broken_picture_takes_no_ones_fingerprint(void **state) {
  (void)state;
  char *folder = support_folder_make();
  write_sample(folder, "b", 1, 0, "");
  write_sample(folder, "c", 2, 0, "");
  write_sample(folder, "d", 1, 0, "");
  write_sample(folder, "a", 2, 0, "");
  // The header of a is sound, the rest is missing.
  char *path = fm_path_join(folder, "images/a.png");
  fm_bytes bytes;
  assert_int_equal(fm_file_read(&bytes, path, 1 << 20), FM_OK);
  support_write(folder, "images/a.png", bytes.data, 60);
  free(bytes.data);
  free(path);
  fm_dataset *dataset;
  fm_duplicates duplicates;
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_OK);
  assert_int_equal(fm_dataset_count(dataset), 4);
  assert_int_equal(fm_dataset_check_pictures(dataset), FM_OK);
  assert_int_equal(fm_dataset_count(dataset), 3);
  assert_int_equal(fm_duplicates_find(&duplicates, dataset), FM_OK);
  assert_int_equal(duplicates.count, 1);
  assert_string_equal(fm_dataset_sample(dataset, duplicates.pairs[0].first)->name, "b");
  assert_string_equal(fm_dataset_sample(dataset, duplicates.pairs[0].second)->name, "d");
  fm_duplicates_release(&duplicates);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

// Each field against a sum over all pixels, with the shares of those on its borders.
static void fingerprints_are_mean_greys_also_of_sides_that_16_does_not_divide(void **state) {
  (void)state;
  static const int sides[][2] = {{16, 16}, {33, 50}, {7, 3}, {101, 16}, {1, 1}};
  for (size_t s = 0; s < sizeof sides / sizeof *sides; s++) {
    const int width = sides[s][0], height = sides[s][1];
    fm_image image;
    fm_fingerprint fingerprint;
    assert_int_equal(fm_image_new(&image, width, height), FM_OK);
    for (int i = 0; i < width * height * 3; i++)
      image.pixels[i] = (uint8_t)(i * 7919 % 256);
    fm_fingerprint_take(&fingerprint, &image);
    for (int field = 0; field < FM_FINGERPRINT_FIELDS; field++) {
      const double left = field % 16 * width / 16.0, right = (field % 16 + 1) * width / 16.0;
      const double top = field / 16 * height / 16.0, bottom = (field / 16 + 1) * height / 16.0;
      double sum = 0, area = 0;
      for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
          const double w = fmin(right, x + 1) - fmax(left, x),
                       h = fmin(bottom, y + 1) - fmax(top, y);
          const uint8_t *pixel = image.pixels + 3 * (y * width + x);
          if (w <= 0 || h <= 0)
            continue;
          sum += w * h * rint(0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]);
          area += w * h;
        }
      assert_true(fabs(sum / area - fingerprint.grey[field]) <= 0.51);
    }
    fm_image_release(&image);
  }
}

static void the_real_pictures_have_the_pairs_of_the_reference(void **state) {
  (void)state;
  // The pairs that are the same file twice; a fifth one, 656/690, lies half in the held-out part.
  static const char *const same[][2] = {{"maksssksksss13", "maksssksksss737"},
                                        {"maksssksksss146", "maksssksksss219"},
                                        {"maksssksksss410", "maksssksksss428"},
                                        {"maksssksksss653", "maksssksksss775"}};
  char *path = support_shared("kaggle-train");
  if (!path)
    skip();
  fm_dataset *dataset;
  fm_duplicates duplicates;
  assert_int_equal(fm_dataset_open(&dataset, path, NULL), FM_OK);
  assert_int_equal(fm_dataset_check_pictures(dataset), FM_OK);
  assert_int_equal(fm_duplicates_find(&duplicates, dataset), FM_OK);
  assert_int_equal(duplicates.count, 11); // of twelve, the same reason
  size_t found = 0;
  for (size_t i = 0; i < duplicates.count; i++) {
    if (!duplicates.pairs[i].same)
      continue;
    assert_true(found < 4);
    assert_string_equal(fm_dataset_sample(dataset, duplicates.pairs[i].first)->name,
                        same[found][0]);
    assert_string_equal(fm_dataset_sample(dataset, duplicates.pairs[i].second)->name,
                        same[found][1]);
    found++;
  }
  assert_int_equal(found, 4);
  fm_duplicates_release(&duplicates);
  fm_dataset_free(dataset);
  free(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(same_and_near_pictures_are_paired_and_grouped),
      cmocka_unit_test(labels_on_them_that_differ_or_are_missing_are_told),
      cmocka_unit_test(a_broken_picture_takes_no_ones_fingerprint),
      cmocka_unit_test(fingerprints_are_mean_greys_also_of_sides_that_16_does_not_divide),
      cmocka_unit_test(the_real_pictures_have_the_pairs_of_the_reference),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
