// What every transform costs a picture of 640 x 480, on one thread.
//   bench_augment DATA [ROUNDS]
// DATA's pictures, resized; transforms of several pictures draw from DATA as it is.
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "data/augment/augment.h"
#include "data/augment/transform.h"
#include "image/resize.h"

enum { BENCH_PICTURES = 24, BENCH_WIDTH = 640, BENCH_HEIGHT = 480 };

typedef struct bench {
  fm_dataset *dataset;
  fm_picture_cache *cache;
  fm_sample_pool *pool;
  fm_augment_picture pictures[BENCH_PICTURES];
  int rounds;
} bench;

// Seconds of processor time, so that other work on the machine does not count.
static double bench_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void bench_check(fm_status status) {
  if (status >= 0)
    return;
  fprintf(stderr, "bench_augment: %s\n", fm_error_message());
  exit(1);
}

static void bench_load(bench *self, const char *path) {
  bench_check(fm_dataset_open(&self->dataset, path, &(fm_dataset_options){0}));
  size_t count = fm_dataset_count(self->dataset), *samples = malloc(count * sizeof *samples);
  for (size_t i = 0; samples && i < count; i++)
    samples[i] = i;
  bench_check(fm_picture_cache_new(&self->cache, self->dataset, (size_t)4 << 30));
  bench_check(fm_sample_pool_new(&self->pool, self->dataset, self->cache, samples, count));
  free(samples);
  for (size_t i = 0; i < BENCH_PICTURES; i++) {
    const fm_sample *sample = fm_dataset_sample(self->dataset, i * 7 % count);
    fm_augment_picture *picture = &self->pictures[i];
    fm_image image;
    bench_check(fm_dataset_image(self->dataset, i * 7 % count, &image));
    bench_check(fm_augment_picture_copy(picture, &image, sample->objects, sample->object_count));
    fm_image_release(&picture->image);
    bench_check(fm_image_resize(&picture->image, &image, BENCH_WIDTH, BENCH_HEIGHT));
    float across = BENCH_WIDTH / (float)image.width, down = BENCH_HEIGHT / (float)image.height;
    for (size_t k = 0; k < picture->object_count; k++) {
      fm_box *box = &picture->objects[k].box;
      *box = (fm_box){box->x1 * across, box->y1 * down, box->x2 * across, box->y2 * down};
    }
    fm_image_release(&image);
  }
}

// Milliseconds a picture; the first round, which decodes, is not counted.
static double bench_run(const bench *self, const char *text) {
  fm_augment *augment;
  bench_check(fm_augment_parse(&augment, text));
  double seconds = 0;
  for (int round = 0; round <= self->rounds; round++) {
    for (size_t i = 0; i < BENCH_PICTURES; i++) {
      const fm_augment_picture *from = &self->pictures[i];
      fm_augment_picture picture;
      bench_check(
          fm_augment_picture_copy(&picture, &from->image, from->objects, from->object_count));
      // The same draws in the first round as in the others, so that nothing is left to decode.
      fm_random random = fm_augment_random(1, 0, i, 0);
      double start = bench_clock();
      bench_check(fm_augment_apply(augment, &random, self->pool, &picture));
      seconds += round > 0 ? bench_clock() - start : 0;
      fm_augment_picture_release(&picture);
    }
  }
  fm_augment_free(augment);
  return 1e3 * seconds / (self->rounds * BENCH_PICTURES);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: bench_augment DATA [ROUNDS]\n");
    return 2;
  }
  bench self = {.rounds = argc > 2 ? atoi(argv[2]) : 10};
  omp_set_num_threads(1);
  bench_load(&self, argv[1]);
  printf("ms a picture of %d x %d\n", BENCH_WIDTH, BENCH_HEIGHT);
  const fm_transform *transform;
  for (size_t i = 0; (transform = fm_transform_at(i)); i++) {
    char text[256];
    if (transform->nests)
      continue;
    snprintf(text, sizeof text, "[{\"%s\": {\"p\": 1}}]", transform->name);
    printf("%-20s %7.3f\n", transform->name, bench_run(&self, text));
  }
  static const char *const presets[] = {"notebook", "strong"};
  for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
    const char *text;
    bench_check(fm_augment_preset(presets[i], &text));
    printf("preset %-13s %7.3f\n", presets[i], bench_run(&self, text));
  }
  for (size_t i = 0; i < BENCH_PICTURES; i++)
    fm_augment_picture_release(&self.pictures[i]);
  fm_sample_pool_free(self.pool);
  fm_picture_cache_free(self.cache);
  fm_dataset_free(self.dataset);
  return 0;
}
