// Decides who stands where in a drawn data set, and writes pictures and annotations. The drawing is
// in image/scene.c.
#include "data/synth.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/progress.h"
#include "image/scene.h"

enum {
  SYNTH_FACES_MAX = 14,
  SYNTH_TRIES = 30,
  SYNTH_XML_BYTES = 16 * 1024,
  SYNTH_STREAM = 7101,
  SYNTH_SIDE_MAX = 4096
};

typedef struct synth_picture {
  int width, height;
  fm_scene_face faces[SYNTH_FACES_MAX]; // the nearest (largest) last
  size_t count;
} synth_picture;

static void synth_choose_size(synth_picture *picture, fm_random *random) {
  picture->width = 400;
  picture->height = 225 + (int)fm_random_below(random, 76);
  double shape = fm_random_uniform(random);
  if (shape < 0.12) {
    picture->width = 300;
    picture->height = 400;
  } else if (shape < 0.24) {
    picture->width = 280 + (int)fm_random_below(random, 233);
    picture->height = 240 + (int)fm_random_below(random, 145);
  }
}

static size_t synth_choose_count(fm_random *random) {
  static const double limits[] = {0.3, 0.5, 0.64, 0.75, 0.83, 0.89};
  double u = fm_random_uniform(random);
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
    if (u < limits[i])
      return i + 1;
  return 7 + fm_random_below(random, SYNTH_FACES_MAX - 6);
}

static int synth_compare_heights(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left < right) - (left > right);
}

// Falling heights: near people are few and large, far ones many and small.
static void synth_choose_heights(double *heights, size_t count, const fm_synth_options *options,
                                 const synth_picture *picture, fm_random *random) {
  double side = picture->width < picture->height ? picture->width : picture->height;
  double largest = fmin(options->largest, 0.6 * side);
  double ratio = largest / fmin(options->smallest, largest);
  for (size_t i = 0; i < count; i++) {
    double u = pow(fm_random_uniform(random), count < 4 ? 0.55 : 0.9);
    heights[i] = largest / ratio * pow(ratio, u);
  }
  qsort(heights, count, sizeof *heights, synth_compare_heights);
}

static fm_scene_mask synth_choose_mask(const fm_synth_options *options, fm_random *random) {
  double sum = options->with_mask + options->without + options->incorrect;
  double u = fm_random_uniform(random) * sum;
  if (u < options->with_mask)
    return FM_SCENE_WORN;
  return u < options->with_mask + options->without ? FM_SCENE_BARE : FM_SCENE_SLIPPED;
}

// The share of `a` that `b` covers.
static double synth_covered(const fm_box *a, const fm_box *b) {
  float width = fminf(a->x2, b->x2) - fmaxf(a->x1, b->x1);
  float height = fminf(a->y2, b->y2) - fmaxf(a->y1, b->y1);
  if (width <= 0 || height <= 0)
    return 0;
  return (double)(width * height / ((a->x2 - a->x1) * (a->y2 - a->y1)));
}

// A face must be mostly in the picture and not hidden behind anyone who stands in front.
static bool synth_is_free(const synth_picture *picture, const fm_scene_face *face) {
  fm_box box = fm_scene_face_box(face);
  fm_box frame = {0, 0, (float)picture->width, (float)picture->height};
  if (synth_covered(&box, &frame) < 0.75)
    return false;
  for (size_t i = 0; i < picture->count; i++) {
    fm_box body = fm_scene_body_box(&picture->faces[i]);
    if (synth_covered(&box, &body) > 0.08)
      return false;
  }
  return true;
}

static void synth_place(synth_picture *picture, double height, fm_scene_mask mask,
                        fm_random *random) {
  for (int i = 0; i < SYNTH_TRIES; i++) {
    fm_scene_face face = {
        .x = fm_random_range(random, 0, picture->width),
        .y = fm_random_range(random, 0, picture->height),
        .height = height,
        .tilt = 0.16 * fm_random_normal(random),
        .turn = fm_random_range(random, -1, 1) * fm_random_uniform(random),
        .mask = mask,
    };
    if (!synth_is_free(picture, &face))
      continue;
    picture->faces[picture->count++] = face;
    return;
  }
}

static void synth_compose(synth_picture *picture, const fm_synth_options *options,
                          fm_random *random) {
  double heights[SYNTH_FACES_MAX];
  *picture = (synth_picture){0};
  synth_choose_size(picture, random);
  if (options->width > 0) {
    picture->width = options->width;
    picture->height = options->height;
  }
  size_t count = synth_choose_count(random);
  synth_choose_heights(heights, count, options, picture, random);
  for (size_t i = 0; i < count; i++)
    synth_place(picture, heights[i], synth_choose_mask(options, random), random);
  for (size_t i = 0; i < picture->count / 2; i++) { // far ones are drawn first
    fm_scene_face face = picture->faces[i];
    picture->faces[i] = picture->faces[picture->count - 1 - i];
    picture->faces[picture->count - 1 - i] = face;
  }
}

static const char *synth_class_name(fm_scene_mask mask) {
  return mask == FM_SCENE_WORN   ? "with_mask"
         : mask == FM_SCENE_BARE ? "without_mask"
                                 : "mask_weared_incorrect";
}

// The annotation in Kaggle's form; `text` has SYNTH_XML_BYTES, which is enough for SYNTH_FACES_MAX
// objects.
static size_t synth_annotate(char *text, const synth_picture *picture, const char *name) {
  size_t size = (size_t)snprintf(
      text, SYNTH_XML_BYTES,
      "<annotation>\n    <folder>images</folder>\n    <filename>%s.png</filename>\n    <size>\n"
      "        <width>%d</width>\n        <height>%d</height>\n        <depth>3</depth>\n"
      "    </size>\n    <segmented>0</segmented>\n",
      name, picture->width, picture->height);
  for (size_t i = 0; i < picture->count; i++) {
    fm_box box = fm_scene_face_box(&picture->faces[i]);
    size += (size_t)snprintf(
        text + size, SYNTH_XML_BYTES - size,
        "    <object>\n        <name>%s</name>\n        <pose>Unspecified</pose>\n"
        "        <truncated>0</truncated>\n        <occluded>0</occluded>\n"
        "        <difficult>0</difficult>\n        <bndbox>\n            <xmin>%d</xmin>\n"
        "            <ymin>%d</ymin>\n            <xmax>%d</xmax>\n            <ymax>%d</ymax>\n"
        "        </bndbox>\n    </object>\n",
        synth_class_name(picture->faces[i].mask), (int)fmaxf(0, floorf(box.x1)),
        (int)fmaxf(0, floorf(box.y1)), (int)fminf((float)picture->width, ceilf(box.x2)),
        (int)fminf((float)picture->height, ceilf(box.y2)));
  }
  size += (size_t)snprintf(text + size, SYNTH_XML_BYTES - size, "</annotation>\n");
  FM_ASSERT(size < SYNTH_XML_BYTES);
  return size;
}

// Makes folder/part/name.extension.
static fm_status synth_path(char **out, const char *folder, const char *part, const char *name) {
  if (asprintf(out, "%s/%s/%s.%s", folder, part, name, part[0] == 'i' ? "png" : "xml") < 0)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  return FM_OK;
}

static fm_status synth_write_one(const fm_synth_options *options, size_t index,
                                 synth_picture *picture) {
  char name[32], text[SYNTH_XML_BYTES], *path;
  fm_random random = fm_random_make(options->seed, SYNTH_STREAM, index);
  synth_compose(picture, options, &random);
  snprintf(name, sizeof name, "synth%05zu", index);
  fm_image image;
  FM_TRY(fm_image_new(&image, picture->width, picture->height));
  fm_status status = fm_scene_draw(&image, picture->faces, picture->count, &random);
  if (status == FM_OK)
    status = synth_path(&path, options->folder, "images", name);
  if (status == FM_OK) {
    status = fm_image_write_png(&image, path);
    free(path);
  }
  fm_image_release(&image);
  FM_TRY(status);
  FM_TRY(synth_path(&path, options->folder, "annotations", name));
  status = fm_file_write(path, text, synth_annotate(text, picture, name));
  free(path);
  return status;
}

static void synth_count(fm_synth_counts *counts, const synth_picture *picture) {
  for (size_t i = 0; i < picture->count; i++) {
    counts->with_mask += picture->faces[i].mask == FM_SCENE_WORN;
    counts->without += picture->faces[i].mask == FM_SCENE_BARE;
    counts->incorrect += picture->faces[i].mask == FM_SCENE_SLIPPED;
  }
}

// Messages are kept per thread, so the first failure's travels to the caller's thread in a copy.
static fm_status synth_write_all(const fm_synth_options *options, fm_synth_counts *counts) {
  fm_status failure = FM_OK;
  char message[512] = "";
  size_t done = 0;
  fm_progress progress;
  fm_progress_start(&progress, "drawing", options->count);
#pragma omp parallel for schedule(dynamic, 4)
  for (size_t i = 0; i < options->count; i++) {
    synth_picture picture;
    fm_status status = FM_OK;
    if (failure == FM_OK)
      status = synth_write_one(options, i, &picture);
#pragma omp critical(synth)
    {
      if (status < 0 && failure == FM_OK) {
        failure = status;
        snprintf(message, sizeof message, "%s", fm_error_message());
      } else if (failure == FM_OK) {
        synth_count(counts, &picture);
        fm_progress_step(&progress, ++done, "%s", "");
      }
    }
  }
  fm_progress_end(&progress);
  return failure < 0 ? fm_fail(failure, "%s", message) : FM_OK;
}

static fm_status synth_check(fm_synth_options *options) {
  if (options->smallest == 0 && options->largest == 0) {
    options->smallest = 12;
    options->largest = 140;
  }
  if (options->with_mask == 0 && options->without == 0 && options->incorrect == 0) {
    options->with_mask = 0.45;
    options->without = 0.33;
    options->incorrect = 0.22;
  }
  if (options->count > FM_SYNTH_COUNT_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "at most %d pictures, not %zu", FM_SYNTH_COUNT_MAX,
                   options->count);
  if (!(options->smallest >= 6 && options->smallest <= options->largest))
    return fm_fail(FM_ERR_ARGUMENT, "faces from %g to %g pixels are not possible",
                   options->smallest, options->largest);
  if (options->width < 0 || options->height < 0 || !options->width != !options->height ||
      options->width > SYNTH_SIDE_MAX || options->height > SYNTH_SIDE_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "pictures of %d x %d pixels are not possible", options->width,
                   options->height);
  if (!(options->with_mask >= 0 && options->without >= 0 && options->incorrect >= 0 &&
        isfinite(options->with_mask + options->without + options->incorrect)))
    return fm_fail(FM_ERR_ARGUMENT, "the shares of the classes must not be negative");
  return FM_OK;
}

fm_status fm_synth_write(const fm_synth_options *options, fm_synth_counts *counts) {
  static const char *const parts[] = {"images", "annotations"};
  fm_synth_options chosen = *options;
  fm_synth_counts ignored = {0};
  counts = counts ? counts : &ignored;
  *counts = (fm_synth_counts){0};
  FM_TRY(synth_check(&chosen));
  for (size_t i = 0; i < 2; i++) {
    char *path = fm_path_join(chosen.folder, parts[i]);
    FM_CHECK_ALLOC(path);
    fm_status status = fm_folder_make(path);
    free(path);
    FM_TRY(status);
  }
  return synth_write_all(&chosen, counts);
}
