// Losses of a batch and their gradients: torchvision's GeneralizedRCNN in training. A batch goes
// through the network in parts, so that memory holds the layers' values of a few pictures only.
#include "detect/detector_private.h"
#include "nn/chunk.h"
#include "nn/profile.h"

enum { DETECTOR_WHOLE_MAX = 4, DETECTOR_TOGETHER = 2 };

static size_t detector_gradient_bytes(fm_plan *trunk, int level) {
  const fm_tensor gradient = fm_plan_output_gradient(trunk, level);
  return (fm_tensor_bytes(&gradient) + 63) / 64 * 64;
}

// Where a head writes its gradients of the pyramid: the first into the trunk's memory, the others
// beside it, to be added.
static fm_status detector_pyramid_gradients(fm_detector *self, fm_plan *trunk, int stage,
                                            void **out) {
  const int levels = self->model.roi_level_count;
  size_t bytes = 0;
  for (int i = 0; i < levels; i++) {
    out[i] = fm_plan_output_gradient(trunk, i).data;
    bytes += detector_gradient_bytes(trunk, i);
  }
  if (stage == 0)
    return FM_OK;
  void *memory;
  FM_TRY(fm_scratch_get(&self->pyramid, bytes, 1, &memory));
  char *next = memory;
  for (int i = 0; i < levels; i++) {
    out[i] = next;
    next += detector_gradient_bytes(trunk, i);
  }
  return FM_OK;
}

static void detector_add_pyramid_gradients(fm_plan *trunk, int levels, void *const *gradients) {
  for (int i = 0; i < levels; i++) {
    fm_tensor sum = fm_plan_output_gradient(trunk, i);
    fm_tensor own = sum;
    own.data = gradients[i];
    fm_tensor_add(&sum, &own);
  }
}

static size_t detector_most_boxes(const fm_input *inputs, size_t count) {
  size_t most = 0;
  for (size_t i = 0; i < count; i++)
    most = inputs[i].box_count > most ? inputs[i].box_count : most;
  return most;
}

// Where the losses of the proposals write their gradients: the trunk's own memory in training.
static fm_status detector_rpn_gradients(fm_detector *self, fm_plan *trunk, fm_purpose purpose,
                                        fm_rpn_outputs_view *view) {
  void *memory = NULL;
  if (purpose != FM_TRAIN)
    FM_TRY(fm_scratch_get(&self->gradients, view->pictures * self->anchors.count, 5 * sizeof(float),
                          &memory));
  float *next = memory;
  for (int level = 0; level < self->anchors.level_count; level++) {
    if (purpose == FM_TRAIN) {
      int objectness = fm_model_objectness(&self->model, level);
      int deltas = fm_model_deltas(&self->model, level);
      view->levels[level].dobjectness = fm_plan_output_gradient(trunk, objectness).data;
      view->levels[level].ddeltas = fm_plan_output_gradient(trunk, deltas).data;
      continue;
    }
    size_t count = view->pictures * self->anchors.levels[level].count;
    view->levels[level].dobjectness = next;
    view->levels[level].ddeltas = next + count;
    next += 5 * count;
  }
  return FM_OK;
}

static fm_status detector_head_gradients(fm_detector *self, fm_plan *head, fm_purpose purpose,
                                         fm_roi_outputs *outputs) {
  if (purpose == FM_TRAIN) {
    outputs->dlogits = fm_plan_output_gradient(head, FM_MODEL_LOGITS).data;
    outputs->ddeltas = fm_plan_output_gradient(head, FM_MODEL_BOXES).data;
    return FM_OK;
  }
  void *memory;
  size_t cells = outputs->rows * (size_t)outputs->classes;
  FM_TRY(fm_scratch_get(&self->gradients, cells, 5 * sizeof(float), &memory));
  outputs->dlogits = memory;
  outputs->ddeltas = outputs->dlogits + cells;
  return FM_OK;
}

// One stage of the cascade on self->batch, which then is the next one's.
static fm_status detector_stage_losses(fm_detector *self, const fm_input *inputs, fm_plan *trunk,
                                       fm_purpose purpose, int stage, fm_losses *out) {
  fm_roi_outputs outputs = {.stage = stage};
  void *gradients[FM_MODEL_LEVELS_MAX] = {NULL};
  fm_plan *head;
  if (purpose == FM_TRAIN)
    FM_TRY(detector_pyramid_gradients(self, trunk, stage, gradients));
  FM_TRY(fm_detector_run_head(self, trunk, purpose, gradients, &head, &outputs));
  FM_TRY(detector_head_gradients(self, head, purpose, &outputs));
  FM_TRY_SECTION("losses of the regions",
                 fm_roi_heads_losses(&self->heads, &self->batch, &outputs, &self->config, out));
  if (stage + 1 < self->model.stage_count)
    FM_TRY_SECTION("cascade", fm_roi_heads_refine(&self->heads, &self->batch, &outputs, inputs,
                                                  &self->config, true));
  if (purpose != FM_TRAIN)
    return FM_OK;
  FM_TRY(fm_plan_backward(head));
  if (stage > 0)
    detector_add_pyramid_gradients(trunk, self->model.roi_level_count, gradients);
  return FM_OK;
}

// The trunk's forward, the losses of its proposals, and the regions of a part; `shape` is what its
// pictures are padded to.
static fm_status detector_part_regions(fm_detector *self, const fm_input *inputs, fm_shape shape,
                                       fm_purpose purpose, const fm_batch_part *part,
                                       fm_plan **trunk, fm_losses *out) {
  fm_rpn_outputs_view view;
  *out = (fm_losses){0};
  FM_TRY(fm_detector_run_trunk(self, inputs, shape, purpose, trunk, &view));
  FM_TRY_SECTION("proposals",
                 fm_rpn_propose(&self->rpn, &view, &self->config, true,
                                detector_most_boxes(inputs, view.pictures), &self->proposals));
  FM_TRY(detector_rpn_gradients(self, *trunk, purpose, &view));
  FM_TRY_SECTION("losses of the proposals",
                 fm_rpn_losses(&self->rpn, &view, &self->config, part, out));
  FM_TRY_SECTION("sampling of regions", fm_roi_heads_sample(&self->heads, &self->proposals, inputs,
                                                            &self->config, part, &self->batch));
  return FM_OK;
}

// Forward, losses and, in training, backward of a part.
static fm_status detector_part_losses(fm_detector *self, const fm_input *inputs, fm_shape shape,
                                      fm_purpose purpose, const fm_batch_part *part,
                                      fm_losses *out) {
  fm_plan *trunk;
  FM_TRY(detector_part_regions(self, inputs, shape, purpose, part, &trunk, out));
  for (int stage = 0; stage < self->model.stage_count; stage++)
    FM_TRY(detector_stage_losses(self, inputs, trunk, purpose, stage, out));
  out->loss = out->classifier + out->box_reg + out->objectness + out->rpn_box_reg;
  return purpose == FM_TRAIN ? fm_plan_backward(trunk) : FM_OK;
}

static void detector_add_losses(fm_losses *sum, const fm_losses *part) {
  sum->classifier += part->classifier;
  sum->box_reg += part->box_reg;
  sum->objectness += part->objectness;
  sum->rpn_box_reg += part->rpn_box_reg;
  sum->loss += part->loss;
}

// A step of few pictures is faster in one piece: every part goes through all weights again.
static size_t detector_together(const fm_detector *self, size_t count) {
  if (self->config.norm == FM_CONFIG_NORM_BATCH) // whose statistics are the batch's
    return count;
  if (self->together > 0)
    return (size_t)self->together;
  return count <= DETECTOR_WHOLE_MAX ? count : DETECTOR_TOGETHER;
}

typedef fm_status detector_part_pass(fm_detector *self, const fm_input *inputs, fm_shape shape,
                                     const fm_batch_part *part, fm_losses *out);

static fm_status detector_learn_part(fm_detector *self, const fm_input *inputs, fm_shape shape,
                                     const fm_batch_part *part, fm_losses *out) {
  return detector_part_losses(self, inputs, shape, FM_TRAIN, part, out);
}

static fm_status detector_count_part(fm_detector *self, const fm_input *inputs, fm_shape shape,
                                     const fm_batch_part *part, fm_losses *out) {
  fm_plan *trunk;
  return detector_part_regions(self, inputs, shape, FM_TRAIN, part, &trunk, out);
}

// Part by part; divides by `totals` (0: a single part's own numbers) and sets them to what was
// sampled.
static fm_status detector_run_parts(fm_detector *self, const fm_input *inputs, size_t count,
                                    detector_part_pass *pass, fm_batch_part *totals,
                                    fm_losses *out) {
  const size_t together = detector_together(self, count);
  fm_shape shape = fm_detector_batch_shape(inputs, count);
  fm_batch_part part = *totals;
  *out = (fm_losses){0};
  totals->anchors = totals->regions = 0;
  for (; part.first < count; part.first += together) {
    shape.n = (int)(count - part.first < together ? count - part.first : together);
    fm_losses losses;
    FM_TRY(pass(self, inputs + part.first, shape, &part, &losses));
    detector_add_losses(out, &losses);
    totals->anchors += self->rpn.sampled;
    totals->regions += self->batch.count;
  }
  return FM_OK;
}

// The whole batch, whose parts' gradients add up.
static fm_status detector_train_parts(fm_detector *self, const fm_input *inputs, size_t count,
                                      fm_batch_part *totals, fm_losses *out) {
  fm_section section;
  fm_section_begin(&section);
  fm_params_zero_gradients(self->params);
  fm_section_end_named(&section, "zeroing of gradients");
  return detector_run_parts(self, inputs, count, detector_learn_part, totals, out);
}

static bool detector_same_totals(const fm_batch_part *a, const fm_batch_part *b) {
  return a->anchors == b->anchors && a->regions == b->regions;
}

fm_status fm_detector_train(fm_detector *detector, const fm_input *inputs, size_t count,
                            fm_random *random, fm_losses *out) {
  FM_ASSERT(detector->training && count > 0);
  const fm_model_config *config = &detector->config;
  fm_batch_part totals = {.seed = fm_random_bits(random)};
  if (!fm_arch_detects(detector->config.arch))
    return fm_face_classifier_losses(detector, inputs, count, FM_TRAIN, totals.seed, out);
  if (count <= detector_together(detector, count))
    return detector_train_parts(detector, inputs, count, &totals, out);
  // Nearly always every picture gives as many samples as it may.
  totals.anchors = count * (size_t)config->rpn_batch_size_per_image;
  totals.regions = count * (size_t)config->box_batch_size_per_image;
  const fm_batch_part most = totals;
  // Where the step before did not, the trunk's forward counts them first.
  if (detector->counts_first)
    FM_TRY(detector_run_parts(detector, inputs, count, detector_count_part, &totals, out));
  const fm_batch_part expected = totals;
  FM_TRY(detector_train_parts(detector, inputs, count, &totals, out));
  detector->counts_first = !detector_same_totals(&totals, &most);
  // Otherwise once more, now that the divisors are known.
  return detector_same_totals(&totals, &expected)
             ? FM_OK
             : detector_train_parts(detector, inputs, count, &totals, out);
}

fm_status fm_detector_validate(fm_detector *detector, const fm_input *inputs, size_t count,
                               fm_random *random, fm_losses *out) {
  FM_ASSERT(count > 0);
  const fm_batch_part part = {.seed = fm_random_bits(random)};
  if (!fm_arch_detects(detector->config.arch))
    return fm_face_classifier_losses(detector, inputs, count, FM_VALIDATE, part.seed, out);
  return detector_part_losses(detector, inputs, fm_detector_batch_shape(inputs, count), FM_VALIDATE,
                              &part, out);
}
