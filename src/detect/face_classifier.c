// A classifier of faces that others found: decoupled classification refinement (Cheng, Wei, Shi,
// Feris, Xiong, Huang 2018). It sees each face alone, in one size, with features of its own.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detect/detector_private.h"
#include "detect/face_crop.h"
#include "nn/loss.h"
#include "nn/profile.h"

enum {
  CLASSIFIER_ROWS_MAX = 32, // cut-outs in the network at once, when it does not train
  CLASSIFIER_STREAM = 0x6663,
};
// What a cut-out of training is moved by, and its width changed: deviations, as shares of its side.
#define CLASSIFIER_MOVED 0.04
#define CLASSIFIER_STRETCHED 0.08
// Shares of them that are made coarse, as small faces are, and that lose a part to one colour.
#define CLASSIFIER_COARSE 0.3
#define CLASSIFIER_HIDDEN 0.3
// A face with fewer pixels of the input across or down teaches nothing.
#define CLASSIFIER_SIDE_MIN 6.0f

// --- running

// Pixels of a cut-out, across and down.
static int classifier_size(const fm_detector *self, fm_purpose purpose) {
  const fm_model_config *config = &self->config;
  return purpose == FM_TRAIN && config->crop_size_train > 0 ? config->crop_size_train
                                                            : config->crop_size;
}

// The network on cut-outs (rows, 3, size, size).
static fm_status classifier_run(fm_detector *self, float *crops, int rows, fm_purpose purpose,
                                fm_plan **plan) {
  const int size = classifier_size(self, purpose);
  return fm_detector_forward_trunk(self, crops, (fm_shape){rows, 3, size, size}, purpose, plan);
}

static void classifier_cut(const fm_face_crop *crops, int count, int size, float *out) {
  const size_t each = 3 * (size_t)size * (size_t)size;
#pragma omp parallel for schedule(dynamic)
  for (int i = 0; i < count; i++)
    fm_face_crop_cut(&crops[i], size, out + (size_t)i * each);
}

// --- classes of faces

size_t fm_detector_cut_floats(const fm_detector *detector) {
  const size_t size = (size_t)classifier_size(detector, FM_INFER);
  return (size_t)detector->config.crops.count * 3 * size * size;
}

void fm_detector_cut_face(const fm_detector *detector, const fm_input *input, fm_box face,
                          float *pixels) {
  const fm_float_list *views = &detector->config.crops;
  fm_face_crop crops[FM_LIST_MAX];
  for (int i = 0; i < views->count; i++) {
    const float factor = views->values[i];
    crops[i] = (fm_face_crop){input, fm_face_crop_region(face, fabsf(factor)), factor < 0};
  }
  fm_section section;
  fm_section_begin(&section);
  classifier_cut(crops, views->count, classifier_size(detector, FM_INFER), pixels);
  fm_section_end_named(&section, "cut-outs of faces");
}

// As many as can go through the network at once: few different numbers, so that few plans serve.
static int classifier_rows(size_t left) {
  int rows = 1;
  while (rows < CLASSIFIER_ROWS_MAX && (size_t)rows * 2 <= left)
    rows *= 2;
  return rows;
}

fm_status fm_detector_classify(fm_detector *detector, float *pixels, size_t count,
                               float *probabilities) {
  FM_ASSERT(!fm_arch_detects(detector->config.arch));
  const size_t classes = (size_t)detector->class_count;
  const size_t views = (size_t)detector->config.crops.count, total = count * views;
  const size_t each = fm_detector_cut_floats(detector) / views;
  void *memory;
  FM_TRY(fm_scratch_get(&detector->gradients, classes, sizeof(float), &memory));
  float *own = memory; // of one cut-out
  memset(probabilities, 0, count * classes * sizeof *probabilities);
  size_t rows;
  for (size_t done = 0; done < total; done += rows) {
    fm_plan *plan;
    rows = (size_t)classifier_rows(total - done);
    FM_TRY(classifier_run(detector, pixels + done * each, (int)rows, FM_INFER, &plan));
    const float *logits = fm_plan_output(plan, 0).data;
    for (size_t i = 0; i < rows; i++) {
      float *mean = probabilities + (done + i) / views * classes;
      fm_roi_softmax(logits + i * classes, detector->class_count, own);
      for (size_t k = 0; k < classes; k++)
        mean[k] += own[k] / (float)views;
    }
  }
  return FM_OK;
}

// The probabilities (box_count, classes) of the boxes of one input.
static fm_status classifier_classify(fm_detector *self, const fm_input *input,
                                     float *probabilities) {
  const size_t each = fm_detector_cut_floats(self), classes = (size_t)self->class_count;
  void *memory;
  FM_TRY(fm_scratch_get(&self->pixels, FM_FACES_AT_ONCE * each, sizeof(float), &memory));
  float *pixels = memory;
  for (size_t done = 0; done < input->box_count; done += FM_FACES_AT_ONCE) {
    const size_t left = input->box_count - done;
    const size_t now = left < FM_FACES_AT_ONCE ? left : FM_FACES_AT_ONCE;
    for (size_t i = 0; i < now; i++)
      fm_detector_cut_face(self, input, input->boxes[done + i], pixels + i * each);
    FM_TRY(fm_detector_classify(self, pixels, now, probabilities + done * classes));
  }
  return FM_OK;
}

// All classes of the boxes of one input.
static fm_status classifier_detect_one(fm_detector *self, const fm_input *input,
                                       fm_detections *out) {
  const size_t classes = (size_t)self->class_count, count = input->box_count;
  if (count == 0)
    return FM_OK;
  float *probabilities = malloc(count * classes * sizeof *probabilities);
  out->items = malloc(count * classes * sizeof *out->items);
  fm_status status = probabilities && out->items ? classifier_classify(self, input, probabilities)
                                                 : fm_fail(FM_ERR_MEMORY, "out of memory");
  const float across = (float)input->source_width / (float)input->width;
  const float down = (float)input->source_height / (float)input->height;
  for (size_t i = 0; status >= 0 && i < count * classes; i++) {
    const fm_box box = input->boxes[i / classes];
    out->items[out->count++] =
        (fm_detection){.box = {box.x1 * across, box.y1 * down, box.x2 * across, box.y2 * down},
                       .label = (int32_t)(i % classes) + 1,
                       .score = probabilities[i]};
  }
  free(probabilities);
  if (status >= 0)
    fm_detections_sort(out);
  return status;
}

fm_status fm_face_classifier_detect(fm_detector *self, const fm_input *inputs, size_t count,
                                    fm_detections *out) {
  for (size_t i = 0; i < count; i++)
    FM_TRY(classifier_detect_one(self, &inputs[i], &out[i]));
  return FM_OK;
}

// --- training

typedef struct classifier_face {
  const fm_input *input;
  fm_box box;
  int32_t label;
} classifier_face;

typedef struct classifier_step {
  fm_purpose purpose;
  int rows, size; // cut-outs, and pixels of one across and down
  uint64_t seed;
} classifier_step;

// The faces of a batch that are large enough, by class; starts (classes + 1); drawn (classes): how
// many of a class, its first ones, have been drawn since all were left.
typedef struct classifier_faces {
  classifier_face *items;
  size_t *starts, *drawn;
} classifier_faces;

static void classifier_faces_release(classifier_faces *faces) {
  free(faces->items);
  free(faces->starts);
  free(faces->drawn);
}

static bool classifier_takes(const fm_input *input, size_t box, int32_t label) {
  const fm_box *b = &input->boxes[box];
  return input->labels[box] == label && b->x2 - b->x1 >= CLASSIFIER_SIDE_MIN &&
         b->y2 - b->y1 >= CLASSIFIER_SIDE_MIN;
}

static fm_status classifier_gather(const fm_input *inputs, size_t count, int classes,
                                   classifier_faces *out) {
  size_t total = 0;
  for (size_t i = 0; i < count; i++)
    total += inputs[i].box_count;
  *out = (classifier_faces){malloc((total + 1) * sizeof *out->items),
                            calloc((size_t)classes + 1, sizeof *out->starts),
                            calloc((size_t)classes, sizeof *out->drawn)};
  if (!out->items || !out->starts || !out->drawn) {
    classifier_faces_release(out);
    return fm_fail(FM_ERR_MEMORY, "out of memory");
  }
  size_t used = 0;
  for (int32_t label = 1; label <= classes; label++) {
    for (size_t i = 0; i < count; i++)
      for (size_t box = 0; box < inputs[i].box_count; box++)
        if (classifier_takes(&inputs[i], box, label))
          out->items[used++] = (classifier_face){&inputs[i], inputs[i].boxes[box], label};
    out->starts[label] = used;
  }
  return FM_OK;
}

// A face of a class, every class of the batch being as likely as the others, and none of its faces
// a second time before all others; NULL without faces.
static const classifier_face *classifier_draw(classifier_faces *faces, int classes,
                                              fm_random *random) {
  int present = 0;
  for (int k = 0; k < classes; k++)
    present += faces->starts[k + 1] > faces->starts[k];
  if (present == 0)
    return NULL;
  int wanted = (int)fm_random_below(random, (uint64_t)present), k = -1;
  do
    ++k;
  while (faces->starts[k + 1] == faces->starts[k] || wanted-- > 0);
  const size_t count = faces->starts[k + 1] - faces->starts[k];
  if (faces->drawn[k] == count)
    faces->drawn[k] = 0;
  const size_t first = faces->starts[k] + faces->drawn[k];
  const size_t at = first + fm_random_below(random, count - faces->drawn[k]);
  const classifier_face face = faces->items[at];
  faces->items[at] = faces->items[first];
  faces->items[first] = face;
  ++faces->drawn[k];
  return &faces->items[first];
}

static fm_face_crop classifier_crop(const fm_detector *self, const classifier_face *face,
                                    fm_random *random) {
  const float *context = self->config.crop_context.values;
  const float factor =
      (float)fm_random_range(random, (double)context[0], (double)context[1] + 1e-9);
  fm_box region = fm_face_crop_region(face->box, factor);
  const float side = region.x2 - region.x1;
  const float x = (float)(CLASSIFIER_MOVED * fm_random_normal(random)) * side;
  const float y = (float)(CLASSIFIER_MOVED * fm_random_normal(random)) * side;
  const float wider = (expf((float)(CLASSIFIER_STRETCHED * fm_random_normal(random))) - 1) * side;
  region =
      (fm_box){region.x1 + x - wider / 2, region.y1 + y, region.x2 + x + wider / 2, region.y2 + y};
  return (fm_face_crop){face->input, region, fm_random_uniform(random) < 0.5};
}

// What else happens to a cut-out of training.
typedef struct classifier_change {
  int coarse;                   // pixels a side that it is made of; 0: all
  int left, top, width, height; // the part that gets `color`
  float color[3];
} classifier_change;

static classifier_change classifier_draw_change(int size, fm_random *random) {
  classifier_change change = {0};
  if (fm_random_uniform(random) < CLASSIFIER_COARSE)
    change.coarse = (int)fm_random_range(random, 0.125 * size, 0.5 * size);
  if (fm_random_uniform(random) < CLASSIFIER_HIDDEN) {
    change.width = (int)fm_random_range(random, 0.1 * size, 0.3 * size);
    change.height = (int)fm_random_range(random, 0.1 * size, 0.3 * size);
    change.left = (int)fm_random_below(random, (uint64_t)(size - change.width));
    change.top = (int)fm_random_below(random, (uint64_t)(size - change.height));
    for (int channel = 0; channel < 3; channel++)
      change.color[channel] = (float)fm_random_range(random, -1, 1);
  }
  return change;
}

// `few` has room for a cut-out of half the size.
static void classifier_change_crop(const classifier_change *change, int size, float *few,
                                   float *pixels) {
  if (change->coarse > 0) {
    const fm_input whole = {.width = size, .height = size, .pixels = pixels};
    const fm_face_crop less = {&whole, {0, 0, (float)size, (float)size}, false};
    fm_face_crop_cut(&less, change->coarse, few);
    const fm_input coarse = {.width = change->coarse, .height = change->coarse, .pixels = few};
    const fm_face_crop more = {
        &coarse, {0, 0, (float)change->coarse, (float)change->coarse}, false};
    fm_face_crop_cut(&more, size, pixels);
  }
  for (int channel = 0; channel < 3; channel++)
    for (int y = change->top; y < change->top + change->height; y++)
      for (int x = change->left; x < change->left + change->width; x++)
        pixels[(channel * size + y) * size + x] = change->color[channel];
}

static fm_status classifier_change_crops(const classifier_step *step, float *pixels) {
  const int rows = step->rows, size = step->size;
  const size_t each = 3 * (size_t)size * (size_t)size;
  fm_random random = fm_random_make(step->seed, CLASSIFIER_STREAM, 1);
  classifier_change *changes = malloc((size_t)rows * sizeof *changes);
  float *few = malloc((size_t)rows * each / 4 * sizeof *few);
  fm_status status = changes && few ? FM_OK : fm_fail(FM_ERR_MEMORY, "out of memory");
  for (int i = 0; status >= 0 && i < rows; i++)
    changes[i] = classifier_draw_change(size, &random);
  if (status >= 0) {
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < rows; i++)
      classifier_change_crop(&changes[i], size, few + (size_t)i * each / 4,
                             pixels + (size_t)i * each);
  }
  free(changes);
  free(few);
  return status;
}

static fm_status classifier_sample(fm_detector *self, classifier_faces *faces,
                                   const classifier_step *step, float **pixels, int32_t *labels) {
  const int rows = step->rows;
  fm_random random = fm_random_make(step->seed, CLASSIFIER_STREAM, 0);
  fm_face_crop *crops = malloc((size_t)rows * sizeof *crops);
  FM_CHECK_ALLOC(crops);
  int count = 0;
  for (; count < rows; count++) {
    const classifier_face *face = classifier_draw(faces, self->class_count, &random);
    if (!face)
      break;
    crops[count] = classifier_crop(self, face, &random);
    labels[count] = face->label - 1;
  }
  for (int i = count; i < rows; i++)
    labels[i] = -1;
  const size_t each = 3 * (size_t)step->size * (size_t)step->size;
  void *memory;
  const fm_status status =
      fm_scratch_get(&self->pixels, (size_t)rows * each, sizeof(float), &memory);
  if (status >= 0) {
    *pixels = memory;
    classifier_cut(crops, count, step->size, *pixels);
    memset(*pixels + (size_t)count * each, 0, (size_t)(rows - count) * each * sizeof **pixels);
  }
  free(crops);
  return status;
}

static fm_status classifier_losses(fm_detector *self, classifier_faces *faces,
                                   const classifier_step *step, fm_losses *out) {
  const size_t rows = (size_t)step->rows;
  void *labels, *gradients;
  float *pixels = NULL;
  fm_plan *plan;
  FM_TRY(fm_scratch_get(&self->rois, rows, sizeof(int32_t), &labels));
  FM_TRY_SECTION("cut-outs of faces", classifier_sample(self, faces, step, &pixels, labels));
  if (step->purpose == FM_TRAIN)
    FM_TRY_SECTION("changes of cut-outs", classifier_change_crops(step, pixels));
  FM_TRY(classifier_run(self, pixels, step->rows, step->purpose, &plan));
  if (step->purpose == FM_TRAIN)
    gradients = fm_plan_output_gradient(plan, 0).data;
  else
    FM_TRY(fm_scratch_get(&self->gradients, rows * (size_t)self->class_count, sizeof(float),
                          &gradients));
  const fm_loss_smooth smooth = {self->config.label_smoothing, step->rows};
  out->classifier = fm_loss_softmax_cross_entropy(fm_plan_output(plan, 0).data, labels, rows,
                                                  self->class_count, &smooth, gradients);
  out->loss = out->classifier;
  return step->purpose == FM_TRAIN ? fm_plan_backward(plan) : FM_OK;
}

fm_status fm_face_classifier_losses(fm_detector *self, const fm_input *inputs, size_t count,
                                    fm_purpose purpose, uint64_t seed, fm_losses *out) {
  *out = (fm_losses){0};
  if (purpose == FM_TRAIN)
    fm_params_zero_gradients(self->params);
  classifier_faces faces;
  FM_TRY(classifier_gather(inputs, count, self->class_count, &faces));
  const int rows = (int)count * self->config.box_batch_size_per_image;
  FM_ASSERT(rows > 0);
  const classifier_step step = {purpose, rows, classifier_size(self, purpose), seed};
  const fm_status status = classifier_losses(self, &faces, &step, out);
  classifier_faces_release(&faces);
  return status;
}
