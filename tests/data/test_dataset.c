// Data sets from folders and archives: what is read, what is listed as a problem, what strict
// refuses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "../image/samples.h"
#include "base/file.h"
#include "data/dataset.h"
#include "support.h"

static const char *annotation(char *text, int width, int height, const char *objects) {
  sprintf(text, "<annotation><size><width>%d</width><height>%d</height></size>%s</annotation>",
          width, height, objects);
  return text;
}

#define OBJECT(name, x1, y1, x2, y2)                                                        \
  "<object><name>" name "</name><bndbox><xmin>" #x1 "</xmin><ymin>" #y1 "</ymin><xmax>" #x2 \
  "</xmax><ymax>" #y2 "</ymax></bndbox></object>"

static void write_annotation(const char *folder, const char *name, int width, int height,
                             const char *objects) {
  char text[4096];
  support_write_text(folder, name, annotation(text, width, height, objects));
}

static void write_picture(const char *folder, const char *name, int width, int height, int shade) {
  fm_image image;
  assert_int_equal(fm_image_new(&image, width, height), FM_OK);
  memset(image.pixels, shade, (size_t)width * (size_t)height * 3);
  support_write(folder, name, "", 0); // makes the folder
  char *path = fm_path_join(folder, name);
  if (strstr(name, ".png"))
    assert_int_equal(fm_image_write_png(&image, path), FM_OK);
  else
    assert_int_equal(fm_image_write_jpeg(&image, path, 90), FM_OK);
  free(path);
  fm_image_release(&image);
}

static void assert_problem(const fm_dataset *dataset, const char *file, const char *reason) {
  size_t count;
  const fm_problem *problems = fm_dataset_problems(dataset, &count);
  for (size_t i = 0; i < count; i++)
    if (strcmp(problems[i].file, file) == 0 && strstr(problems[i].reason, reason))
      return;
  for (size_t i = 0; i < count; i++)
    print_message("%s: %s\n", problems[i].file, problems[i].reason);
  fail_msg("no problem of %s: %s", file, reason);
}

// A Kaggle folder with one fault of every kind; b is sound.
static void write_faulty(const char *folder) {
  write_annotation(folder, "annotations/b.xml", 40, 30, OBJECT("x", 1, 2, 9, 8));
  write_picture(folder, "images/b.png", 40, 30, 10);
  write_annotation(folder, "annotations/a.xml", 40, 30,
                   OBJECT("x", 30, 20, 41, 30) OBJECT("y", 9, 9, 3, 12) OBJECT("x", 50, 1, 60, 9)
                       OBJECT("z", 4, 4, 4, 9));
  write_picture(folder, "images/a.jpg", 40, 30, 20);
  write_annotation(folder, "annotations/lonely.xml", 40, 30, "");
  write_picture(folder, "images/stray.png", 40, 30, 30);
  write_annotation(folder, "annotations/size.xml", 44, 30, OBJECT("x", 1, 1, 43, 9));
  write_picture(folder, "images/size.png", 40, 30, 40);
  support_write_text(folder, "annotations/broken.xml", "<annotation><object>");
  write_picture(folder, "images/broken.png", 40, 30, 40);
  write_annotation(folder, "annotations/garbage.xml", 40, 30, "");
  support_write_text(folder, "images/garbage.png", "this is no picture");
  write_annotation(folder, "annotations/cut.xml", 40, 30, "");
  write_picture(folder, "images/cut.png", 40, 30, 50);
  char *path = fm_path_join(folder, "images/cut.png");
  fm_bytes bytes;
  assert_int_equal(fm_file_read(&bytes, path, 1 << 20), FM_OK);
  support_write(folder, "images/cut.png", bytes.data, bytes.size - 20);
  free(bytes.data);
  free(path);
}

static void assert_faulty(fm_dataset *dataset) {
  size_t count;
  fm_dataset_problems(dataset, &count);
  if (count != 10)
    assert_problem(dataset, "", "");
  assert_problem(dataset, "annotations/a.xml",
                 "object 1: the box (30, 20, 41, 30) reaches outside");
  assert_problem(dataset, "annotations/a.xml", "object 2: the box (9, 9, 3, 12) is empty or rev");
  assert_problem(dataset, "annotations/a.xml", "object 3: the box (50, 1, 60, 9) reaches outside");
  assert_problem(dataset, "annotations/a.xml", "object 4: the box (4, 4, 4, 9) is empty");
  assert_problem(dataset, "annotations/lonely.xml", "no picture");
  assert_problem(dataset, "images/stray.png", "no annotation");
  assert_problem(dataset, "annotations/size.xml", "says 44 x 30 pixels, but the picture has 40 x");
  assert_problem(dataset, "annotations/broken.xml", "line 1: no element found");
  assert_problem(dataset, "images/garbage.png", "neither PNG nor JPEG");
  assert_int_equal(fm_dataset_count(dataset), 4); // a b cut size
  const fm_sample *a = fm_dataset_sample(dataset, 0);
  assert_string_equal(a->name, "a");
  assert_string_equal(a->file_name, "a.jpg");
  assert_int_equal(a->object_count, 1);
  const fm_box clipped = {30, 20, 40, 30};
  assert_memory_equal(&a->objects[0].box, &clipped, sizeof clipped);
}

static void every_fault_is_listed_and_the_rest_is_usable(void **state) {
  (void)state;
  char *folder = support_folder_make();
  write_faulty(folder);
  fm_dataset *dataset;
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_OK);
  assert_false(fm_dataset_annotations_only(dataset));
  assert_faulty(dataset);
  fm_image image;
  assert_int_equal(fm_dataset_find(dataset, "b"), 1);
  assert_int_equal(fm_dataset_find(dataset, "broken"), -1);
  assert_int_equal(fm_dataset_image(dataset, 1, &image), FM_OK);
  assert_int_equal(image.pixels[0], 10);
  fm_image_release(&image);
  assert_int_equal(fm_dataset_image(dataset, 2, &image), FM_ERR_FORMAT); // cut
  assert_int_equal(fm_dataset_check_pictures(dataset), FM_OK);
  assert_problem(dataset, "images/cut.png", "truncated");
  assert_int_equal(fm_dataset_count(dataset), 3);
  assert_int_equal(fm_dataset_find(dataset, "cut"), -1);
  assert_int_equal(fm_dataset_find(dataset, "size"), 2);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void strict_makes_problems_fatal_and_names_the_first(void **state) {
  (void)state;
  char *folder = support_folder_make();
  write_faulty(folder);
  fm_dataset *dataset;
  const fm_dataset_options strict = {.strict = true};
  assert_int_equal(fm_dataset_open(&dataset, folder, &strict), FM_ERR_FORMAT);
  assert_null(dataset);
  assert_non_null(strstr(fm_error_message(), "10 problems, first annotations/broken.xml: line 1"));
  support_folder_remove(folder);
}

static void zip_entry(zip_t *zip, const char *name, const void *data, size_t size) {
  void *copy = malloc(size + 1);
  memcpy(copy, data, size);
  zip_source_t *source = zip_source_buffer(zip, copy, size, 1);
  assert_true(zip_file_add(zip, name, source, ZIP_FL_ENC_UTF_8) >= 0);
}

// Packs folder/{images,annotations} below `top`.
static void zip_folder(const char *folder, const char *path, const char *top) {
  static const char *const parts[] = {"annotations", "images"};
  zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
  assert_non_null(zip);
  for (int i = 0; i < 2; i++) {
    char *part = fm_path_join(folder, parts[i]);
    fm_name_list names;
    assert_int_equal(fm_folder_list(&names, part), FM_OK);
    for (size_t j = 0; j < names.count; j++) {
      char *file = fm_path_join(part, names.names[j]), entry[256];
      fm_bytes bytes;
      assert_int_equal(fm_file_read(&bytes, file, 1 << 20), FM_OK);
      snprintf(entry, sizeof entry, "%s%s/%s", top, parts[i], names.names[j]);
      zip_entry(zip, entry, bytes.data, bytes.size);
      free(bytes.data);
      free(file);
    }
    fm_name_list_release(&names);
    free(part);
  }
  assert_int_equal(zip_close(zip), 0);
}

static void a_zip_gives_the_same_as_the_folder_also_below_a_top_folder(void **state) {
  (void)state;
  static const char *const tops[] = {"", "archive/", "some/where/"};
  char *folder = support_folder_make();
  write_faulty(folder);
  char *path = fm_path_join(folder, "archive.zip");
  for (size_t i = 0; i < 3; i++) {
    zip_folder(folder, path, tops[i]);
    fm_dataset *dataset;
    assert_int_equal(fm_dataset_open(&dataset, path, NULL), FM_OK);
    assert_faulty(dataset);
    assert_int_equal(fm_dataset_check_pictures(dataset), FM_OK);
    assert_int_equal(fm_dataset_count(dataset), 3);
    fm_dataset_free(dataset);
  }
  free(path);
  support_folder_remove(folder);
}

static void names_that_lead_out_of_the_archive_are_refused(void **state) {
  (void)state;
  static const char text[] =
      "<annotation><size><width>9</width><height>9</height></size></annotation>";
  char *folder = support_folder_make();
  char *path = fm_path_join(folder, "a.zip");
  zip_t *zip = zip_open(path, ZIP_CREATE, NULL);
  zip_entry(zip, "annotations/a.xml", text, sizeof text - 1);
  zip_entry(zip, "../annotations/b.xml", text, sizeof text - 1);
  zip_entry(zip, "/annotations/c.xml", text, sizeof text - 1);
  zip_entry(zip, "__MACOSX/annotations/._a.xml", text, sizeof text - 1);
  assert_int_equal(zip_close(zip), 0);
  fm_dataset *dataset;
  assert_int_equal(fm_dataset_open(&dataset, path, NULL), FM_OK);
  assert_int_equal(fm_dataset_count(dataset), 1);
  assert_problem(dataset, "../annotations/b.xml", "leads out");
  assert_problem(dataset, "/annotations/c.xml", "leads out");
  fm_dataset_free(dataset);
  free(path);
  support_folder_remove(folder);
}

static void the_kaggle_three_have_fixed_labels_and_others_are_alphabetical(void **state) {
  (void)state;
  char *folder = support_folder_make();
  write_annotation(folder, "a.xml", 40, 30,
                   OBJECT("with_mask", 1, 1, 9, 9) OBJECT("without_mask", 1, 1, 9, 9)
                       OBJECT("mask_weared_incorrect", 1, 1, 9, 9));
  fm_dataset *dataset;
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_OK);
  assert_true(fm_dataset_annotations_only(dataset));
  assert_string_equal(fm_dataset_class_name(dataset, 1), "without_mask");
  assert_string_equal(fm_dataset_class_name(dataset, 2), "with_mask");
  assert_string_equal(fm_dataset_class_name(dataset, 3), "mask_weared_incorrect");
  assert_int_equal(fm_dataset_sample(dataset, 0)->objects[0].label, 2);
  fm_dataset_free(dataset);

  const fm_dataset_options given = {.classes = "mask_weared_incorrect,with_mask"};
  assert_int_equal(fm_dataset_open(&dataset, folder, &given), FM_OK);
  assert_int_equal(fm_dataset_sample(dataset, 0)->object_count, 2);
  assert_int_equal(fm_dataset_sample(dataset, 0)->objects[1].label, 1);
  assert_problem(dataset, "a.xml", "object 2: unknown class \"without_mask\"");
  fm_dataset_free(dataset);

  write_annotation(folder, "a.xml", 40, 30, OBJECT("zebra", 1, 1, 9, 9) OBJECT("ape", 1, 1, 9, 9));
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_OK);
  assert_string_equal(fm_dataset_class_name(dataset, 1), "ape");
  assert_string_equal(fm_dataset_class_name(dataset, 2), "zebra");
  fm_dataset_free(dataset);

  const fm_dataset_options twice = {.classes = "a,b,a"}, empty = {.classes = "a,,b"};
  assert_int_equal(fm_dataset_open(&dataset, folder, &twice), FM_ERR_ARGUMENT);
  assert_int_equal(fm_dataset_open(&dataset, folder, &empty), FM_ERR_ARGUMENT);
  support_folder_remove(folder);
}

// A name inside of an annotation counts only for pictures without an annotation of their own.
static void a_picture_belongs_to_the_annotation_of_its_name(void **state) {
  (void)state;
  char *folder = support_folder_make();
  static const char named[] = "<annotation><filename>%s</filename><size><width>40</width><height>30"
                              "</height></size>" OBJECT("x", 1, 2, 9, 8) "</annotation>";
  char text[1024];
  snprintf(text, sizeof text, named, "p.png");
  support_write_text(folder, "annotations/old.xml", text);
  snprintf(text, sizeof text, named, "free.png");
  support_write_text(folder, "annotations/other.xml", text);
  write_annotation(folder, "annotations/p.xml", 40, 30, OBJECT("y", 3, 4, 20, 21));
  write_picture(folder, "images/p.png", 40, 30, 10);
  write_picture(folder, "images/free.png", 40, 30, 20);
  fm_dataset *dataset;
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_OK);
  assert_problem(dataset, "annotations/old.xml", "no picture of this name");
  assert_int_equal(fm_dataset_count(dataset), 2); // other, with free.png, and p
  const fm_sample *p = fm_dataset_sample(dataset, (size_t)fm_dataset_find(dataset, "p"));
  assert_string_equal(p->file_name, "p.png");
  assert_true(p->objects[0].box.x1 == 3);
  assert_string_equal(
      fm_dataset_sample(dataset, (size_t)fm_dataset_find(dataset, "other"))->file_name, "free.png");
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void samples_are_sorted_by_file_name_and_found_by_name(void **state) {
  (void)state;
  static const char *const sorted[] = {"a-1", "a", "a1", "a10", "a2", "b"};
  char *folder = support_folder_make();
  for (size_t i = 0; i < 6; i++) {
    char name[32];
    snprintf(name, sizeof name, "annotations/%s.xml", sorted[i]);
    write_annotation(folder, name, 40, 30, "");
  }
  fm_dataset *dataset;
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_OK);
  assert_int_equal(fm_dataset_count(dataset), 6);
  for (size_t i = 0; i < 6; i++) {
    assert_string_equal(fm_dataset_sample(dataset, i)->name, sorted[i]);
    assert_int_equal(fm_dataset_find(dataset, sorted[i]), (ptrdiff_t)i);
  }
  assert_int_equal(fm_dataset_find(dataset, "a3"), -1);
  assert_int_equal(fm_dataset_find(dataset, ""), -1);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void boxes_that_name_pixels_become_edges_and_back(void **state) {
  (void)state;
  char *folder = support_folder_make();
  write_annotation(folder, "annotations/a.xml", 64, 48,
                   OBJECT("face", 1, 1, 64, 48) OBJECT("face", 11, 21, 30, 40));
  write_picture(folder, "images/a.png", 64, 48, 9);
  fm_dataset *dataset;
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_OK);
  const fm_object *objects = fm_dataset_sample(dataset, 0)->objects;
  fm_dataset_move_starts(dataset, -1);
  const fm_box whole = {0, 0, 64, 48}, part = {10, 20, 30, 40}, named = {11, 21, 30, 40};
  assert_memory_equal(&objects[0].box, &whole, sizeof whole);
  assert_memory_equal(&objects[1].box, &part, sizeof part);
  fm_dataset_move_starts(dataset, 1);
  assert_memory_equal(&objects[1].box, &named, sizeof named);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void assert_picture(const fm_dataset *dataset, const char *name, int width,
                           const uint8_t *rgb) {
  fm_image image;
  const ptrdiff_t at = fm_dataset_find(dataset, name);
  assert_true(at >= 0);
  assert_int_equal(fm_dataset_image(dataset, (size_t)at, &image), FM_OK);
  assert_int_equal(image.width, width);
  assert_int_equal(image.height, SAMPLE_WIDTH + SAMPLE_HEIGHT - width);
  assert_memory_equal(image.pixels, rgb, SAMPLE_WIDTH * SAMPLE_HEIGHT * 3);
  fm_image_release(&image);
}

// 11 x 7 pixels are stored, which a quarter turn makes 7 x 11.
static void a_picture_is_upright_but_where_it_was_annotated_as_stored(void **state) {
  (void)state;
  char *folder = support_folder_make();
  write_annotation(folder, "annotations/upright.xml", 7, 11, OBJECT("face", 2, 1, 6, 10));
  write_annotation(folder, "annotations/stored.xml", 11, 7, OBJECT("face", 1, 2, 10, 6));
  write_annotation(folder, "annotations/other.xml", 12, 7, "");
  static const char *const pictures[] = {"images/upright.jpg", "images/stored.jpg",
                                         "images/other.jpg"};
  for (size_t i = 0; i < 3; i++)
    support_write(folder, pictures[i], jpeg_exif_6_file, sizeof jpeg_exif_6_file);
  fm_dataset *dataset;
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_OK);
  assert_problem(dataset, "annotations/other.xml",
                 "says 12 x 7 pixels, but the picture has 7 x 11");
  size_t count;
  (void)fm_dataset_problems(dataset, &count);
  assert_int_equal(count, 1);
  assert_picture(dataset, "upright", 7, jpeg_exif_6_rgb);
  assert_picture(dataset, "stored", 11, jpeg_exif_1_rgb); // the same picture, and no turn
  assert_picture(dataset, "other", 7, jpeg_exif_6_rgb);
  fm_dataset_free(dataset);
  support_folder_remove(folder);
}

static void what_is_no_data_set_says_so(void **state) {
  (void)state;
  char *folder = support_folder_make();
  fm_dataset *dataset;
  assert_int_equal(fm_dataset_open(&dataset, folder, NULL), FM_ERR_FORMAT);
  assert_int_equal(fm_dataset_open(&dataset, "/nonexistent/data", NULL), FM_ERR_IO);
  support_write_text(folder, "text", "no archive");
  char *path = fm_path_join(folder, "text");
  assert_int_equal(fm_dataset_open(&dataset, path, NULL), FM_ERR_FORMAT);
  free(path);
  support_folder_remove(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_fault_is_listed_and_the_rest_is_usable),
      cmocka_unit_test(strict_makes_problems_fatal_and_names_the_first),
      cmocka_unit_test(a_zip_gives_the_same_as_the_folder_also_below_a_top_folder),
      cmocka_unit_test(names_that_lead_out_of_the_archive_are_refused),
      cmocka_unit_test(the_kaggle_three_have_fixed_labels_and_others_are_alphabetical),
      cmocka_unit_test(a_picture_belongs_to_the_annotation_of_its_name),
      cmocka_unit_test(samples_are_sorted_by_file_name_and_found_by_name),
      cmocka_unit_test(boxes_that_name_pixels_become_edges_and_back),
      cmocka_unit_test(a_picture_is_upright_but_where_it_was_annotated_as_stored),
      cmocka_unit_test(what_is_no_data_set_says_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
