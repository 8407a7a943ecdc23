// Applies transforms to pictures from standard input; tests/parity/augment.py compares the results
// with Albumentations.
//   augment_runner list TEXT SEED   the list TEXT on a picture and its boxes
//   augment_runner convolve         a kernel on a picture
//   augment_runner motion           kernels of motion blur
//   augment_runner table            the table of docs/augmentation.md; needs no input
// A picture is a line "WIDTH HEIGHT BOXES" followed by the pixels and by BOXES times four floats
// and an int32; a kernel a line "SIZE" followed by floats; a motion a line "SIZE X1 Y1 X2 Y2". All
// come in any number until the end.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "augment_table.h"
#include "data/augment/augment.h"
#include "data/augment/motion_blur.h"
#include "image/convolve.h"

static _Noreturn void runner_die(const char *what) {
  fprintf(stderr, "augment_runner: %s: %s\n", what, fm_error_message());
  exit(1);
}

static void runner_check(fm_status status, const char *what) {
  if (status < 0)
    runner_die(what);
}

static void runner_read_bytes(void *to, size_t size, size_t count) {
  if (fread(to, size, count, stdin) != count)
    runner_die("the input ends early");
}

static bool runner_read(fm_augment_picture *picture) {
  int width, height;
  size_t count;
  if (scanf("%d %d %zu", &width, &height, &count) != 3 || getchar() != '\n')
    return false;
  *picture = (fm_augment_picture){.object_count = count};
  runner_check(fm_image_new(&picture->image, width, height), "picture");
  runner_read_bytes(picture->image.pixels, 3, (size_t)width * (size_t)height);
  picture->objects = calloc(count + 1, sizeof *picture->objects);
  if (!picture->objects)
    runner_die("memory");
  runner_read_bytes(picture->objects, sizeof *picture->objects, count);
  return true;
}

static void runner_write(const fm_augment_picture *picture) {
  const fm_image *image = &picture->image;
  printf("%d %d %zu\n", image->width, image->height, picture->object_count);
  fwrite(image->pixels, 3, (size_t)image->width * (size_t)image->height, stdout);
  fwrite(picture->objects, sizeof *picture->objects, picture->object_count, stdout);
}

static void runner_list(const char *text, const char *seed) {
  fm_augment *augment;
  fm_augment_picture picture;
  runner_check(fm_augment_parse(&augment, text), "list");
  for (size_t i = 0; runner_read(&picture); i++) {
    fm_random random = fm_augment_random(strtoull(seed, NULL, 10), 0, i, 0);
    runner_check(fm_augment_apply(augment, &random, NULL, &picture), "apply");
    runner_write(&picture);
    fm_augment_picture_release(&picture);
  }
  fm_augment_free(augment);
}

static void runner_convolve(void) {
  int size;
  float kernel[FM_CONVOLVE_SIZE_MAX * FM_CONVOLVE_SIZE_MAX];
  fm_augment_picture picture;
  while (scanf("%d", &size) == 1 && getchar() == '\n' && size <= FM_CONVOLVE_SIZE_MAX) {
    runner_read_bytes(kernel, sizeof *kernel, (size_t)(size * size));
    if (!runner_read(&picture))
      runner_die("no picture");
    runner_check(fm_image_convolve(&picture.image, kernel, size), "convolve");
    runner_write(&picture);
    fm_augment_picture_release(&picture);
  }
}

static void runner_motion(void) {
  int size;
  fm_motion_line line;
  float kernel[FM_CONVOLVE_SIZE_MAX * FM_CONVOLVE_SIZE_MAX];
  while (scanf("%d %d %d %d %d", &size, &line.x1, &line.y1, &line.x2, &line.y2) == 5) {
    fm_motion_kernel(kernel, size, &line);
    fwrite(kernel, sizeof *kernel, (size_t)(size * size), stdout);
  }
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "list") == 0)
    runner_list(argv[2], argv[3]);
  else if (argc == 2 && strcmp(argv[1], "convolve") == 0)
    runner_convolve();
  else if (argc == 2 && strcmp(argv[1], "motion") == 0)
    runner_motion();
  else if (argc == 2 && strcmp(argv[1], "table") == 0)
    augment_table_write(stdout);
  else
    runner_die("usage: augment_runner list TEXT SEED | convolve | motion | table");
  return 0;
}
