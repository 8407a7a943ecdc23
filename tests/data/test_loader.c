// Tests of the loader: what a batch holds depends on the seed and the epoch, never on the threads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "data/loader.h"
#include "support.h"

enum { PICTURES = 11, BATCH = 4, BROKEN = 5 };

// What the tests' maker keeps of a picture: a checksum of pixels and boxes.
typedef struct item {
  uint64_t pixels;
  float first_x1;
  int32_t label;
  size_t objects;
  char *heap; // to see with the sanitizers that everything made is released
} item;

static fm_status make_item(const void *user, const fm_image *image, const fm_object *objects,
                           size_t object_count, void *out) {
  item *made = out;
  assert_ptr_equal(user, "user");
  made->pixels = 0xcbf29ce484222325u;
  for (size_t i = 0; i < (size_t)image->width * (size_t)image->height * 3; i++)
    made->pixels = (made->pixels ^ image->pixels[i]) * 0x100000001b3u;
  made->objects = object_count;
  if (object_count) {
    made->first_x1 = objects[0].box.x1;
    made->label = objects[0].label;
  }
  made->heap = malloc(16);
  return FM_OK;
}

static void release_item(void *input) {
  free(((item *)input)->heap);
}

typedef struct fixture {
  char *folder;
  fm_dataset *dataset;
  fm_picture_cache *cache;
  size_t samples[PICTURES];
} fixture;

static void write_picture(const char *folder, int number) {
  fm_image image;
  assert_int_equal(fm_image_new(&image, 20 + number, 16), FM_OK);
  for (int i = 0; i < image.width * image.height * 3; i++)
    image.pixels[i] = (uint8_t)(i * (number + 3));
  char name[64], text[512];
  snprintf(name, sizeof name, "images/p%02d.png", number);
  char *path = fm_path_join(folder, name);
  assert_int_equal(fm_image_write_png(&image, path), FM_OK);
  if (number == BROKEN) { // the header is right, the rest is missing
    fm_bytes bytes;
    assert_int_equal(fm_file_read(&bytes, path, 1 << 20), FM_OK);
    support_write(folder, name, bytes.data, bytes.size / 2);
    free(bytes.data);
  }
  free(path);
  snprintf(text, sizeof text,
           "<annotation><filename>p%02d.png</filename><size><width>%d</width><height>16</height>"
           "</size><object><name>%s</name><bndbox><xmin>%d</xmin><ymin>2</ymin><xmax>15</xmax>"
           "<ymax>12</ymax></bndbox></object></annotation>",
           number, image.width, number % 2 ? "with_mask" : "without_mask", 1 + number % 7);
  snprintf(name, sizeof name, "annotations/p%02d.xml", number);
  support_write_text(folder, name, text);
  fm_image_release(&image);
}

static fixture *fixture_new(size_t cache_bytes) {
  fixture *all = calloc(1, sizeof *all);
  all->folder = support_folder_make();
  char *images = fm_path_join(all->folder, "images");
  assert_int_equal(fm_folder_make(images), FM_OK);
  free(images);
  for (int i = 0; i < PICTURES; i++)
    write_picture(all->folder, i);
  const fm_dataset_options options = {0};
  assert_int_equal(fm_dataset_open(&all->dataset, all->folder, &options), FM_OK);
  assert_int_equal(fm_dataset_count(all->dataset), PICTURES);
  assert_int_equal(fm_picture_cache_new(&all->cache, all->dataset, cache_bytes), FM_OK);
  for (size_t i = 0; i < PICTURES; i++)
    all->samples[i] = (i * 4) % PICTURES; // some order of their own
  return all;
}

static void fixture_free(fixture *all) {
  fm_picture_cache_free(all->cache);
  fm_dataset_free(all->dataset);
  support_folder_remove(all->folder);
  free(all);
}

static fm_loader *open_repeating_loader(fixture *all, fm_augment *augment, int threads,
                                        bool shuffle, bool strict, double repeat_threshold) {
  const fm_loader_options options = {.dataset = all->dataset,
                                     .cache = all->cache,
                                     .samples = all->samples,
                                     .sample_count = PICTURES,
                                     .batch_size = BATCH,
                                     .shuffle = shuffle,
                                     .repeat_threshold = repeat_threshold,
                                     .augment = augment,
                                     .seed = 7,
                                     .threads = threads,
                                     .strict = strict,
                                     .maker = {sizeof(item), make_item, release_item, "user"}};
  fm_loader *loader;
  assert_int_equal(fm_loader_new(&loader, &options), FM_OK);
  return loader;
}

static fm_loader *open_loader(fixture *all, fm_augment *augment, int threads, bool shuffle,
                              bool strict) {
  return open_repeating_loader(all, augment, threads, shuffle, strict, 0);
}

// Everything an epoch gives, one item after the other; returns how many.
static size_t read_epoch(fm_loader *loader, uint64_t epoch, size_t first, item *items,
                         size_t *samples) {
  assert_int_equal(fm_loader_start(loader, epoch, first), FM_OK);
  size_t count = 0;
  fm_loader_batch batch;
  fm_status status;
  while ((status = fm_loader_next(loader, &batch)) == FM_OK) {
    assert_true(batch.count > 0 && batch.count <= BATCH);
    for (size_t i = 0; i < batch.count; i++, count++) {
      items[count] = ((item *)batch.inputs)[i];
      items[count].heap = NULL;
      samples[count] = batch.samples[i];
    }
  }
  assert_int_equal(status, FM_END);
  return count;
}

static void batches_are_the_same_with_any_number_of_threads(void **state) {
  (void)state;
  fixture *all = fixture_new(1 << 20);
  fm_augment *augment;
  assert_int_equal(fm_augment_parse(&augment, "[{\"horizontal_flip\": {\"p\": 0.5}}]"), FM_OK);
  item first[PICTURES] = {0}, again[PICTURES] = {0};
  size_t names[PICTURES], names_again[PICTURES];
  fm_loader *loader = open_loader(all, augment, 1, true, false);
  for (uint64_t epoch = 0; epoch < 4; epoch++) {
    assert_int_equal(read_epoch(loader, epoch, 0, first, names), PICTURES - 1);
    for (int threads = 2; threads < 8; threads += 2) {
      fm_loader *other = open_loader(all, augment, threads, true, false);
      assert_int_equal(read_epoch(other, epoch, 0, again, names_again), PICTURES - 1);
      fm_loader_free(other);
      assert_memory_equal(first, again, (PICTURES - 1) * sizeof *first);
      assert_memory_equal(names, names_again, (PICTURES - 1) * sizeof *names);
    }
  }
  fm_loader_free(loader);
  fm_augment_free(augment);
  fixture_free(all);
}

// Transforms that draw other pictures from a cache too small for all, with pictures that come
// twice.
static void mixed_and_repeated_pictures_are_the_same_with_any_number_of_threads(void **state) {
  (void)state;
  enum { ROOM = 4 * PICTURES };
  fixture *all = fixture_new(4000);
  fm_augment *augment;
  assert_int_equal(fm_augment_parse(&augment, "[{\"mosaic\": {\"p\": 0.7}}, {\"copy_paste\": "
                                              "{\"p\": 0.7}}, {\"hsv\": {\"p\": 1}}]"),
                   FM_OK);
  item first[ROOM] = {0}, again[ROOM] = {0};
  size_t names[ROOM], names_again[ROOM];
  fm_loader *loader = open_repeating_loader(all, augment, 1, true, false, 1);
  for (uint64_t epoch = 0; epoch < 3; epoch++) {
    size_t count = read_epoch(loader, epoch, 0, first, names);
    assert_true(count > PICTURES && count <= ROOM);
    bool differ = false; // the copies of a picture
    for (size_t i = 0; i < count; i++)
      for (size_t k = 0; k < i; k++)
        differ |= names[i] == names[k] && first[i].pixels != first[k].pixels;
    assert_true(differ);
    for (int threads = 2; threads < 8; threads += 2) {
      fm_loader *other = open_repeating_loader(all, augment, threads, true, false, 1);
      assert_int_equal(read_epoch(other, epoch, 0, again, names_again), count);
      assert_memory_equal(first, again, count * sizeof *first);
      assert_memory_equal(names, names_again, count * sizeof *names);
      size_t rest = read_epoch(other, epoch, 2, again, names_again); // resumed at its third batch
      assert_memory_equal(first + (count - rest), again, rest * sizeof *first);
      fm_loader_free(other);
    }
  }
  fm_loader_free(loader);
  fm_augment_free(augment);
  fixture_free(all);
}

static void an_epoch_begun_in_the_middle_gives_the_rest_of_it(void **state) {
  (void)state;
  fixture *all = fixture_new(0);
  fm_loader *loader = open_loader(all, NULL, 3, true, false);
  assert_int_equal(fm_loader_batch_count(loader), 3);
  item whole[PICTURES], rest[PICTURES];
  size_t names[PICTURES], names_rest[PICTURES];
  size_t count = read_epoch(loader, 5, 0, whole, names);
  size_t part = read_epoch(loader, 5, 1, rest, names_rest);
  assert_true(part < count);
  assert_memory_equal(names + (count - part), names_rest, part * sizeof *names);
  assert_int_equal(read_epoch(loader, 5, 3, rest, names_rest), 0);
  assert_true(fm_loader_start(loader, 5, 4) < 0);
  fm_loader_free(loader);
  fixture_free(all);
}

static void without_shuffling_the_order_is_the_lists(void **state) {
  (void)state;
  fixture *all = fixture_new(2000); // room for a picture or two
  fm_loader *loader = open_loader(all, NULL, 2, false, false);
  item items[PICTURES];
  size_t names[PICTURES], next = 0;
  size_t count = read_epoch(loader, 3, 0, items, names);
  for (size_t i = 0; i < PICTURES; i++) {
    if (all->samples[i] == BROKEN)
      continue; // named and left out
    assert_int_equal(names[next], all->samples[i]);
    assert_int_equal(items[next].label, all->samples[i] % 2 ? 1 : 2); // in alphabetical order
    assert_true(items[next].first_x1 == (float)(1 + all->samples[i] % 7));
    next++;
  }
  assert_int_equal(next, count);
  assert_true(fm_picture_cache_bytes(all->cache) <= 2000);
  fm_loader_free(loader);
  fixture_free(all);
}

static void epochs_are_shuffled_differently_and_hold_every_picture(void **state) {
  (void)state;
  fixture *all = fixture_new(1 << 20);
  fm_loader *loader = open_loader(all, NULL, 2, true, false);
  item items[PICTURES];
  size_t names[2][PICTURES];
  bool seen[PICTURES] = {0};
  read_epoch(loader, 0, 0, items, names[0]);
  size_t count = read_epoch(loader, 1, 0, items, names[1]);
  assert_memory_not_equal(names[0], names[1], count * sizeof names[0][0]);
  for (size_t i = 0; i < count; i++) {
    assert_false(seen[names[1][i]]);
    seen[names[1][i]] = true;
  }
  fm_loader_free(loader);
  fixture_free(all);
}

static void with_strict_an_unreadable_picture_is_a_failure_that_names_it(void **state) {
  (void)state;
  fixture *all = fixture_new(1 << 20);
  fm_loader *loader = open_loader(all, NULL, 2, false, true);
  assert_int_equal(fm_loader_start(loader, 0, 0), FM_OK);
  fm_loader_batch batch;
  fm_status status = FM_OK;
  while (status == FM_OK)
    status = fm_loader_next(loader, &batch);
  assert_true(status < 0);
  assert_non_null(strstr(fm_error_message(), "p05"));
  assert_int_equal(fm_loader_next(loader, &batch), FM_END);
  fm_loader_free(loader);
  fixture_free(all);
}

static void an_epoch_can_be_left_at_any_batch(void **state) {
  (void)state;
  fixture *all = fixture_new(1 << 20);
  for (int threads = 1; threads < 6; threads++) {
    fm_loader *loader = open_loader(all, NULL, threads, true, false);
    for (uint64_t epoch = 0; epoch < 20; epoch++) {
      assert_int_equal(fm_loader_start(loader, epoch, 0), FM_OK);
      fm_loader_batch batch;
      for (uint64_t i = 0; i < epoch % 3; i++)
        assert_int_equal(fm_loader_next(loader, &batch), FM_OK);
    }
    fm_loader_free(loader);
  }
  fixture_free(all);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(batches_are_the_same_with_any_number_of_threads),
      cmocka_unit_test(mixed_and_repeated_pictures_are_the_same_with_any_number_of_threads),
      cmocka_unit_test(an_epoch_begun_in_the_middle_gives_the_rest_of_it),
      cmocka_unit_test(without_shuffling_the_order_is_the_lists),
      cmocka_unit_test(epochs_are_shuffled_differently_and_hold_every_picture),
      cmocka_unit_test(with_strict_an_unreadable_picture_is_a_failure_that_names_it),
      cmocka_unit_test(an_epoch_can_be_left_at_any_batch),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
