// Decoders against PIL's convert("RGB"), encoders against the decoders, and damaged files.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/image.h"
#include "samples.h"

enum { SAMPLE_COUNT = sizeof samples / sizeof *samples };
enum { SAMPLE_BYTES = SAMPLE_WIDTH * SAMPLE_HEIGHT * 3 };

static void every_kind_of_picture_becomes_the_rgb_that_pil_makes(void **state) {
  (void)state;
  for (size_t i = 0; i < SAMPLE_COUNT; i++) {
    fm_image image;
    int width = 0, height = 0;
    const struct sample *sample = &samples[i];
    assert_int_equal(fm_image_decode(&image, sample->file, sample->size, sample->name), FM_OK);
    assert_int_equal(image.width, sample->width);
    assert_int_equal(image.height, sample->height);
    for (int j = 0; j < SAMPLE_BYTES; j++)
      if (image.pixels[j] != sample->rgb[j])
        fail_msg("%s: byte %d is %d, not %d", sample->name, j, image.pixels[j], sample->rgb[j]);
    fm_image_release(&image);
    assert_int_equal(
        fm_image_decode_size(&width, &height, sample->file, sample->size, sample->name), FM_OK);
    assert_int_equal(width, sample->width);
    assert_int_equal(height, sample->height);
    // Every file is stored in this size: a quarter turn, where it asks for one, can be left out.
    width = SAMPLE_WIDTH;
    height = SAMPLE_HEIGHT;
    assert_int_equal(
        fm_image_decode_size(&width, &height, sample->file, sample->size, sample->name), FM_OK);
    assert_int_equal(width, SAMPLE_WIDTH);
    assert_int_equal(height, SAMPLE_HEIGHT);
    assert_int_equal(fm_image_decode_sized(&image, SAMPLE_WIDTH, SAMPLE_HEIGHT, sample->file,
                                           sample->size, sample->name),
                     FM_OK);
    assert_int_equal(image.width, SAMPLE_WIDTH);
    assert_int_equal(image.height, SAMPLE_HEIGHT);
    fm_image_release(&image);
  }
}

static void a_file_cut_anywhere_is_a_format_error(void **state) {
  (void)state;
  for (size_t i = 0; i < SAMPLE_COUNT; i++)
    for (size_t size = 0; size < samples[i].size; size++) {
      fm_image image;
      uint8_t *copy = malloc(size + 1); // of its own, so that a sanitizer sees reads past the end
      memcpy(copy, samples[i].file, size);
      fm_status status = fm_image_decode(&image, copy, size, "cut");
      free(copy);
      if (status != FM_ERR_FORMAT)
        fail_msg("%s cut to %zu of %zu bytes: status %d", samples[i].name, size, samples[i].size,
                 status);
      assert_null(image.pixels);
    }
}

static void sizes_outside_the_limits_are_refused_before_memory_is_taken(void **state) {
  (void)state;
  // The header of a PNG of 32767 x 32767 pixels: each side is allowed, the product is not. 2^31 -
  // 1: no side at all.
  static const uint8_t large[] = {137, 80,  78,  71,  13,  10,  26, 10, 0,   0,   0,  13, 73, 72,
                                  68,  82,  0,   0,   127, 255, 0,  0,  127, 255, 8,  2,  0,  0,
                                  0,   198, 144, 145, 106, 0,   0,  11, 184, 73,  68, 65, 84};
  fm_image image;
  assert_int_equal(fm_image_decode(&image, large, sizeof large, "large.png"), FM_ERR_FORMAT);
  assert_non_null(strstr(fm_error_message(), "32767 x 32767 pixels is outside the limits"));
  assert_int_equal(fm_image_new(&image, 32767, 32767), FM_ERR_SHAPE);
  assert_int_equal(fm_image_new(&image, 0, 5), FM_ERR_SHAPE);
  assert_int_equal(fm_image_new(&image, 5, -1), FM_ERR_SHAPE);
  assert_int_equal(fm_image_new(&image, 32768, 1), FM_ERR_SHAPE);
}

static fm_image gradient(int width, int height) {
  fm_image image;
  assert_int_equal(fm_image_new(&image, width, height), FM_OK);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++)
        image.pixels[(y * width + x) * 3 + c] = (uint8_t)(x * (c + 1) + y * 2);
  return image;
}

static void a_written_png_reads_back_equal_and_a_jpeg_nearly(void **state) {
  (void)state;
  char folder[] = "/tmp/facemask-image-XXXXXX", png[64], jpeg[64];
  assert_non_null(mkdtemp(folder));
  snprintf(png, sizeof png, "%s/a.png", folder);
  snprintf(jpeg, sizeof jpeg, "%s/a.jpg", folder);
  fm_image image = gradient(61, 43), again;
  assert_int_equal(fm_image_write_png(&image, png), FM_OK);
  assert_int_equal(fm_image_read(&again, png), FM_OK);
  assert_int_equal(again.width, 61);
  assert_memory_equal(image.pixels, again.pixels, 61 * 43 * 3);
  fm_image_release(&again);
  fm_bytes encoded, written;
  assert_int_equal(fm_image_encode_png(&encoded, &image), FM_OK);
  assert_int_equal(fm_file_read(&written, png, 1 << 20), FM_OK);
  assert_int_equal(encoded.size, written.size);
  assert_memory_equal(encoded.data, written.data, written.size); // in memory the same bytes
  free(encoded.data);
  free(written.data);
  assert_int_equal(fm_image_write_jpeg(&image, jpeg, 95), FM_OK);
  assert_int_equal(fm_image_read(&again, jpeg), FM_OK);
  assert_int_equal(again.height, 43);
  long difference = 0;
  for (int i = 0; i < 61 * 43 * 3; i++)
    difference += labs((long)image.pixels[i] - again.pixels[i]);
  assert_true(difference < 61 * 43 * 3 * 5);
  fm_image_release(&again);
  fm_image_release(&image);
  assert_int_equal(fm_image_read(&again, folder), FM_ERR_IO);
  unlink(png);
  unlink(jpeg);
  assert_int_equal(fm_image_read(&again, png), FM_ERR_IO);
  rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_kind_of_picture_becomes_the_rgb_that_pil_makes),
      cmocka_unit_test(a_file_cut_anywhere_is_a_format_error),
      cmocka_unit_test(sizes_outside_the_limits_are_refused_before_memory_is_taken),
      cmocka_unit_test(a_written_png_reads_back_equal_and_a_jpeg_nearly),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
