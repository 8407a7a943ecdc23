// Finding near pictures by their fingerprints. The mean difference of two is at least the
// difference of their means, so in the order of the means only a window has to be compared.
#include "data/duplicates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/fingerprint.h"

// Boxes of two near pictures that overlap by this much are the same face.
#define DUPLICATES_SAME_FACE 0.5f
enum { DUPLICATES_COMPARISONS_MAX = 100 * 1000 * 1000 };

typedef struct duplicates_entry {
  const fm_fingerprint *fingerprint;
  size_t index; // of the sample
  float mean;
} duplicates_entry;

static int duplicates_compare_means(const void *a, const void *b) {
  const duplicates_entry *left = a, *right = b;
  if (left->mean != right->mean)
    return left->mean < right->mean ? -1 : 1;
  return (left->index > right->index) - (left->index < right->index);
}

static size_t duplicates_entries(duplicates_entry *entries, const fm_dataset *dataset) {
  size_t count = 0;
  for (size_t i = 0; i < fm_dataset_count(dataset); i++) {
    const fm_fingerprint *fingerprint = fm_dataset_fingerprint(dataset, i);
    if (!fingerprint)
      continue;
    int sum = 0;
    for (int field = 0; field < FM_FINGERPRINT_FIELDS; field++)
      sum += fingerprint->grey[field];
    entries[count++] = (duplicates_entry){fingerprint, i, (float)sum / FM_FINGERPRINT_FIELDS};
  }
  qsort(entries, count, sizeof *entries, duplicates_compare_means);
  return count;
}

static size_t duplicates_root(size_t *group, size_t index) {
  while (group[index] != index) {
    group[index] = group[group[index]];
    index = group[index];
  }
  return index;
}

// The lower index is the root, so that in the end each group is known by its first sample.
static void duplicates_join(size_t *group, size_t a, size_t b) {
  a = duplicates_root(group, a);
  b = duplicates_root(group, b);
  if (a < b)
    group[b] = a;
  else
    group[a] = b;
}

static void duplicates_add(fm_duplicates *out, const duplicates_entry *a, const duplicates_entry *b,
                           float difference) {
  const size_t first = a->index < b->index ? a->index : b->index;
  const size_t second = a->index < b->index ? b->index : a->index;
  const bool same = a->fingerprint->hash == b->fingerprint->hash;
  duplicates_join(out->group, first, second);
  out->pair_count++;
  out->same_count += same;
  if (out->count < FM_DUPLICATE_PAIRS_MAX)
    out->pairs[out->count++] = (fm_duplicate){first, second, difference, same};
}

static fm_status duplicates_grow(fm_duplicates *out, size_t *capacity) {
  if (out->count < *capacity || out->count == FM_DUPLICATE_PAIRS_MAX)
    return FM_OK;
  *capacity = *capacity ? 2 * *capacity : 64;
  fm_duplicate *grown = realloc(out->pairs, *capacity * sizeof *grown);
  FM_CHECK_ALLOC(grown);
  out->pairs = grown;
  return FM_OK;
}

static fm_status duplicates_search(fm_duplicates *out, const duplicates_entry *entries,
                                   size_t count) {
  size_t capacity = 0;
  for (size_t i = 0; i < count; i++)
    for (size_t j = i + 1;
         j < count && entries[j].mean - entries[i].mean < FM_DUPLICATE_GREY_LEVELS; j++) {
      const float difference =
          fm_fingerprint_difference(entries[i].fingerprint, entries[j].fingerprint);
      if (difference >= FM_DUPLICATE_GREY_LEVELS)
        continue;
      FM_TRY(duplicates_grow(out, &capacity));
      duplicates_add(out, &entries[i], &entries[j], difference);
    }
  return FM_OK;
}

static int duplicates_compare_pairs(const void *a, const void *b) {
  const fm_duplicate *left = a, *right = b;
  if (left->first != right->first)
    return left->first < right->first ? -1 : 1;
  return (left->second > right->second) - (left->second < right->second);
}

// The boxes as shares of their pictures, which may differ in size.
static float duplicates_overlap(const fm_sample *a, const fm_box *p, const fm_sample *b,
                                const fm_box *q) {
  const float aw = (float)a->width, ah = (float)a->height;
  const float bw = (float)b->width, bh = (float)b->height;
  const float width = fminf(p->x2 / aw, q->x2 / bw) - fmaxf(p->x1 / aw, q->x1 / bw);
  const float height = fminf(p->y2 / ah, q->y2 / bh) - fmaxf(p->y1 / ah, q->y1 / bh);
  if (width <= 0 || height <= 0)
    return 0;
  const float both = width * height;
  const float area_p = (p->x2 - p->x1) / aw * (p->y2 - p->y1) / ah;
  const float area_q = (q->x2 - q->x1) / bw * (q->y2 - q->y1) / bh;
  return both / (area_p + area_q - both);
}

// The object of b that is not taken and overlaps the box of a most, -1 when none does enough.
static ptrdiff_t duplicates_match(const fm_sample *a, const fm_object *object, const fm_sample *b,
                                  const bool *taken) {
  ptrdiff_t best = -1;
  float most = DUPLICATES_SAME_FACE;
  for (size_t j = 0; j < b->object_count; j++) {
    const float overlap = taken[j] ? 0 : duplicates_overlap(a, &object->box, b, &b->objects[j].box);
    if (overlap > most) {
      most = overlap;
      best = (ptrdiff_t)j;
    }
  }
  return best;
}

static fm_status duplicates_contradict(fm_duplicates *out, size_t pair, ptrdiff_t first,
                                       ptrdiff_t second) {
  // Room is made in powers of two.
  const size_t count = out->contradiction_count;
  if ((count & (count - 1)) == 0) {
    fm_contradiction *grown = realloc(out->contradictions, (count ? 2 * count : 1) * sizeof *grown);
    FM_CHECK_ALLOC(grown);
    out->contradictions = grown;
  }
  out->contradictions[out->contradiction_count++] = (fm_contradiction){pair, first, second};
  return FM_OK;
}

static fm_status duplicates_compare_labels(fm_duplicates *out, size_t pair,
                                           const fm_dataset *dataset) {
  const fm_sample *a = fm_dataset_sample(dataset, out->pairs[pair].first);
  const fm_sample *b = fm_dataset_sample(dataset, out->pairs[pair].second);
  if (a->object_count > DUPLICATES_COMPARISONS_MAX / (b->object_count + 1))
    return FM_OK;
  bool *taken = calloc(b->object_count + 1, sizeof *taken);
  FM_CHECK_ALLOC(taken);
  fm_status status = FM_OK;
  for (size_t i = 0; i < a->object_count && status == FM_OK; i++) {
    const ptrdiff_t match = duplicates_match(a, &a->objects[i], b, taken);
    if (match >= 0)
      taken[match] = true;
    if (match < 0 || a->objects[i].label != b->objects[match].label)
      status = duplicates_contradict(out, pair, (ptrdiff_t)i, match);
  }
  for (size_t j = 0; j < b->object_count && status == FM_OK; j++)
    if (!taken[j])
      status = duplicates_contradict(out, pair, -1, (ptrdiff_t)j);
  free(taken);
  return status;
}

static fm_status duplicates_find(fm_duplicates *out, const fm_dataset *dataset,
                                 duplicates_entry *entries) {
  const size_t samples = fm_dataset_count(dataset);
  out->group = calloc(samples + 1, sizeof *out->group);
  FM_CHECK_ALLOC(out->group);
  for (size_t i = 0; i < samples; i++)
    out->group[i] = i;
  FM_TRY(duplicates_search(out, entries, duplicates_entries(entries, dataset)));
  for (size_t i = 0; i < samples; i++)
    out->group[i] = duplicates_root(out->group, i);
  if (out->count)
    qsort(out->pairs, out->count, sizeof *out->pairs, duplicates_compare_pairs);
  for (size_t pair = 0; pair < out->count; pair++) {
    if (out->contradiction_count >= FM_CONTRADICTIONS_MAX)
      break;
    FM_TRY(duplicates_compare_labels(out, pair, dataset));
  }
  return FM_OK;
}

fm_status fm_duplicates_find(fm_duplicates *out, const fm_dataset *dataset) {
  *out = (fm_duplicates){0};
  duplicates_entry *entries = calloc(fm_dataset_count(dataset) + 1, sizeof *entries);
  FM_CHECK_ALLOC(entries);
  const fm_status status = duplicates_find(out, dataset, entries);
  free(entries);
  if (status < 0)
    fm_duplicates_release(out);
  return status;
}

void fm_duplicates_release(fm_duplicates *duplicates) {
  free(duplicates->pairs);
  free(duplicates->group);
  free(duplicates->contradictions);
  *duplicates = (fm_duplicates){0};
}

void fm_contradiction_format(char *out, size_t capacity, const fm_dataset *dataset, size_t sample,
                             ptrdiff_t object) {
  if (object < 0) {
    snprintf(out, capacity, "no face there");
    return;
  }
  const fm_object *face = &fm_dataset_sample(dataset, sample)->objects[object];
  snprintf(out, capacity, "%.200s (%.0f, %.0f, %.0f, %.0f)",
           fm_dataset_class_name(dataset, face->label), (double)face->box.x1, (double)face->box.y1,
           (double)face->box.x2, (double)face->box.y2);
}
