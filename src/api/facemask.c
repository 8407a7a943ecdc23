// The public API: facemask.h over a predictor.
#include "facemask.h"

#include <limits.h>
#include <omp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "predict/predictor.h"

enum { FACEMASK_THREADS_MAX = 1024 };
static const float facemask_default_threshold = 0.5f;

struct facemask_model {
  fm_predictor *predictor;
  int threads;
};

static int facemask_processors(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static fm_status facemask_threshold(const char *name, float given, float *out) {
  *out = given == 0 ? facemask_default_threshold : given;
  if (!(*out > 0) || *out > 1)
    return fm_fail(FM_ERR_ARGUMENT, "%s %g: must be above 0 and at most 1", name, (double)given);
  return FM_OK;
}

static fm_status facemask_model_init(facemask_model *model, const char *const *weights, int count,
                                     const facemask_options *options) {
  static const char *const precisions[] = {[FACEMASK_AUTO] = "train.precision=auto",
                                           [FACEMASK_FP32] = "train.precision=fp32",
                                           [FACEMASK_BF16] = "train.precision=bf16",
                                           [FACEMASK_INT8] = "train.precision=int8"};
  const unsigned precision = (unsigned)options->precision;
  if (precision >= sizeof precisions / sizeof *precisions)
    return fm_fail(FM_ERR_ARGUMENT, "precision %u: there are 0 to 3", precision);
  fm_predictor_options predictor = {.weights = weights,
                                    .weights_count = count,
                                    .assignments = &precisions[precision],
                                    .assignment_count = 1};
  FM_TRY(facemask_threshold("score_threshold", options->score_threshold, &predictor.score));
  FM_TRY(facemask_threshold("nms_threshold", options->nms_threshold, &predictor.nms));
  model->threads = options->threads ? options->threads : facemask_processors();
  if (model->threads < 1 || model->threads > FACEMASK_THREADS_MAX)
    return fm_fail(FM_ERR_ARGUMENT, "threads %d: must be 0 to %d", options->threads,
                   FACEMASK_THREADS_MAX);
  return fm_predictor_open(&model->predictor, &predictor);
}

int facemask_open_files(facemask_model **model, const char *const *weights_paths, size_t count,
                        const facemask_options *options) {
  bool whole = model && weights_paths;
  for (size_t i = 0; whole && i < count; ++i)
    whole = weights_paths[i] != NULL;
  if (!whole)
    return fm_fail(FM_ERR_ARGUMENT, "facemask_open: a pointer is NULL");
  *model = NULL;
  const int files = count < INT_MAX ? (int)count : INT_MAX;
  facemask_model *made = calloc(1, sizeof *made);
  FM_CHECK_ALLOC(made);
  static const facemask_options none;
  const fm_status status =
      facemask_model_init(made, weights_paths, files, options ? options : &none);
  if (status < 0) {
    facemask_close(made);
    return status;
  }
  *model = made;
  return FM_OK;
}

int facemask_open(facemask_model **model, const char *weights_path,
                  const facemask_options *options) {
  return facemask_open_files(model, &weights_path, 1, options);
}

void facemask_close(facemask_model *model) {
  if (!model)
    return;
  fm_predictor_free(model->predictor);
  free(model);
}

int facemask_class_count(const facemask_model *model) {
  return fm_predictor_classes(model->predictor)->count;
}

const char *facemask_class_name(const facemask_model *model, int label) {
  const fm_classes *classes = fm_predictor_classes(model->predictor);
  return label >= 1 && label <= classes->count ? classes->names[label - 1] : NULL;
}

static fm_status facemask_check(const facemask_model *model, const facemask_picture *picture) {
  if (!model || !picture || !picture->rgb)
    return fm_fail(FM_ERR_ARGUMENT, "facemask_detect: a pointer is NULL");
  const int width = picture->width, height = picture->height;
  if (width < 1 || height < 1 || width > FM_IMAGE_SIDE_MAX || height > FM_IMAGE_SIDE_MAX ||
      (int64_t)width * height > FM_IMAGE_PIXELS_MAX)
    return fm_fail(FM_ERR_ARGUMENT,
                   "a picture of %d x %d: sides must be 1 to %d, pixels at most %d", width, height,
                   FM_IMAGE_SIDE_MAX, FM_IMAGE_PIXELS_MAX);
  if (picture->stride != 0 && picture->stride < (size_t)width * 3)
    return fm_fail(FM_ERR_ARGUMENT, "stride %zu: a row of %d pixels has %d bytes", picture->stride,
                   width, width * 3);
  return FM_OK;
}

// The rows one behind the other, as fm_image has them.
static fm_status facemask_image(const facemask_picture *picture, fm_image *image) {
  const size_t row = (size_t)picture->width * 3;
  const size_t stride = picture->stride ? picture->stride : row;
  FM_TRY(fm_image_new(image, picture->width, picture->height));
  for (int y = 0; y < picture->height; ++y)
    memcpy(image->pixels + (size_t)y * row, picture->rgb + (size_t)y * stride, row);
  return FM_OK;
}

// beyond: what stands between the edges and the first pixels that the data name.
static fm_status facemask_give(const fm_detections *found, float beyond, facemask_face **faces,
                               size_t *count) {
  *faces = malloc((found->count + 1) * sizeof **faces);
  FM_CHECK_ALLOC(*faces);
  for (size_t i = 0; i < found->count; ++i) {
    const fm_detection *d = &found->items[i];
    (*faces)[i] = (facemask_face){d->box.x1 - beyond, d->box.y1 - beyond, d->box.x2,
                                  d->box.y2,          d->score,           d->label};
  }
  *count = found->count;
  return FM_OK;
}

static fm_status facemask_run(facemask_model *model, const fm_image *image, facemask_face **faces,
                              size_t *count) {
  fm_input *inputs = calloc((size_t)fm_predictor_inputs(model->predictor), sizeof *inputs);
  FM_CHECK_ALLOC(inputs);
  fm_detections found = {0};
  fm_status status = fm_predictor_prepare(model->predictor, image, inputs);
  if (status == FM_OK) {
    status = fm_predictor_detect(model->predictor, image, inputs, &found);
    fm_predictor_inputs_release(model->predictor, inputs);
  }
  free(inputs);
  FM_TRY(status);
  status = facemask_give(&found, fm_predictor_beyond(model->predictor), faces, count);
  fm_detections_release(&found);
  return status;
}

int facemask_detect(facemask_model *model, const facemask_picture *picture, facemask_face **faces,
                    size_t *count) {
  if (!faces || !count)
    return fm_fail(FM_ERR_ARGUMENT, "facemask_detect: a pointer is NULL");
  *faces = NULL;
  *count = 0;
  FM_TRY(facemask_check(model, picture));
  fm_image image;
  FM_TRY(facemask_image(picture, &image));
  const int threads = omp_get_max_threads(); // the caller's own setting comes back
  omp_set_num_threads(model->threads);
  const fm_status status = facemask_run(model, &image, faces, count);
  omp_set_num_threads(threads);
  fm_image_release(&image);
  return status;
}

void facemask_free_faces(facemask_face *faces) {
  free(faces);
}

const char *facemask_error_message(void) {
  return fm_error_message();
}

const char *facemask_version(void) {
  return FACEMASK_VERSION;
}
