// Looks at each annotation on its own and beside the others of its picture.
#include "data/suspects.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SUSPECTS_BOX_BYTES = 64 };

static fm_status suspects_add(fm_suspects *out, fm_suspect suspect) {
  if (out->count == out->capacity) {
    const size_t capacity = out->capacity ? 2 * out->capacity : 64;
    fm_suspect *grown = realloc(out->items, capacity * sizeof *grown);
    FM_CHECK_ALLOC(grown);
    out->items = grown;
    out->capacity = capacity;
  }
  out->items[out->count++] = suspect;
  out->kinds[suspect.kind]++;
  return FM_OK;
}

static double suspects_overlap(const fm_box *a, const fm_box *b) {
  const double width = fminf(a->x2, b->x2) - fmaxf(a->x1, b->x1);
  const double height = fminf(a->y2, b->y2) - fmaxf(a->y1, b->y1);
  if (width <= 0 || height <= 0)
    return 0;
  const double both = width * height;
  const double area_a = ((double)a->x2 - a->x1) * ((double)a->y2 - a->y1);
  const double area_b = ((double)b->x2 - b->x1) * ((double)b->y2 - b->y1);
  return both / (area_a + area_b - both);
}

static fm_status suspects_look_at(fm_suspects *out, const fm_sample *sample, fm_suspect suspect) {
  const fm_box *box = &sample->objects[suspect.object].box;
  const double width = (double)box->x2 - box->x1, height = (double)box->y2 - box->y1;
  const double shorter = fmin(width, height), ratio = fmax(width, height) / shorter;
  const double picture = (double)sample->width * sample->height;
  if (shorter < FM_SUSPECT_SIDE) {
    suspect.kind = FM_SUSPECT_TINY;
    suspect.value = shorter;
    FM_TRY(suspects_add(out, suspect));
  }
  if (picture > 0 && width * height > FM_SUSPECT_AREA * picture) {
    suspect.kind = FM_SUSPECT_HUGE;
    suspect.value = width * height / picture;
    FM_TRY(suspects_add(out, suspect));
  }
  if (ratio > FM_SUSPECT_RATIO) {
    suspect.kind = FM_SUSPECT_STRETCHED;
    suspect.value = ratio;
    FM_TRY(suspects_add(out, suspect));
  }
  suspect.kind = FM_SUSPECT_DOUBLED;
  for (suspect.other = 0; suspect.other < suspect.object; suspect.other++) {
    suspect.value = suspects_overlap(box, &sample->objects[suspect.other].box);
    if (suspect.value > FM_SUSPECT_IOU)
      return suspects_add(out, suspect); // the first one is enough
  }
  return FM_OK;
}

static fm_status suspects_find(fm_suspects *out, const fm_dataset *dataset) {
  for (size_t i = 0; i < fm_dataset_count(dataset); i++) {
    const fm_sample *sample = fm_dataset_sample(dataset, i);
    out->clipped += sample->clipped_count;
    for (size_t j = 0; j < sample->object_count; j++)
      FM_TRY(suspects_look_at(out, sample, (fm_suspect){.sample = i, .object = j, .other = j}));
  }
  return FM_OK;
}

fm_status fm_suspects_find(fm_suspects *out, const fm_dataset *dataset) {
  *out = (fm_suspects){0};
  const fm_status status = suspects_find(out, dataset);
  if (status < 0)
    fm_suspects_release(out);
  return status;
}

void fm_suspects_release(fm_suspects *suspects) {
  free(suspects->items);
  *suspects = (fm_suspects){0};
}

const char *fm_suspect_kind_name(fm_suspect_kind kind) {
  static const char *const names[FM_SUSPECT_KIND_COUNT] = {"tiny", "huge", "stretched", "doubled"};
  FM_ASSERT(kind < FM_SUSPECT_KIND_COUNT);
  return names[kind];
}

static void suspects_format_box(char out[SUSPECTS_BOX_BYTES], const fm_box *box) {
  snprintf(out, SUSPECTS_BOX_BYTES, "(%.5g, %.5g, %.5g, %.5g)", (double)box->x1, (double)box->y1,
           (double)box->x2, (double)box->y2);
}

void fm_suspect_format(char *out, size_t capacity, const fm_suspect *suspect,
                       const fm_dataset *dataset) {
  const fm_sample *sample = fm_dataset_sample(dataset, suspect->sample);
  const fm_object *object = &sample->objects[suspect->object];
  const fm_object *other = &sample->objects[suspect->other];
  char box[SUSPECTS_BOX_BYTES], reason[192];
  suspects_format_box(box, &other->box);
  switch (suspect->kind) {
  case FM_SUSPECT_TINY:
    snprintf(reason, sizeof reason, "its shorter side has %.1f pixels", suspect->value);
    break;
  case FM_SUSPECT_HUGE:
    snprintf(reason, sizeof reason, "covers %.2f of its picture", suspect->value);
    break;
  case FM_SUSPECT_STRETCHED:
    snprintf(reason, sizeof reason, "one side is %.1f times the other", suspect->value);
    break;
  default:
    snprintf(reason, sizeof reason, "overlaps %.60s %s by %.2f",
             fm_dataset_class_name(dataset, other->label), box, suspect->value);
  }
  suspects_format_box(box, &object->box);
  snprintf(out, capacity, "%.60s %s: %s", fm_dataset_class_name(dataset, object->label), box,
           reason);
}
