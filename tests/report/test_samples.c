// Tests of samples: what is written is there, can be read, and is what training sees.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../data/colored.h"
#include "../data/support.h"
#include "base/file.h"
#include "data/loader.h"
#include "image/image.h"
#include "report/samples.h"

static int set_up(void **state) {
  *state = colored_open();
  return 0;
}

static int tear_down(void **state) {
  colored_close(*state);
  return 0;
}

static json_t *write_samples(const colored *all, const char *folder, size_t count,
                             const char *augment) {
  const fm_samples_options options = {
      .dataset = all->dataset, .count = count, .seed = 5, .augment = augment, .folder = folder};
  char *text;
  if (fm_samples_write(&options, &text) < 0)
    fail_msg("%s", fm_error_message());
  json_t *root = json_loads(text, 0, NULL);
  assert_non_null(root);
  free(text);
  return root;
}

static fm_image read_picture(const json_t *path) {
  fm_image image;
  if (fm_image_read(&image, json_string_value(path)) < 0)
    fail_msg("%s", fm_error_message());
  return image;
}

static void every_readable_picture_gets_a_file_and_a_place_on_the_sheet(void **state) {
  const colored *all = *state;
  char *root_folder = support_folder_make(), *folder = fm_path_join(root_folder, "new/one");
  json_t *root = write_samples(all, folder, 300, NULL), *list = json_object_get(root, "samples");
  assert_int_equal(json_array_size(list), COLORED_PICTURES - 1); // but for the broken one
  size_t pixels = 0;
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *entry = json_array_get(list, i);
    const char *name = json_string_value(json_object_get(entry, "name"));
    ptrdiff_t index = fm_dataset_find(all->dataset, name);
    assert_true(index >= 0 && index != COLORED_BROKEN);
    const fm_sample *sample = fm_dataset_sample(all->dataset, (size_t)index);
    fm_image image = read_picture(json_object_get(entry, "file"));
    assert_int_equal(image.width % sample->width, 0); // a whole number of times as large
    assert_int_equal(image.width / sample->width, image.height / sample->height);
    assert_int_equal(json_integer_value(json_object_get(entry, "width")), sample->width);
    const json_t *faces = json_object_get(entry, "faces");
    assert_int_equal(json_array_size(faces), sample->object_count);
    for (size_t k = 0; k < sample->object_count; k++) {
      const json_t *box = json_object_get(json_array_get(faces, k), "box");
      assert_true(json_real_value(json_array_get(box, 0)) == (double)sample->objects[k].box.x1);
      assert_true(json_real_value(json_array_get(box, 3)) == (double)sample->objects[k].box.y2);
    }
    pixels += (size_t)image.width;
    fm_image_release(&image);
  }
  fm_image sheet = read_picture(json_object_get(root, "sheet"));
  assert_true(sheet.width > 500 && sheet.height > 500 && pixels > 0);
  fm_image_release(&sheet);
  json_decref(root);
  free(folder);
  support_folder_remove(root_folder);
}

static fm_status keep_boxes(const void *user, const fm_image *image, const fm_object *objects,
                            size_t object_count, void *out) {
  (void)user;
  fm_augment_picture *kept = out;
  return fm_augment_picture_copy(kept, image, objects, object_count);
}

static void release_boxes(void *input) {
  fm_augment_picture_release(input);
}

// The sample's entry in the list; NULL when it was not taken.
static const json_t *find_entry(const json_t *list, const char *name) {
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *entry = json_array_get(list, i);
    if (strcmp(json_string_value(json_object_get(entry, "name")), name) == 0)
      return entry;
  }
  return NULL;
}

static void check_as_loaded(const json_t *list, const char *name,
                            const fm_augment_picture *picture) {
  const json_t *entry = find_entry(list, name);
  assert_non_null(entry);
  assert_int_equal(json_integer_value(json_object_get(entry, "width")), picture->image.width);
  const json_t *faces = json_object_get(entry, "faces");
  assert_int_equal(json_array_size(faces), picture->object_count);
  for (size_t k = 0; k < picture->object_count; k++) {
    const json_t *face = json_array_get(faces, k), *box = json_object_get(face, "box");
    const fm_box *own = &picture->objects[k].box;
    const float values[4] = {own->x1, own->y1, own->x2, own->y2};
    for (size_t c = 0; c < 4; c++)
      assert_true((float)json_real_value(json_array_get(box, c)) == values[c]);
    assert_int_equal(json_integer_value(json_object_get(face, "label")), picture->objects[k].label);
  }
}

static void augmented_samples_are_what_the_loader_gives_in_its_first_epoch(void **state) {
  const colored *all = *state;
  static const char text[] = "[{\"mosaic\": {\"p\": 0.5}}, {\"random_crop\": {\"p\": 0.7}}, "
                             "{\"copy_paste\": {\"p\": 0.7}}, \"rotate\"]";
  char *folder = support_folder_make();
  json_t *root = write_samples(all, folder, COLORED_PICTURES, text);
  const json_t *list = json_object_get(root, "samples");
  fm_augment *augment;
  assert_int_equal(fm_augment_parse(&augment, text), FM_OK);
  size_t samples[COLORED_PICTURES], seen = 0;
  for (size_t i = 0; i < COLORED_PICTURES; i++)
    samples[i] = i;
  fm_loader *loader;
  const fm_loader_options options = {
      .dataset = all->dataset,
      .cache = all->cache,
      .samples = samples,
      .sample_count = COLORED_PICTURES,
      .batch_size = 2,
      .shuffle = true,
      .augment = augment,
      .seed = 5,
      .maker = {sizeof(fm_augment_picture), keep_boxes, release_boxes, NULL}};
  assert_int_equal(fm_loader_new(&loader, &options), FM_OK);
  assert_int_equal(fm_loader_start(loader, 0, 0), FM_OK);
  fm_loader_batch batch;
  while (fm_loader_next(loader, &batch) == FM_OK)
    for (size_t i = 0; i < batch.count; i++, seen++)
      check_as_loaded(list, fm_dataset_sample(all->dataset, batch.samples[i])->name,
                      (const fm_augment_picture *)batch.inputs + i);
  assert_int_equal(seen, COLORED_PICTURES - 1);
  fm_loader_free(loader);
  fm_augment_free(augment);
  json_decref(root);
  support_folder_remove(folder);
}

static void the_same_call_writes_the_same_bytes(void **state) {
  const colored *all = *state;
  char *folders[2] = {support_folder_make(), support_folder_make()};
  fm_bytes sheets[2];
  for (int i = 0; i < 2; i++) {
    json_t *root = write_samples(all, folders[i], 3, "[\"hsv\"]");
    assert_int_equal(json_array_size(json_object_get(root, "samples")), 3);
    const char *path = json_string_value(json_object_get(root, "sheet"));
    assert_int_equal(fm_file_read(&sheets[i], path, 1 << 24), FM_OK);
    json_decref(root);
    support_folder_remove(folders[i]);
  }
  assert_int_equal(sheets[0].size, sheets[1].size);
  assert_memory_equal(sheets[0].data, sheets[1].data, sheets[0].size);
  free(sheets[0].data);
  free(sheets[1].data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_readable_picture_gets_a_file_and_a_place_on_the_sheet),
      cmocka_unit_test(augmented_samples_are_what_the_loader_gives_in_its_first_epoch),
      cmocka_unit_test(the_same_call_writes_the_same_bytes),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
