// Reading and writing results.
#include "eval/results.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"

enum { RESULTS_NAME_BYTES = 1024 };

fm_status fm_eval_subset_truths(const fm_eval_subset *subset, fm_eval_boxes *boxes) {
  for (size_t i = 0; i < subset->count; ++i)
    FM_TRY(fm_eval_boxes_add_sample(boxes, (int64_t)i,
                                    fm_dataset_sample(subset->dataset, subset->samples[i])));
  return FM_OK;
}

// One file being read. places[sample of the data set] is the picture's number in the subset, -1
// for those outside.
typedef struct results_reader {
  const fm_eval_subset *subset;
  const char *path;
  ptrdiff_t *places;
  size_t outside; // detections in pictures of the data set that are not in the subset
} results_reader;

static fm_status results_places(results_reader *reader) {
  const size_t count = fm_dataset_count(reader->subset->dataset);
  reader->places = malloc((count + 1) * sizeof *reader->places);
  FM_CHECK_ALLOC(reader->places);
  for (size_t i = 0; i < count; ++i)
    reader->places[i] = -1;
  for (size_t i = 0; i < reader->subset->count; ++i)
    reader->places[reader->subset->samples[i]] = (ptrdiff_t)i;
  return FM_OK;
}

static fm_status results_place_named(const results_reader *reader, size_t entry, const char *file,
                                     int64_t *image) {
  const char *name = fm_path_name(file);
  ptrdiff_t sample = fm_dataset_find(reader->subset->dataset, name);
  const char *dot = strrchr(name, '.');
  if (sample < 0 && dot) {
    char *stem = strndup(name, (size_t)(dot - name));
    FM_CHECK_ALLOC(stem);
    sample = fm_dataset_find(reader->subset->dataset, stem);
    free(stem);
  }
  if (sample < 0)
    return fm_fail(FM_ERR_FORMAT, "%s: entry %zu: %s is not among the %zu pictures", reader->path,
                   entry, file, fm_dataset_count(reader->subset->dataset));
  *image = reader->places[sample];
  return FM_OK;
}

static fm_status results_place(const results_reader *reader, size_t entry, const json_t *item,
                               int64_t *image) {
  const char *file = json_string_value(json_object_get(item, "file_name"));
  if (file)
    return results_place_named(reader, entry, file, image);
  const json_t *id = json_object_get(item, "image_id");
  *image = json_integer_value(id);
  if (!json_is_integer(id) || *image < 0 || (uint64_t)*image >= reader->subset->count)
    return fm_fail(FM_ERR_FORMAT, "%s: entry %zu: image_id must be 0 to %zu", reader->path, entry,
                   reader->subset->count - 1);
  return FM_OK;
}

static fm_status results_read_box(const results_reader *reader, size_t entry, const json_t *item,
                                  fm_coco_result *out) {
  const json_t *box = json_object_get(item, "bbox");
  double *const numbers[] = {&out->x, &out->y, &out->w, &out->h};
  if (json_array_size(box) != 4)
    return fm_fail(FM_ERR_FORMAT, "%s: entry %zu: bbox is not [x, y, w, h]", reader->path, entry);
  for (size_t i = 0; i < 4; ++i) {
    const json_t *number = json_array_get(box, i);
    *numbers[i] = json_number_value(number);
    if (!json_is_number(number) || !isfinite(*numbers[i]))
      return fm_fail(FM_ERR_FORMAT, "%s: entry %zu: bbox is not four numbers", reader->path, entry);
  }
  return FM_OK;
}

static fm_status results_read_entry(results_reader *reader, size_t entry, const json_t *item,
                                    fm_eval_boxes *boxes) {
  fm_coco_result result = {0};
  if (!json_is_object(item))
    return fm_fail(FM_ERR_FORMAT, "%s: entry %zu: not a map", reader->path, entry);
  FM_TRY(results_place(reader, entry, item, &result.image));
  const json_t *category = json_object_get(item, "category_id");
  const int classes = fm_dataset_class_count(reader->subset->dataset);
  const json_int_t label = json_integer_value(category);
  if (!json_is_integer(category) || label < 1 || label > classes)
    return fm_fail(FM_ERR_FORMAT, "%s: entry %zu: category_id must be 1 to %d", reader->path, entry,
                   classes);
  result.category = (int32_t)label - 1;
  const json_t *score = json_object_get(item, "score");
  result.score = json_number_value(score);
  if (!json_is_number(score) || !isfinite(result.score))
    return fm_fail(FM_ERR_FORMAT, "%s: entry %zu: score is not a number", reader->path, entry);
  FM_TRY(results_read_box(reader, entry, item, &result));
  if (result.image < 0) {
    reader->outside++;
    return FM_OK;
  }
  return fm_eval_boxes_add_result(boxes, &result);
}

// The list is read entry by entry, so that memory holds one entry of a file of any size.
typedef struct results_text {
  const char *text;
  size_t size, at;
} results_text;

static void results_skip_space(results_text *text) {
  static const char spaces[] = " \t\r\n";
  while (text->at < text->size && memchr(spaces, text->text[text->at], sizeof spaces - 1))
    ++text->at;
}

// Passes over white space and, when it comes next, over `wanted`.
static bool results_take(results_text *text, char wanted) {
  results_skip_space(text);
  if (text->at == text->size || text->text[text->at] != wanted)
    return false;
  ++text->at;
  return true;
}

static fm_status results_read_next(results_reader *reader, size_t entry, results_text *text,
                                   fm_eval_boxes *boxes) {
  json_error_t error;
  json_t *item = json_loadb(text->text + text->at, text->size - text->at,
                            JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &error);
  if (!item)
    return fm_fail(FM_ERR_FORMAT, "%s: entry %zu: %s", reader->path, entry, error.text);
  text->at += (size_t)error.position; // the bytes it took
  const fm_status status = results_read_entry(reader, entry, item, boxes);
  json_decref(item);
  return status;
}

static fm_status results_read_list(results_reader *reader, results_text *text,
                                   fm_eval_boxes *boxes) {
  if (!results_take(text, '['))
    return fm_fail(FM_ERR_FORMAT, "%s: not a list of detections", reader->path);
  bool more = !results_take(text, ']');
  for (size_t entry = 0; more; ++entry) {
    FM_TRY(results_read_next(reader, entry, text, boxes));
    more = results_take(text, ',');
    if (!more && !results_take(text, ']'))
      return fm_fail(FM_ERR_FORMAT, "%s: behind entry %zu: neither , nor ]", reader->path, entry);
  }
  results_skip_space(text);
  if (text->at < text->size)
    return fm_fail(FM_ERR_FORMAT, "%s: %zu bytes behind the list", reader->path,
                   text->size - text->at);
  return FM_OK;
}

fm_status fm_results_read(fm_eval_boxes *boxes, const fm_eval_subset *subset, const char *path,
                          size_t *outside) {
  results_reader reader = {.subset = subset, .path = path};
  fm_mapping mapping;
  FM_TRY(fm_mapping_open(&mapping, path));
  results_text text = {(const char *)mapping.data, mapping.size, 0};
  fm_status status = results_places(&reader);
  if (status == FM_OK)
    status = results_read_list(&reader, &text, boxes);
  *outside = reader.outside;
  free(reader.places);
  fm_mapping_release(&mapping);
  return status;
}

static json_t *results_entry(const fm_coco_result *result, const fm_eval_subset *subset) {
  const fm_sample *sample =
      fm_dataset_sample(subset->dataset, subset->samples[(size_t)result->image]);
  char name[RESULTS_NAME_BYTES]; // which may be no UTF-8
  fm_utf8_line(name, sizeof name, sample->file_name ? sample->file_name : sample->name);
  return json_pack("{s:I, s:i, s:[f,f,f,f], s:f, s:s}", "image_id", (json_int_t)result->image,
                   "category_id", result->category + 1, "bbox", result->x, result->y, result->w,
                   result->h, "score", result->score, "file_name", name);
}

// A detection a line; 17 digits, so that reading gives the same bits.
fm_status fm_results_write(const fm_eval_boxes *boxes, const fm_eval_subset *subset,
                           const char *path) {
  fm_atomic_file file;
  FM_TRY(fm_atomic_file_open(&file, path));
  fputs("[", file.stream);
  for (size_t i = 0; i < boxes->result_count; ++i) {
    json_t *entry = results_entry(&boxes->results[i], subset);
    char *text = json_dumps(entry, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
    json_decref(entry);
    if (!text) {
      fm_atomic_file_discard(&file);
      return fm_fail(FM_ERR_FORMAT, "%s: detection %zu cannot be written as JSON", path, i);
    }
    fprintf(file.stream, "%s\n%s", i ? "," : "", text);
    free(text);
  }
  fputs("\n]\n", file.stream);
  return fm_atomic_file_commit(&file);
}
