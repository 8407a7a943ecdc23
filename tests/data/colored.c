// The coloured data set.
#include "colored.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "image/crop.h"
#include "support.h"

enum { COLORED_GROUND = 0x808080 };

static const uint32_t colors[COLORED_CLASSES + 1] = {COLORED_GROUND, 0xf01010, 0x10f010, 0x1010f0};

int colored_class(const uint8_t *pixel) {
  for (int k = 1; k <= COLORED_CLASSES; k++) {
    int distance = 0;
    for (int c = 0; c < 3; c++)
      distance += abs(pixel[c] - (int)(colors[k] >> (16 - 8 * c) & 255));
    if (distance < 100)
      return k;
  }
  return 0;
}

static void write_picture(const char *folder, int number) {
  fm_image image;
  int width = 90 + 13 * number, height = 130 - 7 * number;
  assert_int_equal(fm_image_new_filled(&image, width, height, COLORED_GROUND), FM_OK);
  char name[64], text[2048];
  static const char *const names[] = {"", "a", "b", "c"};
  int used =
      snprintf(text, sizeof text, "<annotation><size><width>%d</width><height>%d</height></size>",
               width, height);
  // Class 3 is rare: one face in the whole set.
  for (int k = 0; k < (number == 2 ? 0 : 3); k++) {
    int label = number == 6 && k == 0 ? 3 : 1 + (number + k) % 2;
    int x = 8 + 28 * k, y = 10 + 19 * ((k + number) % 4), w = 14 + k, h = 18 + number % 3;
    fm_image_fill(&image, x, y, w, h, colors[label]);
    used += snprintf(text + used, sizeof text - (size_t)used,
                     "<object><name>%s</name><bndbox><xmin>%d</xmin><ymin>%d</ymin><xmax>%d</xmax>"
                     "<ymax>%d</ymax></bndbox></object>",
                     names[label], x, y, x + w, y + h);
  }
  snprintf(text + used, sizeof text - (size_t)used, "</annotation>");
  snprintf(name, sizeof name, "images/p%02d.png", number);
  char *path = fm_path_join(folder, name);
  assert_int_equal(fm_image_write_png(&image, path), FM_OK);
  if (number == COLORED_BROKEN) {
    fm_bytes bytes;
    assert_int_equal(fm_file_read(&bytes, path, 1 << 20), FM_OK);
    support_write(folder, name, bytes.data, bytes.size / 2);
    free(bytes.data);
  }
  free(path);
  snprintf(name, sizeof name, "annotations/p%02d.xml", number);
  support_write_text(folder, name, text);
  fm_image_release(&image);
}

colored *colored_open(void) {
  colored *all = calloc(1, sizeof *all);
  all->folder = support_folder_make();
  char *images = fm_path_join(all->folder, "images");
  assert_int_equal(fm_folder_make(images), FM_OK);
  free(images);
  size_t samples[COLORED_PICTURES];
  for (int i = 0; i < COLORED_PICTURES; i++) {
    write_picture(all->folder, i);
    samples[i] = (size_t)i;
  }
  const fm_dataset_options options = {.classes = "a,b,c"};
  assert_int_equal(fm_dataset_open(&all->dataset, all->folder, &options), FM_OK);
  assert_int_equal(fm_picture_cache_new(&all->cache, all->dataset, 100000), FM_OK);
  assert_int_equal(
      fm_sample_pool_new(&all->pool, all->dataset, all->cache, samples, COLORED_PICTURES), FM_OK);
  return all;
}

void colored_close(colored *all) {
  fm_sample_pool_free(all->pool);
  fm_picture_cache_free(all->cache);
  fm_dataset_free(all->dataset);
  support_folder_remove(all->folder);
  free(all);
}

fm_augment_picture colored_picture(const colored *all, size_t sample) {
  fm_augment_picture picture;
  fm_image image;
  bool owned;
  assert_int_equal(fm_sample_pool_image(all->pool, sample, &image, &owned), FM_OK);
  const fm_sample *own = fm_sample_pool_sample(all->pool, sample);
  assert_int_equal(fm_augment_picture_copy(&picture, &image, own->objects, own->object_count),
                   FM_OK);
  if (owned)
    fm_image_release(&image);
  return picture;
}
