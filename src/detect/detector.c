// The order of things in one run of the network; what happens in each is elsewhere.
#include "detect/detector_private.h"

#include <stdlib.h>
#include <string.h>

#include "nn/chunk.h"
#include "nn/profile.h"

enum {
  DETECTOR_TRUNK_PLANS = 64, // of the sizes that views of one model show pictures in
  DETECTOR_HEAD_PLANS = 256,
  DETECTOR_STRIDE = 32, // torchvision's size_divisible
  DETECTOR_ROWS_STEP = 16,
};

// --- life

static fm_status detector_make_plans(fm_detector *self) {
  FM_TRY(fm_workspace_new(&self->trunk_memory));
  FM_TRY(fm_workspace_new(&self->head_memory));
  FM_TRY(fm_plan_cache_new(&self->trunk_plans, self->model.trunk, DETECTOR_TRUNK_PLANS));
  for (int i = 0; i < self->model.stage_count; i++) {
    FM_TRY(fm_plan_cache_new(&self->head_plans[i], self->model.heads[i], DETECTOR_HEAD_PLANS));
    FM_TRY(fm_plan_cache_new(&self->map_plans[i], self->model.map_heads[i], DETECTOR_HEAD_PLANS));
  }
  return FM_OK;
}

static fm_status detector_make(fm_detector *self, const fm_detector_options *options) {
  FM_TRY(fm_params_new(&self->params));
  FM_TRY(fm_model_build(&self->model, self->params, &self->config, self->class_count));
  FM_TRY(fm_ranges_new(&self->trunk_ranges, self->model.trunk));
  for (int i = 0; i < self->model.stage_count; i++) {
    FM_TRY(fm_ranges_new(&self->head_ranges[i], self->model.heads[i]));
    FM_TRY(fm_ranges_view(&self->map_ranges[i], self->model.map_heads[i], self->head_ranges[i]));
  }
  if (!options->blank)
    FM_TRY(fm_params_initialise(self->params, options->seed));
  return detector_make_plans(self);
}

fm_status fm_detector_new(fm_detector **out, const fm_detector_options *options) {
  *out = NULL;
  fm_detector *self = calloc(1, sizeof *self);
  FM_CHECK_ALLOC(self);
  self->config = *options->config;
  self->class_count = options->class_count;
  self->precision = options->precision;
  self->training = options->training;
  self->together = options->together;
  self->owns = true;
  fm_detector_set_thresholds(self, self->config.box_score_thresh, self->config.box_nms_thresh,
                             false);
  fm_status status = detector_make(self, options);
  if (status < 0) {
    fm_detector_free(self);
    return status;
  }
  *out = self;
  return FM_OK;
}

fm_status fm_detector_share(fm_detector **out, const fm_detector *detector) {
  *out = NULL;
  fm_detector *self = calloc(1, sizeof *self);
  FM_CHECK_ALLOC(self);
  self->config = detector->config;
  self->class_count = detector->class_count;
  self->precision = detector->precision;
  self->params = detector->params;
  self->model = detector->model;
  self->trunk_ranges = detector->trunk_ranges;
  memcpy(self->head_ranges, detector->head_ranges, sizeof self->head_ranges);
  memcpy(self->map_ranges, detector->map_ranges, sizeof self->map_ranges);
  self->thresholds = detector->thresholds;
  fm_status status = detector_make_plans(self);
  if (status < 0) {
    fm_detector_free(self);
    return status;
  }
  *out = self;
  return FM_OK;
}

void fm_detector_free(fm_detector *detector) {
  if (!detector)
    return;
  fm_plan_cache_free(detector->trunk_plans);
  for (int i = 0; i < FM_CASCADE_STAGES_MAX; i++) {
    fm_plan_cache_free(detector->head_plans[i]);
    fm_plan_cache_free(detector->map_plans[i]);
  }
  fm_workspace_free(detector->trunk_memory);
  fm_workspace_free(detector->head_memory);
  if (detector->owns) {
    fm_ranges_free(detector->trunk_ranges);
    for (int i = 0; i < FM_CASCADE_STAGES_MAX; i++) {
      fm_ranges_free(detector->map_ranges[i]);
      fm_ranges_free(detector->head_ranges[i]);
    }
    fm_model_release(&detector->model);
    fm_params_free(detector->params);
  }
  fm_anchors_release(&detector->anchors);
  fm_rpn_release(&detector->rpn);
  fm_proposals_release(&detector->proposals);
  fm_roi_heads_release(&detector->heads);
  fm_roi_batch_release(&detector->batch);
  fm_scratch_release(&detector->pixels);
  fm_scratch_release(&detector->rois);
  fm_scratch_release(&detector->gradients);
  fm_scratch_release(&detector->pyramid);
  free(detector);
}

fm_params *fm_detector_params(fm_detector *detector) {
  return detector->params;
}

const fm_model_config *fm_detector_config(const fm_detector *detector) {
  return &detector->config;
}

int fm_detector_class_count(const fm_detector *detector) {
  return detector->class_count;
}

void fm_detector_set_thresholds(fm_detector *detector, float score, float nms, bool agnostic) {
  detector->thresholds = (fm_roi_thresholds){.score = score,
                                             .nms = nms,
                                             .vote = detector->config.box_vote_thresh,
                                             .limit = detector->config.box_detections_per_img,
                                             .agnostic = agnostic};
}

// --- the trunk

fm_shape fm_detector_batch_shape(const fm_input *inputs, size_t count) {
  int width = 1, height = 1;
  for (size_t i = 0; i < count; i++) {
    width = inputs[i].width > width ? inputs[i].width : width;
    height = inputs[i].height > height ? inputs[i].height : height;
  }
  width = (width + DETECTOR_STRIDE - 1) / DETECTOR_STRIDE * DETECTOR_STRIDE;
  height = (height + DETECTOR_STRIDE - 1) / DETECTOR_STRIDE * DETECTOR_STRIDE;
  return (fm_shape){(int)count, 3, height, width};
}

// Row y of one channel of a batch; behind a picture's pixels are zeros.
static void detector_copy_row(const fm_input *input, fm_shape shape, int channel, int y,
                              float *out) {
  size_t width = y < input->height ? (size_t)input->width : 0;
  size_t row = (size_t)channel * (size_t)input->height + (size_t)y;
  if (width > 0)
    memcpy(out, input->pixels + row * width, width * sizeof *out);
  memset(out + width, 0, ((size_t)shape.w - width) * sizeof *out);
}

// A single picture of the padded size is read where it lies.
static fm_status detector_pixels(fm_detector *self, const fm_input *inputs, fm_shape shape,
                                 float **out) {
  if (shape.n == 1 && inputs->width == shape.w && inputs->height == shape.h) {
    *out = inputs->pixels;
    return FM_OK;
  }
  size_t picture = (size_t)shape.c * (size_t)shape.h * (size_t)shape.w;
  void *memory;
  FM_TRY(fm_scratch_get(&self->pixels, (size_t)shape.n * picture, sizeof(float), &memory));
  float *pixels = memory;
  const int planes = shape.n * shape.c;
#pragma omp parallel for collapse(2) schedule(static)
  for (int plane = 0; plane < planes; plane++)
    for (int y = 0; y < shape.h; y++)
      detector_copy_row(&inputs[plane / shape.c], shape, plane % shape.c, y,
                        pixels + ((size_t)plane * (size_t)shape.h + (size_t)y) * (size_t)shape.w);
  *out = pixels;
  return FM_OK;
}

static fm_status detector_make_anchors(fm_detector *self, const fm_plan *trunk, fm_shape batch) {
  fm_anchor_grid grid = {
      .level_count = self->model.rpn_level_count, .image_height = batch.h, .image_width = batch.w};
  for (int level = 0; level < grid.level_count; level++) {
    fm_shape shape = fm_plan_output(trunk, fm_model_objectness(&self->model, level)).shape;
    grid.heights[level] = shape.h;
    grid.widths[level] = shape.w;
  }
  return fm_anchors_make(&self->anchors, &self->config.rpn_anchor_sizes,
                         &self->config.rpn_anchor_aspect_ratios, &grid);
}

fm_status fm_detector_forward_trunk(fm_detector *self, float *pixels, fm_shape shape,
                                    fm_purpose purpose, fm_plan **trunk) {
  fm_tensor picture = {.dtype = FM_F32, .shape = shape, .block = 1};
  const fm_plan_options options = {.purpose = purpose,
                                   .precision = self->observes ? FM_F32 : self->precision,
                                   .inputs = &picture,
                                   .input_count = 1,
                                   .workspace = self->trunk_memory,
                                   .ranges = self->trunk_ranges,
                                   .observes = self->observes};
  FM_TRY(fm_plan_cache_get(self->trunk_plans, &options, trunk));
  fm_plan_bind(*trunk, 0, pixels, NULL);
  return fm_plan_forward(*trunk);
}

fm_status fm_detector_run_trunk(fm_detector *self, const fm_input *inputs, fm_shape shape,
                                fm_purpose purpose, fm_plan **trunk, fm_rpn_outputs_view *view) {
  float *pixels;
  FM_TRY_SECTION("gathering of the batch", detector_pixels(self, inputs, shape, &pixels));
  FM_TRY(fm_detector_forward_trunk(self, pixels, shape, purpose, trunk));
  FM_TRY_SECTION("anchors", detector_make_anchors(self, *trunk, shape));
  *view = (fm_rpn_outputs_view){
      .anchors = &self->anchors, .pictures = (size_t)shape.n, .inputs = inputs};
  for (int level = 0; level < self->model.rpn_level_count; level++) {
    view->levels[level].objectness =
        fm_plan_output(*trunk, fm_model_objectness(&self->model, level)).data;
    view->levels[level].deltas = fm_plan_output(*trunk, fm_model_deltas(&self->model, level)).data;
  }
  return FM_OK;
}

// --- the head

// Few different numbers of rows, so that few plans serve: up to an eighth more than needed.
static size_t detector_head_rows(size_t count) {
  size_t step = DETECTOR_ROWS_STEP;
  while (step * 16 <= count)
    step *= 2;
  return count > 0 ? (count + step - 1) / step * step : step;
}

fm_status fm_detector_run_head(fm_detector *self, fm_plan *trunk, fm_purpose purpose,
                               void *const *gradients, fm_plan **head, fm_roi_outputs *outputs) {
  int levels = self->model.roi_level_count;
  size_t rows = detector_head_rows(self->batch.count);
  void *rois;
  FM_TRY(fm_scratch_get(&self->rois, rows * FM_ROI_COLUMNS, sizeof(float), &rois));
  fm_roi_heads_rois(&self->batch, &self->model, rows, rois);
  fm_tensor inputs[FM_MODEL_LEVELS_MAX + 1];
  for (int i = 0; i < levels; i++)
    inputs[i] = fm_plan_output(trunk, i);
  inputs[levels] = (fm_tensor){.dtype = FM_F32,
                               .shape = {(int)rows, FM_ROI_COLUMNS, 1, 1},
                               .block = FM_ROI_COLUMNS,
                               .data = rois};
  // Whose ranges are measured is the head that has all of them.
  const bool on_maps = !self->observes && fm_roi_linear_pays(inputs, levels, (int)rows);
  fm_plan_cache *const *plans = on_maps ? self->map_plans : self->head_plans;
  fm_ranges *const *ranges = on_maps ? self->map_ranges : self->head_ranges;
  const fm_plan_options options = {.purpose = purpose,
                                   .precision = self->observes ? FM_F32 : self->precision,
                                   .inputs = inputs,
                                   .input_count = levels + 1,
                                   .workspace = self->head_memory,
                                   .ranges = ranges[outputs->stage],
                                   .observes = self->observes};
  FM_TRY(fm_plan_cache_get(plans[outputs->stage], &options, head));
  for (int i = 0; i <= levels; i++)
    fm_plan_bind(*head, i, inputs[i].data, purpose == FM_TRAIN && i < levels ? gradients[i] : NULL);
  FM_TRY(fm_plan_forward(*head));
  *outputs = (fm_roi_outputs){.stage = outputs->stage,
                              .rows = rows,
                              .classes = self->class_count + 1,
                              .logits = fm_plan_output(*head, FM_MODEL_LOGITS).data,
                              .deltas = fm_plan_output(*head, FM_MODEL_BOXES).data};
  return FM_OK;
}

// --- detections

static fm_status detector_detect(fm_detector *self, const fm_input *inputs, size_t count,
                                 fm_detections *out) {
  fm_plan *trunk, *head;
  fm_rpn_outputs_view view;
  FM_TRY(fm_detector_run_trunk(self, inputs, fm_detector_batch_shape(inputs, count), FM_INFER,
                               &trunk, &view));
  FM_TRY_SECTION("proposals",
                 fm_rpn_propose(&self->rpn, &view, &self->config, false, 0, &self->proposals));
  FM_TRY(fm_roi_heads_take(&self->proposals, &self->batch));
  fm_roi_outputs outputs = {.stage = 0};
  FM_TRY(fm_detector_run_head(self, trunk, FM_INFER, NULL, &head, &outputs));
  for (int stage = 1; stage < self->model.stage_count; stage++) {
    FM_TRY_SECTION("cascade", fm_roi_heads_refine(&self->heads, &self->batch, &outputs, inputs,
                                                  &self->config, false));
    outputs.stage = stage;
    FM_TRY(fm_detector_run_head(self, trunk, FM_INFER, NULL, &head, &outputs));
  }
  FM_TRY_SECTION("detections", fm_roi_heads_detect(&self->heads, &self->batch, &outputs, inputs,
                                                   &self->thresholds, out));
  return FM_OK;
}

fm_status fm_detector_detect(fm_detector *detector, const fm_input *inputs, size_t count,
                             fm_detections *out) {
  FM_ASSERT(count > 0);
  for (size_t i = 0; i < count; i++)
    out[i] = (fm_detections){0};
  fm_status status = fm_arch_detects(detector->config.arch)
                         ? detector_detect(detector, inputs, count, out)
                         : fm_face_classifier_detect(detector, inputs, count, out);
  for (size_t i = 0; status < 0 && i < count; i++)
    fm_detections_release(&out[i]);
  return status;
}

fm_status fm_detector_calibrate(fm_detector *detector, const fm_input *inputs, size_t count) {
  for (size_t i = 0; i < count; i++) {
    fm_detections found;
    detector->observes = true;
    const fm_status status = fm_detector_detect(detector, &inputs[i], 1, &found);
    detector->observes = false;
    FM_TRY(status);
    fm_detections_release(&found);
  }
  return FM_OK;
}

fm_ranges *fm_detector_ranges(const fm_detector *detector, int part) {
  if (part == 0)
    return detector->trunk_ranges;
  return part <= detector->model.stage_count ? detector->head_ranges[part - 1] : NULL;
}

static int detections_compare(const void *a, const void *b) {
  const fm_detection *first = a, *second = b;
  const float keys[][2] = {{second->score, first->score},
                           {(float)first->label, (float)second->label},
                           {first->box.x1, second->box.x1},
                           {first->box.y1, second->box.y1}};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; ++i)
    if (keys[i][0] != keys[i][1])
      return keys[i][0] < keys[i][1] ? -1 : 1;
  return 0;
}

void fm_detections_sort(fm_detections *detections) {
  if (detections->count > 0)
    qsort(detections->items, detections->count, sizeof *detections->items, detections_compare);
}

void fm_detections_release(fm_detections *detections) {
  free(detections->items);
  *detections = (fm_detections){0};
}
