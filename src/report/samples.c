// Samples: chosen, augmented, drawn.
#include "report/samples.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/progress.h"
#include "base/random.h"
#include "base/utf8.h"
#include "data/augment/augment.h"
#include "data/picture_cache.h"
#include "report/contact_sheet.h"

enum { SAMPLES_STREAM = 0x7361, SAMPLES_NAME_BYTES = 512 };
#define SAMPLES_CACHE_BYTES ((size_t)64 << 20)

typedef struct samples {
  const fm_samples_options *options;
  fm_augment *augment; // NULL: none
  fm_picture_cache *cache;
  fm_sample_pool *pool;
  fm_contact_sheet *sheet;
  json_t *list;
  uint32_t *order; // (all pictures) a permutation
  size_t all, taken;
} samples;

static fm_status samples_open(samples *self) {
  const fm_dataset *dataset = self->options->dataset;
  self->all = fm_dataset_count(dataset);
  if (self->options->augment)
    FM_TRY(fm_augment_parse(&self->augment, self->options->augment));
  FM_TRY(fm_picture_cache_new(&self->cache, dataset, SAMPLES_CACHE_BYTES));
  size_t *indices = calloc(self->all + 1, sizeof *indices);
  FM_CHECK_ALLOC(indices);
  for (size_t i = 0; i < self->all; i++)
    indices[i] = i;
  fm_status status = fm_sample_pool_new(&self->pool, dataset, self->cache, indices, self->all);
  free(indices);
  FM_TRY(status);
  FM_TRY(fm_contact_sheet_new(&self->sheet, dataset));
  self->list = json_array();
  self->order = calloc(self->all + 1, sizeof *self->order);
  FM_CHECK_ALLOC(self->list && self->order);
  fm_random random = fm_random_make(self->options->seed, SAMPLES_STREAM, 0);
  fm_random_permutation(&random, self->order, self->all);
  return fm_folder_make(self->options->folder);
}

static void samples_close(samples *self) {
  fm_augment_free(self->augment);
  fm_sample_pool_free(self->pool);
  fm_picture_cache_free(self->cache);
  fm_contact_sheet_free(self->sheet);
  json_decref(self->list);
  free(self->order);
}

// The picture and its boxes as they are to be shown; FM_END when it cannot be read.
static fm_status samples_make(const samples *self, size_t index, fm_augment_picture *out) {
  const fm_sample *sample = fm_dataset_sample(self->options->dataset, index);
  fm_image image;
  bool owned;
  fm_status status = fm_picture_cache_get(self->cache, index, &image, &owned);
  if (status < 0 && status != FM_ERR_MEMORY) {
    fm_say("left out: %s", fm_error_message());
    return FM_END;
  }
  FM_TRY(status);
  status = fm_augment_picture_copy(out, &image, sample->objects, sample->object_count);
  if (owned)
    fm_image_release(&image);
  FM_TRY(status);
  if (!self->augment)
    return FM_OK;
  fm_random random = fm_augment_random(self->options->seed, 0, index, 0);
  status = fm_augment_apply(self->augment, &random, self->pool, out);
  if (status < 0)
    fm_augment_picture_release(out);
  return status;
}

// A string of JSON, which is UTF-8, from a name, which may be anything.
static json_t *samples_string(const char *text) {
  char line[2 * SAMPLES_NAME_BYTES];
  fm_utf8_line(line, sizeof line, text);
  return json_string(line);
}

static json_t *samples_faces(const samples *self, const fm_augment_picture *picture) {
  json_t *faces = json_array();
  for (size_t i = 0; faces && i < picture->object_count; i++) {
    const fm_object *object = &picture->objects[i];
    const fm_box *box = &object->box;
    const char *name = fm_dataset_class_name(self->options->dataset, object->label);
    json_t *face = json_pack("{s:o, s:i, s:[f,f,f,f]}", "class", samples_string(name), "label",
                             (int)object->label, "box", (double)box->x1, (double)box->y1,
                             (double)box->x2, (double)box->y2);
    if (json_array_append_new(faces, face) < 0) {
      json_decref(faces);
      return NULL;
    }
  }
  return faces;
}

static fm_status samples_describe(samples *self, const fm_sample *sample, const char *path,
                                  const fm_augment_picture *picture) {
  json_t *entry = json_pack("{s:o, s:o, s:i, s:i, s:o}", "name", samples_string(sample->name),
                            "file", samples_string(path), "width", picture->image.width, "height",
                            picture->image.height, "faces", samples_faces(self, picture));
  if (json_array_append_new(self->list, entry) < 0)
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  return FM_OK;
}

static char *samples_path(const samples *self, const char *name) {
  char file[SAMPLES_NAME_BYTES];
  snprintf(file, sizeof file, "%s%s.png", name, self->augment ? "_augmented" : "");
  return fm_path_join(self->options->folder, file);
}

static fm_status samples_add(samples *self, const fm_sample *sample,
                             const fm_augment_picture *picture) {
  char *path = samples_path(self, sample->name);
  FM_CHECK_ALLOC(path);
  fm_status status = fm_contact_sheet_write_one(self->options->dataset, path, &picture->image,
                                                picture->objects, picture->object_count);
  if (status >= 0)
    status = fm_contact_sheet_add(self->sheet, sample->name, &picture->image, picture->objects,
                                  picture->object_count);
  if (status >= 0)
    status = samples_describe(self, sample, path, picture);
  free(path);
  return status;
}

static fm_status samples_take(samples *self) {
  for (size_t i = 0; i < self->all && self->taken < self->options->count; i++) {
    size_t index = self->order[i];
    fm_augment_picture picture;
    fm_status status = samples_make(self, index, &picture);
    FM_TRY(status);
    if (status == FM_END)
      continue;
    status = samples_add(self, fm_dataset_sample(self->options->dataset, index), &picture);
    fm_augment_picture_release(&picture);
    FM_TRY(status);
    self->taken++;
  }
  return self->taken > 0 ? FM_OK : fm_fail(FM_ERR_FORMAT, "no picture can be read");
}

static fm_status samples_finish(samples *self, char **json) {
  char heading[SAMPLES_NAME_BYTES];
  char *path = samples_path(self, "contact_sheet");
  FM_CHECK_ALLOC(path);
  snprintf(heading, sizeof heading, "%zu of %zu pictures%s, seed %llu", self->taken, self->all,
           self->augment ? " as training sees them" : "", (unsigned long long)self->options->seed);
  fm_status status = fm_contact_sheet_write(self->sheet, heading, path);
  json_t *root = json_pack("{s:o, s:O}", "sheet", samples_string(path), "samples", self->list);
  free(path);
  *json = root && status >= 0 ? json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(root);
  FM_TRY(status);
  FM_CHECK_ALLOC(*json);
  return FM_OK;
}

fm_status fm_samples_write(const fm_samples_options *options, char **json) {
  *json = NULL;
  samples self = {.options = options};
  fm_status status = samples_open(&self);
  if (status >= 0)
    status = samples_take(&self);
  if (status >= 0)
    status = samples_finish(&self, json);
  samples_close(&self);
  return status;
}
