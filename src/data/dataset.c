// A data set of Pascal VOC annotations: opens the source, reads every annotation, looks at every
// picture's header, and lists what is wrong.
#include "data/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "data/classes.h"
#include "data/problems.h"
#include "data/source.h"
#include "data/voc.h"

enum { DATASET_PICTURE_BYTES_MAX = 512 * 1024 * 1024, DATASET_HEAD_BYTES = 64 * 1024 };

struct fm_dataset {
  char *path;
  fm_source source;
  fm_classes classes;
  bool classes_given, strict, annotations_only;
  fm_sample *samples;
  const fm_source_file **annotations; // of each sample
  const fm_source_file **pictures;    // of each sample; NULL when missing
  fm_fingerprint *fingerprints;       // of each sample; NULL before the pictures were checked
  size_t count;
  uint32_t *cells; // a hash table of names: the sample's place + 1, 0 where there is none
  size_t cell_mask;
  fm_problem_list problems;
};

static const char *dataset_skipped = "; skipped";

static fm_status dataset_describe_strict(const fm_dataset *dataset) {
  const fm_problem *first = dataset->problems.items;
  if (!dataset->strict || dataset->problems.count == 0)
    return FM_OK;
  return fm_fail(FM_ERR_FORMAT, "%s: %zu problem%s, first %s: %s", dataset->path,
                 dataset->problems.count, dataset->problems.count == 1 ? "" : "s", first->file,
                 first->reason);
}

// The length of a file name without its extension.
static size_t dataset_stem(const char *name) {
  const char *dot = strrchr(name, '.');
  return dot && dot != name ? (size_t)(dot - name) : strlen(name);
}

static void dataset_sample_release(fm_sample *sample) {
  free(sample->name);
  free(sample->file_name);
  free(sample->objects);
  *sample = (fm_sample){0};
}

// Pictures by stem.
typedef struct dataset_picture {
  const fm_source_file *file;
  size_t stem;
  bool used;
} dataset_picture;

typedef struct dataset_pictures {
  dataset_picture *items; // sorted by stem
  size_t count;
} dataset_pictures;

static int dataset_compare_stems(const char *a, size_t a_length, const char *b, size_t b_length) {
  int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
  return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int dataset_compare_pictures(const void *a, const void *b) {
  const dataset_picture *left = a, *right = b;
  int order = dataset_compare_stems(left->file->name, left->stem, right->file->name, right->stem);
  return order ? order : strcmp(left->file->name, right->file->name);
}

static fm_status dataset_pictures_make(dataset_pictures *out, const fm_source_list *list) {
  *out = (dataset_pictures){.count = list->count};
  out->items = calloc(list->count + 1, sizeof *out->items);
  FM_CHECK_ALLOC(out->items);
  for (size_t i = 0; i < list->count; i++)
    out->items[i] = (dataset_picture){&list->files[i], dataset_stem(list->files[i].name), false};
  if (list->count > 1)
    qsort(out->items, list->count, sizeof *out->items, dataset_compare_pictures);
  return FM_OK;
}

// The unused picture with this stem; among several (a.jpg, a.png) the one called `wanted`, else the
// first.
static dataset_picture *dataset_pictures_find(dataset_pictures *pictures, const char *stem,
                                              size_t length, const char *wanted) {
  size_t low = 0, high = pictures->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    const dataset_picture *picture = &pictures->items[middle];
    if (dataset_compare_stems(picture->file->name, picture->stem, stem, length) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  dataset_picture *found = NULL;
  for (; low < pictures->count; low++) {
    dataset_picture *picture = &pictures->items[low];
    if (dataset_compare_stems(picture->file->name, picture->stem, stem, length) != 0)
      break;
    if (!picture->used && (!found || (wanted && strcmp(wanted, picture->file->name) == 0)))
      found = picture;
  }
  return found;
}

// The size from the picture's header, on entry as it was annotated; reads the whole file only when
// the header is not in its first part.
static fm_status dataset_picture_size(const fm_dataset *dataset, const fm_source_file *file,
                                      int *width, int *height) {
  fm_bytes bytes;
  FM_TRY(fm_source_head(&dataset->source, file, DATASET_HEAD_BYTES, &bytes));
  bool whole = bytes.size < DATASET_HEAD_BYTES;
  fm_status status = fm_image_decode_size(width, height, bytes.data, bytes.size, file->label);
  free(bytes.data);
  if (status == FM_OK || whole)
    return status;
  FM_TRY(fm_source_read(&dataset->source, file, DATASET_PICTURE_BYTES_MAX, &bytes));
  status = fm_image_decode_size(width, height, bytes.data, bytes.size, file->label);
  free(bytes.data);
  return status;
}

// While opening: what one annotation file became.
typedef struct dataset_item {
  const fm_source_file *annotation, *picture;
  dataset_picture *own; // of the annotation's name; NULL: none
  fm_voc voc;
  bool dropped;
} dataset_item;

typedef struct dataset_opening {
  fm_dataset *dataset;
  dataset_item *items;
  size_t count;
  dataset_pictures pictures;
} dataset_opening;

// Reads and parses; a broken file is a problem and drops the item.
static fm_status dataset_read_annotation(fm_dataset *dataset, dataset_item *item) {
  fm_bytes bytes;
  const fm_source_file *file = item->annotation;
  fm_status status = fm_source_read(&dataset->source, file, FM_VOC_BYTES_MAX, &bytes);
  if (status == FM_OK) {
    status = fm_voc_parse(&item->voc, bytes.data, bytes.size, file->label);
    free(bytes.data);
  }
  if (status == FM_OK)
    return FM_OK;
  item->dropped = true;
  return fm_problem_list_add_failure(&dataset->problems, file->label, status, dataset_skipped);
}

static const char *dataset_wanted_picture(const dataset_item *item) {
  return item->voc.file_name ? fm_path_name(item->voc.file_name) : NULL;
}

// The picture of the annotation's own name. All annotations take theirs before any takes one by the
// name that stands in it.
static void dataset_find_own_picture(dataset_opening *opening, dataset_item *item) {
  const char *name = item->annotation->name;
  item->own = dataset_pictures_find(&opening->pictures, name, dataset_stem(name),
                                    dataset_wanted_picture(item));
  if (item->own)
    item->own->used = true;
}

// Its own picture, or the one it names when that is nobody's.
static dataset_picture *dataset_find_picture(dataset_opening *opening, const dataset_item *item) {
  const char *wanted = dataset_wanted_picture(item);
  if (item->own || !wanted)
    return item->own;
  dataset_picture *picture =
      dataset_pictures_find(&opening->pictures, wanted, dataset_stem(wanted), wanted);
  if (picture)
    picture->used = true;
  return picture;
}

// Finds the picture and checks its size against the annotation's; the picture is right.
static fm_status dataset_match_picture(dataset_opening *opening, dataset_item *item) {
  fm_dataset *dataset = opening->dataset;
  const char *label = item->annotation->label;
  dataset_picture *picture = dataset_find_picture(opening, item);
  if (item->dropped) // the annotation is broken; its picture is no stray one
    return FM_OK;
  if (!picture) {
    item->dropped = true;
    return fm_problem_list_add(&dataset->problems, label, "no picture of this name; skipped");
  }
  item->picture = picture->file;
  // Who annotated saw it upright, but for tools that do not look at EXIF's orientation.
  int width = item->voc.width, height = item->voc.height;
  fm_status status = dataset_picture_size(dataset, picture->file, &width, &height);
  if (status < 0) {
    item->dropped = true;
    return fm_problem_list_add_failure(&dataset->problems, picture->file->label, status,
                                       dataset_skipped);
  }
  if ((item->voc.width > 0 || item->voc.height > 0) &&
      (item->voc.width != width || item->voc.height != height))
    FM_TRY(fm_problem_list_add(&dataset->problems, label,
                               "says %d x %d pixels, but the picture has %d x %d", item->voc.width,
                               item->voc.height, width, height));
  item->voc.width = width;
  item->voc.height = height;
  return FM_OK;
}

static fm_status dataset_match_items(dataset_opening *opening) {
  fm_dataset *dataset = opening->dataset;
  for (size_t i = 0; i < dataset->source.annotations.count; i++) {
    dataset_item *item = &opening->items[i];
    if (!dataset->annotations_only)
      FM_TRY(dataset_match_picture(opening, item));
    if (!item->dropped && (item->voc.width <= 0 || item->voc.height <= 0))
      FM_TRY(fm_problem_list_add(&dataset->problems, item->annotation->label,
                                 "no size of the picture"));
  }
  return FM_OK;
}

static fm_status dataset_read_items(dataset_opening *opening) {
  fm_dataset *dataset = opening->dataset;
  const fm_source_list *annotations = &dataset->source.annotations;
  dataset->annotations_only = dataset->source.pictures.count == 0;
  for (size_t i = 0; i < annotations->count; i++) {
    dataset_item *item = &opening->items[i];
    item->annotation = &annotations->files[i];
    const char *name = item->annotation->name;
    if (i > 0 && dataset_stem(name) == dataset_stem(annotations->files[i - 1].name) &&
        memcmp(name, annotations->files[i - 1].name, dataset_stem(name)) == 0) {
      item->dropped = true;
      FM_TRY(fm_problem_list_add(&dataset->problems, item->annotation->label,
                                 "a second annotation of the same name; skipped"));
      continue;
    }
    FM_TRY(dataset_read_annotation(dataset, item));
    if (!dataset->annotations_only)
      dataset_find_own_picture(opening, item);
  }
  return dataset_match_items(opening);
}

static fm_status dataset_tell_unused(const dataset_opening *opening) {
  fm_dataset *dataset = opening->dataset;
  for (size_t i = 0; i < opening->pictures.count; i++)
    if (!opening->pictures.items[i].used)
      FM_TRY(fm_problem_list_add(&dataset->problems, opening->pictures.items[i].file->label,
                                 "no annotation of this name; skipped"));
  for (size_t i = 0; i < dataset->source.refused.count; i++)
    FM_TRY(fm_problem_list_add(&dataset->problems, dataset->source.refused.files[i].label,
                               "a name that leads out of the archive; skipped"));
  return FM_OK;
}

static fm_status dataset_collect_classes(dataset_opening *opening) {
  fm_classes *classes = &opening->dataset->classes;
  if (opening->dataset->classes_given)
    return FM_OK;
  for (size_t i = 0; i < opening->count; i++)
    for (size_t j = 0; !opening->items[i].dropped && j < opening->items[i].voc.object_count; j++) {
      const fm_status status = fm_classes_collect(classes, opening->items[i].voc.objects[j].name);
      if (status < 0)
        return fm_fail_within(status, "%s", opening->items[i].annotation->label);
    }
  fm_classes_order(classes);
  return FM_OK;
}

static bool dataset_box_is_empty(const fm_box *box) {
  return !(box->x2 > box->x1 && box->y2 > box->y1);
}

// Checks one object; `keep` is false when it cannot be used. Strict keeps boxes as they are: it
// fails anyway.
static fm_status dataset_check_object(fm_dataset *dataset, const dataset_item *item, size_t index,
                                      fm_object *out, bool *keep) {
  const fm_voc_object *object = &item->voc.objects[index];
  const char *file = item->annotation->label;
  fm_box box = object->box;
  fm_problem_list *problems = &dataset->problems;
  *keep = false;
  *out = (fm_object){.box = box, .label = fm_classes_find(&dataset->classes, object->name)};
  if (out->label == 0)
    return fm_problem_list_add(problems, file, "object %zu: unknown class \"%s\"; skipped",
                               index + 1, object->name);
  if (dataset_box_is_empty(&box))
    return fm_problem_list_add(
        problems, file, "object %zu: the box (%g, %g, %g, %g) is empty or reversed; skipped",
        index + 1, (double)box.x1, (double)box.y1, (double)box.x2, (double)box.y2);
  *keep = true;
  float width = (float)item->voc.width, height = (float)item->voc.height;
  if (width <= 0 || height <= 0 ||
      (box.x1 >= 0 && box.y1 >= 0 && box.x2 <= width && box.y2 <= height))
    return FM_OK;
  out->box =
      (fm_box){fmaxf(box.x1, 0), fmaxf(box.y1, 0), fminf(box.x2, width), fminf(box.y2, height)};
  *keep = !dataset_box_is_empty(&out->box);
  return fm_problem_list_add(
      problems, file,
      "object %zu: the box (%g, %g, %g, %g) reaches outside its picture of %d x %d; %s", index + 1,
      (double)box.x1, (double)box.y1, (double)box.x2, (double)box.y2, item->voc.width,
      item->voc.height, *keep ? "clipped" : "skipped");
}

static fm_status dataset_add_sample(fm_dataset *dataset, const dataset_item *item) {
  const fm_voc *voc = &item->voc;
  fm_sample *sample = &dataset->samples[dataset->count];
  FM_ASSERT(item->annotation);
  dataset->annotations[dataset->count] = item->annotation;
  dataset->pictures[dataset->count] = item->picture;
  dataset->count++; // first, so that a failure below leaves nothing behind
  sample->name = strndup(item->annotation->name, dataset_stem(item->annotation->name));
  FM_CHECK_ALLOC(sample->name);
  if (item->picture) {
    sample->file_name = strdup(item->picture->name);
    FM_CHECK_ALLOC(sample->file_name);
  }
  sample->width = voc->width;
  sample->height = voc->height;
  sample->objects = calloc(voc->object_count + 1, sizeof *sample->objects);
  FM_CHECK_ALLOC(sample->objects);
  for (size_t i = 0; i < voc->object_count; i++) {
    bool keep;
    FM_TRY(dataset_check_object(dataset, item, i, &sample->objects[sample->object_count], &keep));
    if (!keep)
      continue;
    const fm_box *box = &sample->objects[sample->object_count++].box, *read = &voc->objects[i].box;
    sample->clipped_count +=
        box->x1 != read->x1 || box->y1 != read->y1 || box->x2 != read->x2 || box->y2 != read->y2;
  }
  return FM_OK;
}

// The cell that holds the sample of this name, or the empty one where it would be.
static size_t dataset_cell(const fm_dataset *dataset, const char *name) {
  size_t cell = fm_hash(FM_HASH_START, name, strlen(name)) & dataset->cell_mask;
  while (dataset->cells[cell] && strcmp(dataset->samples[dataset->cells[cell] - 1].name, name) != 0)
    cell = (cell + 1) & dataset->cell_mask;
  return cell;
}

static fm_status dataset_index(fm_dataset *dataset) {
  size_t cells = 16;
  free(dataset->cells);
  while (cells < 2 * dataset->count)
    cells *= 2;
  dataset->cells = calloc(cells, sizeof *dataset->cells);
  FM_CHECK_ALLOC(dataset->cells);
  dataset->cell_mask = cells - 1;
  for (size_t i = 0; i < dataset->count; i++)
    dataset->cells[dataset_cell(dataset, dataset->samples[i].name)] = (uint32_t)(i + 1);
  return FM_OK;
}

static fm_status dataset_fill(dataset_opening *opening) {
  fm_dataset *dataset = opening->dataset;
  size_t count = dataset->source.annotations.count;
  opening->items = calloc(count, sizeof *opening->items);
  FM_CHECK_ALLOC(opening->items);
  opening->count = count;
  FM_TRY(dataset_pictures_make(&opening->pictures, &dataset->source.pictures));
  FM_TRY(dataset_read_items(opening));
  FM_TRY(dataset_tell_unused(opening));
  FM_TRY(dataset_collect_classes(opening));
  dataset->samples = calloc(count, sizeof *dataset->samples);
  dataset->annotations = calloc(count, sizeof *dataset->annotations);
  dataset->pictures = calloc(count, sizeof *dataset->pictures);
  FM_CHECK_ALLOC(dataset->samples && dataset->annotations && dataset->pictures);
  for (size_t i = 0; i < count; i++)
    if (!opening->items[i].dropped)
      FM_TRY(dataset_add_sample(dataset, &opening->items[i]));
  FM_TRY(dataset_describe_strict(dataset));
  if (dataset->count == 0)
    return fm_fail(FM_ERR_FORMAT, "%s: nothing usable, first %s: %s", dataset->path,
                   dataset->problems.items[0].file, dataset->problems.items[0].reason);
  return dataset_index(dataset);
}

static fm_status dataset_open(fm_dataset *dataset, const char *path,
                              const fm_dataset_options *options) {
  dataset->path = strdup(path);
  FM_CHECK_ALLOC(dataset->path);
  dataset->strict = options->strict;
  dataset->classes_given = options->classes != NULL;
  if (dataset->classes_given)
    FM_TRY(fm_classes_parse(&dataset->classes, options->classes));
  FM_TRY(fm_source_open(&dataset->source, path, options->images));
  dataset_opening opening = {.dataset = dataset};
  fm_status status = dataset_fill(&opening);
  for (size_t i = 0; i < opening.count; i++)
    fm_voc_release(&opening.items[i].voc);
  free(opening.items);
  free(opening.pictures.items);
  return status;
}

fm_status fm_dataset_open(fm_dataset **out, const char *path, const fm_dataset_options *options) {
  static const fm_dataset_options defaults;
  *out = NULL;
  fm_dataset *dataset = calloc(1, sizeof *dataset);
  FM_CHECK_ALLOC(dataset);
  fm_status status = dataset_open(dataset, path, options ? options : &defaults);
  if (status < 0) {
    fm_dataset_free(dataset);
    return status;
  }
  *out = dataset;
  return FM_OK;
}

void fm_dataset_free(fm_dataset *dataset) {
  if (!dataset)
    return;
  for (size_t i = 0; i < dataset->count; i++)
    dataset_sample_release(&dataset->samples[i]);
  free(dataset->samples);
  free(dataset->annotations);
  free(dataset->pictures);
  free(dataset->fingerprints);
  free(dataset->cells);
  fm_problem_list_release(&dataset->problems);
  fm_classes_release(&dataset->classes);
  fm_source_release(&dataset->source);
  free(dataset->path);
  free(dataset);
}

size_t fm_dataset_count(const fm_dataset *dataset) {
  return dataset->count;
}

const fm_sample *fm_dataset_sample(const fm_dataset *dataset, size_t index) {
  FM_ASSERT(index < dataset->count);
  return &dataset->samples[index];
}

ptrdiff_t fm_dataset_find(const fm_dataset *dataset, const char *name) {
  return (ptrdiff_t)dataset->cells[dataset_cell(dataset, name)] - 1;
}

int fm_dataset_class_count(const fm_dataset *dataset) {
  return dataset->classes.count;
}

const char *fm_dataset_class_name(const fm_dataset *dataset, int label) {
  FM_ASSERT(label >= 1 && label <= dataset->classes.count);
  return dataset->classes.names[label - 1];
}

const fm_problem *fm_dataset_problems(const fm_dataset *dataset, size_t *count) {
  *count = dataset->problems.count;
  return dataset->problems.items;
}

void fm_dataset_move_starts(fm_dataset *dataset, float by) {
  for (size_t i = 0; i < dataset->count; i++) {
    for (size_t k = 0; k < dataset->samples[i].object_count; k++) {
      fm_box *box = &dataset->samples[i].objects[k].box;
      box->x1 += by;
      box->y1 += by;
    }
  }
}

bool fm_dataset_annotations_only(const fm_dataset *dataset) {
  return dataset->annotations_only;
}

fm_status fm_dataset_require_pictures(const fm_dataset *dataset) {
  if (!dataset->annotations_only)
    return FM_OK;
  return fm_fail(FM_ERR_IO, "%s has annotations but no pictures; --images DIR names their folder",
                 dataset->path);
}

fm_status fm_dataset_image(const fm_dataset *dataset, size_t index, fm_image *out) {
  FM_ASSERT(index < dataset->count);
  *out = (fm_image){0};
  const fm_source_file *file = dataset->pictures[index];
  const fm_sample *sample = &dataset->samples[index];
  if (!file)
    return fm_fail(FM_ERR_IO, "%s: no picture of %s", dataset->path, sample->name);
  fm_bytes bytes;
  FM_TRY(fm_source_read(&dataset->source, file, DATASET_PICTURE_BYTES_MAX, &bytes));
  fm_status status = fm_image_decode_sized(out, sample->width, sample->height, bytes.data,
                                           bytes.size, file->label);
  free(bytes.data);
  FM_TRY(status);
  if (out->width != sample->width || out->height != sample->height) {
    fm_image_release(out);
    return fm_fail(FM_ERR_FORMAT, "%s: changed while in use", file->label);
  }
  return FM_OK;
}

// Removes the samples whose flag is set.
static fm_status dataset_drop(fm_dataset *dataset, const bool *broken) {
  size_t kept = 0;
  for (size_t i = 0; i < dataset->count; i++) {
    if (broken[i]) {
      dataset_sample_release(&dataset->samples[i]);
      continue;
    }
    dataset->samples[kept] = dataset->samples[i];
    dataset->annotations[kept] = dataset->annotations[i];
    dataset->pictures[kept] = dataset->pictures[i];
    if (dataset->fingerprints)
      dataset->fingerprints[kept] = dataset->fingerprints[i];
    kept++;
  }
  dataset->count = kept;
  return dataset_index(dataset);
}

// One failed picture becomes a problem; the reasons are added in the order of the samples, whatever
// the threads did.
static fm_status dataset_add_broken(fm_dataset *dataset, bool *broken) {
  for (size_t i = 0; i < dataset->count; i++) {
    if (!broken[i])
      continue;
    fm_image image;
    fm_status status = fm_dataset_image(dataset, i, &image);
    broken[i] = status < 0;
    if (!broken[i]) // a passing failure of reading
      fm_fingerprint_take(&dataset->fingerprints[i], &image);
    fm_image_release(&image);
    if (!broken[i])
      continue;
    FM_TRY(fm_problem_list_add_failure(&dataset->problems, dataset->pictures[i]->label, status,
                                       dataset_skipped));
  }
  return FM_OK;
}

const fm_fingerprint *fm_dataset_fingerprint(const fm_dataset *dataset, size_t index) {
  FM_ASSERT(index < dataset->count);
  return dataset->fingerprints && dataset->pictures[index] ? &dataset->fingerprints[index] : NULL;
}

static void dataset_decode_all(fm_dataset *dataset, bool *broken) {
#pragma omp parallel for schedule(dynamic, 4)
  for (size_t i = 0; i < dataset->count; i++) {
    fm_image image;
    broken[i] = fm_dataset_image(dataset, i, &image) < 0;
    if (!broken[i])
      fm_fingerprint_take(&dataset->fingerprints[i], &image);
    fm_image_release(&image);
  }
}

fm_status fm_dataset_check_pictures(fm_dataset *dataset) {
  bool *broken = calloc(dataset->count + 1, sizeof *broken);
  FM_CHECK_ALLOC(broken);
  if (!dataset->annotations_only) {
    free(dataset->fingerprints);
    dataset->fingerprints = calloc(dataset->count + 1, sizeof *dataset->fingerprints);
    if (!dataset->fingerprints) {
      free(broken);
      return fm_fail(FM_ERR_MEMORY, "out of memory");
    }
    dataset_decode_all(dataset, broken);
  }
  fm_status status = dataset_add_broken(dataset, broken);
  if (status == FM_OK)
    status = dataset_drop(dataset, broken);
  free(broken);
  FM_TRY(status);
  FM_TRY(dataset_describe_strict(dataset));
  if (dataset->count == 0)
    return fm_fail(FM_ERR_FORMAT, "%s: no picture can be decoded", dataset->path);
  return FM_OK;
}
